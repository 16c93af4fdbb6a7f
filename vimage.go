// Package vimage is a complete network inside one ordinary Go process: hosts,
// routers and switches, each with its own full IP stack, several routing tables
// and source-specific multicast. It needs no root, no kernel module, no
// namespaces and no cgo.
//
// A World is what the kernel is to its network stacks. A Stack is a handle on
// one of them: it makes sockets as package net does, and is configured by its
// methods. Package lab builds whole networks in a few lines; package ipv4 is
// golang.org/x/net/ipv4 for both these sockets and the kernel's.
//
// # Time
//
// A World runs in real time, in a testing/synctest bubble (make the World and
// use it inside the bubble: nothing needs to be said), or in simulated time
// (Config.Simulated), where one goroutine drives the clock and the same seed
// gives the same bytes. Calls that block, such as ReadFrom and Dial, work in
// the first two; in simulated time they fail where they would have to wait.
//
// # Errors
//
// Socket calls return *net.OpError around a syscall.Errno, net.ErrClosed or
// os.ErrDeadlineExceeded, as package net's do.
package vimage

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Config says what a World is like. The zero value is real time, or the
// bubble's if NewWorld is called inside one.
type Config struct {
	Seed      uint64 // of everything random; the same seed, the same choices
	Simulated bool   // time moves only by Run and Step
}

// World holds network stacks and what they share: clock, buffers, random
// numbers. Two worlds share nothing.
type World struct {
	w     *vnet.World
	sim   *clock.Sim // nil unless simulated
	jails *jail.Tree

	mu        sync.Mutex // a leaf
	resolvers map[asker]*Resolver
	fibNames  fibNames
}

// ErrSecondStack is why a program built with the tag novimage gets no stack beside
// its first, in no world: until that is closed there is room for one.
var ErrSecondStack = fmt.Errorf("built with -tags novimage, which leaves room for one network stack: %w", syscall.EOPNOTSUPP)

// NewWorld returns a world with one stack, vnet0, which jail 0 owns. In a program
// built with the tag novimage it panics with ErrSecondStack where there is a
// world already.
func NewWorld(c Config) *World {
	w := &World{resolvers: map[asker]*Resolver{}}
	var ck clock.Clock
	if c.Simulated {
		w.sim = clock.NewSim()
		ck = w.sim
	}
	w.w = vnet.NewWorld(vnet.Config{Clock: ck, Seed: c.Seed})
	st, e := control.NewStack(w.w, vnet.StackConfig{Name: "vnet0"})
	if e != 0 {
		panic(&ConfigError{"new world", "vnet0", ErrSecondStack}) // a world without modules refuses no other
	}
	w.jails = jail.NewTree(w.w, st, w.forget)
	return w
}

// Internal returns the world's inner side, for this module's own packages.
func (w *World) Internal() *vnet.World { return w.w }

// StackConfig says how a stack is made.
type StackConfig struct {
	Shards int // parts that work in parallel, 1 to 64; 0 means 1
	FIBs   int // routing tables, 1 to 65,536; 0 means 1
}

// NewStack makes a stack with one interface, lo0, which is up. The name must
// not be empty or taken. It is that of a jail of the same name right below jail 0: see
// Stack.Jail.
func (w *World) NewStack(name string, c StackConfig) (*Stack, error) {
	st, e := w.jails.NewStack(vnet.StackConfig{Name: name, Shards: c.Shards})
	switch e {
	case 0:
	case syscall.EOPNOTSUPP:
		return nil, &ConfigError{"new stack", name, ErrSecondStack}
	default:
		return nil, wrapConfig("new stack", name, e)
	}
	if c.FIBs > 1 {
		if e := control.SetFIBs(st, c.FIBs); e != 0 {
			control.Close(st)
			return nil, wrapConfig("new stack", name, e)
		}
	}
	return &Stack{w: w, st: st}, nil
}

// Stack returns a handle on the stack of that name, or nil. It uses table 0
// and has jail 0's credential.
func (w *World) Stack(name string) *Stack {
	if st := w.w.Stack(name); st != nil {
		return &Stack{w: w, st: st}
	}
	return nil
}

// Stacks returns handles on all stacks, in order of creation.
func (w *World) Stacks() []*Stack {
	var all []*Stack
	for _, st := range w.w.Stacks() {
		all = append(all, &Stack{w: w, st: st})
	}
	return all
}

// Close removes every stack. What blocks on their sockets fails with
// net.ErrClosed.
func (w *World) Close() { w.jails.Close() }

// forget ends what the world remembers of a stack that is gone.
func (w *World) forget(st *vnet.Stack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.fibNames, st)
	delete(w.resolvers, asker{st: st})
}

// Now returns the world's time.
func (w *World) Now() time.Time {
	c := w.w.Clock()
	return c.Wall(c.Now())
}

// Simulated tells whether the world's time moves only by Run and Step.
func (w *World) Simulated() bool { return w.sim != nil }

// Run moves a simulated world's time on by d, and lets everything happen that
// is due until then. It panics in a world that is not simulated.
func (w *World) Run(d time.Duration) {
	w.mustSimulate("Run")
	w.sim.RunUntil(w.sim.Now().Add(d))
}

// Step lets the next thing happen, if it is due within limit, and returns true;
// otherwise it moves time on by limit and returns false. It panics in a world
// that is not simulated.
func (w *World) Step(limit time.Duration) bool {
	w.mustSimulate("Step")
	return w.sim.Step(w.sim.Now().Add(limit))
}

func (w *World) mustSimulate(what string) {
	if w.sim == nil {
		panic("vimage: " + what + " on a World that is not simulated: set Config.Simulated")
	}
}

// Settle returns when no packet is on its way through the world in a goroutine
// of the world's own. Packets that wait for a time, or for a reader, are at
// rest. It is for real time; elsewhere it returns at once.
func (w *World) Settle() {
	for w.w.Sched().Working() > 0 {
		runtime.Gosched()
	}
}

// Timer calls a function once, at a moment of a world's time.
type Timer struct {
	t clock.Timer
	c clock.Clock
	f func()
}

// Fire implements the clock's interface; it is not for callers.
func (t *Timer) Fire(clock.Time) { t.f() }

// AfterFunc calls f after d of the world's time; in simulated time from within
// Run or Step. f must not block.
func (w *World) AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{c: w.w.Clock(), f: f}
	t.t.F = t
	t.c.Arm(&t.t, t.c.Now().Add(d))
	return t
}

// Stop prevents the call and tells whether it did.
func (t *Timer) Stop() bool { return t.c.Disarm(&t.t) }

// Reset lets the function be called after d from now instead.
func (t *Timer) Reset(d time.Duration) { t.c.Arm(&t.t, t.c.Now().Add(d)) }

// Pool says what a world's packets use.
type Pool struct {
	Buffers int64 // outstanding: in queues, on links, in sockets
	Copies  int64 // frames copied because somebody had to write to a shared one
}

// Pool returns the state of the world's buffers. It is exact when no packet
// moves.
func (w *World) Pool() Pool {
	c := w.w.Sched().Pool().Counts()
	return Pool{Buffers: c.Bufs, Copies: c.Copies}
}

// ConfigError is returned by calls that configure something.
type ConfigError struct {
	Op   string // what was to be done
	What string // to what
	Err  error  // a syscall.Errno, or says more
}

// Error implements error.
func (e *ConfigError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.What, e.Err) }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

func wrapConfig(op, what string, e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return &ConfigError{op, what, e}
}
