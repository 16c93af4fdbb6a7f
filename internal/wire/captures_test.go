package wire

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// Every frame that the reference kernel sent is decoded through the accessors
// and encoded again by the Put functions into the very same bytes. What was
// decoded is compared with testdata/captures.golden, where the frames that are
// malformed on purpose show as "bad checksum" or a fault.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob("testdata/pcaps/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatal("no captures", err)
	}
	var got strings.Builder
	for _, file := range files {
		frames, err := readPcap(file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s\n", filepath.Base(file))
		for i, in := range frames {
			out := bytes.Repeat([]byte{0xa5}, len(in)) // what Put forgets to write is seen
			c := coder{&got}
			fmt.Fprintf(&got, "%d", i+1)
			c.ether(in, out)
			got.WriteByte('\n')
			if !bytes.Equal(in, out) {
				t.Errorf("%s frame %d:\nread    %x\nwritten %x", filepath.Base(file), i+1, in, out)
			}
		}
	}
	const golden = "testdata/captures.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	diffLines(t, got.String(), string(want))
}

func diffLines(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(w):
			t.Fatalf("line %d: got %q, want the end", i+1, g[i])
		case i >= len(g):
			t.Fatalf("line %d: got the end, want %q", i+1, w[i])
		case g[i] != w[i]:
			t.Fatalf("line %d:\ngot  %s\nwant %s", i+1, g[i], w[i])
		}
	}
}

// The capture of malformed queries is the one with faults, and these are all.
func TestCapturesMalformed(t *testing.T) {
	golden, err := os.ReadFile("testdata/captures.golden")
	if err != nil {
		t.Fatal(err)
	}
	var file string
	var bad []string
	for line := range strings.Lines(string(golden)) {
		if strings.HasSuffix(line, ".pcap\n") {
			file = strings.TrimSpace(line)
		}
		for _, what := range []string{"bad checksum", "fault: ", "other layout"} {
			if at := strings.Index(line, what); at >= 0 {
				n, _, _ := strings.Cut(line, " ")
				bad = append(bad, file+" "+n+" "+strings.TrimSpace(line[at:]))
			}
		}
	}
	want := []string{
		"igmp3_malformed_queries_crafted.pcap 5 bad checksum",
		"igmp3_malformed_queries_crafted.pcap 6 fault: bad length", // 10 bytes
		"igmp3_malformed_queries_crafted.pcap 7 fault: bad length", // more sources declared than there are
	}
	if strings.Join(bad, "\n") != strings.Join(want, "\n") {
		t.Errorf("faulty frames:\n%s\nwant:\n%s", strings.Join(bad, "\n"), strings.Join(want, "\n"))
	}
}

// A coder decodes one layer of in, says what it saw, and encodes it into out,
// which has the same length. What it cannot decode it copies.
type coder struct{ *strings.Builder }

func (c coder) say(format string, args ...any) { fmt.Fprintf(c, " "+format, args...) }

func (c coder) opaque(what string, in, out []byte) {
	c.say("%s[%d]", what, len(in))
	copy(out, in)
}

func (c coder) fault(f Fault, in, out []byte) {
	c.say("fault: %s", f)
	copy(out, in)
}

func (c coder) ether(in, out []byte) {
	e, f := ParseEther(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	PutEther(out, e.Dst(), e.Src(), e.Type())
	c.say("%s > %s", e.Src(), e.Dst())
	c.network(e.Type(), e.Payload(), out[EtherLen:])
}

func (c coder) network(typ uint16, in, out []byte) {
	switch typ {
	case EtherTypeIPv4:
		c.ipv4(in, out)
	case EtherTypeARP:
		c.arp(in, out)
	case EtherTypeVLAN:
		v, f := ParseVLAN(in)
		if f != OK {
			c.fault(f, in, out)
			return
		}
		PutVLAN(out, v.ID(), v.PCP(), v.DEI(), v.Type())
		c.say("vlan %d prio %d dei %t", v.ID(), v.PCP(), v.DEI())
		c.network(v.Type(), v.Payload(), out[VLANLen:])
	case EtherTypeIPv6:
		c.ipv6(in, out)
	default:
		c.opaque(fmt.Sprintf("type %#04x", typ), in, out)
	}
}

func (c coder) arp(in, out []byte) {
	a, f := ParseARP(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	PutARP(out, a.Op(), a.SenderMAC(), a.SenderIP(), a.TargetMAC(), a.TargetIP())
	c.say("arp %d %s %s > %s %s", a.Op(), a.SenderMAC(), a.SenderIP(), a.TargetMAC(), a.TargetIP())
	copy(out[len(a):], in[len(a):])
}

func (c coder) ipv4(in, out []byte) {
	p, f := ParseIPv4(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	h := p.Header()
	n := PutIPv4(out, &h, len(p.Payload()))
	c.say("ipv4 %s > %s ttl %d id %#04x", p.Src(), p.Dst(), p.TTL(), p.ID())
	if p.TOS() != 0 {
		c.say("tos %#02x", p.TOS())
	}
	if p.DF() {
		c.say("df")
	}
	opts, f := ParseIPv4Options(p.Options())
	if f != OK {
		c.say("option fault: %s", f)
	}
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		c.say("option %d %x", o.Type(), o.Data())
	}
	if !p.ChecksumOK() {
		c.say("bad checksum")
	}
	copy(out[len(p):], in[len(p):]) // padding of the frame
	if p.IsFragment() {
		c.say("fragment at %d more %t", p.FragOffset(), p.MF())
		c.opaque(fmt.Sprintf("proto %d", p.Proto()), p.Payload(), out[n:])
		return
	}
	c.transport(p, out[n:len(p)])
}

func (c coder) transport(p IPv4, out []byte) {
	switch p.Proto() {
	case ProtoUDP:
		c.udp(p, out)
	case ProtoICMP:
		c.icmp(p.Payload(), out)
	case ProtoIGMP:
		c.igmp(p.Payload(), out)
	case ProtoTCP:
		c.tcp(p.Src(), p.Dst(), p.Payload(), out)
	default:
		c.opaque(fmt.Sprintf("proto %d", p.Proto()), p.Payload(), out)
	}
}

func (c coder) udp(p IPv4, out []byte) {
	u, f := ParseUDP(p.Payload())
	if f != OK {
		c.fault(f, p.Payload(), out)
		return
	}
	PutUDP(out, u.SrcPort(), u.DstPort(), len(u.Payload()))
	c.say("udp %d > %d", u.SrcPort(), u.DstPort())
	const vxlanPort, vxlanLen = 4789, 8
	if u.DstPort() == vxlanPort && len(u.Payload()) > vxlanLen {
		c.opaque("vxlan", u.Payload()[:vxlanLen], out[UDPLen:])
		c.ether(u.Payload()[vxlanLen:], out[UDPLen+vxlanLen:])
	} else {
		c.opaque("data", u.Payload(), out[UDPLen:])
	}
	switch {
	case u.Checksum() == 0:
		c.say("no checksum")
	case !u.ChecksumOK(p.Src(), p.Dst()):
		c.say("bad checksum")
		copy(out, u)
	default:
		UDP(out).SetChecksum(p.Src(), p.Dst())
	}
}

// tcp says "other layout" where the sender arranged its options in another way
// than PutTCP does.
func (c coder) tcp(src, dst netip.Addr, in, out []byte) {
	t, f := ParseTCP(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	var h TCPHeader
	if f := t.Header(&h); f != OK {
		c.say("option fault: %s", f)
	}
	c.say("tcp %d > %d %s seq %d ack %d win %d", h.SrcPort, h.DstPort, h.Flags, h.Seq, h.Ack, h.Window)
	if h.Flags.Has(URG) {
		c.say("urgent %d", h.Urgent)
	}
	c.tcpOptions(&h.Options)
	n := PutTCP(out, &h)
	if n != t.HeaderLen() || !bytes.Equal(out[TCPLen:n], t.Options()) {
		c.say("other layout")
		n = copy(out, in[:t.HeaderLen()])
	}
	c.opaque("data", t.Payload(), out[n:])
	if !t.ChecksumOK(src, dst) {
		c.say("bad checksum")
		copy(out, in)
		return
	}
	complete(out, ProtoTCP, src, dst)
}

func (c coder) tcpOptions(o *TCPOptions) {
	if o.MSS != 0 {
		c.say("mss %d", o.MSS)
	}
	if o.HasScale {
		c.say("scale %d", o.Scale)
	}
	if o.SACKOK {
		c.say("sackok")
	}
	if o.HasTime {
		c.say("time %d %d", o.TSVal, o.TSEcr)
	}
	for _, k := range o.SACK[:o.NSACK] {
		c.say("sack %d-%d", k.Start, k.End)
	}
	if o.HasFastOpen {
		c.say("fastopen %x", o.FastOpenCookie())
	}
}

func (c coder) icmp(in, out []byte) {
	m, f := ParseICMP4(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	c.say("icmp %d/%d rest %#08x", m.Type(), m.Code(), m.Rest())
	if m.IsError() {
		c.quoted(m, out[ICMP4Len:])
	} else {
		c.opaque("data", m.Payload(), out[ICMP4Len:])
	}
	if !m.ChecksumOK() {
		c.say("bad checksum")
		copy(out, in)
		return
	}
	PutICMP4(out, m.Type(), m.Code(), m.Rest(), len(m.Payload()))
}

func (c coder) quoted(m ICMP4, out []byte) {
	copy(out, m.Payload())
	q, f := m.Quoted()
	if f != OK {
		c.say("fault: %s", f)
		return
	}
	h := q.Header()
	clear(out[:q.HeaderLen()])
	PutIPv4(out, &h, q.TotalLen()-q.HeaderLen())
	c.say("about %s > %s proto %d total %d quoted %d", q.Src(), q.Dst(), q.Proto(), q.TotalLen(), len(q))
	if src, dst, ok := q.Ports(); ok && q.Proto() != ProtoICMP {
		c.say("ports %d %d", src, dst)
	}
}

func (c coder) igmp(in, out []byte) {
	m, f := ParseIGMP(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	if !m.ChecksumOK() {
		c.say("igmp type %#02x bad checksum", m.Type())
		copy(out, in)
		return
	}
	switch {
	case m.Type() == IGMPTypeV3Report:
		c.igmpv3Report(in, out)
	case m.Type() == IGMPTypeQuery && m.QueryVersion() == 3:
		c.igmpv3Query(in, out)
	case m.Type() == IGMPTypeQuery && m.QueryVersion() == 0:
		c.fault(BadLength, in, out)
	default:
		c.say("igmp type %#02x code %d group %s", m.Type(), m.MaxRespCode(), m.Group())
		if m.Type() == IGMPTypeQuery {
			c.say("v%d query", m.QueryVersion())
		}
		PutIGMP(out, m.Type(), m.MaxRespCode(), m.Group())
		copy(out[IGMPLen:], in[IGMPLen:])
	}
}

func (c coder) igmpv3Query(in, out []byte) {
	q, f := ParseIGMPv3Query(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	var sources []netip.Addr
	for i := range q.NumSources() {
		sources = append(sources, q.Source(i))
	}
	h := IGMPv3QueryHeader{
		MaxRespCode: IGMPEncode(q.MaxResp()), Group: q.Group(), S: q.S(), QRV: q.QRV(), QQIC: IGMPEncode(q.QQI()),
	}
	n := PutIGMPv3Query(out, &h, sources)
	c.say("igmpv3 query %s max %d s %t qrv %d qqi %d %v", q.Group(), q.MaxResp(), q.S(), q.QRV(), q.QQI(), sources)
	copy(out[n:], in[n:])
}

func (c coder) igmpv3Report(in, out []byte) {
	m, f := ParseIGMPv3Report(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	c.say("igmpv3 report")
	names := [...]string{IGMPIsIn: "is_in", IGMPIsEx: "is_ex", IGMPToIn: "to_in", IGMPToEx: "to_ex", IGMPAllow: "allow", IGMPBlock: "block"}
	n, list := IGMPv3ReportLen, m.Records()
	for r, ok := list.Next(); ok; r, ok = list.Next() {
		var sources []netip.Addr
		for i := range r.NumSources() {
			sources = append(sources, r.Source(i))
		}
		n += PutIGMPv3Record(out[n:], r.Type(), r.Group(), sources)
		c.say("%s %s %v", names[r.Type()], r.Group(), sources)
	}
	PutIGMPv3Report(out[:n], m.NumRecords())
	copy(out[n:], in[n:])
}
