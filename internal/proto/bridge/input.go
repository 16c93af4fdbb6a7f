package bridge

import (
	"github.com/seed88948545/vimage/internal/clock"
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
		b.toGroup(now, e, in, to, frame, d)
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

func (b *Bridge) toGroup(now clock.Time, e Env, in int32, to wire.MAC, frame wire.Ether, d *Decision) {
	switch {
	case reserved(to):
		d.Verdict = Reserved
		return
	case e.T.Snooping == 0 || to[0] != 0x01 || to[1] != 0x00 || to[2] != 0x5e:
		b.flood(d)
		return
	}
	p, ok := ipv4(frame)
	switch {
	case !ok || !p.Dst().IsMulticast():
		b.flood(d)
	case p.Proto() == wire.ProtoIGMP && !p.IsFragment():
		b.snoop(now, e, in, p, d)
	case p.Dst().IsLinkLocalMulticast(): // RFC 4541 §2.1.2, 2
		b.flood(d)
	default:
		b.toMembers(e, in, p.Src4(), p.Dst4(), d)
	}
}

// reserved are the addresses that end at the first bridge (IEEE 802.1D §7.12.6).
func reserved(a wire.MAC) bool {
	return a[0] == 0x01 && a[1] == 0x80 && a[2] == 0xc2 && a[3] == 0 && a[4] == 0 && a[5] < 16
}

// ipv4 finds the datagram, behind one tag if there is one.
func ipv4(frame wire.Ether) (wire.IPv4, bool) {
	typ, payload := frame.Type(), frame.Payload()
	if typ == wire.EtherTypeVLAN || typ == etherTypeServiceTag {
		tag, fault := wire.ParseVLAN(payload)
		if fault != wire.OK {
			return nil, false
		}
		typ, payload = tag.Type(), tag.Payload()
	}
	if typ != wire.EtherTypeIPv4 {
		return nil, false
	}
	p, fault := wire.ParseIPv4(payload)
	return p, fault == wire.OK
}

// toMembers: RFC 4541 §2.1.2, 1 and 3.
func (b *Bridge) toMembers(e Env, in int32, src, dst addr, d *Decision) {
	g := b.group(dst)
	if g == nil {
		e.S.Unregistered++
		if e.T.FloodUnknown != 0 {
			b.flood(d)
			return
		}
		b.toRouters(Unknown, d)
		return
	}
	d.Verdict = Members
	d.Ports = [4][]int32{b.routers, g.any, g.from(src)}
	if len(g.partial) > 0 {
		b.some = b.some[:0]
		for _, m := range g.partial {
			if m.Forwards(src) {
				b.some = append(b.some, m.Port())
			}
		}
		d.Ports[3] = b.some
	}
	for _, list := range d.Ports {
		d.Copies += len(list)
	}
	own := b.ports[in].router > 0
	if m := b.db.Lookup(in, dst); !own && m != nil {
		own = m.Forwards(src)
	}
	if own {
		d.Copies--
	}
	d.Withheld = len(b.all) - 1 - d.Copies
}

func (b *Bridge) toRouters(why Verdict, d *Decision) {
	d.Verdict, d.Ports[0], d.Copies = why, b.routers, len(b.routers)
	if b.ports[d.In].router > 0 {
		d.Copies--
	}
	d.Withheld = len(b.all) - 1 - d.Copies
}
