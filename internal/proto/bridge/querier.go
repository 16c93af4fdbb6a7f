package bridge

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

// querier is what a switch asks of itself, for one family.
type querier[A gmp.Address] struct {
	on         bool
	self       A          // where its queries come from
	otherUntil clock.Time // Other Querier Present (RFC 3376 §8.5)
	generalAt  clock.Time // Never if it asks nothing
	startup    uint8      // general queries until they are further apart
	fresh      []int32    // ports to be asked what is wanted there
	freshAt    clock.Time
}

// Source says where a switch's own messages come from.
type Source struct {
	MAC  wire.MAC
	IPv4 netip.Addr // 0.0.0.0 if it has none (RFC 4541 §2.1.1, 4)
	IPv6 netip.Addr // link-local
}

// Out is a message that the switch sends of its own accord.
type Out struct {
	Buf   []byte  // the caller's, as long as a frame may be
	N     int     // of the frame in Buf, which is complete
	Ports []int32 // where to; the Bridge's, valid until its next call
}

// SetQuerier has the switch ask what is listened to as long as no router does, or
// not any more. The source is also that of what SetProxy has it ask.
func (b *Bridge) SetQuerier(now clock.Time, on bool, from Source) {
	b.from = from
	b.v4.setQuerier(now, on, from.IPv4.As4())
	b.v6.setQuerier(now, on, from.IPv6.As16())
}

func (s *side[A]) setQuerier(now clock.Time, on bool, self A) {
	q := &s.own
	q.on, q.self, q.startup = on, self, 0
	q.generalAt = clock.Never
	if on {
		q.generalAt, q.startup = max(now, q.otherUntil), 2
	}
}

// isQuerier tells whether the switch itself asks.
func (s *side[A]) isQuerier(now clock.Time) bool { return s.own.on && now >= s.own.otherUntil }

// elect: another querier is there. The one with the lowest address asks (RFC 3376
// §6.6.2); a switch without address lets everybody.
func (s *side[A]) elect(now clock.Time, src A, t *Tunables) {
	var none A
	if q := &s.own; q.on && src != none && (q.self == none || gmp.Compare(src, q.self) < 0) {
		q.otherUntil = now.Add(s.routerAge(t))
		q.generalAt, q.startup = q.otherUntil, 0
	}
}

// Refresh has all ports asked that lead to no router, by the switch if it is the
// querier, and else in its name if that is known to speak version 3: what is
// behind them may have changed (RFC 4541 §2.1.1, 4).
func (b *Bridge) Refresh(now clock.Time) {
	for _, n := range b.all {
		b.RefreshPort(now, n)
	}
}

// RefreshPort is Refresh for one port.
func (b *Bridge) RefreshPort(now clock.Time, n int32) {
	if b.attached(n) {
		b.v4.refresh(now, n)
		b.v6.refresh(now, n)
	}
}

func (s *side[A]) refresh(now clock.Time, n int32) {
	if !s.isRouter(n) && (s.isQuerier(now) || now < s.asked && s.querier.version == 3) {
		if p := s.port(n); !p.fresh {
			p.fresh = true
			s.own.fresh, s.own.freshAt = append(s.own.fresh, n), now
		}
	}
}

// IsQuerier tells for each family whether the switch itself asks.
func (b *Bridge) IsQuerier(now clock.Time) (v4, v6 bool) {
	return b.v4.isQuerier(now), b.v6.isQuerier(now)
}

// Next writes the next message that the switch is to send; false if there is none.
// Pull it at every deadline, and before Input.
func (b *Bridge) Next(now clock.Time, e Env, out *Out) bool {
	if e.T.Snooping == 0 {
		b.v4.pause(now, e.T)
		b.v6.pause(now, e.T)
		b.Expire(now, e)
		return false
	}
	var ask4 gmp.Ask[[4]byte]
	const head4 = wire.EtherLen + wire.IPv4Len + 4
	ask4.Buf, ask4.Head = out.Buf[head4:], wire.IGMPv3QueryLen
	if asker, ok := b.v4.next(now, e, b, &ask4, out); ok {
		b.query4(&ask4, asker, out)
		e.S.Asked++
		return true
	}
	var ask6 gmp.Ask[[16]byte]
	const head6 = wire.EtherLen + wire.IPv6Len + 8
	ask6.Buf, ask6.Head = out.Buf[head6:], wire.MLDv2QueryLen
	if asker, ok := b.v6.next(now, e, b, &ask6, out); ok {
		b.query6of(&ask6, asker, out)
		e.S.Asked++
		return true
	}
	b.macs.expire(now, e.T)
	return false
}

// pause lets what is due be.
func (s *side[A]) pause(now clock.Time, t *Tunables) {
	s.notFresh()
	if s.own.generalAt <= now {
		s.own.generalAt = now.Add(time.Duration(t.QueryInterval) * time.Second)
	}
}

func (s *side[A]) notFresh() {
	for _, n := range s.own.fresh {
		s.ports[n].fresh = false
	}
	s.own.fresh = s.own.fresh[:0]
}

// nextFresh returns a port that is to be asked; a port that went is none.
func (s *side[A]) nextFresh() (n int32, ok bool) {
	for q := &s.own; len(q.fresh) > 0 && !ok; {
		n, q.fresh = q.fresh[0], q.fresh[1:]
		ok, s.ports[n].fresh = s.ports[n].fresh, false
	}
	return n, ok
}

// next tells what is to be asked, as whom and where.
func (s *side[A]) next(now clock.Time, e Env, b *Bridge, ask *gmp.Ask[A], out *Out) (as A, ok bool) {
	q, mine := &s.own, s.isQuerier(now)
	v := s.variables(now, e.T)
	rules := gmp.RouterRules{Interval: v.interval, Response: v.response, LastMember: lastMember(e.T),
		Version: 3, Robustness: v.robustness, LastCount: uint8(s.lastCount(e.T))}
	var port int32
	for done := false; !ok && !done; s.follow() {
		port, ok, done = s.db.NextAsk(now, &rules, mine, ask)
	}
	s.expireRouters(now)
	if ok {
		b.one[0] = port
		out.Ports = b.one[:]
		return q.self, true
	}
	if q.generalAt <= now {
		s.general(now, e.T, v)
		out.Ports = b.all
	} else {
		if port, ok = s.nextFresh(); !ok {
			return as, false
		}
		b.one[0] = port
		out.Ports = b.one[:]
	}
	*ask = gmp.Ask[A]{Buf: ask.Buf, Head: ask.Head, MaxResp: v.response, Interval: v.interval, Robustness: v.robustness, Version: 3}
	if mine {
		as = q.self
	}
	return as, true
}

// general: the switch asks everybody, and heeds that as if it had heard it.
func (s *side[A]) general(now clock.Time, t *Tunables, v variables) {
	q := &s.own
	wait := v.interval
	if q.startup > 0 {
		if q.startup--; q.startup > 0 {
			wait /= 4 // RFC 3376 §8.6
		}
	}
	q.generalAt = now.Add(wait)
	s.notFresh()
	s.querier = v
	s.known(now, v.response, t)
}

// variables are those of whoever asks.
func (s *side[A]) variables(now clock.Time, t *Tunables) variables {
	if s.isQuerier(now) {
		return variables{3, 2, time.Duration(t.QueryInterval) * time.Second, time.Duration(t.QueryResponse) * time.Millisecond}
	}
	return s.querier.filled()
}

func lastMember(t *Tunables) time.Duration {
	return time.Duration(t.LastMemberInterval) * time.Millisecond
}

// query4 writes a query of IGMP version 3, whose sources are in its place.
func (b *Bridge) query4(ask *gmp.Ask[[4]byte], src [4]byte, out *Out) {
	group := netip.AddrFrom4(ask.Group)
	q := wire.IGMPv3QueryHeader{MaxRespCode: wire.IGMPEncode(int(ask.MaxResp / (100 * time.Millisecond))), Group: group,
		S: ask.Suppress, QRV: ask.Robustness, QQIC: wire.IGMPEncode(int(ask.Interval / time.Second))}
	m := ask.Buf[:wire.IGMPv3QueryLen+ask.N]
	wire.PutIGMPv3Query(m, &q, nil)
	binary.BigEndian.PutUint16(m[10:], uint16(ask.N/4))
	m[2], m[3] = 0, 0
	binary.BigEndian.PutUint16(m[2:], wire.Checksum(m))
	if group.IsUnspecified() {
		group = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	}
	alert := wire.RouterAlert()
	h := wire.IPv4Header{TOS: 0xc0, TTL: 1, Proto: wire.ProtoIGMP, Src: netip.AddrFrom4(src), Dst: group, Options: alert[:]}
	wire.PutEther(out.Buf, wire.MulticastMAC(group), b.from.MAC, wire.EtherTypeIPv4)
	out.N = wire.EtherLen + wire.PutIPv4(out.Buf[wire.EtherLen:], &h, len(m)) + len(m)
}

// query6of writes a query of MLD version 2, whose sources are in its place.
func (b *Bridge) query6of(ask *gmp.Ask[[16]byte], src [16]byte, out *Out) {
	group := netip.AddrFrom16(ask.Group)
	q := wire.MLDv2QueryHeader{MaxRespCode: wire.MLDEncode(int(ask.MaxResp / time.Millisecond)), Group: group,
		S: ask.Suppress, QRV: ask.Robustness, QQIC: wire.IGMPEncode(int(ask.Interval / time.Second))}
	m := ask.Buf[:wire.MLDv2QueryLen+ask.N]
	wire.PutMLDv2Query(m, &q, nil)
	binary.BigEndian.PutUint16(m[26:], uint16(ask.N/16))
	if group.IsUnspecified() {
		group = netip.IPv6LinkLocalAllNodes()
	}
	wire.ICMP6(m).SetChecksum(netip.AddrFrom16(src), group)
	h := wire.IPv6Header{HopLimit: mld.HopLimit, NextHeader: wire.ProtoHopByHop, Src: netip.AddrFrom16(src), Dst: group}
	alert := wire.RouterAlert6(wire.ProtoICMPv6, 0)
	wire.PutEther(out.Buf, wire.MulticastMAC(group), b.from.MAC, wire.EtherTypeIPv6)
	wire.PutIPv6(out.Buf[wire.EtherLen:], &h, len(alert)+len(m))
	copy(out.Buf[wire.EtherLen+wire.IPv6Len:], alert[:])
	out.N = wire.EtherLen + wire.IPv6Len + len(alert) + len(m)
}
