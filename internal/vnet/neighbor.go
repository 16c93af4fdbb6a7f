package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// arpTable returns the interface's ARP table, made at its first use. It learns
// the interface's addresses without announcing them again. Shard 0 is locked.
func (sh *shard) arpTable(p *pass, c *ifnet.Conf) *arp.Table[*pkt.Buf] {
	if c.ARP == nil {
		t := new(arp.Table[*pkt.Buf])
		t.Bind(&p.v.V().ARP, sh.rooms.ARP())
		for _, a := range c.Addrs {
			if a.Addr().Is4() {
				t.AddAddress(p.r.Now(), a.Prefix)
			}
		}
		t.SetLink(p.r.Now(), c.ARPLink())
		t.Settle()
		c.Iface.ARP = t
	}
	return c.ARP
}

// inARP takes a frame that carries ARP. Frames that are no flow's come to
// shard 0, which is this one.
func (sh *shard) inARP(p *pass, b *pkt.Buf, raw []byte) {
	a, f := wire.ParseARP(raw)
	if f != wire.OK {
		sh.drop(p, b, pkt.BadARP)
		return
	}
	if !p.in.Addrs.Has(false) {
		sh.drop(p, b, pkt.NotForUs)
		return
	}
	// Most broadcasts are about others: the answer to those must not make a table.
	if p.in.ARP == nil && p.v.V().ARP.ProxyAll == 0 && !p.v.IsOurs(a.TargetIP()) && !p.v.IsOurs(a.SenderIP()) {
		sh.drop(p, b, pkt.NotForUs)
		return
	}
	t := sh.arpTable(p, p.in)
	frame := p.v.ARPFrame(p.in, a)
	answer := t.Input(p.r.Now(), &frame)
	if answer.Reply {
		sh.sendARP(p, p.in, &answer.Message)
	}
	sh.pullARP(p, p.in)
	if answer.Drop != arp.NotDropped {
		sh.drop(p, b, pkt.BadARP)
		return
	}
	p.r.Cache.Free(b)
}

func (sh *shard) sendARP(p *pass, out *ifnet.Conf, m *arp.Message) {
	b := p.r.Cache.Get(arp.MessageLen)
	m.Put(b.Extend(arp.MessageLen), out.MAC)
	b.Sum = pkt.SumValid
	sh.tx(p, b, out)
}

// unresolved takes a packet whose next hop has no known hardware address.
func (sh *shard) unresolved(p *pass, b *pkt.Buf, h *ifnet.Hop) syscall.Errno {
	if h.Next.Is6() {
		return sh.unresolved6(p, b, h)
	}
	if h.IsBroadcast(p.v) {
		sh.outEther(p, b, h.Out, wire.BroadcastMAC())
		return 0
	}
	if sh.id != 0 {
		errno := h.DownErrno()
		if errno != 0 {
			sh.hostDown(p, b, h)
		}
		sh.handOver(p, b, h)
		return errno
	}
	t := sh.arpTable(p, h.Out)
	res := t.Resolve(p.r.Now(), h.Next, b, h.Gateway)
	if res.HasDropped {
		sh.drop(p, res.Dropped, pkt.HoldFull)
	}
	errno := res.Errno
	if errno != 0 && res.Verdict == arp.Held && sh.st.more != nil {
		h.Out.NeedNeighbor(h.Next).Down.Store(true)
	}
	if errno != 0 && res.Verdict == arp.Held {
		sh.hostDown(p, b, h)
	}
	switch res.Verdict {
	case arp.Send:
		sh.outEther(p, b, h.Out, res.MAC)
		errno = 0
	case arp.Refused:
		sh.drop(p, b, pkt.Unresolved)
	}
	sh.pullARP(p, h.Out)
	return errno
}

// handOver takes a packet that shard 0 must resolve. As long as it has not dealt
// with all that this shard has handed over, no packet may be sent past them.
func (sh *shard) handOver(p *pass, b *pkt.Buf, h *ifnet.Hop) {
	b.Meta = pkt.Meta{IfIndex: h.Out.Index, IfGen: h.Out.Gen, NextHop: h.Next, FIB: p.m.FIB, Depth: p.m.Depth, Way: pkt.WayResolve, Shard: sh.id}
	if h.Transit && h.Next.Is6() { // of IPv4, hostDown has told
		b.Meta.From = p.inIndex()
	}
	sh.handed.Add(1)
	if !sh.st.shardAt(0).Queue.Put(p.r, b) {
		sh.handed.Add(-1)
		sh.drop(p, b, pkt.QueueFull)
	}
}

// hostDown tells the sender of a packet on its way through that the next hop
// does not answer, where a local sender has an errno (RFC 1812 §5.2.7.1). The
// packet is held all the same.
func (sh *shard) hostDown(p *pass, b *pkt.Buf, h *ifnet.Hop) {
	if h.Transit {
		ip := wire.Packet4(wire.IPv4(b.Bytes()))
		ip.UndoTTL()
		sh.complain(p, &icmp.Cause{Kind: icmp.HostUnreachable, Packet: ip})
		ip.DecTTL()
	}
}

// resolveHere takes a packet that another shard could not resolve.
func (sh *shard) resolveHere(p *pass, b *pkt.Buf) {
	h := ifnet.Hop{Out: p.in, Next: p.m.NextHop, Neighbor: p.in.Neighbor(p.m.NextHop)}
	p.in = p.v.Conf(p.m.From)
	h.Transit = p.in != nil
	sh.resolve(p, b, &h)
}

// pullARP does what an ARP table wants done.
func (sh *shard) pullARP(p *pass, c *ifnet.Conf) {
	sh.stale = true
	var o, resolved arp.Out[*pkt.Buf]
	for c.ARP.Next(p.r.Now(), &o) {
		// Packets that waited go first: other shards send as soon as they see the
		// neighbour.
		if resolved.Kind == arp.Changed && o.Kind != arp.SendPacket {
			c.NeighborChanged(&sh.st.events, &resolved)
			resolved.Kind = arp.SendMessage
		}
		switch o.Kind {
		case arp.SendMessage:
			sh.sendARP(p, c, &o.Message)
		case arp.SendPacket:
			sh.outEther(p, o.Packet, c, o.MAC)
		case arp.DropPacket:
			sh.drop(p, o.Packet, pkt.Unresolved)
		case arp.Changed:
			if o.Event == arp.Resolved {
				resolved = o
			} else {
				c.NeighborChanged(&sh.st.events, &o)
			}
		case arp.Watch:
			if nb := c.Neighbor(o.IP); nb != nil {
				nb.Used.Store(false)
			}
		case arp.AskUsed:
			if nb := c.Neighbor(o.IP); nb != nil && nb.Used.Load() {
				c.ARP.Used(o.IP)
			}
		}
	}
	if resolved.Kind == arp.Changed {
		c.NeighborChanged(&sh.st.events, &resolved)
	}
}
