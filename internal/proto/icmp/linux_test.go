package icmp

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// capture reads the IPv4 packets of a little-endian pcap file.
func capture(t *testing.T, name string) (packets []wire.IPv4) {
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
		if p, fault := wire.ParseIPv4(e.Payload()); e.Type() == wire.EtherTypeIPv4 && fault == wire.OK {
			packets = append(packets, p)
		}
	}
	return packets
}

func engine() (*Engine, *Tunables, *Stats) {
	tun, stats, e := Defaults(), Stats{}, new(Engine)
	e.Bind(&tun, &stats)
	return e, &tun, &stats
}

// TestLinuxErrors builds every ICMP error of the captures from the packet it is
// about and compares it byte for byte, IP precedence included; then hears it.
func TestLinuxErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		want map[Kind]int
	}{
		{"icmp4_echo_sizes_portunreach", map[Kind]int{PortUnreachable: 1}},
		{"icmp_ttl_exceeded_traceroute", map[Kind]int{TTLExceeded: 1, NetUnreachable: 1}},
		{"frag_timeout_icmp_time_exceeded", map[Kind]int{ReassemblyExceeded: 1}},
		{"pmtu4_tcp_frag_needed", map[Kind]int{PacketTooBig: 7}},
		{"frag4_udp_4000", map[Kind]int{PortUnreachable: 1}},
	} {
		packets := capture(t, c.name)
		got := map[Kind]int{}
		for i, p := range packets {
			m, fault := wire.ParseICMP4(p.Payload())
			if p.Proto() != wire.ProtoICMP || p.IsFragment() || fault != wire.OK || !m.IsError() {
				continue
			}
			k, ok := kind4(m.Type(), m.Code())
			if !ok || p.TOS() != ErrorTOS {
				t.Fatalf("%s %d: type %d code %d tos %#x", c.name, i, m.Type(), m.Code(), p.TOS())
			}
			cause := Cause{Kind: k, Packet: wire.Packet4(offender(t, packets[:i], m)), MTU: m.MTU()}
			e, _, _ := engine()
			n, why := e.Error(0, &cause)
			b := make([]byte, n)
			if why != NotSuppressed {
				t.Fatalf("%s %d: suppressed, %s", c.name, i, why)
			}
			if cause.Put(b); !bytes.Equal(b, m) {
				t.Errorf("%s %d:\n%x\nLinux's is\n%x", c.name, i, b, m)
			}
			got[k]++
			hear(t, p, m, k)
		}
		for k, n := range c.want {
			if got[k] != n {
				t.Errorf("%s: %d of %s compared, want %d", c.name, got[k], k, n)
			}
		}
	}
}

// offender finds the packet that m quotes; a reassembled one, which no frame
// shows, is made up from the quote.
func offender(t *testing.T, packets []wire.IPv4, m wire.ICMP4) wire.IPv4 {
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

func hear(t *testing.T, p wire.IPv4, m wire.ICMP4, k Kind) {
	t.Helper()
	e, _, _ := engine()
	a := e.Input(0, &Received{Src: p.Src(), Dst: p.Dst(), Message: m, Verify: true})
	r := a.Report
	if a.Action != Tell || !a.Raw || r.Kind != k || r.From != p.Src() || r.Src != p.Dst() {
		t.Errorf("%s is heard as %+v", k, a)
	}
	if seq, ok := r.TCPSeq(); ok != (r.Proto == wire.ProtoTCP) || ok && (seq == 0 || !r.Ports || r.MTU != 1300) {
		t.Errorf("sequence number %d %v, ports %v, MTU %d", seq, ok, r.Ports, r.MTU)
	}
}

// TestLinuxEcho answers every echo request of the captures as Linux did.
func TestLinuxEcho(t *testing.T) {
	compared := 0
	for _, name := range []string{"icmp4_echo_sizes_portunreach", "icmp_ttl_exceeded_traceroute"} {
		var waiting wire.ICMP4
		for _, p := range capture(t, name) {
			m, _ := wire.ParseICMP4(p.Payload())
			switch {
			case p.Proto() == wire.ProtoICMP && m.Type() == wire.ICMP4Echo:
				e, _, _ := engine()
				waiting = bytes.Clone(m)
				if a := e.Input(0, &Received{Src: p.Src(), Dst: p.Dst(), Message: waiting, Verify: true}); a.Action == Reply {
					a.Put(waiting, 0)
				}
			case p.Proto() == wire.ProtoICMP && m.Type() == wire.ICMP4EchoReply:
				if compared++; !bytes.Equal(waiting, m) {
					t.Errorf("%s: %x, Linux's is %x", name, waiting, m)
				}
			}
		}
	}
	if compared != 4 {
		t.Errorf("%d replies compared", compared)
	}
}
