package nd

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// solicit takes a valid solicitation (RFC 4861 §7.2.3, RFC 4862 §5.4.3).
func (t *Table[P]) solicit(now clock.Time, r *Received, m wire.NeighborSolicit, a *Answer) {
	target := m.Target()
	if target.IsMulticast() {
		a.Drop = DropTarget
		return
	}
	mac, ok := linkAddr(m.Options(), wire.NDSourceLinkAddr, a)
	if !ok {
		return
	}
	nobody := r.Src.IsUnspecified()
	if nobody && (r.Dst != wire.SolicitedNode(target) || !mac.IsZero()) { // RFC 4861 §7.1.1
		a.Drop = DropSource
		return
	}
	own, proxied := t.local(target), t.proxied(target, r.SrcMAC)
	switch {
	case own == nil && proxied == nil || own != nil && own.state == Duplicate:
		a.Drop = DropNotOurs
	case nobody && own != nil && own.state < Preferred:
		t.contend(own, r, m.Options(), a)
	case own != nil && own.state == Tentative:
		a.Drop = DropTentative
	case t.mine(r.Src) != nil:
		t.conflict(r, a)
	case !nobody && r.OffLink && !r.Src.IsLinkLocalUnicast() && t.tun.OnLinkNS == 0:
		a.Drop = DropOffLink
	default:
		if !nobody && !mac.IsZero() {
			t.learn(now, r.Src, mac, AnyRole, a)
		}
		t.answer(now, r, mac, target, a)
	}
}

// proxied returns the entry for a target that is answered for on its behalf,
// unless it is the target itself that asks.
func (t *Table[P]) proxied(target netip.Addr, from wire.MAC) *entry[P] {
	e := t.get(target)
	if e == nil || e.flags&Published == 0 || e.mac == from {
		return nil
	}
	return e
}

// conflict notes a message that claims to come from an own address.
func (t *Table[P]) conflict(r *Received, a *Answer) {
	if r.SrcMAC == t.link.MAC {
		a.Drop = DropOwn
		return
	}
	a.Drop, a.Note = DropDuplicate, NoteUsesOurAddress
	t.stats.Conflicts++
}

// answer replies for target, at once or, where several may answer to one
// multicast, after a random delay (RFC 4861 §7.2.7, §7.2.8).
func (t *Table[P]) answer(now clock.Time, r *Received, mac wire.MAC, target netip.Addr, a *Answer) {
	j := job{kind: answering, dst: r.Src}
	switch e := t.get(r.Src); {
	case r.Src.IsUnspecified():
		j.dst = netip.IPv6LinkLocalAllNodes()
		j.mac = wire.MulticastMAC(j.dst)
	case !mac.IsZero():
		j.mac = mac
	case e != nil && e.state != Incomplete:
		j.mac = e.mac
	default:
		// Deviation: RFC 4861 §7.2.4 would resolve the asker; the frame says
		// where it came from.
		j.mac = r.SrcMAC
	}
	own := t.local(target)
	shared := own == nil || own.flags&Anycast != 0
	if shared && r.Dst.IsMulticast() && t.late < maxLateAnswers {
		t.late++
		later := j // j itself stays off the heap
		e := &entry[P]{ip: target, at: -1, job: &later}
		t.arm(e, now.Add(t.rng.within(maxAnycastDelay)))
		return
	}
	if a.Message, a.Reply = t.advertisement(target, &j); a.Reply {
		t.stats.TxAdverts++
	}
}

// advertisement builds what is said of target, an own or proxied address
// (RFC 4861 §7.2.4). It fails if target is neither any more.
func (t *Table[P]) advertisement(target netip.Addr, j *job) (Message, bool) {
	m := Message{Advert: true, Src: target, Dst: j.dst, DstMAC: j.mac, Target: target, LinkAddr: t.link.MAC}
	if t.link.Router {
		m.Flags |= wire.NARouter
	}
	if j.kind == answering && !j.dst.IsMulticast() {
		m.Flags |= wire.NASolicited
	}
	own := t.local(target)
	switch {
	case own == nil:
		e := t.get(target)
		if e == nil || e.flags&Published == 0 {
			return m, false
		}
		m.LinkAddr, m.Src = e.mac, t.source(netip.Addr{}, j.dst)
	case own.state == Tentative || own.state == Duplicate:
		return m, false
	case own.flags&Anycast != 0:
		m.Src = t.source(netip.Addr{}, j.dst)
	case own.state == Preferred && j.kind != notifying: // RFC 4429 §3.3; RFC 9131 §6.1.1
		m.Flags |= wire.NAOverride
	}
	return m, m.Src.IsValid() && t.link.Up && !t.link.Disabled
}
