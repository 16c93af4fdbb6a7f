package bridge

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

// Besides by queries, routers are known by what else only they say: PIM hellos
// (RFC 7761 §4.9.2), DVMRP probes, and advertisements of multicast router
// discovery (RFC 4286 §3.1; RFC 4541 §2.1.1, 1a).
const (
	protoPIM       = 103
	pimHello       = 2 << 4 // version 2, type 0
	dvmrpProbe     = 1      // the code of wire.IGMPTypeDVMRP
	igmpMRDAdvert  = 0x30
	icmp6MRDAdvert = 151
)

func allPIMRouters4() netip.Addr  { return netip.AddrFrom4([4]byte{224, 0, 0, 13}) }
func allPIMRouters6() netip.Addr  { return netip.AddrFrom16([16]byte{0xff, 2, 15: 13}) }
func allDVMRPRouters() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 4}) }
func allSnoopers4() netip.Addr    { return netip.AddrFrom4([4]byte{224, 0, 0, 106}) }
func allSnoopers6() netip.Addr    { return netip.AddrFrom16([16]byte{0xff, 2, 15: 106}) }

func isHello4(p wire.IPv4, sumOK bool) bool {
	m := p.Payload()
	return p.Proto() == protoPIM && p.Dst() == allPIMRouters4() && !p.IsFragment() &&
		len(m) >= 4 && m[0] == pimHello && (sumOK || wire.Checksum(m) == 0)
}

// isRouter4 tells whether an IGMP message, checked, is one that only routers
// send, other than a query.
func isRouter4(dst netip.Addr, m wire.IGMP) bool {
	switch m.Type() {
	case wire.IGMPTypeDVMRP:
		return m.MaxRespCode() == dvmrpProbe && dst == allDVMRPRouters()
	case igmpMRDAdvert:
		return dst == allSnoopers4()
	}
	return false
}

// message6 is what an IPv6 packet carries that may concern a switch.
type message6 struct {
	mld.Packet
	proto uint8
}

// control6 returns the packet's message, if it is whole and of ICMPv6 or PIM:
// a look at most data ends at the first byte.
func control6(ip wire.IPv6) (m message6) {
	if next := ip.NextHeader(); next != wire.ProtoHopByHop && next != wire.ProtoICMPv6 && next != protoPIM {
		return m
	}
	x := ip.Walk(&wire.ExtLimits{}, wire.WalkDest)
	if x.Problem != wire.ExtOK || x.Fragment || x.Proto != wire.ProtoICMPv6 && x.Proto != protoPIM {
		return m
	}
	m.proto = x.Proto
	m.Packet = mld.Packet{Src: ip.Src(), Dst: ip.Dst(), HopLimit: ip.HopLimit(), RouterAlert: x.RouterAlert, Payload: ip[x.Off:]}
	return m
}

func (m *message6) isHello(sumOK bool) bool {
	b := m.Payload
	return m.proto == protoPIM && m.Dst == allPIMRouters6() && len(b) >= 4 && b[0] == pimHello &&
		(sumOK || wire.Fold(wire.Sum(b, wire.PseudoSum(m.Src, m.Dst, protoPIM, len(b)))) == 0)
}

func (m *message6) isAdvert(sumOK bool) bool {
	if m.proto != wire.ProtoICMPv6 || m.Dst != allSnoopers6() || m.HopLimit != mld.HopLimit || !m.Src.IsLinkLocalUnicast() {
		return false
	}
	p, fault := wire.ParseICMP6(m.Payload)
	return fault == wire.OK && p.Type() == icmp6MRDAdvert && (sumOK || p.ChecksumOK(m.Src, m.Dst))
}

// heard notes a querier behind the port (RFC 4541 §2.1.1, 1b).
func (s *side[A]) heard(now clock.Time, n int32, q *gmp.Query[A], t *Tunables) {
	if q.IsGeneral() {
		s.querier = variables{q.Version, q.Robustness, q.Interval, q.MaxResp}
		s.known(now, q.MaxResp, t)
	}
	s.heardRouter(now, n, t)
}

// known notes that all are asked to answer within a time.
func (s *side[A]) known(now clock.Time, within time.Duration, t *Tunables) {
	if now >= s.asked {
		s.answered = now.Add(within)
	}
	s.asked = now.Add(s.routerAge(t))
}

// heardRouter notes a router behind the port.
func (s *side[A]) heardRouter(now clock.Time, n int32, t *Tunables) {
	p := s.port(n)
	if p.mode != RouterLearn {
		return
	}
	p.until = now.Add(s.routerAge(t))
	s.wake = min(s.wake, p.until)
	s.setRouter(n, true)
}

// variables are what the querier's last general query said, and routers therefore
// go by (RFC 3376 §4.1.6, §4.1.7): 0 where it did not.
type variables struct {
	version, robustness uint8
	interval, response  time.Duration
}

func (v variables) filled() variables {
	if v.robustness == 0 {
		v.robustness = 2
	}
	if v.interval == 0 {
		v.interval = 125 * time.Second
	}
	if v.response == 0 {
		v.response = 10 * time.Second
	}
	return v
}

// routerAge is how long a port leads to a router that is not heard again: the
// Other Querier Present Interval (RFC 3376 §8.5).
func (s *side[A]) routerAge(t *Tunables) time.Duration {
	if t.RouterAge > 0 {
		return time.Duration(t.RouterAge) * time.Second
	}
	v := s.querier.filled()
	return time.Duration(v.robustness)*v.interval + v.response/2
}

// memberAge is how long a port listens that does not report again: the Group
// Membership Interval (RFC 3376 §8.4; RFC 4541 §2.1.1, 6).
func (s *side[A]) memberAge(t *Tunables) time.Duration {
	if t.MemberAge > 0 {
		return time.Duration(t.MemberAge) * time.Second
	}
	v := s.querier.filled()
	return time.Duration(v.robustness)*v.interval + v.response
}

// lastCount is the Last Member Query Count (RFC 3376 §8.8.1).
func (s *side[A]) lastCount(t *Tunables) time.Duration {
	if t.LastMemberCount > 0 {
		return time.Duration(t.LastMemberCount)
	}
	return time.Duration(s.querier.filled().robustness)
}
