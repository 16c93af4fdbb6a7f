package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// outMulticast sends a packet made here to a group, and loops a copy back
// where the sender wants it.
func (sh *shard) outMulticast(p *pass, b *pkt.Buf, ip wire.Packet, h *ifnet.Hop, loop bool) syscall.Errno {
	lo := h.Out.Port == nil // where the looped copy is all there is
	if loop && lo {
		return sh.send(p, b, ip, h)
	}
	if loop && sh.listens(p.v, h.Next, h.Out) {
		sh.loopCopy(p, b, h)
	}
	if lo || ip.TTL() == 0 {
		p.r.Cache.Free(b) // for this host only
		return 0
	}
	return sh.send(p, b, ip, h)
}

// listens tells whether anybody here may want what is sent to a group.
func (sh *shard) listens(v *ifnet.View, group netip.Addr, c *ifnet.Conf) bool {
	return len(sh.st.raws.All()) != 0 || sh.isMember(v, group, c)
}

// isMember tells whether the stack listens to a group on an interface, for itself
// or for a socket.
func (sh *shard) isMember(v *ifnet.View, group netip.Addr, c *ifnet.Conf) bool {
	if v.Belongs(c, group) {
		return true
	}
	snap := sh.st.groups.Lookup(group, int32(c.Index))
	return snap != nil && (len(snap.Members) > 1 || !snap.Members[0].Socket.proxy)
}

// inUDPMulticast gives a datagram to every member socket it suits: membership
// on the arrival interface, port, binding, and source filter decide.
func (sh *shard) inUDPMulticast(p *pass, b *pkt.Buf, ip wire.Packet, u wire.UDP) {
	cold := sh.rare()
	cold.Broadcasts++
	src, dst := ip.Src(), ip.Dst()
	var snap *mcast.Snapshot[*Sock]
	if p.in != nil {
		snap = sh.st.groups.Lookup(dst, int32(p.in.Index))
	}
	if snap == nil {
		cold.NotMember++
		cold.NoPortMcast++
		sh.drop(p, b, pkt.NotMember)
		return
	}
	hears := sh.cold.choices.Hearers(snap, src)
	found, filtered := false, false
	remote := netip.AddrPortFrom(src, u.SrcPort())
	port := u.DstPort()
	for i := range snap.Members {
		m := &snap.Members[i]
		a := m.Socket.Addrs.Load()
		if a.Local.Port() != port || m.Socket.Raw {
			continue
		}
		if l := a.Local.Addr(); !l.IsUnspecified() && l != dst || a.Remote.IsValid() && a.Remote != remote {
			continue
		}
		if !hears.Hears(i) && !m.Socket.Opts.Load().McastAll {
			cold.FilterMcast++
			filtered = true
			continue
		}
		found = true
		sh.toSock(p, m.Socket, b, ip, u)
		if m.Socket.Reuse == 0 { // who shares the port with nobody is the last to get it
			break
		}
	}
	if !found {
		cold.NoPortMcast++ // and never an ICMP error (RFC 1122 §3.2.2)
	}
	switch {
	case found:
		p.r.Cache.Free(b)
	case filtered:
		sh.drop(p, b, pkt.SourceFiltered)
	default:
		sh.drop(p, b, pkt.NoPort)
	}
}

// Groups is who is a member of which group.
type Groups = mcast.Groups[*Sock]

// Members is the memberships of a socket.
type Members = mcast.Memberships[*Sock]

// McastTxn is a change of a membership.
type McastTxn = mcast.Txn[*Sock]

// McastRequest proposes a change of a membership in a stack that looks like v.
type McastRequest func(v *ifnet.View, g *Groups, m *Members) (McastTxn, error)

// Member makes one change of a membership of s, or returns EBADF where it is
// closed, else the errno of request.
func (s *Sock) Member(request McastRequest) (e syscall.Errno) {
	sh := &s.st.sh
	p := pass{r: s.st.world.sched.Get()}
	sh.lock(&p)
	if s.Addrs.Load().Closed {
		e = syscall.EBADF
	} else if txn, err := request(p.v, &s.st.groups, &s.members); err != nil {
		e = err.(syscall.Errno)
	} else {
		sh.commit(&p, &txn)
	}
	sh.unlock(&p)
	p.r.Done()
	return e
}

// Memberships shows f the memberships of s, which it must not change.
func (s *Sock) Memberships(f func(g *Groups, m *Members)) {
	s.st.sh.mu.Lock()
	defer s.st.sh.release()
	f(&s.st.groups, &s.members)
}

// commit makes a checked change of membership, tells the link and IGMP.
func (sh *shard) commit(p *pass, t *mcast.Txn[*Sock]) {
	c := p.v.Conf(uint32(t.At.IfIndex))
	joined, left := t.Joined(), t.Left()
	if c != nil && c.Port != nil && (joined || left) {
		c.Port.Accept(wire.MulticastMAC(t.At.Group), joined)
	}
	if c != nil && t.Changed() {
		sh.groupChanged(p, c, t.At.Group, t.New)
	}
	t.Commit()
}

// leaveIf ends the memberships of a socket on an interface that goes away.
func (sh *shard) leaveIf(p *pass, s *Sock, index uint32) {
	for i := s.members.Len() - 1; i >= 0; i-- {
		at := s.members.At(i)
		if uint32(at.IfIndex) != index {
			continue
		}
		if t, err := sh.st.groups.Leave(&s.members, at.Group, at.IfIndex, &p.v.V().Mcast); err == nil {
			t.Commit()
		}
	}
}

// leaveAll ends every membership of a socket that is closed. What there is to be
// reported of several is pulled once, so that it shares messages.
func (sh *shard) leaveAll(p *pass, s *Sock) {
	said, several := p.said, s.members.Len() > 1
	if several {
		p.said = maxGroupBurst
	}
	for n := s.members.Len(); n > 0; n = s.members.Len() {
		at := s.members.At(n - 1)
		t, err := sh.st.groups.Leave(&s.members, at.Group, at.IfIndex, &p.v.V().Mcast)
		if err != nil {
			break
		}
		sh.commit(p, &t)
	}
	if !several {
		return
	}
	p.said = said
	for _, c := range p.v.Ifs {
		if c != nil {
			sh.pullGroups(p, c)
		}
	}
}
