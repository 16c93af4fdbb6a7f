package nd

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Received is a received neighbour solicitation, advertisement or redirect and
// what only the caller knows about it.
type Received struct {
	ICMP     wire.ICMP6 // from the ICMPv6 header on
	Src, Dst netip.Addr
	SrcMAC   wire.MAC // of the frame
	HopLimit uint8
	SumOK    bool // the checksum is right, or nobody needs to look
	Fragment bool // it came in fragments

	// OffLink says that no prefix or route has the neighbour on this link: the
	// source of a solicitation, the target of an advertisement. Link-local
	// addresses always are on it.
	OffLink bool

	// FirstHop, of a redirect, says that packets for its destination are sent to
	// its source at present.
	FirstHop bool
}

// Drop says why a message was not worth anything.
type Drop uint8

// The reasons.
const (
	NotDropped      Drop = iota
	DropDisabled         // the interface does no IPv6
	DropFragment         // in fragments (RFC 6980 §5)
	DropHopLimit         // it came from further away
	DropChecksum         // wrong checksum
	DropMalformed        // length, code or options
	DropSource           // its source or destination cannot have sent such a message
	DropTarget           // what it is about is no host's address
	DropLinkAddr         // the link address in it is a group's, or missing where it is needed
	DropOwn              // our own message came back
	DropNotOurs          // it asks for an address that is not ours
	DropTentative        // it asks for an address that is not ours yet
	DropOffLink          // the asker is not on the link
	DropDuplicate        // the sender uses our address
	DropUnknown          // it tells of a neighbour that nobody has asked for
	DropRouter           // redirects are not for routers, or not wanted
	DropNotFirstHop      // the redirect is not the present router's
	DropType             // not one of the three messages
)

var dropNames = [...]string{
	NotDropped: "none", DropDisabled: "disabled", DropFragment: "fragment", DropHopLimit: "hop limit",
	DropChecksum: "checksum", DropMalformed: "malformed", DropSource: "bad source", DropTarget: "bad target",
	DropLinkAddr: "bad link address", DropOwn: "own message", DropNotOurs: "not ours", DropTentative: "tentative",
	DropOffLink: "off link", DropDuplicate: "duplicate address", DropUnknown: "unknown neighbour",
	DropRouter: "redirects not wanted", DropNotFirstHop: "not the first hop", DropType: "other type",
}

// String names the reason.
func (d Drop) String() string { return dropNames[d] }

// bad says that the message broke a rule of validation.
func (d Drop) bad() bool { return d >= DropFragment && d <= DropLinkAddr }

// Note is something worth a line in the log, which the caller limits in rate.
type Note uint8

// The notes.
const (
	NoNote             Note = iota
	NoteUsesOurAddress      // "MAC is using my IP address IP!"
	NoteMoved               // "IP moved from Old to MAC"
	NoteStatic              // "MAC attempts to modify permanent entry for IP"
	NoteLooped              // our own solicitation came back: the link has a loop
)

// Answer is what Input made of a message. The table's changes come by Next.
type Answer struct {
	Drop    Drop
	Note    Note
	Old     wire.MAC // the address before, with NoteMoved and NoteStatic
	Reply   bool     // Message is to be sent
	Message Message

	// Redirect says that packets for Dst are to be sent to Next from now on, for
	// Tunables.RedirTimeout; Next is Dst if that is on the link.
	Redirect  bool
	Dst, Next netip.Addr
}

// Input takes a received message. It judges all that RFC 4861 §7.1 and §8.1
// want judged, but for what Received asks of the caller.
func (t *Table[P]) Input(now clock.Time, r *Received) Answer {
	if t.link.Disabled {
		return Answer{Drop: DropDisabled}
	}
	var a Answer
	var bad *uint64
	switch r.ICMP.Type() {
	case wire.ICMP6NeighborSolicit:
		bad = &t.stats.BadSolicits
		if m, f := wire.ParseNeighborSolicit(r.ICMP); r.screen(f, &a) {
			t.stats.RxSolicits++
			t.solicit(now, r, m, &a)
		}
	case wire.ICMP6NeighborAdvert:
		bad = &t.stats.BadAdverts
		if m, f := wire.ParseNeighborAdvert(r.ICMP); r.screen(f, &a) {
			t.stats.RxAdverts++
			t.advert(now, r, m, &a)
		}
	case wire.ICMP6Redirect:
		bad = &t.stats.BadRedirect
		if m, f := wire.ParseRedirect(r.ICMP); r.screen(f, &a) {
			t.stats.RxRedirects++
			t.redirect(now, r, m, &a)
		}
	default:
		a.Drop = DropType
	}
	if a.Drop.bad() {
		*bad++
	}
	return a
}

// screen judges what all messages have in common and reports whether it is
// right.
func (r *Received) screen(f wire.Fault, a *Answer) bool {
	switch {
	case r.Fragment:
		a.Drop = DropFragment
	case r.HopLimit != hopLimit:
		a.Drop = DropHopLimit
	case !r.SumOK:
		a.Drop = DropChecksum
	case f != wire.OK:
		a.Drop = DropMalformed
	case r.Src.IsMulticast():
		a.Drop = DropSource
	}
	return a.Drop == NotDropped
}

// linkAddr reads the link address in a message; false if it is a group's.
func linkAddr(o wire.NDOptions, typ uint8, a *Answer) (mac wire.MAC, ok bool) {
	if mac, _ = o.LinkAddr(typ); mac.IsMulticast() {
		a.Drop = DropLinkAddr
		return mac, false
	}
	return mac, true
}

// redirect believes the present first hop that there is a better one
// (RFC 4861 §8.1, §8.3).
func (t *Table[P]) redirect(now clock.Time, r *Received, m wire.Redirect, a *Answer) {
	dst, target := m.Dst(), m.Target()
	onLink := dst == target
	switch {
	case !r.Src.IsLinkLocalUnicast():
		a.Drop = DropSource
	case !isHost(dst) || !onLink && !target.IsLinkLocalUnicast() || t.mine(target) != nil:
		a.Drop = DropTarget
	case t.link.Router || t.tun.RedirAccept == 0:
		a.Drop = DropRouter
	case !r.FirstHop:
		a.Drop = DropNotFirstHop
	}
	mac, ok := linkAddr(m.Options(), wire.NDTargetLinkAddr, a)
	if a.Drop != NotDropped || !ok {
		return
	}
	role := RouterRole
	if onLink {
		role = AnyRole
	}
	t.learn(now, target, mac, role, a)
	a.Redirect, a.Dst, a.Next = true, dst, target
}

// learn is heard, with what is worth a line.
func (t *Table[P]) learn(now clock.Time, ip netip.Addr, mac wire.MAC, role Role, a *Answer) {
	old, moved := t.heard(now, ip, mac, role)
	if !moved {
		return
	}
	a.Old, a.Note = old, NoteMoved
	if e := t.get(ip); e.flags&Static != 0 {
		a.Note = NoteStatic
	}
}
