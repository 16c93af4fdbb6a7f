package vnet

import (
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/wire"
)

// inFragment takes a fragment for this stack. Fragments are of no flow, so
// they come to shard 0; the whole packet then goes to its flow's.
func (sh *shard) inFragment(p *pass, b *pkt.Buf, ip wire.IPv4) {
	room := sh.reassRoom(p)
	b, ip = sh.own(p, b, ip)
	if p.in != nil {
		b.Meta = pkt.Meta{IfIndex: p.in.Index, IfGen: p.in.Gen, FIB: p.m.FIB}
	}
	f := reass.Fragment[*pkt.Buf]{
		Key: reass.Key{Src: ip.Src(), Dst: ip.Dst(), ID: uint32(ip.ID()), Proto: ip.Proto()},
		Off: ip.FragOffset(), Len: len(ip.Payload()), Hdr: ip.HeaderLen(),
		Cost: b.Mem(), More: ip.MF(), ECN: ip.TOS() & 3, Packet: b,
	}
	res := room.Input(p.r.Now(), &f, room.pieces)
	switch res.Verdict {
	case reass.Refused:
		sh.drop(p, b, reassReason(res.Reason))
	case reass.Complete:
		room.pieces = res.Pieces[:0]
		sh.join(p, &res)
	}
	sh.pullReass(p)
}

func reassReason(r reass.Reason) pkt.Reason {
	switch r {
	case reass.BadLength, reass.TooLong, reass.TooSmall:
		return pkt.BadFragment
	case reass.TimedOut:
		return pkt.ReassTimeout
	case reass.TooMany, reass.Full, reass.Evicted, reass.Cleared:
		return pkt.ReassLimit
	}
	return pkt.ReassOverlap
}

// join makes one packet of the pieces and lets it come in where they did. It keeps the
// FIB and the interface of the first fragment (behaviour 4.3, rule 9).
func (sh *shard) join(p *pass, res *reass.Result[*pkt.Buf]) {
	first := res.Pieces[0].Packet
	ip := wire.IPv4(first.Bytes())
	hd := ip.Header()
	hd.MF, hd.FragOffset = false, 0
	hd.TOS = hd.TOS&^3 | res.ECN
	sum := pkt.SumUnknown
	whole := p.r.Cache.Get(hd.Len() + res.Len)
	at := wire.PutIPv4(whole.Extend(hd.Len()+res.Len), &hd, res.Len)
	for i := range res.Pieces {
		f := res.Pieces[i].Packet
		copy(whole.Bytes()[at+res.Pieces[i].Off:], wire.IPv4(f.Bytes()).Payload())
	}
	m := first.Meta
	if first.Sum != pkt.SumUnknown {
		sum = pkt.SumValid
	}
	for i := range res.Pieces {
		p.r.Cache.Free(res.Pieces[i].Packet)
		res.Pieces[i].Packet = nil
	}
	whole.Sum = sum
	sh.requeue(p, whole, m, pkt.WayDeliver)
}

// pullReass frees what the table gives up.
func (sh *shard) pullReass(p *pass) {
	sh.stale = true
	var o reass.Out[*pkt.Buf]
	for sh.rooms.reass.Next(p.r.Now(), &o) {
		b := o.Packet
		if o.Kind == reass.TimeExceeded {
			p.in, p.l2, p.m.FIB = p.v.Arrival(b.Meta.IfIndex, b.Meta.IfGen), toUs, b.Meta.FIB
			sh.refuse(p, b, wire.IPv4(b.Bytes()), pkt.ReassTimeout, icmp.ReassemblyExceeded, 0)
			continue
		}
		sh.drop(p, b, reassReason(o.Reason))
	}
}
