package event

import (
	"slices"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/clock"
)

// Hub is where the events of one stack are posted and handed on. The zero Hub is
// ready. It must not be copied.
type Hub struct {
	p atomic.Pointer[audience]
}

// audience is who listens to a Hub. It never changes.
type audience struct {
	subs     []*Subscription
	handlers []*handler
	closed   bool
}

type handler struct{ f func(Event) }

// Idle tells whether nobody would hear of an event now: what is only done for one
// need not be.
func (h *Hub) Idle() bool { return h.p.Load() == nil }

// Post hands an event to everybody who has subscribed to such. It does not block.
func (h *Hub) Post(e Event) {
	a := h.p.Load()
	if a == nil {
		return
	}
	for _, s := range a.subs {
		s.post(&e)
	}
}

// Handle has f called, by Tell, until the function that is returned is called.
func (h *Hub) Handle(f func(Event)) (remove func()) {
	n := &handler{f}
	h.change(func(a *audience) { a.handlers = append(a.handlers, n) })
	return func() {
		h.change(func(a *audience) {
			a.handlers = slices.DeleteFunc(a.handlers, func(o *handler) bool { return o == n })
		})
	}
}

// Tell calls the handlers, in the order in which they came. The caller holds no
// lock. It does not post the event.
func (h *Hub) Tell(e Event) {
	if a := h.p.Load(); a != nil {
		for _, n := range a.handlers {
			n.f(e)
		}
	}
}

// Close ends all subscriptions, those to come as well: what waits in their queues
// can still be read.
func (h *Hub) Close() {
	was := h.change(func(a *audience) { *a = audience{closed: true} })
	for _, s := range was.subs {
		s.end()
	}
}

// change publishes another audience and returns the one before. There are few
// subscribers and they seldom change, so each change copies them.
func (h *Hub) change(edit func(*audience)) (was audience) {
	for {
		old := h.p.Load()
		was = audience{}
		if old != nil {
			was = *old
		}
		if was.closed {
			return was
		}
		next := &audience{subs: slices.Clone(was.subs), handlers: slices.Clone(was.handlers)}
		edit(next)
		if !next.closed && len(next.subs) == 0 && len(next.handlers) == 0 {
			next = nil
		}
		if h.p.CompareAndSwap(old, next) {
			return was
		}
	}
}

// QueueLen is how many events wait for a subscriber who does not say otherwise.
const QueueLen = 4096

// Subscribe begins to collect the events that f wants, at most as many as queue
// unread; 0 means QueueLen. Time is told by ck.
func (h *Hub) Subscribe(f Filter, ck clock.Clock, queue int) *Subscription {
	s := newSubscription(h, f, ck, queue)
	h.add(s)
	return s
}

// SubscribeFunc is Subscribe for one who is called: f is given every event from
// within the clock's Fire, one after the other and without any lock, in simulated
// time while the driver moves time on.
func (h *Hub) SubscribeFunc(w Filter, ck clock.Clock, queue int, f func(Event)) *Subscription {
	s := newSubscription(h, w, ck, queue)
	s.f = f
	s.timer.F = s
	h.add(s)
	return s
}

func (h *Hub) add(s *Subscription) {
	if h.change(func(a *audience) { a.subs = append(a.subs, s) }).closed {
		s.end()
	}
}
