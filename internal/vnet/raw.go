package vnet

import (
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// inRaw gives a packet to every raw socket it suits and tells whether there
// was one. It borrows b.
func (sh *shard) inRaw(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) bool {
	socks := sh.st.raws.All()
	if len(socks) == 0 {
		return false
	}
	found := false
	var full *pkt.Buf // b with its checksum filled in, for readers of bytes
	for _, s := range socks {
		if !sh.suitsRaw(p, s, ip, to) || b.Sum != pkt.SumPartial && !s.ChecksumOK(ip) {
			continue
		}
		found = true
		src, data := b, ip
		if b.Sum == pkt.SumPartial {
			if full == nil {
				full = p.r.Cache.Clone(b)
				wire.CompletePacket(ip.In(full.Slice(b.Offset(ip.Bytes()), ip.Len())))
			}
			src, data = full, ip.In(full.Slice(b.Offset(ip.Bytes()), ip.Len()))
		}
		read := data.Bytes()
		if ip.Is6() {
			read = data.Payload() // RFC 3542 §3: never the header
		}
		if s.enqueue(p, src, data, read) {
			sh.rare().RawDelivered++
		} else {
			sh.rare().SocketFull++
			sh.lose(p, b, pkt.SocketFull)
		}
	}
	if full != nil {
		p.r.Cache.Free(full)
	}
	return found
}

// suitsRaw tells whether a raw socket gets a packet (behaviour 6.7): by
// protocol and addresses, and multicast other than IGMP and ICMPv6 by its memberships, if
// it has asked for any.
func (sh *shard) suitsRaw(p *pass, s *Sock, ip wire.Packet, to destKind) bool {
	if !s.Takes(ip, p.link(ip.Dst())) {
		return false
	}
	o := s.Opts.Load()
	if to != destMulticast || ip.Proto() == wire.ProtoIGMP || ip.Proto() == wire.ProtoICMPv6 || !o.Multicast(ip.Is6()).Own || p.in == nil {
		return true
	}
	if snap := sh.st.groups.Lookup(ip.Dst(), int32(p.in.Index)); snap != nil {
		for i := range snap.Members {
			if snap.Members[i].Socket == s && snap.Members[i].Match(ip.Src()) {
				return true
			}
		}
	}
	sh.rare().NotMember++
	return false
}
