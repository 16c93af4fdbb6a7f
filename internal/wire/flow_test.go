package wire

import (
	"net/netip"
	"testing"
)

func TestFlowHash(t *testing.T) {
	packet := func(src, dst string, sport, dport uint16, proto uint8, mf bool) []byte {
		b := make([]byte, IPv4Len+UDPLen)
		h := IPv4Header{TTL: 1, Proto: proto, MF: mf, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)}
		PutIPv4(b, &h, UDPLen)
		PutUDP(b[IPv4Len:], sport, dport, 0)
		return b
	}
	p := packet("10.0.0.1", "10.0.0.2", 7, 9000, ProtoUDP, false)
	h := FlowHash4(p)
	if h == 0 || h != FlowHash4(packet("10.0.0.2", "10.0.0.1", 9000, 7, ProtoUDP, false)) {
		t.Error("the two directions of a flow hash differently, or to 0")
	}
	if h != FlowHash([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, 7, 9000, ProtoUDP) {
		t.Error("a packet and its parts hash differently")
	}
	for name, other := range map[string][]byte{
		"port": packet("10.0.0.1", "10.0.0.2", 7, 9001, ProtoUDP, false), "address": packet("10.0.0.1", "10.0.0.3", 7, 9000, ProtoUDP, false),
		"protocol": packet("10.0.0.1", "10.0.0.2", 7, 9000, ProtoTCP, false),
	} {
		if FlowHash4(other) == h {
			t.Errorf("another %s makes no difference", name)
		}
	}
	for name, none := range map[string][]byte{
		"fragment": packet("10.0.0.1", "10.0.0.2", 7, 9000, ProtoUDP, true), "icmp": packet("10.0.0.1", "10.0.0.2", 7, 9000, ProtoICMP, false),
		"short": p[:IPv4Len+3], "empty": nil,
	} {
		if FlowHash4(none) != 0 {
			t.Errorf("%s has a flow", name)
		}
	}
	seen := [8]int{}
	for port := range uint16(8000) {
		seen[FlowHash([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, port, 80, ProtoUDP)%8]++
	}
	for i, n := range seen {
		if n < 500 {
			t.Errorf("shard %d of 8 gets %d of 8,000 flows: %v", i, n, seen)
			break
		}
	}
}
