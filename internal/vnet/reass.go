package vnet

import (
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/wire"
)

// inFragment takes a fragment for this stack. Fragments are of no flow, so
// they come to shard 0; the whole packet then goes to its flow's.
func (sh *shard) inFragment(p *pass, b *pkt.Buf, ip wire.Packet) {
	room := sh.rooms.Reass(p.v.V())
	b, ip = sh.own(p, b, ip)
	if p.in != nil {
		b.Meta = pkt.Meta{IfIndex: p.in.Index, IfGen: p.in.Gen, FIB: p.m.FIB}
	}
	f := ifnet.Fragment(ip, p.inIndex())
	f.Cost, f.Packet = b.Mem(), b
	b.Meta.Upper = uint16(ip.HeaderLen())
	res := room.Input(p.r.Now(), &f, room.Pieces)
	switch res.Verdict {
	case reass.Refused:
		sh.drop(p, b, ifnet.Reass(res.Reason))
	case reass.Complete:
		room.Pieces = res.Pieces[:0]
		sh.join(p, &res)
	}
	sh.pullReass(p)
}

// join makes one packet of the pieces and lets it come in where they did. It keeps the
// FIB and the interface of the first fragment (behaviour 4.3, rule 9).
func (sh *shard) join(p *pass, res *reass.Result[*pkt.Buf]) {
	first := res.Pieces[0].Packet
	hl := int(first.Meta.Upper)
	is6 := first.Bytes()[0]>>4 == 6
	whole := p.r.Cache.Get(hl + res.Len)
	out := whole.Extend(hl + res.Len)
	if is6 {
		wire.JoinFragment6(out, wire.IPv6(first.Bytes()), hl, res.ECN)
	} else {
		hd := wire.IPv4(first.Bytes()).Header()
		hd.MF, hd.FragOffset = false, 0
		hd.TOS = hd.TOS&^3 | res.ECN
		wire.PutIPv4(out, &hd, res.Len)
	}
	m := first.Meta
	if first.Sum != pkt.SumUnknown {
		whole.Sum = pkt.SumValid
	}
	for i := range res.Pieces {
		f := res.Pieces[i].Packet
		skip := int(f.Meta.Upper) // their own headers may differ (RFC 8200 §4.5)
		if is6 {
			skip += wire.FragmentLen
		}
		copy(out[hl+res.Pieces[i].Off:], f.Bytes()[skip:])
		p.r.Cache.Free(f)
		res.Pieces[i].Packet = nil
	}
	sh.requeue(p, whole, m, pkt.WayDeliver)
}

// pullReass frees what the table gives up, if there is one.
func (sh *shard) pullReass(p *pass) {
	sh.stale = true
	room := sh.rooms.Reassembling()
	var o reass.Out[*pkt.Buf]
	for room != nil && room.Next(p.r.Now(), &o) {
		b := o.Packet
		if o.Kind == reass.TimeExceeded {
			p.in, p.l2, p.m.FIB = p.v.Arrival(b.Meta.IfIndex, b.Meta.IfGen), toUs, b.Meta.FIB
			if ip, f := wire.ParseIP(b.Bytes()); f == wire.OK {
				sh.refuse(p, b, pkt.ReassTimeout, &icmp.Cause{Kind: icmp.ReassemblyExceeded, Packet: ip})
				continue
			}
		}
		sh.drop(p, b, ifnet.Reass(o.Reason))
	}
}
