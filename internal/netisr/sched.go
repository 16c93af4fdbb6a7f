package netisr

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// Policy says in whose goroutine a node is run.
type Policy int32

// Dispatch policies.
const (
	// Direct: whoever woke a node runs it, up to a budget of 512 packets.
	Direct Policy = iota
	// Hybrid: as Direct with a budget of one batch, so that no caller carries
	// much that is not its own.
	Hybrid
	// Deferred: never in the goroutine of the caller.
	Deferred
)

var policyNames = [...]string{Direct: "direct", Hybrid: "hybrid", Deferred: "deferred"}

// String returns the name the sysctl net.isr.dispatch has for p.
func (p Policy) String() string { return policyNames[p] }

// ParsePolicy returns the policy of that name.
func ParsePolicy(s string) (Policy, bool) {
	for i, n := range policyNames {
		if n == s {
			return Policy(i), true
		}
	}
	return 0, false
}

// directBudget bounds what one caller carries for others.
const directBudget = 512

// Sched is what the nodes of one world share: clock, buffers, runners and the
// dispatch policy.
type Sched struct {
	clock  clock.Clock
	pool   *pkt.Pool
	free   runners
	policy atomic.Int32
	handed atomic.Uint64
}

// NewSched returns a Sched that tells time by c.
func NewSched(c clock.Clock) *Sched { return &Sched{clock: c, pool: new(pkt.Pool)} }

// Clock returns the world's clock.
func (s *Sched) Clock() clock.Clock { return s.clock }

// Pool returns the world's buffers.
func (s *Sched) Pool() *pkt.Pool { return s.pool }

// SetPolicy changes the dispatch policy.
func (s *Sched) SetPolicy(p Policy) { s.policy.Store(int32(p)) }

// Policy returns the dispatch policy.
func (s *Sched) Policy() Policy { return Policy(s.policy.Load()) }

// Handed returns how many times work was handed to a goroutine of its own.
func (s *Sched) Handed() uint64 { return s.handed.Load() }

// Working returns how many Runners are at work that nobody waits for: those
// that a timer or a device made, and those that were handed over. When it is 0,
// and no call that sends is under way, no packet moves.
func (s *Sched) Working() int { return s.pool.Busy() }

// Free gives up one reference to a buffer, for somebody who carries nothing.
func (s *Sched) Free(b *pkt.Buf) {
	r := s.Get()
	r.Cache.Free(b)
	s.put(r)
}

// Carry returns a Runner for work that no user's call waits for; the caller
// ends it with Done.
func (s *Sched) Carry() *Runner {
	r := s.Get()
	r.busy = true
	r.Cache.SetBusy(true)
	return r
}

// Get returns a Runner; the caller ends its work with Done.
func (s *Sched) Get() *Runner {
	r := s.free.get()
	if r == nil {
		r = &Runner{sched: s}
		r.Cache = pkt.NewCache(s.pool, r)
	}
	return r
}

func (s *Sched) put(r *Runner) {
	r.now, r.spent = 0, 0
	r.Cache.Settle()
	if r.busy {
		r.busy = false
		r.Cache.SetBusy(false)
	}
	s.free.put(r)
}

func (s *Sched) budget() int {
	if s.clock.Simulated() {
		return 1 << 62 // one goroutine drives everything
	}
	switch Policy(s.policy.Load()) {
	case Hybrid:
		return batchLimit
	case Deferred:
		return 0
	}
	return directBudget
}

// handOver lets a goroutine of its own finish r's work. It is the one go
// statement on the path.
func (s *Sched) handOver(r *Runner) {
	s.handed.Add(1)
	r.busy = true
	r.Cache.SetBusy(true)
	go func() {
		for {
			r.spent = 0
			if r.run(directBudget) {
				break
			}
			r.Cache.Settle()
		}
		s.put(r)
	}()
}
