package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// fragment takes a packet longer than the next link's MTU and sends it in
// pieces (RFC 791 §3.2), unless it must not be cut. A packet from here is then
// refused with EMSGSIZE, another answered (RFC 1191 §4).
func (sh *shard) fragment(p *pass, b *pkt.Buf, ip wire.Packet, h *ifnet.Hop) syscall.Errno {
	if ip.Is6() && h.Transit || !ip.Is6() && ip.V4().DF() {
		sh.errNeedFrag(p, b, ip, h)
		return syscall.EMSGSIZE
	}
	if b.Sum == pkt.SumPartial {
		wire.CompletePacket(ip) // the sum covers what is in no single fragment
		b.Sum = pkt.SumValid
	}
	if ip.Is6() {
		return sh.fragment6(p, b, ip, h)
	}
	return sh.fragment4(p, b, ip.V4(), h)
}

func (sh *shard) fragment4(p *pass, b *pkt.Buf, ip wire.IPv4, h *ifnet.Hop) syscall.Errno {
	hl := ip.HeaderLen()
	step := (h.MTU - hl) &^ 7
	if step < 8 {
		sh.drop(p, b, pkt.TooBig)
		return syscall.EMSGSIZE
	}
	first := ip.Header()
	later := first
	later.Options = ip.AppendCopied(p.r.Scratch[:0])
	payload := ip.Payload()
	sh.rare().Fragmented++
	var errno syscall.Errno
	for off := 0; off < len(payload); off += step {
		hd := &first
		if off > 0 {
			hd = &later
		}
		n := min(step, len(payload)-off)
		hd.FragOffset = ip.FragOffset() + off
		hd.MF = ip.MF() || off+n < len(payload)
		f := p.r.Cache.Get(hd.Len() + n)
		at := wire.PutIPv4(f.Extend(hd.Len()+n), hd, n)
		copy(f.Bytes()[at:], payload[off:off+n])
		f.Sum = b.Sum
		sh.cold.FragsSent++
		if e := sh.resolve(p, f, h); e != 0 {
			errno = e
		}
	}
	p.r.Cache.Free(b)
	return errno
}

// fragment6 is fragment for a packet from here: nobody else cuts those of IPv6
// (RFC 8200 §4.5). What is sent has no headers but hop-by-hop options that belong
// to each fragment.
func (sh *shard) fragment6(p *pass, b *pkt.Buf, ip wire.Packet, h *ifnet.Hop) syscall.Errno {
	hl, payload := ip.HeaderLen(), ip.Payload()
	step := (h.MTU - hl - wire.FragmentLen) &^ 7
	if step < 8 {
		sh.drop(p, b, pkt.TooBig)
		return syscall.EMSGSIZE
	}
	six, id := sh.rooms.Six(), uint32(sh.st.Rand()) // RFC 7739: not to be guessed
	six.Fragmented++
	var errno syscall.Errno
	for off := 0; off < len(payload); off += step {
		n := min(step, len(payload)-off)
		f := p.r.Cache.Get(hl + wire.FragmentLen + n)
		wire.CutFragment6(f.Extend(hl+wire.FragmentLen+n), ip, off, off+n < len(payload), id)
		copy(f.Bytes()[hl+wire.FragmentLen:], payload[off:off+n])
		f.Sum = b.Sum
		six.FragsSent++
		if e := sh.resolve(p, f, h); e != 0 {
			errno = e
		}
	}
	p.r.Cache.Free(b)
	return errno
}
