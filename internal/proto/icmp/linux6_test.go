package icmp

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// capture6 reads the IPv6 packets of a little-endian pcap file.
func capture6(t *testing.T, name string) (packets []wire.IPv6) {
	t.Helper()
	b, err := os.ReadFile("testdata/linux/" + name + ".pcap")
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		frame := b[16 : 16+n]
		b = b[16+n:]
		e, _ := wire.ParseEther(frame)
		if p, fault := wire.ParseIPv6(e.Payload()); e.Type() == wire.EtherTypeIPv6 && fault == wire.OK {
			packets = append(packets, p)
		}
	}
	return packets
}

func engine6() (*Engine6, *Tunables6, *Stats6) {
	tun, stats, e := Defaults6(), Stats6{}, new(Engine6)
	e.Bind(&tun, &stats)
	return e, &tun, &stats
}

// walked is a packet as a host has it that looked at all headers.
func walked(p wire.IPv6) wire.Packet {
	x := p.Walk(&wire.ExtLimits{}, wire.WalkDest)
	return wire.Packet6(p, &x)
}

// message6 returns the ICMPv6 message of a packet that is one.
func message6(p wire.IPv6) (wire.ICMP6, bool) {
	k := walked(p)
	m, fault := wire.ParseICMP6(k.Payload())
	return m, k.Proto() == wire.ProtoICMPv6 && !k.IsFragment() && fault == wire.OK
}

// TestLinuxErrors6 builds every ICMPv6 error of the captures from the packet it
// is about and compares it byte for byte; then hears it.
func TestLinuxErrors6(t *testing.T) {
	for _, c := range []struct {
		name string
		want map[Kind]int
	}{
		{"pmtu6_tcp_packet_too_big", map[Kind]int{PacketTooBig: 7}},
		{"frag6_udp_4000", map[Kind]int{PortUnreachable: 1}},
	} {
		packets := capture6(t, c.name)
		got := map[Kind]int{}
		for i, p := range packets {
			m, ok := message6(p)
			if !ok || !m.IsError() {
				continue
			}
			k, ok := kind6(m.Type(), m.Code())
			if !ok {
				t.Fatalf("%s %d: type %d code %d", c.name, i, m.Type(), m.Code())
			}
			cause := Cause{Kind: k, Packet: walked(offender6(t, packets[:i], m)), MTU: int(m.MTU()), Code: m.Code(), Pointer: m.Pointer()}
			e, _, _ := engine6()
			n, why := e.Error(0, &cause)
			b := make(wire.ICMP6, n)
			if why != NotSuppressed {
				t.Fatalf("%s %d: suppressed, %s", c.name, i, why)
			}
			cause.Put(b)
			if b.SetChecksum(p.Src(), p.Dst()); !bytes.Equal(b, m) {
				t.Errorf("%s %d:\n%x\nLinux's is\n%x", c.name, i, b, m)
			}
			got[k]++
			hear6(t, p, m, k)
		}
		for k, n := range c.want {
			if got[k] != n {
				t.Errorf("%s: %d of %s compared, want %d", c.name, got[k], k, n)
			}
		}
	}
}

// offender6 finds the packet that m quotes; a reassembled one, which no frame
// shows, is made up from the quote.
func offender6(t *testing.T, packets []wire.IPv6, m wire.ICMP6) wire.IPv6 {
	t.Helper()
	q, fault := m.Quoted()
	if fault != wire.OK {
		t.Fatal(fault)
	}
	for _, p := range packets {
		if bytes.HasPrefix(p, q) {
			return p
		}
	}
	p := make([]byte, q.TotalLen())
	copy(p, q)
	return p
}

func hear6(t *testing.T, p wire.IPv6, m wire.ICMP6, k Kind) {
	t.Helper()
	e, _, _ := engine6()
	a := e.Input(0, &Received6{Src: p.Src(), Dst: p.Dst(), Message: m, Verify: true})
	r := a.Report
	if a.Action != Tell || !a.Raw || r.Kind != k || r.From != p.Src() || r.Src != p.Dst() || !r.Ports || (r.MTU != 0) != (k == PacketTooBig) {
		t.Errorf("%s is heard as %+v", k, a)
	}
	if seq, ok := r.TCPSeq(); ok != (r.Proto == wire.ProtoTCP) || ok && (seq == 0 || r.MTU != 1300) {
		t.Errorf("sequence number %d %v, MTU %d", seq, ok, r.MTU)
	}
}

// TestLinuxEcho6 answers the echo requests of a capture as Linux did.
func TestLinuxEcho6(t *testing.T) {
	compared := 0
	var waiting wire.ICMP6
	for _, p := range capture6(t, "ndp_resolve_ping6_nud") {
		m, ok := message6(p)
		switch {
		case ok && m.Type() == wire.ICMP6EchoRequest:
			e, _, _ := engine6()
			waiting = bytes.Clone(m)
			if a := e.Input(0, &Received6{Src: p.Src(), Dst: p.Dst(), Message: waiting, Verify: true}); a.Action == Reply {
				a.Put6(waiting)
			}
		case ok && m.Type() == wire.ICMP6EchoReply:
			if compared++; !bytes.Equal(waiting, m) {
				t.Errorf("%x, Linux's is %x", waiting, m)
			}
		}
	}
	if compared != 2 {
		t.Errorf("%d replies compared", compared)
	}
}
