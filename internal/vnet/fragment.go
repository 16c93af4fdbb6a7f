package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// fragment takes a packet longer than the next link's MTU and sends it in
// pieces (RFC 791 §3.2), unless it must not be cut: one of IPv6 by nobody but its
// sender (RFC 8200 §4.5). A packet from here is then refused with EMSGSIZE,
// another answered (RFC 1191 §4).
func (sh *shard) fragment(p *pass, b *pkt.Buf, ip wire.Packet, h *ifnet.Hop) syscall.Errno {
	if ip.Is6() && h.Transit || !ip.Is6() && ip.V4().DF() {
		sh.errNeedFrag(p, b, ip, h)
		return syscall.EMSGSIZE
	}
	if b.Sum == pkt.SumPartial {
		wire.CompletePacket(ip) // the sum covers what is in no single fragment
		b.Sum = pkt.SumValid
	}
	var id uint32
	if ip.Is6() {
		id = uint32(sh.st.Rand()) // RFC 7739: not to be guessed
	}
	cut, ok := wire.Cut(ip, h.MTU, id)
	if !ok {
		sh.drop(p, b, pkt.TooBig)
		return syscall.EMSGSIZE
	}
	cold := sh.rare()
	packets, pieces := &cold.Fragmented, &cold.FragsSent
	if ip.Is6() {
		packets, pieces = &sh.rooms.Six().Fragmented, &sh.rooms.Six().FragsSent
	}
	*packets++
	var errno syscall.Errno
	for n := cut.Len(); n > 0; n = cut.Len() {
		f := p.r.Cache.Get(n)
		cut.Put(f.Extend(n))
		f.Sum = b.Sum
		*pieces++
		if e := sh.resolve(p, f, h); e != 0 {
			errno = e
		}
	}
	p.r.Cache.Free(b)
	return errno
}
