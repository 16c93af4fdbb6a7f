package nd

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// advert takes a valid advertisement (RFC 4861 §7.2.5, RFC 4862 §5.4.4).
func (t *Table[P]) advert(now clock.Time, r *Received, m wire.NeighborAdvert, a *Answer) {
	target := m.Target()
	if !isHost(target) {
		a.Drop = DropTarget
		return
	}
	if r.Dst.IsMulticast() && m.Solicited() { // RFC 4861 §7.1.2
		a.Drop = DropSource
		return
	}
	mac, ok := linkAddr(m.Options(), wire.NDTargetLinkAddr, a)
	if !ok {
		return
	}
	if own := t.mine(target); own != nil {
		t.rival(own, r, mac, a)
		return
	}
	e := t.get(target)
	switch {
	case e == nil:
		t.unasked(now, r, m, mac, a)
	case e.flags&Static != 0:
		if !mac.IsZero() && mac != e.mac {
			a.Old, a.Note = e.mac, NoteStatic
		}
	case e.state == Incomplete:
		t.resolved(now, e, m, mac, a)
	default:
		t.update(now, e, m, mac, a)
	}
}

// rival takes an advertisement of an own address.
func (t *Table[P]) rival(own *address[P], r *Received, mac wire.MAC, a *Answer) {
	switch {
	case own.state == Tentative || own.state == Optimistic && r.SrcMAC != t.link.MAC:
		if mac.IsZero() {
			mac = r.SrcMAC
		}
		t.duplicate(own, mac)
		a.Drop, a.Note = DropDuplicate, NoteUsesOurAddress
	case own.flags&Anycast != 0:
		a.Drop = DropUnknown // others have it, rightly
	case r.SrcMAC == t.link.MAC:
		a.Drop = DropOwn
	default: // beyond RFC 4862's scope (§5.4.4): it is only told
		t.stats.Conflicts++
		a.Drop, a.Note = DropDuplicate, NoteUsesOurAddress
	}
}

// unasked takes an advertisement that nobody has waited for, from which only a
// router learns (RFC 9131 §6.1.2).
func (t *Table[P]) unasked(now clock.Time, r *Received, m wire.NeighborAdvert, mac wire.MAC, a *Answer) {
	if !t.link.Router || m.Solicited() || mac.IsZero() || r.OffLink && !m.Target().IsLinkLocalUnicast() {
		a.Drop = DropUnknown
		return
	}
	role := AnyRole
	if m.Router() {
		role = RouterRole
	}
	t.heard(now, m.Target(), mac, role)
}

// resolved ends an entry's being incomplete.
func (t *Table[P]) resolved(now clock.Time, e *entry[P], m wire.NeighborAdvert, mac wire.MAC, a *Answer) {
	if mac.IsZero() {
		a.Drop = DropLinkAddr
		return
	}
	e.mac, e.hints = mac, 0
	t.setRouter(e, m.Router())
	if m.Solicited() {
		t.reach(now, e)
	} else {
		t.stale(now, e)
	}
}

// update applies an advertisement to an entry that has an address.
func (t *Table[P]) update(now clock.Time, e *entry[P], m wire.NeighborAdvert, mac wire.MAC, a *Answer) {
	differs := !mac.IsZero() && mac != e.mac
	if differs && !m.Override() {
		if e.state == Reachable {
			t.stale(now, e)
		}
		return
	}
	if differs {
		a.Old, a.Note = e.mac, NoteMoved
		e.mac = mac
	}
	switch {
	case m.Solicited():
		e.hints = 0
		t.reach(now, e)
		if differs {
			t.pend(e, doPublish)
		}
	case differs:
		t.stale(now, e)
	}
	t.setRouter(e, m.Router())
}
