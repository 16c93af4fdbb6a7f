package arp

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Frame is a received ARP packet and what only the caller knows about it. The
// own addresses of the interface the table knows itself; leave the rest zero
// unless it applies.
type Frame struct {
	ARP wire.ARP

	// Alias says that the target address is ours although it is no address of
	// this interface: it belongs to the same bridge group, or to a CARP address
	// of which we are the master. AliasMAC is the address to answer with, zero
	// for the interface's.
	Alias    bool
	AliasMAC wire.MAC

	// Shared says that several may hold the address rightly (CARP, a bridge
	// group): somebody else's use of it is no conflict.
	Shared bool

	// OffLink says that an entry for the sender must not be made: no route of
	// the interface's FIB leads to it directly over this interface.
	OffLink bool

	// WrongInterface says that the sender is a neighbour on another interface.
	WrongInterface bool

	// Proxy and ProxySender are needed only if Tunables.ProxyAll is set: a route
	// of the interface's FIB leads to the target over another interface; the
	// route to the sender leads over this one.
	Proxy, ProxySender bool
}

// Drop says why a packet was not worth anything.
type Drop uint8

// The reasons.
const (
	NotDropped      Drop = iota
	DropNoARP            // the interface does no ARP
	DropMulticast        // sender's hardware address is a group's
	DropBroadcast        // sender's hardware address is everybody's
	DropNoAddress        // the interface has no address
	DropOwn              // our own packet came back
	DropDuplicate        // sender uses our address
	DropProxySender      // the asker of a proxied request is not on this interface
)

var dropNames = [...]string{
	NotDropped: "none", DropNoARP: "no arp", DropMulticast: "multicast sender", DropBroadcast: "broadcast sender",
	DropNoAddress: "no address", DropOwn: "own packet", DropDuplicate: "duplicate address", DropProxySender: "proxy sender elsewhere",
}

// String names the reason.
func (d Drop) String() string { return dropNames[d] }

// Note is something worth a line in the log, which the caller limits in rate.
type Note uint8

// The notes. Those that a tunable switches off do not appear.
const (
	NoNote             Note = iota
	NoteUsesOurAddress      // "MAC is using my IP address IP!"
	NoteBroadcast           // "link address is broadcast for IP!"
	NoteMoved               // "IP moved from Old to MAC"
	NoteStatic              // "MAC attempts to modify permanent entry for IP"
	NoteWrongInterface      // "IP is on another interface but got reply from MAC"
	NoteProxySender         // "proxy: ignoring request from IP"
)

// Answer is what Input made of a packet. The table's changes come by Next.
type Answer struct {
	Drop    Drop
	Note    Note
	Old     wire.MAC // the address before, with NoteMoved and NoteStatic
	Reply   bool     // Reply is to be sent
	Message Message
}

// Input takes a received packet in the order of RFC 826 "Packet Reception": is
// it for this protocol and host, merge the sender, only then look at the
// opcode.
func (t *Table[P]) Input(now clock.Time, f *Frame) Answer {
	p := f.ARP
	t.count(p.Op())
	if d, n := t.screen(f); d != NotDropped {
		if d == DropMulticast || d == DropBroadcast {
			t.stats.BadSenders++
		}
		return Answer{Drop: d, Note: n}
	}
	if t.isOwn(p.SenderIP()) && !f.Shared {
		return t.defend(p)
	}
	var a Answer
	ours := f.Alias || t.isOwn(p.TargetIP())
	if !t.link.StaticARP {
		t.merge(now, f, ours, &a)
	}
	if p.Op() == wire.ARPRequest {
		t.answer(f, ours, &a)
	}
	return a
}

func (t *Table[P]) count(op uint16) {
	t.stats.Received++
	switch op {
	case wire.ARPRequest:
		t.stats.RxRequests++
	case wire.ARPReply:
		t.stats.RxReplies++
	}
}

// screen finds the packets that are not worth looking at.
func (t *Table[P]) screen(f *Frame) (Drop, Note) {
	from := f.ARP.SenderMAC()
	switch {
	case t.link.NoARP:
		return DropNoARP, NoNote
	case from.IsMulticast() && !from.IsBroadcast() && t.tun.AllowMcast == 0:
		return DropMulticast, NoNote
	case len(t.locals) == 0 && !f.Alias:
		return DropNoAddress, NoNote
	case from == t.link.MAC || f.Alias && from == f.AliasMAC:
		return DropOwn, NoNote
	case from.IsBroadcast():
		return DropBroadcast, NoteBroadcast
	}
	return NotDropped, NoNote
}

// defend answers somebody who uses our address. A request is answered with our
// claim; nothing is learned.
func (t *Table[P]) defend(p wire.ARP) Answer {
	t.stats.DupIPs++
	a := Answer{Drop: DropDuplicate, Note: NoteUsesOurAddress}
	if p.Op() == wire.ARPRequest {
		t.reply(p, p.SenderIP(), t.link.MAC, &a)
	}
	return a
}

// merge updates the sender's entry, and makes one if the packet is for us.
func (t *Table[P]) merge(now clock.Time, f *Frame, ours bool, a *Answer) {
	ip, mac := f.ARP.SenderIP(), f.ARP.SenderMAC()
	if !isHost(ip) {
		return // a probe (RFC 5227 §1.1) must not be learned from
	}
	if f.WrongInterface {
		t.note(a, NoteWrongInterface, t.tun.LogWrongIf)
		return
	}
	e := t.entries[key(ip)]
	switch {
	case e == nil:
		if !ours || f.OffLink || t.full() {
			return
		}
		e = t.insert(key(ip), Incomplete)
	case e.flags&Own != 0:
		return // shared with others, rightly
	case e.flags&Static != 0:
		if e.mac != mac {
			a.Old = e.mac
			t.note(a, NoteStatic, t.tun.LogPermanent)
		}
		return
	case e.state != Incomplete && e.mac != mac:
		a.Old = e.mac
		t.note(a, NoteMoved, t.tun.LogMovements)
	}
	t.learn(now, e, mac)
}

// learn gives e the address mac, as of now.
func (t *Table[P]) learn(now clock.Time, e *entry[P], mac wire.MAC) {
	if e.state == Incomplete || e.mac != mac {
		e.mac = mac
		t.pend(e, doResolved|doFlush)
	}
	t.confirm(now, e)
}

func (t *Table[P]) note(a *Answer, n Note, wanted int32) {
	if wanted != 0 {
		a.Note = n
	}
}

// answer replies to a request for us, for a published entry, or for a host that
// a route leads to on another interface.
func (t *Table[P]) answer(f *Frame, ours bool, a *Answer) {
	target := f.ARP.TargetIP()
	if ours {
		mac := t.link.MAC
		if f.Alias && !f.AliasMAC.IsZero() {
			mac = f.AliasMAC
		}
		t.reply(f.ARP, target, mac, a)
		return
	}
	if e := t.entries[key(target)]; e != nil && e.flags&Published != 0 {
		t.reply(f.ARP, target, e.mac, a)
		return
	}
	if t.tun.ProxyAll == 0 || !f.Proxy {
		return
	}
	if !f.ProxySender {
		a.Drop, a.Note = DropProxySender, NoteProxySender
		return
	}
	t.reply(f.ARP, target, t.link.MAC, a)
}

// reply answers request p, saying that ip is at mac.
func (t *Table[P]) reply(p wire.ARP, ip netip.Addr, mac wire.MAC, a *Answer) {
	a.Reply = true
	a.Message = Message{
		Dst: p.SenderMAC(), Op: wire.ARPReply,
		SenderMAC: mac, SenderIP: ip, TargetMAC: p.SenderMAC(), TargetIP: p.SenderIP(),
	}
	if ip.IsLinkLocalUnicast() {
		a.Message.Dst = wire.BroadcastMAC() // RFC 3927 §2.5
	}
	t.stats.TxReplies++
}

// isOwn reports whether ip is an address of this interface.
func (t *Table[P]) isOwn(ip netip.Addr) bool {
	e := t.entries[key(ip)]
	return e != nil && e.flags&Own != 0
}

// isHost reports whether ip can be a single host's.
func isHost(ip netip.Addr) bool {
	b := ip.As4()
	return b[0] != 0 && b[0] != 127 && b[0] < 224
}
