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

// The router has routerIn() on the interface where frames enter and
// routerOut() on the other, where gateway() is the next hop of every route.
func routerIn() netip.Prefix  { return netip.MustParsePrefix("10.1.0.1/24") }
func routerOut() netip.Prefix { return netip.MustParsePrefix("10.2.0.1/24") }
func gateway() netip.Addr     { return netip.MustParseAddr("10.2.0.2") }
func source() netip.Addr      { return netip.MustParseAddr("10.1.0.2") }

func sourceMAC() []byte    { return []byte{2, 0, 0, 0, 0, 1} }
func routerInMAC() []byte  { return []byte{2, 0, 0, 0, 0, 2} }
func routerOutMAC() []byte { return []byte{2, 0, 0, 0, 0, 3} }
func gatewayMAC() []byte   { return []byte{2, 0, 0, 0, 0, 4} }

// newTraffic returns n routes, the same for every peer, and frames whose
// destinations are drawn evenly from them.
func newTraffic(n int) Traffic {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var t Traffic
	seen := make(map[netip.Prefix]bool, n)
	for i := range n {
		// Equal shares of the lengths /16 to /28: gVisor takes a table in time
		// proportional to the square of the number of routes of one length.
		bits := 16 + 13*i/n
		p := randomPrefix(rng, bits)
		for seen[p] {
			p = randomPrefix(rng, bits)
		}
		seen[p] = true
		t.Routes = append(t.Routes, p)
	}
	for range frameCount {
		p := t.Routes[rng.IntN(n)]
		host := rng.Uint32() &^ mask(p.Bits())
		t.Frames = append(t.Frames, udpFrame(toAddr(fromAddr(p.Addr())|host)))
	}
	return t
}

// randomPrefix returns a unicast prefix outside the networks the router is attached to.
func randomPrefix(rng *rand.Rand, bits int) netip.Prefix {
	first := 11 + rng.Uint32N(100) // 11/8 … 110/8: neither 10/8 nor 127/8
	a := (first<<24 | rng.Uint32N(1<<24)) & mask(bits)
	return netip.PrefixFrom(toAddr(a), bits)
}

func mask(bits int) uint32 { return ^uint32(0) << (32 - bits) }

func toAddr(a uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b)
}

func fromAddr(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// udpFrame returns a frame from source() to dst as the router's first
// interface receives it: 14 bytes Ethernet, 20 IPv4, 8 UDP (no checksum), zeroes.
func udpFrame(dst netip.Addr) []byte {
	f := make([]byte, frameLen)
	copy(f, routerInMAC())
	copy(f[6:], sourceMAC())
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	ip := f[ethLen:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	src := source().As4()
	to := dst.As4()
	copy(ip[12:], src[:])
	copy(ip[16:], to[:])
	binary.BigEndian.PutUint16(ip[10:], headerSum(ip[:20]))
	udp := ip[20:]
	binary.BigEndian.PutUint16(udp, udpPort)
	binary.BigEndian.PutUint16(udp[2:], udpPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	return f
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
