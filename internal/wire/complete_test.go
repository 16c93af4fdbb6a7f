package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

// frameOf builds a frame with a transport message of n bytes whose checksum
// field is filled with junk, and returns where the message begins.
func frameOf(v6, tagged bool, proto uint8, n int) (frame []byte, at int) {
	typ := EtherTypeIPv4
	if v6 {
		typ = EtherTypeIPv6
	}
	frame = make([]byte, EtherLen)
	PutEther(frame, MAC{2, 1}, MAC{2, 2}, typ)
	if tagged {
		PutEther(frame, MAC{2, 1}, MAC{2, 2}, EtherTypeVLAN)
		frame = binary.BigEndian.AppendUint16(append(frame, 0, 7), typ)
	}
	if v6 {
		h := make([]byte, IPv6Len)
		h[0], h[6], h[7], h[8], h[23], h[24], h[39] = 0x60, proto, 64, 0xfe, 1, 0xfe, 2
		binary.BigEndian.PutUint16(h[4:], uint16(n))
		frame = append(frame, h...)
	} else {
		h := make([]byte, IPv4Len)
		PutIPv4(h, &IPv4Header{TTL: 9, Proto: proto, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}, n)
		frame = append(frame, h...)
	}
	at = len(frame)
	for i := range n {
		frame = append(frame, byte(i*7+3))
	}
	if proto == ProtoUDP {
		binary.BigEndian.PutUint16(frame[at+4:], uint16(n))
	}
	return append(frame, 0xee, 0xee, 0xee), at // padding
}

// TestCompleteEther checks the sum over pseudo header and message: 0 where the
// checksum is right (RFC 768, RFC 9293 §3.1), for both ways of completing it.
func TestCompleteEther(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, tagged := range []bool{false, true} {
			for _, proto := range []uint8{ProtoUDP, ProtoTCP} {
				for _, n := range []int{20, 21, 1000, 1400} {
					frame, at := frameOf(v6, tagged, proto, n)
					m := findMessage(frame)
					if m.at != at || m.end != at+n || m.proto != proto {
						t.Fatalf("message found at %+v, want %d..%d", m, at, at+n)
					}
					pseudo := PseudoSum(m.src, m.dst, proto, n)
					start, offset, ok := PartialEther(frame)
					if !ok || start != at {
						t.Fatalf("PartialEther: %d %d %v", start, offset, ok)
					}
					// What a device does: sum from start, store at offset.
					device := bytes.Clone(frame)
					binary.BigEndian.PutUint16(device[start+offset:], Checksum(device[start:at+n]))
					if s := Fold(Sum(device[at:at+n], pseudo)); s != 0 {
						t.Errorf("v6=%v tagged=%v proto=%d n=%d: the device's sum is wrong by %#x", v6, tagged, proto, n, s)
					}
					if !CompleteEther(frame) || !bytes.Equal(frame, device) {
						t.Errorf("v6=%v tagged=%v proto=%d n=%d: CompleteEther and a device differ", v6, tagged, proto, n)
					}
				}
			}
		}
	}
}

// TestCompleteLeavesTheRestAlone holds that frames without such a checksum are
// not written to.
func TestCompleteLeavesTheRestAlone(t *testing.T) {
	fragment, _ := frameOf(false, false, ProtoUDP, 64)
	fragment[EtherLen+6] = 0x20 // more fragments
	wire4 := IPv4(fragment[EtherLen:])
	wire4.SetChecksum()
	icmp, _ := frameOf(false, false, ProtoICMP, 64)
	shortTCP, _ := frameOf(false, false, ProtoTCP, 19)
	shortUDP, _ := frameOf(true, false, ProtoUDP, 7)
	longUDP, at := frameOf(false, false, ProtoUDP, 64)
	binary.BigEndian.PutUint16(longUDP[at+4:], 65)
	cut6, _ := frameOf(true, false, ProtoTCP, 64)
	cut6 = cut6[:60]
	for name, frame := range map[string][]byte{
		"empty": nil, "short": make([]byte, 13), "arp": append(make([]byte, 12), 8, 6, 0, 0), "tag": append(make([]byte, 12), 0x81, 0, 0),
		"fragment": fragment, "icmp": icmp, "short tcp": shortTCP, "short udp": shortUDP, "udp length": longUDP, "cut": cut6,
	} {
		was := bytes.Clone(frame)
		if CompleteEther(frame) {
			t.Errorf("%s: completed", name)
		}
		if _, _, ok := PartialEther(frame); ok {
			t.Errorf("%s: half completed", name)
		}
		if !bytes.Equal(was, frame) {
			t.Errorf("%s: written to", name)
		}
	}
}
