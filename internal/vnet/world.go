package vnet

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/sysctl"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
)

// World is what the kernel is to its network stacks: clock, buffers, random
// numbers, the reference page of tunables, modules, and the list of stacks.
type World struct {
	sched      *netisr.Sched
	seed       table.Seed
	ref        atomic.Pointer[vars.Tunables] // what new stacks start with
	trace      atomic.Pointer[Tracer]
	configurer atomic.Pointer[func(*Stack) *clock.Timer]
	opts       socket.Options // every socket's until it changes one

	mu     sync.Mutex // control: taken before any Stack's
	random uint64     // state of a SplitMix64 generator
	macs   ifaddr.MACs
	byName map[string]*Stack // visible stacks
	shown  uint64            // stacks that have been visible
	mods   Modules
	names  sysctl.Names[vars.Tunables]
}

// Config describes a World. The zero value is a world in real time with a
// fixed seed.
type Config struct {
	Clock clock.Clock // nil means package time
	Seed  uint64      // of everything random
}

// NewWorld returns a world without stacks.
func NewWorld(c Config) *World {
	if c.Clock == nil {
		c.Clock = clock.NewReal()
	}
	w := &World{sched: netisr.NewSched(c.Clock), random: c.Seed, byName: make(map[string]*Stack)}
	w.seed = table.NewSeed(w.rand())
	ref := vars.Defaults()
	w.ref.Store(&ref)
	w.opts = socket.Defaults()
	if c.Clock.Simulated() {
		n := w.rand()
		w.macs.World = [2]byte{byte(n), byte(n >> 8)}
	} else { // two that meet on a real wire must differ, whatever their seeds
		rand.Read(w.macs.World[:])
	}
	return w
}

// Sched returns the world's dispatcher.
func (w *World) Sched() *netisr.Sched { return w.sched }

// Clock returns the world's clock.
func (w *World) Clock() clock.Clock { return w.sched.Clock() }

// Seed keys the hashes of the world's tables.
func (w *World) Seed() table.Seed { return w.seed }

// rand returns the next random number. mu is held, or w is not yet shared.
func (w *World) rand() uint64 { return ifaddr.SplitMix(&w.random) }

// NewMAC returns a locally administered hardware address that the world has
// not given out before.
func (w *World) NewMAC() wire.MAC {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.macs.Next()
}

// Stack returns the visible stack of that name, or nil.
func (w *World) Stack(name string) *Stack {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byName[name]
}

// Stacks returns the visible stacks in order of creation.
func (w *World) Stacks() []*Stack {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Collect(maps.Values(w.byName))
	slices.SortFunc(all, func(a, b *Stack) int { return cmp.Compare(a.nth, b.nth) })
	return all
}

// Publish makes st visible. It returns EEXIST where the name is taken.
func (w *World) Publish(st *Stack) syscall.Errno {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byName[st.name] != nil {
		return syscall.EEXIST
	}
	w.byName[st.name] = st
	w.shown++
	st.nth = w.shown
	return 0
}

// hide makes st invisible and tells whether it was visible.
func (w *World) hide(st *Stack) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byName[st.name] != st {
		return false
	}
	delete(w.byName, st.name)
	return true
}

// Tracer is told of every packet lost in a stack. Trace borrows the packet and
// is called under a lock: it must be quick and call nothing of this package.
type Tracer interface {
	Trace(st *Stack, ifIndex uint32, b *pkt.Buf, why pkt.Reason)
}

// SetTracer makes t the world's tracer; nil ends tracing.
func (w *World) SetTracer(t Tracer) {
	if t == nil {
		w.trace.Store(nil)
		return
	}
	w.trace.Store(&t)
}
