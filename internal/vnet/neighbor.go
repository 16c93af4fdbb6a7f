package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// arpTable returns the interface's ARP table, made at its first use. It learns
// the interface's addresses without announcing them again. Shard 0 is locked.
func (sh *shard) arpTable(p *pass, c *ifConf) *arp.Table[*pkt.Buf] {
	if c.arp == nil {
		t := new(arp.Table[*pkt.Buf])
		t.Bind(&p.v.tun.ARP, sh.arpStats())
		for _, a := range c.addrs {
			t.AddAddress(p.r.Now(), a)
		}
		t.SetLink(p.r.Now(), arpLink(c))
		t.Settle()
		c.Iface.arp = t
	}
	return c.arp
}

func arpLink(c *ifConf) arp.Link {
	return arp.Link{MAC: c.mac, Up: c.up(), NoARP: c.flags&FlagNoARP != 0}
}

// inARP takes a frame that carries ARP. Frames that are no flow's come to
// shard 0, which is this one.
func (sh *shard) inARP(p *pass, b *pkt.Buf, raw []byte) {
	a, f := wire.ParseARP(raw)
	if f != wire.OK {
		sh.drop(p, b, pkt.BadARP)
		return
	}
	if len(p.in.addrs) == 0 {
		sh.drop(p, b, pkt.NotForUs)
		return
	}
	// Most broadcasts are about others: the answer to those must not make a table.
	if p.in.arp == nil && p.v.tun.ARP.ProxyAll == 0 && !p.v.IsOurs(a.TargetIP()) && !p.v.IsOurs(a.SenderIP()) {
		sh.drop(p, b, pkt.NotForUs)
		return
	}
	t := sh.arpTable(p, p.in)
	frame := sh.arpFrame(p, a)
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

// arpFrame adds to a message what routes and other interfaces know about it
// (behaviour 5.1, 5.3).
func (sh *shard) arpFrame(p *pass, a wire.ARP) arp.Frame {
	f := arp.Frame{ARP: a}
	sender := a.SenderIP()
	var h hop
	direct := sh.st.route(p.v, p.in.fib, sender, &h) == pkt.NoReason && !h.gw && h.out.index == p.in.index
	f.OffLink = !direct && !p.in.addrs.Covers(sender)
	for _, o := range p.v.ifs {
		if o != nil && o.index != p.in.index && o.fib == p.in.fib { // other tables, other networks
			nb := o.neighbor(sender)
			f.WrongInterface = f.WrongInterface || nb != nil && nb.hdr.Load() != nil
		}
	}
	if p.v.tun.ARP.ProxyAll != 0 {
		f.ProxySender = direct
		f.Proxy = sh.st.route(p.v, p.in.fib, a.TargetIP(), &h) == pkt.NoReason && h.out.index != p.in.index
	}
	return f
}

func (sh *shard) sendARP(p *pass, out *ifConf, m *arp.Message) {
	b := p.r.Cache.Get(arp.MessageLen)
	m.Put(b.Extend(arp.MessageLen), out.mac)
	b.Sum = pkt.SumValid
	sh.tx(p, b, out)
}

// unresolved takes a packet whose next hop has no known hardware address.
func (sh *shard) unresolved(p *pass, b *pkt.Buf, h *hop) syscall.Errno {
	if h.out.flags&FlagBroadcast != 0 && sh.isBroadcast(p.v, h) {
		sh.outEther(p, b, h.out, wire.BroadcastMAC())
		return 0
	}
	if sh.id != 0 {
		errno := h.downErrno()
		if errno != 0 {
			sh.hostDown(p, b, h)
		}
		sh.handOver(p, b, h)
		return errno
	}
	t := sh.arpTable(p, h.out)
	res := t.Resolve(p.r.Now(), h.next, b, h.gw)
	if res.HasDropped {
		sh.drop(p, res.Dropped, pkt.HoldFull)
	}
	errno := res.Errno
	if errno != 0 && res.Verdict == arp.Held && sh.st.more != nil {
		h.out.needNeighbor(h.next).down.Store(true)
	}
	if errno != 0 && res.Verdict == arp.Held {
		sh.hostDown(p, b, h)
	}
	switch res.Verdict {
	case arp.Send:
		sh.outEther(p, b, h.out, res.MAC)
		errno = 0
	case arp.Refused:
		sh.drop(p, b, pkt.Unresolved)
	}
	sh.pullARP(p, h.out)
	return errno
}

// handOver takes a packet that shard 0 must resolve. As long as it has not dealt
// with all that this shard has handed over, no packet may be sent past them.
func (sh *shard) handOver(p *pass, b *pkt.Buf, h *hop) {
	b.Meta = pkt.Meta{IfIndex: h.out.index, IfGen: h.out.gen, NextHop: h.next, FIB: p.m.FIB, Way: pkt.WayResolve, Shard: uint8(sh.id)}
	sh.handed.Add(1)
	if !sh.st.shardAt(0).Queue.Put(p.r, b) {
		sh.handed.Add(-1)
		sh.drop(p, b, pkt.QueueFull)
	}
}

// hostDown tells the sender of a packet on its way through that the next hop
// does not answer, where a local sender has an errno (RFC 1812 §5.2.7.1). The
// packet is held all the same.
func (sh *shard) hostDown(p *pass, b *pkt.Buf, h *hop) {
	if h.transit {
		ip := wire.IPv4(b.Bytes())
		ip.UndoTTL()
		sh.complain(p, ip, icmp.HostUnreachable, 0)
		ip.DecTTL()
	}
}

// downErrno is what a sender is told whose packet another shard resolves: what
// that one found out with earlier packets.
func (h *hop) downErrno() syscall.Errno {
	nb := h.out.neighbor(h.next)
	switch {
	case nb == nil || !nb.down.Load():
		return 0
	case h.gw:
		return syscall.EHOSTUNREACH
	}
	return syscall.EHOSTDOWN
}

func (sh *shard) isBroadcast(v *View, h *hop) bool {
	if h.next == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	l := v.local.Find(h.next)
	return l != nil && l.Broadcast && h.out.broadcasts(h.next)
}

// resolveHere takes a packet that another shard could not resolve.
func (sh *shard) resolveHere(p *pass, b *pkt.Buf) {
	h := hop{out: p.in, next: p.m.NextHop, nb: p.in.neighbor(p.m.NextHop)}
	p.in = nil
	sh.resolve(p, b, &h)
}

// pullARP does what an ARP table wants done.
func (sh *shard) pullARP(p *pass, c *ifConf) {
	sh.stale = true
	var o, resolved arp.Out[*pkt.Buf]
	for c.arp.Next(p.r.Now(), &o) {
		// Packets that waited go first: other shards send as soon as they see the
		// neighbour.
		if resolved.Kind == arp.Changed && o.Kind != arp.SendPacket {
			sh.neighborChanged(c, &resolved)
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
				sh.neighborChanged(c, &o)
			}
		case arp.Watch:
			if nb := c.neighbor(o.IP); nb != nil {
				nb.used.Store(false)
			}
		case arp.AskUsed:
			if nb := c.neighbor(o.IP); nb != nil && nb.used.Load() {
				c.arp.Used(o.IP)
			}
		}
	}
	if resolved.Kind == arp.Changed {
		sh.neighborChanged(c, &resolved)
	}
}

// neighborChanged publishes what the path must know.
func (sh *shard) neighborChanged(c *ifConf, o *arp.Out[*pkt.Buf]) {
	if o.Event == arp.Resolved {
		hdr := new([wire.EtherLen]byte)
		wire.PutEther(hdr[:], o.MAC, c.mac, wire.EtherTypeIPv4)
		nb := c.needNeighbor(o.IP)
		nb.hdr.Store(hdr)
		nb.down.Store(false)
		return
	}
	if nb := c.neighbor(o.IP); nb != nil {
		nb.hdr.Store(nil)
		nb.down.Store(false)
		if nb.pins == 0 {
			c.neigh.Delete(sh.st.world.seed.Addr(o.IP, 0), o.IP)
		}
	}
}
