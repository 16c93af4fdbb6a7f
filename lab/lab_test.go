//go:build !novimage

package lab_test

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// tenLines is what a test of somebody's program looks like.
func tenLines(t *testing.T) {
	n := lab.New(t)
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, b, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: 5 * time.Millisecond}})
	server, err := b.ListenPacket("udp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	go echo(server)
	conn, err := a.Dial("udp", b.Addr().String()+":7")
	if err != nil {
		t.Fatal(err)
	}
	began := n.World.Now()
	fmt.Fprint(conn, "hello")
	buf := make([]byte, 1500)
	k, err := conn.Read(buf)
	if err != nil || string(buf[:k]) != "hello" {
		t.Errorf("read %q, %v", buf[:k], err)
	}
	if took := n.World.Now().Sub(began); took < 20*time.Millisecond { // ARP and the echo, there and back
		t.Errorf("took %v over 4 times 5 ms", took)
	}
}

func TestEcho(t *testing.T) { tenLines(t) }

func TestEchoInBubble(t *testing.T) { synctest.Test(t, tenLines) }

// TestHourInBubble: a deadline an hour away costs no time.
func TestHourInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := lab.New(t)
		a := n.Host("a")
		n.Link(a, n.Host("b"))
		c, err := a.ListenPacket("udp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		began := n.World.Now()
		c.SetReadDeadline(began.Add(time.Hour))
		if _, _, err := c.ReadFrom(make([]byte, 1)); err == nil {
			t.Error("read something")
		}
		if d := n.World.Now().Sub(began); d != time.Hour {
			t.Errorf("waited %v", d)
		}
	})
}

func addrs(h *lab.Node, links int) string {
	var all []string
	for i := range links {
		for _, a := range h.Eth(i).Addrs() {
			all = append(all, a.String())
		}
	}
	return strings.Join(all, " ")
}

// TestAddresses: subnets are counted in the order of creation, hosts in theirs;
// what is given is kept.
func TestAddresses(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	lan := n.Switch("lan")
	hub := n.Switch("hub", lab.SwitchConfig{Within: lan, BridgeConfig: link.BridgeConfig{Hub: true}})
	other := n.Switch("other", lab.SwitchConfig{Subnet: netip.MustParsePrefix("192.0.2.0/24")})
	a, b, r := n.Host("a"), n.Host("b"), n.Router("r")
	n.Link(lan, hub)
	n.Link(a, lan)
	n.Link(hub, b)
	n.Link(r, lan)
	n.Link(r, other)
	n.Link(a, r, lab.LinkConfig{A: netip.MustParsePrefix("198.51.100.5/30"), B: netip.MustParsePrefix("198.51.100.6/30"), Subnet: netip.MustParsePrefix("198.51.100.4/30")})
	n.Link(b, r)
	for _, c := range []struct {
		h     *lab.Node
		links int
		want  string
	}{
		{a, 2, "10.0.0.1/24 198.51.100.5/30"},
		{b, 2, "10.0.0.2/24 10.0.3.1/24"},
		{r, 4, "10.0.0.3/24 192.0.2.1/24 198.51.100.6/30 10.0.3.2/24"},
	} {
		if got := addrs(c.h, c.links); got != c.want {
			t.Errorf("%s has %s, want %s", c.h.Name(), got, c.want)
		}
	}
	if got := b.AddrOn(r).String(); got != "10.0.0.2" {
		t.Errorf("b on a link with r: %s", got)
	}
	if n.Node("lan") != nil || n.Node("a") != a || n.Node("nobody") != nil {
		t.Error("Node finds the wrong one")
	}
}

// exchange sends a datagram from a to b and tells whether it came.
func exchange(t *testing.T, n *lab.Lab, a, b vimage.Network, to string) bool {
	t.Helper()
	s, err := b.ListenPacket("udp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := a.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.(*vimage.UDPConn).WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort(to+":9"))
	n.Run(time.Second)
	_, _, ok, err := s.(*vimage.UDPConn).TryReadFrom(make([]byte, 8))
	return ok && err == nil
}

// TestRouteAll: everybody reaches everybody over a ring of routers, by the
// shortest way.
func TestRouteAll(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	var hosts, routers []*lab.Node
	for i := range 5 {
		h, r := n.Host(fmt.Sprint("h", i)), n.Router(fmt.Sprint("r", i))
		n.Link(h, r)
		hosts, routers = append(hosts, h), append(routers, r)
	}
	for i, r := range routers {
		n.Link(r, routers[(i+1)%5])
	}
	n.RouteAll()
	n.RouteAll() // what is there stays
	for _, a := range hosts {
		for _, b := range hosts {
			if !exchange(t, n, a, b, b.Addr().String()) {
				t.Errorf("%s does not reach %s", a.Name(), b.Name())
			}
		}
	}
	for _, r := range routers {
		// 4 others; each is at most 2 hops away, so of 20 ways between two hosts
		// a router is on 2 as an end for each and on 2 in between.
		if got := r.Counters()["ip.forwarded"]; got != 10 {
			t.Errorf("%s forwarded %d of %d, want 10", r.Name(), got, 20)
		}
	}
}

// TestLinkFIB: an interface of another table is reached by that table only, and
// RouteAll leaves it alone.
func TestLinkFIB(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, err := n.AddNode("a", lab.NodeConfig{FIBs: 2})
	if err != nil {
		t.Fatal(err)
	}
	b := n.Host("b")
	l := n.Link(a, b, lab.LinkConfig{FIBA: 1, Name: "blue"})
	n.RouteAll()
	if l.Name() != "blue" {
		t.Errorf("name %s", l.Name())
	}
	one, err := a.FIB(1)
	if err != nil {
		t.Fatal(err)
	}
	if exchange(t, n, a, b, b.Addr().String()) {
		t.Error("table 0 leads to b")
	}
	if !exchange(t, n, one, b, b.Addr().String()) {
		t.Error("table 1 does not lead to b")
	}
	if _, err := n.AddLink(a, b, lab.LinkConfig{FIBA: 2}); err == nil {
		t.Error("table 2 is there")
	}
}

// TestFaultSeeds: links with the same faults lose different frames, and the same
// seed the same ones.
func TestFaultSeeds(t *testing.T) {
	lost := func(seed uint64) string {
		n := lab.Open(lab.Config{Simulated: true, Seed: seed})
		defer n.Close()
		var all []string
		for i := range 2 {
			a, b := n.Host(fmt.Sprint("a", i)), n.Host(fmt.Sprint("b", i))
			l := n.Link(a, b, lab.LinkConfig{FaultConfig: link.FaultConfig{Loss: 0.5}})
			got := ""
			for range 64 {
				got += fmt.Sprint(map[bool]int{true: 1}[exchange(t, n, a, b, b.Addr().String())])
			}
			if l.Fault().Stats(link.AtoB).Entered == 0 {
				t.Error("the fault counts nothing")
			}
			all = append(all, got)
		}
		if all[0] == all[1] {
			t.Errorf("two links of seed %d lose the same: %s", seed, all[0])
		}
		return strings.Join(all, " ")
	}
	if a, b := lost(1), lost(1); a != b {
		t.Errorf("the same seed: %s and %s", a, b)
	}
	if lost(1) == lost(2) {
		t.Error("another seed, the same losses")
	}
}

// TestCapture: one stream of all links, one of a single link; both are complete
// after EndCapture, and a link that is not there is an error.
func TestCapture(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	var all, one bytes.Buffer
	n.CaptureAll(&all)
	n.CaptureLink("a-b", &one)
	a, b, c := n.Host("a"), n.Host("b"), n.Host("c")
	n.Link(a, b)
	n.Link(b, c)
	exchange(t, n, a, b, b.Addr().String())
	exchange(t, n, c, b, b.Eth(1).Addrs()[0].Addr().String())
	if err := n.EndCapture(); err != nil {
		t.Fatal(err)
	}
	if one.Len() < 200 || all.Len() < one.Len()+200 {
		t.Errorf("%d bytes of a-b, %d of all", one.Len(), all.Len())
	}
	for _, name := range []string{"a-b", "b-c"} {
		if !bytes.Contains(all.Bytes(), []byte(name)) || bytes.Contains(one.Bytes(), []byte(name)) != (name == "a-b") {
			t.Errorf("%s is named in the wrong stream", name)
		}
	}
	n.CaptureLink("a-c", io.Discard)
	if err := n.EndCapture(); err == nil || !strings.Contains(err.Error(), "a-c") {
		t.Errorf("capture of no link: %v", err)
	}
}

// TestErrors: what cannot be built says why.
func TestErrors(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, b, s, s2 := n.Host("a"), n.Host("b"), n.Switch("s"), n.Switch("s2")
	small := n.Switch("small", lab.SwitchConfig{Subnet: netip.MustParsePrefix("192.0.2.0/30")})
	n.Link(a, small)
	n.Link(b, small)
	_, again := n.AddNode("a", lab.NodeConfig{})
	_, taken := n.AddNode("s", lab.NodeConfig{})
	_, empty := n.AddNode("", lab.NodeConfig{})
	_, shards := n.AddNode("x", lab.NodeConfig{Shards: 65})
	_, fibs := n.AddNode("y", lab.NodeConfig{FIBs: 65537})
	_, sw := n.AddSwitch("a", lab.SwitchConfig{})
	_, subnets := n.AddLink(s, s2, lab.LinkConfig{})
	_, full := n.AddLink(n.Host("c"), small, lab.LinkConfig{})
	_, loss := n.AddLink(a, b, lab.LinkConfig{FaultConfig: link.FaultConfig{Loss: 2}})
	_, mtu := n.AddLink(a, b, lab.LinkConfig{MTU: 10})
	_, addr := n.AddLink(a, b, lab.LinkConfig{A: netip.MustParsePrefix("224.0.0.1/24")})
	for _, c := range []struct {
		err  error
		want string
	}{
		{again, `node "a": the name is taken`},
		{taken, `node "s": the name is taken`},
		{empty, "new stack"},
		{shards, "new stack x"},
		{fibs, "new stack y"},
		{sw, `switch "a": the name is empty or taken`},
		{subnets, "make the second Within the first"},
		{full, "no address is left in 192.0.2.0/30"},
		{loss, "Loss is 2"},
		{mtu, "link a-b: add interface"},
		{addr, "link a-b: add interface"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error %v, want %q", c.err, c.want)
		}
	}
	if n.Node("x") != nil || n.World.Stack("y") != nil {
		t.Error("something is left of what failed")
	}
}

// recorder is a TB that notes how it ends.
type recorder struct {
	fatal   string
	cleanup []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	panic(r)
}

// TestMust: a lab of New ends the test, one of Open panics; New's is closed when
// the test ends.
func TestMust(t *testing.T) {
	try := func(f func()) (said any) {
		defer func() { said = recover() }()
		f()
		return nil
	}
	r := new(recorder)
	n := lab.New(r)
	n.Host("a")
	if try(func() { n.Host("a") }) != r || !strings.Contains(r.fatal, "the name is taken") {
		t.Errorf("New: %q", r.fatal)
	}
	for _, f := range r.cleanup {
		f()
	}
	if n.World.Stack("a") != nil {
		t.Error("the lab is open after the test")
	}
	o := lab.Open(lab.Config{})
	defer o.Close()
	o.Switch("s")
	if said := try(func() { o.Switch("s") }); !strings.Contains(fmt.Sprint(said), `lab: switch "s"`) {
		t.Errorf("Open: %v", said)
	}
	o.Close()
}
