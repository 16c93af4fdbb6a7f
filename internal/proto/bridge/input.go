package bridge

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

const etherTypeServiceTag = 0x88a8 // the outer tag of IEEE 802.1ad

// Input takes a frame that arrived on a port and fills in where it goes.
func (b *Bridge) Input(now clock.Time, e Env, in int32, frame wire.Ether, d *Decision) {
	*d = Decision{In: in}
	e.S.Frames++
	if !b.attached(in) {
		d.Verdict = NoPort
		e.S.Dropped++
		return
	}
	if b.Deadline() <= now {
		b.Expire(now, e)
	}
	b.learn(now, frame.Src(), in, e)
	if to := frame.Dst(); to.IsMulticast() {
		b.toGroup(now, e, to, frame, d)
	} else {
		b.toStation(now, e, in, to, d)
	}
	e.S.Copies += uint64(d.Copies)
	e.S.Withheld += uint64(d.Withheld)
	if d.Copies == 0 {
		e.S.Dropped++
	}
}

func (b *Bridge) toStation(now clock.Time, e Env, in int32, to wire.MAC, d *Decision) {
	n, known := b.Lookup(now, to, e.T)
	switch {
	case !known:
		b.flood(d)
	case n == in:
		d.Verdict = Local
	default:
		b.one[0] = n
		d.Verdict, d.Ports[0], d.Copies = Unicast, b.one[:], 1
	}
}

func (b *Bridge) flood(d *Decision) {
	d.Verdict, d.Ports[0], d.Copies = Flood, b.all, len(b.all)-1
}

func (b *Bridge) toGroup(now clock.Time, e Env, to wire.MAC, frame wire.Ether, d *Decision) {
	switch {
	case reserved(to):
		d.Verdict = Reserved
	case e.T.Snooping == 0:
		b.flood(d)
	case to[0] == 0x01 && to[1] == 0x00 && to[2] == 0x5e:
		b.toGroup4(now, e, frame, d)
	case to[0] == 0x33 && to[1] == 0x33:
		b.toGroup6(now, e, frame, d)
	default:
		b.flood(d)
	}
}

// toGroup4: RFC 4541 §2.1.2. What is no IPv4 floods (4), what is damaged goes
// nowhere (6), and so does IGMP behind a damaged header (§2.1.1, 5).
func (b *Bridge) toGroup4(now clock.Time, e Env, frame wire.Ether, d *Decision) {
	packet := datagram(frame, wire.EtherTypeIPv4)
	if packet == nil {
		b.flood(d)
		return
	}
	p, fault := wire.ParseIPv4(packet)
	switch {
	case fault != wire.OK || !e.SumOK && !p.ChecksumOK():
		d.Verdict = BadIP
		e.S.BadIP++
	case !p.Dst().IsMulticast():
		b.flood(d)
	case p.Proto() == wire.ProtoIGMP:
		b.snoop(now, e, p, d)
	case p.Dst().IsLinkLocalMulticast(): // 2
		if isHello4(p, e.SumOK) {
			b.v4.heardRouter(now, d.In, e.T)
		}
		b.flood(d)
	default:
		toMembers(b, e, &b.v4, p.Src4(), p.Dst4(), d)
	}
}

// toGroup6: RFC 4541 §3. Every node reports every group but all nodes', so that
// is the only one that always goes everywhere. Neighbour discovery lives on
// groups, so as long as nobody asks, and lists therefore run out, all do.
func (b *Bridge) toGroup6(now clock.Time, e Env, frame wire.Ether, d *Decision) {
	packet := datagram(frame, wire.EtherTypeIPv6)
	if packet == nil {
		b.flood(d)
		return
	}
	ip, fault := wire.ParseIPv6(packet)
	if fault != wire.OK {
		d.Verdict = BadIP
		e.S.BadIP++
		return
	}
	if !ip.Dst().IsMulticast() {
		b.flood(d)
		return
	}
	if m := control6(ip); m.proto == wire.ProtoICMPv6 && mld.IsMLD(m.Payload) {
		m.SumOK = e.SumOK
		b.snoop6(now, e, &m.Packet, d)
		return
	} else if m.isAdvert(e.SumOK) || m.isHello(e.SumOK) {
		b.v6.heardRouter(now, d.In, e.T)
	}
	if ip.Dst16() == mld.AllNodes() || !b.v6.knows(now) {
		b.flood(d)
		return
	}
	toMembers(b, e, &b.v6, ip.Src16(), ip.Dst16(), d)
}

// reserved are the addresses that end at the first bridge (IEEE 802.1D §7.12.6).
func reserved(a wire.MAC) bool {
	return a[0] == 0x01 && a[1] == 0x80 && a[2] == 0xc2 && a[3] == 0 && a[4] == 0 && a[5] < 16
}

// datagram returns what the frame carries, behind one or two tags if there are
// any (IEEE 802.1Q, 802.1ad); nil if that is of another type.
func datagram(frame wire.Ether, want uint16) []byte {
	typ, payload := frame.Type(), frame.Payload()
	for range 2 {
		if typ != wire.EtherTypeVLAN && typ != etherTypeServiceTag {
			break
		}
		tag, fault := wire.ParseVLAN(payload)
		if fault != wire.OK {
			return nil
		}
		typ, payload = tag.Type(), tag.Payload()
	}
	if typ != want {
		return nil
	}
	return payload
}

func toMembers[A gmp.Address](b *Bridge, e Env, s *side[A], src, dst A, d *Decision) {
	if !s.toMembers(src, dst, d) {
		e.S.Unregistered++
		if e.T.FloodUnknown != 0 {
			b.flood(d)
			return
		}
		s.toRouters(Unknown, b.unknown, d)
	}
	b.withhold(d)
}

// withhold counts the copies that flooding would have made in addition.
func (b *Bridge) withhold(d *Decision) { d.Withheld = len(b.all) - 1 - d.Copies }
