package vimage

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/sockbuf"
)

// EventKind says what has happened to a stack.
type EventKind = event.Kind

// Kinds of events (behaviour 3.4). Interface and Index are set in all that are
// about an interface.
const (
	EventArrival   = event.Arrival   // an interface has come
	EventDeparture = event.Departure // an interface is about to go; what ends with it is told afterwards
	EventRenamed   = event.Renamed   // an interface has another name; OldName was its name
	EventMAC       = event.LinkAddr  // an interface's hardware address is MAC
	EventMTU       = event.MTU       // an interface has another MTU
	EventLinkUp    = event.LinkUp    // its link has a carrier
	EventLinkDown  = event.LinkDown  // its link has none
	EventUp        = event.Up        // it was brought up
	EventDown      = event.Down      // it was brought down

	EventAddrAdd    = event.AddrAdd    // an interface has the address Prefix; one of IPv6 may still be tentative
	EventAddrDel    = event.AddrDel    // it no longer has it
	EventAddrChange = event.AddrChange // its state has changed: see Interface.Addresses

	EventRouteAdd    = event.RouteAdd    // the table FIB has a route to Prefix
	EventRouteDel    = event.RouteDel    // it no longer has it
	EventRouteChange = event.RouteChange // it has another one instead

	EventNeighborResolved = event.NeighResolved // a neighbour, Prefix, is at MAC: for the first time, or after it moved
	EventNeighborTimedOut = event.NeighTimedOut // nobody answered for it
	EventNeighborExpired  = event.NeighExpired  // it does not answer any more, or nobody has used it for long
	EventNeighborDeleted  = event.NeighDeleted  // it was removed: by hand, or with what led to it
)

// Event is one thing that has happened to a stack.
type Event struct {
	Kind      EventKind
	Time      time.Time // of the world
	Interface string    // its name at that time; empty where the event is about none
	Index     int
	FIB       int // of a route's table; -1 in events that are about no table, or all
	Prefix    netip.Prefix
	Gateway   netip.Addr
	MAC       net.HardwareAddr
	OldName   string
	Missed    uint64 // events lost just before this one, since they were not read in time
}

// EventFilter says which events a subscriber wants. The zero value is all.
type EventFilter struct {
	Kinds     []EventKind // none: all
	Interface string      // empty: of all interfaces; one that is renamed later stays the one
	OnlyFIB   bool        // of routes, only those of the handle's table
	Queue     int         // events that may wait to be read; 0: 4,096
}

// EventSubscription is the events of a stack, from the moment of Subscribe on.
type EventSubscription struct {
	s   *Stack
	sub *event.Subscription
}

// Subscribe begins to collect the events that f wants. What is not read in time is
// lost, and counted. It ends with Close, or with the stack. It returns an error
// around ENXIO where the interface does not exist, around EINVAL for a kind that
// does not.
func (s *Stack) Subscribe(f EventFilter) (*EventSubscription, error) {
	w, err := s.eventFilter(&f)
	if err != nil {
		return nil, err
	}
	return &EventSubscription{s, s.st.Events().Subscribe(w, s.clock(), f.Queue)}, nil
}

// SubscribeFunc is Subscribe for one who is called, soon after each event: one
// call after the other, in simulated time from within Run or Step. f must not
// block.
func (s *Stack) SubscribeFunc(f EventFilter, call func(Event)) (*EventSubscription, error) {
	w, err := s.eventFilter(&f)
	if err != nil {
		return nil, err
	}
	sub := s.st.Events().SubscribeFunc(w, s.clock(), f.Queue, func(e event.Event) { call(s.event(&e)) })
	return &EventSubscription{s, sub}, nil
}

// HandleDeparture has f called before an interface goes, by removal or with its
// stack, while it still has its addresses, routes and neighbours. What removes
// the interface waits for f. It returns a function that ends this.
func (s *Stack) HandleDeparture(f func(Event)) (stop func()) {
	return s.st.Events().Handle(func(e event.Event) {
		if e.Kind == event.Departure {
			e.At = s.clock().Now()
			f(s.event(&e))
		}
	})
}

func (s *Stack) eventFilter(f *EventFilter) (w event.Filter, err error) {
	w = event.Filter{Kinds: event.All, FIB: event.AllFIBs}
	if len(f.Kinds) > 0 {
		w.Kinds = 0
	}
	for _, k := range f.Kinds {
		if k >= event.Kinds {
			return w, &ConfigError{"subscribe", "kind " + strconv.Itoa(int(k)), syscall.EINVAL}
		}
		w.Kinds |= 1 << k
	}
	if f.OnlyFIB {
		w.FIB = int32(s.fib)
	}
	if f.Interface != "" {
		i, err := s.Interface(f.Interface)
		if err != nil {
			return w, err
		}
		w.IfIndex = i.index
	}
	return w, nil
}

func (s *Stack) event(e *event.Event) Event {
	return Event{
		Kind: e.Kind, Time: s.wall(e.At), Interface: e.Name, Index: int(e.IfIndex), FIB: int(e.FIB), Prefix: e.Prefix,
		Gateway: e.Gateway, MAC: hardware(e.MAC), OldName: e.Old, Missed: e.Missed,
	}
}

// Next returns the oldest event that was not read yet; it waits for one, but not in
// simulated time. It returns net.ErrClosed when there will be none any more, ctx's
// error, or that of a call that would have to wait in simulated time. Several
// goroutines may read: each event goes to one of them.
func (u *EventSubscription) Next(ctx context.Context) (Event, error) {
	for {
		closed := u.sub.Closed()
		if e, ok := u.sub.Read(); ok {
			return u.s.event(&e), nil
		}
		switch {
		case closed:
			return Event{}, net.ErrClosed
		case u.s.clock().Simulated():
			return Event{}, &ConfigError{"next event", u.s.Name(), sockbuf.Simulated{}}
		}
		select {
		case <-u.sub.Bell():
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Lost returns how many events were lost since they were not read in time.
func (u *EventSubscription) Lost() uint64 { return u.sub.Lost() }

// Close ends the subscription. What was collected can still be read by Next; who
// is called is not called again, but a call that has begun goes on.
func (u *EventSubscription) Close() error {
	u.sub.Close()
	return nil
}
