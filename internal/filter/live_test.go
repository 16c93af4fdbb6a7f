package filter

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// Whatever tcpdump makes of the expressions of the list, and of random ones, has
// the verdict that ours has, of thousands of frames; so has Match.
func TestAgainstTcpdump(t *testing.T) {
	o := newOracle(t, Ethernet)
	frames := madeFrames(1, 3000)
	cut := 0
	list := expressions(t)
	for _, expr := range list {
		cut += compareAll(t, o, Ethernet, expr, frames)
	}
	t.Logf("%d expressions, %d frames: %d verdicts hang on the order in which a short frame is read", len(list), len(frames), cut)
	if cut > len(list)*len(frames)/50000 {
		t.Error("these are too many")
	}
}

func TestRandomAgainstTcpdump(t *testing.T) {
	n := 400
	if testing.Short() {
		n = 100
	}
	o := newOracle(t, Ethernet)
	frames := madeFrames(2, 500)
	w := writer{newMaker(3)}
	for range n {
		compareAll(t, o, Ethernet, w.expression(3), frames)
	}
}

// Bare IP: what has a meaning there has the same.
func TestRawAgainstTcpdump(t *testing.T) {
	o := newOracle(t, Raw)
	m := newMaker(4)
	var frames [][]byte
	for range 1000 {
		b := m.ip(nil, 0)
		if m.often(10) {
			b = b[:m.IntN(len(b)+1)]
		}
		frames = append(frames, b)
	}
	for _, expr := range expressions(t) {
		compareAll(t, o, Raw, expr, frames)
	}
}

// Chains of headers have the verdict of tcpdump's loop, which bpf.VM does not
// run, but where an authentication header is among them: from there tcpdump's
// goes on elsewhere.
func TestProtochainAgainstTcpdump(t *testing.T) {
	o := newOracle(t, Ethernet)
	frames := madeFrames(12, 4000)
	for _, expr := range []string{
		"ip6 protochain 58", "ip6 protochain 6", `ip6 protochain \udp`, "ip6 protochain 44", "ip6 protochain 0", "ip6 protochain 60",
		"ip protochain 6", "ip protochain 51", "protochain 17", "not ip6 protochain 58", "vlan and ip6 protochain 6",
		"mpls and protochain 6", "ip6 protochain 6 and tcp port 80", "pppoes and ip6 protochain 58",
	} {
		prog, ok := o.compile(t, expr)
		p, err := Compile(expr, Ethernet, 0)
		if !ok || err != nil {
			t.Fatalf("%s: tcpdump compiles it: %v; here: %v", expr, ok, err)
		}
		ours, hits := machineOf(t, p.code), 0
		for _, f := range frames {
			want, got := simulate(prog, f, -1), p.Match(f, len(f)) > 0
			if got != ours(f) {
				t.Fatalf("%s: Match says %v of %x", expr, got, f)
			}
			if want {
				hits++
			}
			if want != got && !bytes.Contains(f[:min(len(f), 130)], []byte{51}) {
				t.Errorf("%s: %x: tcpdump %v, here %v", expr, f, want, got)
			}
		}
		if hits == 0 {
			t.Errorf("%s: no frame has it", expr)
		}
	}
}

func madeFrames(seed uint64, n int) (frames [][]byte) {
	m := newMaker(seed)
	for range n {
		frames = append(frames, m.frame())
	}
	return frames
}

// compareAll fails unless both compile the expression, to the same effect.
//
// Where a frame ends before what a filter looks at, a BPF program rejects it: so
// the order in which it looks matters, and tcpdump's optimizer changes it. It
// returns how many frames were so short that this showed.
func compareAll(t *testing.T, o *oracle, link LinkType, expr string, frames [][]byte) int {
	t.Helper()
	prog, ok := o.compile(t, expr)
	p, err := Compile(expr, link, 0)
	if !ok || err != nil {
		if ok && !onlyHere(err) || !ok && err == nil {
			t.Errorf("%s: tcpdump compiles it: %v; here: %v", expr, ok, err)
		}
		return 0
	}
	theirs, ours := machineOf(t, prog), machineOf(t, p.code)
	cut := 0
	for _, f := range frames {
		want, got := theirs(f), ours(f)
		if fast := p.Match(f, len(f)) > 0; got != fast {
			t.Fatalf("%s: the machine says %v, Match %v of %x", expr, got, fast, f)
		}
		if want == got {
			continue
		}
		if cut++; !agreeBeyond(prog, p.code, f) {
			t.Errorf("%s: %d bytes %x: tcpdump %v, here %v", expr, len(f), f, want, got)
			return cut
		}
	}
	return cut
}

// onlyHere tells whether tcpdump compiles what is refused with err, to something
// that has no use: doc.go says why.
func onlyHere(err error) bool {
	return strings.Contains(err.Error(), "before the frame's first byte") || strings.Contains(err.Error(), "behind mpls there is no geneve")
}

// agreeBeyond tells whether two programs agree on a frame if one can look beyond
// its end, whatever one sees there.
func agreeBeyond(a, b []bpf.Instruction, f []byte) bool {
	for _, fill := range []int{0, 0x55, 0xff} {
		if simulate(a, f, fill) != simulate(b, f, fill) {
			return false
		}
	}
	return true
}

// writer makes expressions at random.
type writer struct{ maker }

func (w writer) expression(deep int) string {
	switch n := w.IntN(10); {
	case deep == 0 || n < 3:
		return w.primitive()
	case n < 4:
		return "not " + w.expression(deep-1)
	case n < 6:
		return "(" + w.expression(deep-1) + ")"
	}
	return w.expression(deep-1) + pick(w.maker, " and ", " or ", " && ", " || ") + w.expression(deep-1)
}

func (w writer) primitive() string {
	m := w.maker
	dir := func() string { return pick(m, "", "src ", "dst ", "src or dst ", "src and dst ") }
	addr := func() string {
		return pick(m, "10.0.0.1", "10.0.0.2", "192.168.1.1", "224.0.0.1", "2001:db8::1", "fe80::1", "10", "10.0")
	}
	port := func() string { return pick(m, "80", "443", "53", "22", "ftp", "domain", "http", "6000", "ntp") }
	switch m.IntN(12) {
	case 0:
		return pick(m, "", "ip ", "arp ", "ip6 ", "rarp ") + dir() + "host " + addr()
	case 1:
		return dir() + "net " + pick(m, "10", "10.0.0.0/8", "192.168", "2001:db8::/32", "192.168.1.0 mask 255.255.255.0", "fe80::/10")
	case 2:
		return pick(m, "", "tcp ", "udp ", "sctp ") + dir() + "port " + port() + pick(m, "", " or "+port())
	case 3:
		return pick(m, "", "tcp ", "udp ") + dir() + "portrange " + pick(m, "1-100", "443-80", "22", "6000-7000", "http-https")
	case 4:
		return pick(m, "ip ", "ip6 ", "", "ether ", "iso ") + "proto " + pick(m, "6", "17", "58", "0x800", `\tcp`, `\arp`, "44", `\icmp`)
	case 5:
		return "ether " + dir() + "host " + pick(m, "02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff")
	case 6:
		return pick(m, "ether ", "ip ", "ip6 ", "", "tcp ") + pick(m, "broadcast", "multicast")
	case 7:
		return pick(m, "vlan", "vlan 100", "mpls", "mpls 100", "pppoes", "pppoes 0x27", "geneve", "geneve 0xb", "pppoed", "llc", "llc ui")
	case 8, 9:
		return w.value(2) + pick(m, " = ", " != ", " > ", " < ", " >= ", " <= ") + w.value(1)
	case 10:
		return fmt.Sprint(pick(m, "less ", "greater "), m.IntN(150))
	}
	names := strings.Fields("ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp igrp pim vrrp carp ah esp atalk aarp decnet iso stp ipx netbeui lat moprc mopdl sca clnp esis isis l1 l2 iih lsp snp csnp psnp")
	return pick(m, names...)
}

func (w writer) value(deep int) string {
	m := w.maker
	switch n := m.IntN(10); {
	case deep == 0 || n < 2:
		return pick(m, "0", "1", "5", "64", "0x45", "80", "255", "0x0800", "tcp-syn", "icmp-echo", "6", "4294967295")
	case n < 3:
		return "len"
	case n < 4:
		return "(" + w.value(deep) + ")"
	case n < 6:
		op := pick(m, " + ", " - ", " * ", " / ", " & ", " | ", " << ", " >> ", " % ", " ^ ")
		if strings.ContainsAny(op, "<>/%") { // by a constant: tcpdump takes an index for one
			return "((" + w.value(deep-1) + ")" + op + fmt.Sprint(1+m.IntN(31)) + ")"
		}
		if op == " ^ " { // only brackets say what belongs to it
			return "((" + w.value(deep-1) + ")" + op + "(" + w.value(deep-1) + "))"
		}
		return w.value(deep-1) + op + w.value(deep-1)
	}
	proto := pick(m, "ip", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "igmp", "arp", "ether", "sctp", "vrrp", "link", "esp", "atalk")
	return proto + "[" + w.value(deep-1) + pick(m, "", ":1", ":2", ":4", ":3") + "]"
}
