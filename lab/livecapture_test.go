//go:build !novimage

package lab_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

// capture begins a capture in a file; end ends it and returns its packets, each as its
// interface, direction and comment.
func capture(t *testing.T, n *lab.Lab, c lab.CaptureConfig) (x *lab.Capture, file *bytes.Buffer, end func() []string) {
	t.Helper()
	file = new(bytes.Buffer)
	x, err := n.NewCapture(file, c)
	if err != nil {
		t.Fatal(err)
	}
	return x, file, func() (all []string) {
		t.Helper()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := x.Run(over); err != nil {
			t.Fatal(err)
		}
		r := pcapng.NewReader(bytes.NewReader(file.Bytes()))
		var f pcapng.Frame
		for r.Next(&f) == nil {
			all = append(all, fmt.Sprintf("%s %s %s", f.Name, []string{"?", "in", "out"}[f.Dir], f.Comment))
		}
		return all
	}
}

// untapped checks that nobody looks at any interface.
func untapped(t *testing.T, n *lab.Lab) {
	t.Helper()
	for _, st := range n.World.Stacks() {
		for _, i := range st.Internal().View().Ifs {
			if i != nil && i.Tee.Load() != nil {
				t.Errorf("%s: a capture is left on %s", st.Name(), i.Name)
			}
		}
	}
}

// TestLiveCapture: links of all kinds are recorded while they are in use, with the
// direction that the link's first end sees, by several at once, on while cables are
// exchanged beneath, and no longer than asked for.
func TestLiveCapture(t *testing.T) {
	for _, kind := range []string{"direct", "to a switch", "from a switch", "between switches"} {
		t.Run(kind, func(t *testing.T) {
			n := lab.NewConfig(t, lab.Config{Simulated: true})
			a, b := n.Host("a"), n.Host("b")
			l := cables(n)[kind](a, b)
			exchange(t, n, a, b, b.Addr().String())
			exchange(t, n, b, a, a.Addr().String()) // neighbours and switches know
			all, _, endAll := capture(t, n, lab.CaptureConfig{})
			some, _, endSome := capture(t, n, lab.CaptureConfig{Filter: "src host " + a.Addr().String()})
			for _, c := range []*lab.Capture{all, some} {
				if err := errors.Join(c.Link(l.Name()), c.Link(l.Name())); err != nil {
					t.Fatal(err)
				}
			}
			oneWay(t, n, a, b)
			oneWay(t, n, b, a)
			if err := l.SetFaults(link.AtoB, link.FaultConfig{Delay: time.Millisecond}); err != nil {
				t.Fatal(err)
			}
			oneWay(t, n, a, b)
			out, in := l.Name()+" out ", l.Name()+" in "
			if got, want := endSome(), []string{out, out}; !slices.Equal(got, want) {
				t.Errorf("filtered: %q, want %q", got, want)
			}
			oneWay(t, n, a, b)
			if got, want := endAll(), []string{out, in, out, out}; !slices.Equal(got, want) {
				t.Errorf("all: %q, want %q", got, want)
			}
			untapped(t, n)
			oneWay(t, n, a, b)
		})
	}
}

// TestLiveCaptureFollows: a link's capture goes on when it is made anew, an interface's
// when it is moved; what a stack loses is there with its reason.
func TestLiveCaptureFollows(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, b, c := n.Host("a"), n.Host("b"), n.Host("c")
	l := n.Link(a, b)
	links, _, end := capture(t, n, lab.CaptureConfig{})
	if err := links.Link("a-b"); err != nil {
		t.Fatal(err)
	}
	if err := n.RemoveLink(l); err != nil {
		t.Fatal(err)
	}
	l = n.Link(b, a, lab.LinkConfig{Name: "a-b", A: netip.MustParsePrefix("192.0.2.1/24"), B: netip.MustParsePrefix("192.0.2.2/24")})
	exchange(t, n, b, a, "192.0.2.2")
	s, err := b.Dial("udp", "192.0.2.2:7") // where nobody listens
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("x"))
	n.Run(time.Second)
	s.Close()
	got := end()
	if !slices.ContainsFunc(got, func(s string) bool { return s == "a-b ? drop: no port" || s == "a-b ? drop: no socket" }) || !slices.Contains(got, "a-b out ") {
		t.Errorf("%q", got)
	}

	ifs, _, end := capture(t, n, lab.CaptureConfig{Filter: "arp"})
	if err := ifs.Interface("one", a.Stack, "lo0"); err == nil {
		t.Error("lo0 has a link")
	}
	if err := ifs.Interface("two", b.Stack, "eth0"); err != nil {
		t.Fatal(err)
	}
	j := n.World.Root().Find("c")
	moved, err := l.Ends()[0].Interface().MoveTo(j)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(moved.AddAddr(netip.MustParsePrefix("192.0.2.9/24")), moved.SetUp(true)); err != nil {
		t.Fatal(err)
	}
	exchange(t, n, c, a, "192.0.2.2")
	if got := end(); !slices.Contains(got, "two out ") || !slices.Contains(got, "two in ") {
		t.Errorf("after the move: %q", got)
	}
	untapped(t, n)
}

// TestLiveCaptureOverflow: the network does not wait for who does not write, and what
// was lost by that is counted in the file.
func TestLiveCaptureOverflow(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, b := n.Host("a"), n.Host("b")
	l := n.Link(a, b)
	exchange(t, n, a, b, b.Addr().String())
	c, file, end := capture(t, n, lab.CaptureConfig{Buffer: 4096, SnapLen: 60})
	if err := c.Link(l.Name()); err != nil {
		t.Fatal(err)
	}
	const sent = 200
	for range sent {
		if took, came := oneWay(t, n, a, b); !came || took != 0 {
			t.Fatalf("came %v after %v", came, took)
		}
	}
	got := uint64(len(end()))
	if stats := lastStatistics(t, file.Bytes()); got == 0 || got >= sent || stats[4] != sent || stats[5] != sent-got || stats[8] != got {
		t.Errorf("%d packets of %d, statistics %v", got, sent, stats)
	}
}

// TestLiveCaptureCount ends after so many packets, and says what is wrong with a filter.
func TestLiveCaptureCount(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	if _, err := n.NewCapture(nil, lab.CaptureConfig{Filter: "port port"}); err == nil {
		t.Error("no filter, and no error")
	}
	a, b := n.Host("a"), n.Host("b")
	l := n.Link(a, b)
	c, _, end := capture(t, n, lab.CaptureConfig{Count: 2})
	if err := c.Link("b-a"); err == nil {
		t.Error("there is no b-a")
	}
	if err := c.Link(l.Name()); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		oneWay(t, n, a, b)
	}
	if got := end(); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

// TestLiveCaptureBare records a tunnel, on which there are packets without a header.
func TestLiveCaptureBare(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, b)
	tip := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}) }
	for i, h := range []*lab.Node{a, b} {
		g, err := h.CreateTunnel("gif0", vimage.GIF)
		if err != nil {
			t.Fatal(err)
		}
		ends := []netip.Addr{a.Addr(), b.Addr()}
		if err := errors.Join(
			g.SetTunnel(vimage.TunnelConfig{Kind: vimage.GIF, Local: ends[i], Remote: ends[1-i]}),
			g.Configure(vimage.AddrConfig{Prefix: netip.PrefixFrom(tip(i), 32), Peer: tip(1 - i)}), g.SetUp(true),
		); err != nil {
			t.Fatal(err)
		}
	}
	c, file, end := capture(t, n, lab.CaptureConfig{Filter: "udp"})
	if err := c.Interface("a:gif0", a.Stack, "gif0"); err != nil {
		t.Fatal(err)
	}
	exchange(t, n, a, b, "192.0.2.2")
	if got := end(); len(got) == 0 {
		t.Error("nothing was recorded")
	}
	r := pcapng.NewReader(bytes.NewReader(file.Bytes()))
	for f := (pcapng.Frame{}); r.Next(&f) == nil; {
		if f.LinkType != pcapng.LinkTypeRaw || f.Data[0]>>4 != 4 {
			t.Errorf("link type %d, % x", f.LinkType, f.Data)
		}
	}
}

// lastStatistics returns the 64-bit options of the last statistics block of a file.
func lastStatistics(t *testing.T, file []byte) map[uint16]uint64 {
	t.Helper()
	u32, u16 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint16
	got := map[uint16]uint64{}
	for len(file) > 0 {
		b := file[:u32(file[4:])]
		file = file[len(b):]
		if u32(b) != 5 {
			continue
		}
		for o := b[20 : len(b)-4]; len(o) >= 12; o = o[4+u16(o[2:]):] {
			if u16(o[2:]) == 8 {
				got[u16(o)] = binary.LittleEndian.Uint64(o[4:])
			}
		}
	}
	return got
}
