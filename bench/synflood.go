package main

import (
	"encoding/binary"
	"net/netip"
)

// synFrames is how many different SYNs there are: at floodRate they last for
// two thirds of a second.
const synFrames = 1 << 16

// synSources is the network the SYNs claim to be from, behind gateway().
func synSources() netip.Prefix { return netip.MustParsePrefix("198.18.0.0/15") }

// synFlood returns Ethernet frames with SYNs to tcpPort of the host with the
// given hardware and IP address, each from an address and port of its own.
func synFlood(mac []byte, to netip.Addr) [][]byte {
	const ipLen, tcpLen = 20, 24
	first := fromAddr(synSources().Addr())
	frames := make([][]byte, synFrames)
	all := make([]byte, synFrames*frameLen)
	for i := range frames {
		f := all[i*frameLen : (i+1)*frameLen]
		frames[i] = f[:ethLen+ipLen+tcpLen]
		copy(f, mac)
		copy(f[6:], gatewayMAC())
		binary.BigEndian.PutUint16(f[12:], 0x0800)
		ip, seg := f[ethLen:ethLen+ipLen], f[ethLen+ipLen:ethLen+ipLen+tcpLen]
		ip[0], ip[8], ip[9] = 0x45, 64, 6
		binary.BigEndian.PutUint16(ip[2:], ipLen+tcpLen)
		src, dst := toAddr(first|uint32(i)*2+1).As4(), to.As4()
		copy(ip[12:], src[:])
		copy(ip[16:], dst[:])
		binary.BigEndian.PutUint16(ip[10:], headerSum(ip))
		binary.BigEndian.PutUint16(seg, uint16(1024+i%60_000))
		binary.BigEndian.PutUint16(seg[2:], tcpPort)
		binary.BigEndian.PutUint32(seg[4:], uint32(i)*2_654_435_761) // spread over the space
		seg[12], seg[13] = tcpLen/4<<4, 0x02                         // SYN
		binary.BigEndian.PutUint16(seg[14:], 65535)
		copy(seg[20:], []byte{2, 4, 1460 >> 8, 1460 & 0xff}) // MSS
		binary.BigEndian.PutUint16(seg[16:], tcpSum(ip, seg))
	}
	return frames
}

// tcpSum is the checksum of a segment with its pseudo-header (RFC 9293 §3.1).
func tcpSum(ip, seg []byte) uint16 {
	pseudo := make([]byte, 12, 12+len(seg))
	copy(pseudo, ip[12:20])
	pseudo[9] = 6
	binary.BigEndian.PutUint16(pseudo[10:], uint16(len(seg)))
	return headerSum(append(pseudo, seg...))
}
