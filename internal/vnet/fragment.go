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
func (sh *shard) fragment(p *pass, b *pkt.Buf, ip wire.IPv4, h *ifnet.Hop) syscall.Errno {
	if ip.DF() {
		sh.errNeedFrag(p, b, ip, h)
		return syscall.EMSGSIZE
	}
	hl := ip.HeaderLen()
	step := (h.MTU - hl) &^ 7
	if step < 8 {
		sh.drop(p, b, pkt.TooBig)
		return syscall.EMSGSIZE
	}
	if b.Sum == pkt.SumPartial {
		sumIPv4(ip) // the sum covers what is in no single fragment
		b.Sum = pkt.SumValid
	}
	first := ip.Header()
	later := first
	later.Options = copiedOptions(p.r.Scratch[:0], ip)
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

// copiedOptions appends the options that every fragment must carry (RFC 791
// §3.1: the copied flag).
func copiedOptions(to []byte, ip wire.IPv4) []byte {
	o, f := wire.ParseIPv4Options(ip.Options())
	if f != wire.OK {
		return to
	}
	for opt, ok := o.Next(); ok; opt, ok = o.Next() {
		if opt.Copied() {
			to = append(to, opt...)
		}
	}
	return to
}
