package event

import (
	"slices"
	"sync"

	"github.com/seed88948545/vimage/internal/clock"
)

// Subscription is the queue of one who wants to know.
type Subscription struct {
	hub    *Hub
	filter Filter
	clock  clock.Clock
	limit  int
	bell   chan struct{} // rung when there is something to read, or the end has come

	f     func(Event) // who is called; nil for one who reads
	timer clock.Timer // calls him

	mu      sync.Mutex // a leaf: guards what follows
	queue   []Event    // a ring once it is full grown
	first   int        // of the oldest in queue
	n       int        // how many wait
	missed  uint64     // lost since the last that was queued
	lost    uint64     // lost in all
	closed  bool
	calling bool // f is being called
}

func newSubscription(h *Hub, f Filter, ck clock.Clock, queue int) *Subscription {
	if queue <= 0 {
		queue = QueueLen
	}
	return &Subscription{hub: h, filter: f, clock: ck, limit: queue, bell: make(chan struct{}, 1)}
}

func (s *Subscription) post(e *Event) {
	if !s.filter.wants(e) {
		return
	}
	now := s.clock.Now()
	s.mu.Lock()
	took := s.put(e, now)
	s.mu.Unlock()
	if took {
		s.wake()
	}
}

// put queues an event if there is room. s.mu is held.
func (s *Subscription) put(e *Event, now clock.Time) bool {
	switch {
	case s.closed:
		return false
	case s.n == s.limit:
		s.lost++
		s.missed++
		return false
	case s.n == len(s.queue):
		s.grow()
	}
	at := (s.first + s.n) % len(s.queue)
	s.queue[at] = *e
	s.queue[at].At, s.queue[at].Missed = now, s.missed
	s.n++
	s.missed = 0
	return true
}

// grow makes room for more, up to the limit. s.mu is held.
func (s *Subscription) grow() {
	more := make([]Event, min(max(2*len(s.queue), 8), s.limit))
	copy(more[copy(more, s.queue[s.first:]):], s.queue[:s.first])
	s.queue, s.first = more, 0
}

// wake has the events read. No lock is needed.
func (s *Subscription) wake() {
	if s.f != nil {
		s.clock.Arm(&s.timer, 0)
		return
	}
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// Read returns the oldest event that waits; false where there is none. Several may
// read: each event goes to one of them.
func (s *Subscription) Read() (e Event, ok bool) {
	s.mu.Lock()
	if ok = s.n > 0; ok {
		e, s.queue[s.first] = s.queue[s.first], Event{}
		s.first = (s.first + 1) % len(s.queue)
		s.n--
	}
	more := s.n > 0 || s.closed
	s.mu.Unlock()
	if more && s.f == nil {
		s.wake() // whoever else waits
	}
	return e, ok
}

// Bell is readable when there may be an event to Read, or none any more.
func (s *Subscription) Bell() <-chan struct{} { return s.bell }

// Lost returns how many events the subscriber has lost since his queue was full.
func (s *Subscription) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Closed tells whether no event will come any more but those that wait.
func (s *Subscription) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close ends the subscription. What waits can still be read; who is called is not
// called again, but a call that has begun goes on.
func (s *Subscription) Close() {
	s.hub.change(func(a *audience) {
		a.subs = slices.DeleteFunc(a.subs, func(o *Subscription) bool { return o == s })
	})
	s.mu.Lock()
	if s.f != nil {
		clear(s.queue)
		s.n = 0
	}
	s.mu.Unlock()
	s.end()
}

// end lets no event in any more and wakes who waits.
func (s *Subscription) end() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wake()
}

// Fire implements clock.Firer: it calls f for all that wait. Should it fire again
// meanwhile, the call that is on its way goes on with what has come.
func (s *Subscription) Fire(clock.Time) {
	s.mu.Lock()
	if s.calling {
		s.mu.Unlock()
		return
	}
	s.calling = true
	s.mu.Unlock()
	for {
		e, ok := s.Read()
		if !ok && s.rest() {
			return
		}
		if ok {
			s.f(e)
		}
	}
}

// rest ends the calling of f unless something has come since.
func (s *Subscription) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calling = s.n > 0
	return !s.calling
}
