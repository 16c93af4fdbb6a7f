package wire

import (
	"encoding/binary"
	"net/netip"
)

// ARPLen is the length in bytes of an ARP packet for IPv4 over Ethernet.
const ARPLen = 28

// ARP operations (RFC 826).
const (
	ARPRequest uint16 = 1
	ARPReply   uint16 = 2
)

// ARP is a view of an ARP packet for IPv4 over Ethernet (RFC 826).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-------------------------------+
//	|      hardware type (1)        |    protocol type (0x0800)     |
//	+---------------+---------------+-------------------------------+
//	|  hw size (6)  |proto size (4) |           operation           |
//	+---------------+---------------+-------------------------------+
//	|            sender hardware address (bytes 8 to 13)            |
//	|            sender protocol address (bytes 14 to 17)           |
//	|            target hardware address (bytes 18 to 23)           |
//	|            target protocol address (bytes 24 to 27)           |
//	+---------------------------------------------------------------+
type ARP []byte

// arpEtherIPv4 is the first eight bytes of the only kind of packet accepted,
// with the operation left out: Ethernet, IPv4, sizes 6 and 4.
const arpEtherIPv4 uint64 = 0x0001_0800_06_04_0000

// ParseARP checks that b begins with an ARP packet for IPv4 over Ethernet and
// cuts the frame's padding off. The operation is not judged.
func ParseARP(b []byte) (ARP, Fault) {
	if len(b) < ARPLen {
		return nil, Short
	}
	if binary.BigEndian.Uint64(b)&^0xffff != arpEtherIPv4 {
		return nil, BadHardware
	}
	return b[:ARPLen], OK
}

// Op returns the operation, ARPRequest, ARPReply or another.
func (a ARP) Op() uint16 { return binary.BigEndian.Uint16(a[6:8]) }

// SenderMAC returns the sender's hardware address.
func (a ARP) SenderMAC() MAC { return MAC(a[8:14]) }

// SenderIP returns the sender's protocol address, 0.0.0.0 in a probe (RFC 5227
// §1.1).
func (a ARP) SenderIP() netip.Addr { return netip.AddrFrom4([4]byte(a[14:18])) }

// TargetMAC returns the target's hardware address, without meaning in a
// request.
func (a ARP) TargetMAC() MAC { return MAC(a[18:24]) }

// TargetIP returns the target's protocol address.
func (a ARP) TargetIP() netip.Addr { return netip.AddrFrom4([4]byte(a[24:28])) }

// PutARP writes an ARP packet into b[:ARPLen]. Both addresses must be IPv4.
func PutARP(b []byte, op uint16, smac MAC, sip netip.Addr, tmac MAC, tip netip.Addr) {
	_ = b[ARPLen-1]
	binary.BigEndian.PutUint64(b, arpEtherIPv4|uint64(op))
	s, t := sip.As4(), tip.As4()
	copy(b[8:14], smac[:])
	copy(b[14:18], s[:])
	copy(b[18:24], tmac[:])
	copy(b[24:28], t[:])
}
