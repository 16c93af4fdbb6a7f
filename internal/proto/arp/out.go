package arp

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// OutKind says what an Out carries.
type OutKind uint8

// What Next hands out.
const (
	SendMessage OutKind = iota // Message is to be sent
	SendPacket                 // Packet is to be sent to MAC: it waited for IP
	DropPacket                 // Packet is to be freed: IP was not resolved or went away; counted already
	Changed                    // Event happened to IP, whose address is or was MAC
	Watch                      // from now on remember whether IP is sent to
	AskUsed                    // was IP sent to since Watch? If so call Used(IP) before the next Next
)

var outKindNames = [...]string{
	SendMessage: "message", SendPacket: "packet", DropPacket: "drop",
	Changed: "event", Watch: "watch", AskUsed: "ask used",
}

// String names the kind.
func (k OutKind) String() string { return outKindNames[k] }

// Event is a change of the table that others may want to know of.
type Event uint8

// The events. An address that changes is Resolved anew.
const (
	Resolved Event = iota + 1 // IP is at MAC: learned, moved or set by hand
	TimedOut                  // nobody answered for IP; it never had an address
	Expired                   // IP was at MAC and is too old
	Deleted                   // IP was taken out by the caller; MAC is zero if it was unresolved
)

var eventNames = [...]string{Resolved: "resolved", TimedOut: "timedout", Expired: "expired", Deleted: "deleted"}

// String names the event as the routing socket and traces do.
func (e Event) String() string { return eventNames[e] }

// Out is one thing that Next hands out. Kind says which fields mean anything.
type Out[P any] struct {
	Kind    OutKind
	Event   Event
	Own     bool // with Changed: IP is, or was, an address of the interface
	IP      netip.Addr
	MAC     wire.MAC
	Packet  P
	Message Message
}

// Message is an ARP packet with its frame's destination.
type Message struct {
	Dst                  wire.MAC // of the frame; its source is SenderMAC, or the interface's own for a proxy
	Op                   uint16
	SenderMAC, TargetMAC wire.MAC
	SenderIP, TargetIP   netip.Addr
}

// MessageLen is the length of the frame that Put writes, without padding.
const MessageLen = wire.EtherLen + wire.ARPLen

// Put writes the message as a frame sent by src into b[:MessageLen].
func (m *Message) Put(b []byte, src wire.MAC) {
	wire.PutEther(b, m.Dst, src, wire.EtherTypeARP)
	wire.PutARP(b[wire.EtherLen:], m.Op, m.SenderMAC, m.SenderIP, m.TargetMAC, m.TargetIP)
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
				return false
			}
		case e.todo == 0:
			t.unpend()
		case t.emit(now, e, out):
			return true
		}
	}
}

// emit does the first thing that is to be done for e, and reports whether that
// was something for the caller.
func (t *Table[P]) emit(now clock.Time, e *entry[P], out *Out[P]) bool {
	var zero P
	switch {
	case e.todo.take(doResolved):
		*out = Out[P]{Kind: Changed, Event: Resolved, Own: e.flags&Own != 0, IP: e.addr(), MAC: e.mac}
	case e.todo&doFlush != 0:
		if len(e.held) == 0 {
			e.held = nil
			e.todo &^= doFlush
			return false
		}
		*out = Out[P]{Kind: SendPacket, IP: e.addr(), MAC: e.mac, Packet: e.held[0]}
		e.held[0] = zero
		e.held = e.held[1:]
	case e.todo.take(doRequest):
		return t.emitRequest(e, out)
	case e.todo.take(doWatch):
		*out = Out[P]{Kind: Watch, IP: e.addr(), MAC: e.mac}
	case e.todo.take(doAsk):
		e.todo |= doDecide
		*out = Out[P]{Kind: AskUsed, IP: e.addr(), MAC: e.mac}
	case e.todo.take(doDecide):
		t.verify(now, e)
		return false
	case e.todo.take(doGone):
		*out = Out[P]{Kind: Changed, Event: e.gone, Own: e.flags&Own != 0, IP: e.addr(), MAC: e.mac}
	default: // doDrop, the last of all
		if len(e.held) == 0 {
			e.held = nil
			e.todo &^= doDrop
			return false
		}
		*out = Out[P]{Kind: DropPacket, IP: e.addr(), Packet: e.held[0]}
		e.held[0] = zero
		e.held = e.held[1:]
		t.stats.Dropped++
	}
	return true
}

// emitRequest builds the request for e: for an own address a gratuitous one,
// for any other a question by the own address nearest to it.
func (t *Table[P]) emitRequest(e *entry[P], out *Out[P]) bool {
	m := Message{Dst: wire.BroadcastMAC(), Op: wire.ARPRequest, SenderMAC: t.link.MAC, TargetIP: e.addr()}
	if e.flags&Own != 0 {
		m.SenderIP = e.addr()
	} else {
		m.SenderIP = t.source(e.addr())
	}
	if t.link.NoARP || !m.SenderIP.IsValid() {
		return false
	}
	*out = Out[P]{Kind: SendMessage, IP: e.addr(), Message: m}
	t.stats.TxRequests++
	return true
}
