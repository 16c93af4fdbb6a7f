package filter

import (
	"encoding/binary"
	"math/rand/v2"
)

// The frames that filters are tried on: of every kind the language knows, with
// addresses and ports from small sets so that filters meet them, and now and
// then cut short.

type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 7))} }

func pick[T any](m maker, list ...T) T { return list[m.IntN(len(list))] }

func (m maker) often(percent int) bool { return m.IntN(100) < percent }

func (m maker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

func u16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func u32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

func (m maker) frame() []byte {
	b := m.ether(nil, 2)
	if m.often(12) {
		b = b[:m.IntN(len(b)+1)]
	}
	return b
}

func (m maker) mac() []byte {
	return pick(m, []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}, []byte{2, 0, 0, 0, 0, 3},
		[]byte{255, 255, 255, 255, 255, 255}, []byte{1, 0, 0x5e, 0, 0, 1}, []byte{0x33, 0x33, 0, 0, 0, 1})
}

func (m maker) ether(b []byte, deep int) []byte {
	b = append(append(b, m.mac()...), m.mac()...)
	for m.often(20) {
		b = u16(b, pick[uint16](m, 0x8100, 0x8100, 0x88a8, 0x9100))
		b = u16(b, uint16(m.IntN(8))<<13|pick[uint16](m, 0, 100, 200, 300, 4095))
	}
	switch n := m.IntN(100); {
	case n < 12:
		b = append(u16(b, 0x8847), m.labels()...)
		return m.ip(b, deep)
	case n < 20:
		b = append(u16(b, 0x8864), 0x11, 0)
		b = u16(u16(b, pick[uint16](m, 0, 1, 0x27)), 40)
		return m.ppp(b, deep)
	case n < 24:
		return append(u16(b, 0x8863), m.bytes(30)...)
	case n < 34:
		return m.lengthed(b)
	case n < 40:
		return m.arp(u16(b, pick[uint16](m, 0x0806, 0x0806, 0x8035)))
	case n < 44:
		types := []uint16{0x809b, 0x80f3, 0x8137, 0x6001, 0x6002, 0x6003, 0x6004, 0x6007, 0x9000, 0x88cc, 0x0806}
		return append(u16(b, pick(m, types...)), m.bytes(40)...)
	case n < 74:
		return m.ip4(u16(b, 0x0800), deep)
	}
	return m.ip6(u16(b, 0x86dd), deep)
}

func (m maker) labels() (b []byte) {
	for {
		last := m.often(60)
		v := pick[uint32](m, 100, 200, 1024, 100000) << 12
		if last {
			v |= 0x100
		}
		if b = u32(b, v|64); last {
			return b
		}
	}
}

func (m maker) ip(b []byte, deep int) []byte {
	if m.often(60) {
		return m.ip4(b, deep)
	}
	return m.ip6(b, deep)
}

func (m maker) ppp(b []byte, deep int) []byte {
	switch m.IntN(6) {
	case 0:
		return append(u16(b, 0xc021), m.bytes(20)...)
	case 1:
		return m.ip4(append(u16(b, 0x0281), m.labels()...), deep)
	case 2:
		return m.ip6(u16(b, 0x0057), deep)
	}
	return m.ip4(u16(b, 0x0021), deep)
}

// lengthed makes an 802.3 frame: LLC, SNAP, or IPX with neither.
func (m maker) lengthed(b []byte) []byte {
	b = u16(b, pick(m, uint16(46+m.IntN(1455)), 1500, 1501))
	switch m.IntN(6) {
	case 0:
		b = append(b, 0xff, 0xff)
	case 1:
		b = append(b, 0xaa, 0xaa, 3, 0, 0, 0)
		b = u16(b, pick[uint16](m, 0x8137, 0x80f3, 0x0800))
	case 2:
		b = u16(append(b, 0xaa, 0xaa, 3, 8, 0, 7), 0x809b)
	case 3: // OSI
		b = append(b, 0xfe, 0xfe, 3, pick[byte](m, 0x81, 0x82, 0x83, 0x83, 0x83), 27, 1, 0)
		b = append(b, pick[byte](m, 15, 16, 17, 18, 20, 24, 25, 26, 27))
	default:
		sap := pick[byte](m, 0x42, 0xe0, 0xf0, 0x64, 0x06)
		b = append(b, sap, sap, byte(m.Uint32()))
	}
	return append(b, m.bytes(46)...)
}

func (m maker) addr4() uint32 {
	return pick[uint32](m, 0x0a000001, 0x0a000001, 0x0a000002, 0xc0a80101, 0xe0000001, 0xffffffff, 0, 0x0a010203, 0x80030405, 0xc009c801, 10)
}

func (m maker) addr6() []byte {
	b := make([]byte, 16)
	b[15] = byte(1 + m.IntN(2))
	switch m.IntN(6) {
	case 0:
		b[0], b[1] = 0xfe, 0x80
	case 1:
		b[0], b[1] = 0xff, 0x02
	case 2: // ::1
	case 3:
		copy(b[10:], []byte{0xff, 0xff, 10, 0, 0, 1})
	default:
		b[0], b[1], b[2], b[3] = 0x20, 0x01, 0x0d, 0xb8
	}
	return b
}

func (m maker) arp(b []byte) []byte {
	b = append(b, 0, 1, 8, 0, 6, 4, 0, byte(1+m.IntN(4)))
	b = u32(append(b, m.mac()...), m.addr4())
	b = u32(append(b, m.mac()...), m.addr4())
	return append(b, make([]byte, 18)...)
}

func (m maker) proto() byte {
	return pick[byte](m, 6, 6, 6, 17, 17, 17, 132, 1, 2, 9, 103, 112, 50, 51, 47, 89, 58, 0)
}

func (m maker) ip4(b []byte, deep int) []byte {
	proto, options := m.proto(), 0
	if m.often(25) {
		options = 4 * (1 + m.IntN(10))
	}
	frag := uint16(0)
	if m.often(15) {
		frag = pick[uint16](m, 0x2000, 0x2001, 0x0010, 0x1fff, 0x4000, 0x8000)
	}
	body := m.transport(proto, deep, m.addr4())
	b = append(b, 0x40|byte(5+options/4), byte(m.IntN(256)))
	b = u16(b, uint16(20+options+len(body)+m.IntN(2)*m.IntN(5)))
	b = u16(u16(b, uint16(m.Uint32())), frag)
	b = append(b, pick[byte](m, 1, 3, 32, 64, 64, 255), proto, byte(m.Uint32()), byte(m.Uint32()))
	b = u32(u32(b, m.addr4()), m.addr4())
	return append(append(b, m.bytes(options)...), body...)
}

func (m maker) ip6(b []byte, deep int) []byte {
	proto := m.proto()
	if m.often(25) {
		proto = 58
	}
	body := m.transport(proto, deep, 0)
	for m.often(20) { // extension headers, the outermost last
		kind := pick[byte](m, 0, 43, 44, 44, 60)
		header := append([]byte{proto, 0}, m.bytes(6)...)
		body, proto = append(header, body...), kind
	}
	b = u32(b, 0x60000000|m.Uint32()&0xfffff*uint32(m.IntN(2)))
	b = append(u16(b, uint16(len(body))), proto, pick[byte](m, 1, 64, 255))
	b = append(append(b, m.addr6()...), m.addr6()...)
	return append(b, body...)
}

func (m maker) transport(proto byte, deep int, group uint32) []byte {
	port := func() uint16 {
		return pick[uint16](m, 80, 80, 443, 22, 53, 20, 21, 69, 123, 513, 6000, 7009, 33434, 5353, 67, uint16(m.Uint32()))
	}
	data := m.bytes(m.IntN(60))
	b := u16(u16(nil, port()), port())
	switch proto {
	case 6:
		b = append(b, m.bytes(8)...)
		b = append(b, byte(5+m.IntN(4))<<4, pick[byte](m, 2, 16, 18, 17, 4, 20, 24, 0x42, 0x80, 0x30))
		b = append(b, m.bytes(6)...)
		if m.often(20) {
			data = []byte("GET / HTTP/1.0\r\n")
		}
	case 17:
		if deep > 0 && m.often(35) {
			return m.genevePacket(deep - 1)
		}
		b = append(u16(b, uint16(8+len(data))), 0, 0)
	case 132:
		b = append(b, m.bytes(8)...)
	case 1:
		b = append([]byte{pick[byte](m, 0, 8, 3, 11, 12, 5, 9, 10, 13, 17), byte(m.IntN(5))}, m.bytes(6)...)
	case 58:
		b = append([]byte{pick[byte](m, 1, 2, 128, 129, 130, 131, 132, 134, 135, 136, 143), byte(m.IntN(2))}, m.bytes(6)...)
	case 2:
		b = u32([]byte{pick[byte](m, 0x11, 0x16, 0x22, 0x17), 0, 0, 0}, group)
	default:
		b = m.bytes(8)
	}
	return append(b, data...)
}

func (m maker) genevePacket(deep int) []byte {
	b := u16(u16(nil, uint16(m.Uint32())), pick[uint16](m, 6081, 6081, 6081, 6080))
	words := 0
	if m.often(40) {
		words = m.IntN(5)
	}
	inner, typ := m.ether(nil, deep), uint16(0x6558)
	switch m.IntN(4) {
	case 0:
		inner, typ = m.ip4(nil, deep), 0x0800
	case 1:
		inner, typ = m.ip6(nil, deep), 0x86dd
	}
	b = u16(b, uint16(16+4*words+len(inner)))
	b = append(b, 0, 0, pick[byte](m, 0, 0, 0, 0, 0x40)|byte(words), 0)
	b = u32(u16(b, typ), pick[uint32](m, 0xb, 0xc)<<8)
	return append(append(b, m.bytes(4*words)...), inner...)
}
