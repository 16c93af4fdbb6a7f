package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// Traffic is what a router is given: a routing table and frames for it.
type Traffic struct {
	Routes []netip.Prefix // shortest first, all through gateway()
	Frames [][]byte       // Ethernet frames of frameLen bytes, to be sent in turn
}

const (
	frameLen   = 64   // bytes of Ethernet frame, without frame check sequence
	frameCount = 4096 // distinct frames
)

func sourceMAC() []byte    { return []byte{2, 0, 0, 0, 0, 1} }
func routerInMAC() []byte  { return []byte{2, 0, 0, 0, 0, 2} }
func routerOutMAC() []byte { return []byte{2, 0, 0, 0, 0, 3} }
func gatewayMAC() []byte   { return []byte{2, 0, 0, 0, 0, 4} }

// newTraffic returns n routes, the same for every peer, and frames whose
// destinations are drawn evenly from them.
func newTraffic(f family, n int) Traffic {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var t Traffic
	seen := make(map[netip.Prefix]bool, n)
	for i := range n {
		bits := f.bits(i, n)
		p := f.randomPrefix(rng, bits)
		for seen[p] {
			p = f.randomPrefix(rng, bits)
		}
		seen[p] = true
		t.Routes = append(t.Routes, p)
	}
	for range frameCount {
		t.Frames = append(t.Frames, f.udpFrame(randomHost(rng, t.Routes[rng.IntN(n)])))
	}
	return t
}

// randomPrefix returns a unicast prefix outside the networks the router is attached to.
func (f family) randomPrefix(rng *rand.Rand, bits int) netip.Prefix {
	first := 11 + rng.Uint32N(100) // 11/8 … 110/8: neither 10/8 nor 127/8
	top := first<<24 | rng.Uint32N(1<<24)
	if !f.is6() {
		return netip.PrefixFrom(toAddr(top), bits).Masked()
	}
	// 2400::/6 without its last quarter, where the registries give out /23 to
	// /12; what the router is attached to is in 2001:db8::/32.
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], 0x2400_0000|rng.Uint32N(3<<24)|rng.Uint32N(1<<24))
	binary.BigEndian.PutUint32(b[4:], rng.Uint32())
	return netip.PrefixFrom(netip.AddrFrom16(b), bits).Masked()
}

// randomHost returns an address that the prefix covers.
func randomHost(rng *rand.Rand, p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		keep := min(max(p.Bits()-8*i, 0), 8)
		b[i] |= byte(rng.Uint32()) & (0xff >> keep)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func toAddr(a uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b)
}

// udpFrame returns a frame from source() to dst as the router's first
// interface receives it: Ethernet, IP, UDP (without checksum over IPv4), zeroes.
// It is as long as an empty payload makes it, and frameLen at least.
func (f family) udpFrame(dst netip.Addr) []byte {
	const udpLen, proto = 8, 17
	b := make([]byte, max(frameLen, ethLen+f.headerLen()+udpLen))
	copy(b, routerInMAC())
	copy(b[6:], sourceMAC())
	binary.BigEndian.PutUint16(b[12:], f.etherType())
	ip := b[ethLen:]
	f.putHeader(ip, proto, f.source(), dst)
	udp := ip[f.headerLen():]
	binary.BigEndian.PutUint16(udp, udpPort)
	binary.BigEndian.PutUint16(udp[2:], udpPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	if f.is6() {
		binary.BigEndian.PutUint16(udp[6:], pseudoSum(f.source(), dst, proto, udp))
	}
	return b
}

// headerSum is the Internet checksum (RFC 1071) of an IPv4 header.
func headerSum(h []byte) uint16 {
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// pseudoSum is the checksum of a transport message of even length with its
// pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).
func pseudoSum(src, dst netip.Addr, proto uint8, m []byte) uint16 {
	all := append(src.AsSlice(), dst.AsSlice()...)
	all = binary.BigEndian.AppendUint32(all, uint32(len(m)))
	all = binary.BigEndian.AppendUint32(all, uint32(proto))
	return headerSum(append(all, m...))
}
