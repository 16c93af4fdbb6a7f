package main

import (
	"encoding/binary"
	"net/netip"
)

// synFrames is how many different SYNs there are: at floodRate they last for
// two thirds of a second.
const synFrames = 1 << 16

// synFlood returns Ethernet frames with SYNs to tcpPort of the host with the
// given hardware and IP address, each from an address and port of its own.
func (f family) synFlood(mac []byte, to netip.Addr) [][]byte {
	const tcpLen, proto = 24, 6
	hl := f.headerLen()
	size := ethLen + hl + tcpLen
	frames := make([][]byte, synFrames)
	all := make([]byte, synFrames*size)
	for i := range frames {
		b := all[i*size : (i+1)*size]
		frames[i] = b
		copy(b, mac)
		copy(b[6:], gatewayMAC())
		binary.BigEndian.PutUint16(b[12:], f.etherType())
		src := plus(f.synSources().Addr(), i*2+1)
		f.putHeader(b[ethLen:], proto, src, to)
		seg := b[ethLen+hl:]
		binary.BigEndian.PutUint16(seg, uint16(1024+i%60_000))
		binary.BigEndian.PutUint16(seg[2:], tcpPort)
		binary.BigEndian.PutUint32(seg[4:], uint32(i)*2_654_435_761) // spread over the space
		seg[12], seg[13] = tcpLen/4<<4, 0x02                         // SYN
		binary.BigEndian.PutUint16(seg[14:], 65535)
		copy(seg[20:], []byte{2, 4, 1460 >> 8, 1460 & 0xff}) // MSS
		binary.BigEndian.PutUint16(seg[16:], pseudoSum(src, to, proto, seg))
	}
	return frames
}
