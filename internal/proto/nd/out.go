package nd

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// OutKind says what an Out carries.
type OutKind uint8

// What Next hands out.
const (
	SendMessage       OutKind = iota // Message is to be sent
	SendPacket                       // Packet is to be sent to MAC: it waited for IP
	DropPacket                       // Packet is to be freed: IP was not resolved or went away; counted already
	Changed                          // Event happened to IP, whose address is or was MAC
	AddressReady                     // the own address IP may be used from now on
	AddressDuplicate                 // the own address IP must not be used: it is MAC's, who is zero if unknown
	RouterLost                       // IP is no router any more: take it out of the default routers
	RouterUnreachable                // IP, a router, does not answer: prefer another, until it is Resolved again
)

var outKindNames = [...]string{
	SendMessage: "message", SendPacket: "packet", DropPacket: "drop", Changed: "event",
	AddressReady: "ready", AddressDuplicate: "duplicate",
	RouterLost: "router lost", RouterUnreachable: "router unreachable",
}

// String names the kind.
func (k OutKind) String() string { return outKindNames[k] }

// Event is a change of the table that others may want to know of.
type Event uint8

// The events. An address that changes is Resolved or Unconfirmed anew.
const (
	Resolved    Event = iota + 1 // IP is at MAC: packets may go there without asking
	Unconfirmed                  // IP is at MAC, but the next packet must come to Resolve
	TimedOut                     // nobody answered for IP; it never had an address
	Expired                      // IP was at MAC; it does not answer, or nobody has used it for long
	Deleted                      // IP was taken out by the caller; MAC is zero if it was unresolved
)

var eventNames = [...]string{
	Resolved: "resolved", Unconfirmed: "unconfirmed", TimedOut: "timedout", Expired: "expired", Deleted: "deleted",
}

// String names the event as the routing socket and traces do.
func (e Event) String() string { return eventNames[e] }

// Out is one thing that Next hands out. Kind says which fields mean anything.
type Out[P any] struct {
	Kind  OutKind
	Event Event

	// First, with DropPacket, asks for an ICMPv6 destination unreachable, code 3,
	// to the packet's sender: it is the first of those that waited for a
	// neighbour that did not answer.
	First bool

	// Optimistic, with AddressReady, says that nobody has had the time to object:
	// the address may be used but is not to be preferred (RFC 4429). Another
	// AddressReady or AddressDuplicate follows.
	Optimistic bool

	// Disable, with AddressDuplicate, says that the link-local address was made
	// of the hardware address, so that the interface must stop using IPv6
	// (RFC 4862 §5.4.5). The table has stopped until the next SetLink.
	Disable bool

	// Moved, with Changed, says that IP was not told to be at MAC before.
	Moved bool

	IP      netip.Addr
	MAC     wire.MAC
	Packet  P
	Message Message
}

// Next hands out the next thing to do: first what earlier verbs have left, in
// their order, then what time has made due, in the order of the timers. It
// returns false, and leaves out alone, when there is nothing at this moment.
func (t *Table[P]) Next(now clock.Time, out *Out[P]) bool {
	if t == nil {
		return false
	}
	for {
		e := t.head
		switch {
		case e == nil:
			if !t.expire(now) {
				if len(t.timers) == 0 {
					t.timers = nil // a table at rest owns no heap
				}
				return false
			}
		case e.todo == 0:
			t.unpend()
		case t.emit(e, out):
			return true
		}
	}
}

// emit does the first thing that is to be done for e, and reports whether that
// was something for the caller.
func (t *Table[P]) emit(e *entry[P], out *Out[P]) bool {
	switch {
	case e.todo&doFlush != 0:
		return t.emitHeld(e, out, doFlush, SendPacket)
	case e.todo.take(doPublish):
		event := Resolved
		if e.state == Stale {
			event = Unconfirmed
		}
		*out = Out[P]{Kind: Changed, Event: event, Moved: e.told != e.mac, IP: e.ip, MAC: e.mac}
		e.told = e.mac
	case e.todo.take(doReady):
		a := t.local(e.ip)
		if a == nil || a.state != Preferred && a.state != Optimistic {
			return false // taken away since
		}
		*out = Out[P]{Kind: AddressReady, IP: e.ip, Optimistic: a.state == Optimistic}
	case e.todo.take(doDuplicate):
		if a := t.local(e.ip); a == nil || a.state != Duplicate {
			return false
		}
		*out = Out[P]{Kind: AddressDuplicate, IP: e.ip, MAC: e.mac, Disable: t.isOfHardware(e.ip)}
	case e.todo.take(doSolicit):
		return t.emitSolicit(e, out)
	case e.todo.take(doAdvertise):
		return t.emitAdvert(e, out)
	case e.todo.take(doRouterLost):
		*out = Out[P]{Kind: RouterLost, IP: e.ip, MAC: e.mac}
	case e.todo.take(doGone):
		*out = Out[P]{Kind: Changed, Event: e.gone, IP: e.ip, MAC: e.mac}
	case e.todo.take(doUnreachable):
		*out = Out[P]{Kind: RouterUnreachable, IP: e.ip, MAC: e.mac}
	default: // doDrop, the last of all
		return t.emitHeld(e, out, doDrop, DropPacket)
	}
	return true
}

// emitHeld hands out the oldest packet that waits at e.
func (t *Table[P]) emitHeld(e *entry[P], out *Out[P], why todo, kind OutKind) bool {
	if len(e.held) == 0 {
		e.held = nil
		e.todo &^= why
		return false
	}
	*out = Out[P]{Kind: kind, IP: e.ip, MAC: e.mac, Packet: e.held[0]}
	if kind == DropPacket {
		out.First, e.failed = e.failed, false
		t.stats.Dropped++
	}
	var zero P
	e.held[0] = zero
	e.held = e.held[1:]
	return true
}

// emitSolicit builds the question for e: for an own address the one that finds
// duplicates, for a neighbour that is known a unicast probe, else a multicast.
func (t *Table[P]) emitSolicit(e *entry[P], out *Out[P]) bool {
	m := Message{Target: e.ip, Dst: e.ip, DstMAC: e.mac}
	if e.state != Probe || e.job != nil {
		m.Dst = wire.SolicitedNode(e.ip)
		m.DstMAC = wire.MulticastMAC(m.Dst)
	}
	if e.job != nil { // RFC 4862 §5.4.2: from nobody, and without an address
		m.Src = netip.IPv6Unspecified()
		if t.tun.DADEnhanced != 0 {
			m.Nonce = e.job.nonce(e.job.sent) // RFC 7527 §4.2
		}
	} else {
		m.Src, m.LinkAddr = t.source(e.src, e.ip), t.link.MAC
	}
	if !t.link.Up || t.link.Disabled || !m.Src.IsValid() {
		return false
	}
	*out = Out[P]{Kind: SendMessage, IP: e.ip, Message: m}
	t.stats.TxSolicits++
	return true
}

// emitAdvert builds what e's job tells.
func (t *Table[P]) emitAdvert(e *entry[P], out *Out[P]) bool {
	m, ok := t.advertisement(e.ip, e.job)
	if !ok {
		return false
	}
	*out = Out[P]{Kind: SendMessage, IP: e.ip, Message: m}
	t.stats.TxAdverts++
	return true
}
