package vnet

import (
	"crypto/rand"
	"sync"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/roster"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/sysctl"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/vars"
)

// World is what the kernel is to its network stacks: clock, buffers, random
// numbers, the reference page of tunables, modules, and the list of stacks.
type World struct {
	roster.Roster[Stack, *Stack]
	sched      *netisr.Sched
	seed       table.Seed
	ref        atomic.Pointer[vars.Tunables] // what new stacks start with
	trace      atomic.Pointer[Tracer]
	configurer atomic.Pointer[func(*Stack) *clock.Timer]
	opts       socket.Options // every socket's until it changes one

	self  Sock        // stands for a stack that is a member itself: hears no packet
	rules ifnet.Rules // of stacks that have none of their own

	// lo0 is the loopback interface of all stacks: nothing of it ever changes. One
	// that has addresses has a configuration of its own.
	lo0  ifnet.Iface
	ifs0 [1]*ifnet.Conf // of a stack without others

	passes sync.Pool // of *pass

	mu    sync.Mutex // guards changes of ref
	mods  Modules
	names sysctl.Names[vars.Tunables]
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
	w := &World{sched: netisr.NewSched(c.Clock), opts: socket.Defaults()}
	w.Random.Seed(c.Seed)
	w.seed = table.NewSeed(w.Rand())
	w.HashBy(w.seed)
	ref := vars.Defaults()
	w.ref.Store(&ref)
	var id [2]byte
	if c.Clock.Simulated() {
		n := w.Rand()
		id = [2]byte{byte(n), byte(n >> 8)}
	} else { // two that meet on a real wire must differ, whatever their seeds
		rand.Read(id[:])
	}
	w.SetWorld(id)
	w.self.Raw = true
	w.self.Init(w.sched, 0, &w.opts)
	w.lo0 = ifnet.Iface{Seed: &w.seed, Index: ifnet.LoIndex}
	w.ifs0[0] = &ifnet.Conf{Iface: &w.lo0, Name: "lo0", Flags: ifnet.Up | ifnet.Loopback | ifnet.Multicast, MTU: 16384}
	return w
}

// Sched returns the world's dispatcher.
func (w *World) Sched() *netisr.Sched { return w.sched }

// Clock returns the world's clock.
func (w *World) Clock() clock.Clock { return w.sched.Clock() }

// Seed keys the hashes of the world's tables.
func (w *World) Seed() table.Seed { return w.seed }

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
