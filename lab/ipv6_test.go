//go:build !novimage

package lab_test

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// city is a switch with a router, some hosts that configure themselves and two
// that want one address, and a host far behind the router.
type city struct {
	*lab.Lab
	t      *testing.T
	lan    *lab.Switch
	r, far *lab.Node
	hosts  []*lab.Node
	rivals [2]*lab.Node
	seen   hash.Hash // what was captured
	wanted netip.Addr
}

var (
	red   = netip.MustParsePrefix("2001:db8:1::/64")
	green = netip.MustParsePrefix("2001:db8:2::/64")
	blue  = netip.MustParsePrefix("2001:db8:3::/64")
)

// first is the first address of a prefix.
func first(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(p.Addr().Next(), p.Bits()) }

func advert(p ...vimage.RouterPrefix) *vimage.RouterConfig {
	return &vimage.RouterConfig{Prefixes: p, RDNSS: []vimage.RouterDNS{{Addrs: []netip.Addr{first(green).Addr()}}}, MTU: 1400, Preference: 1}
}

func newCity(t *testing.T, hosts int, seed uint64) *city {
	c := &city{Lab: lab.NewConfig(t, lab.Config{Simulated: true, Seed: seed}), t: t, seen: sha256.New()}
	c.CaptureAll(c.seen)
	c.lan = c.Switch("lan", lab.SwitchConfig{Subnet: netip.MustParsePrefix("10.0.0.0/16"), Subnet6: red})
	c.r, c.far = c.Router("r"), c.Host("far")
	c.Link(c.r, c.lan, lab.LinkConfig{
		A6:         []netip.Prefix{first(red), first(green)},
		AdvertiseA: advert(vimage.RouterPrefix{Prefix: red}, vimage.RouterPrefix{Prefix: green}),
	})
	c.Link(c.r, c.far, lab.LinkConfig{Subnet6: netip.MustParsePrefix("2001:db8:f::/64")})
	for _, p := range []netip.Prefix{red, green, blue} {
		if err := c.far.AddRoute(vimage.Route{Dst: p, Gateway: c.r.AddrOn6(c.far)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range hosts {
		c.hosts = append(c.hosts, c.auto(fmt.Sprint("h", i), link.FaultConfig{}))
	}
	c.addRivals(link.FaultConfig{})
	return c
}

// addRivals adds two hosts that want one address at once.
func (c *city) addRivals(f link.FaultConfig) {
	c.wanted = netip.MustParseAddr("2001:db8:1::d00d")
	for i := range c.rivals {
		c.rivals[i] = c.auto(fmt.Sprint("rival", i), f)
	}
	for _, h := range c.rivals {
		c.ok(h.Eth(0).AddAddr(netip.PrefixFrom(c.wanted, 64)))
	}
}

func (c *city) auto(name string, f link.FaultConfig) *lab.Node {
	h, err := c.AddNode(name, lab.NodeConfig{Autoconf: new(vimage.AutoconfConfig)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.Link(h, c.lan, lab.LinkConfig{FaultConfig: f})
	return h
}

// eth0 is a host's interface.
func eth0(h *lab.Node) ifnet.Info {
	for o := range h.Internal().Interfaces() {
		if o.Name == "eth0" {
			return o
		}
	}
	panic(h.Name())
}

// rivalry expects that exactly one of those who want an address has it (RFC 4862
// §5.4).
func (c *city) rivalry() {
	c.t.Helper()
	keeps := 0
	for _, h := range c.rivals {
		i := eth0(h)
		if a := i.Addrs.Find(c.wanted); a != nil && a.Usable() {
			keeps++
		}
	}
	if keeps != 1 {
		c.t.Fatalf("%d of two hosts keep %v", keeps, c.wanted)
	}
}

// snooped expects that the switch shows a solicitation for a host's address in a
// prefix to the host, and to nobody else.
func (c *city) snooped(p netip.Prefix) {
	c.t.Helper()
	for _, h := range c.hosts {
		i := eth0(h)
		group := wire.SolicitedNode(in(&i, p)[0].Addr())
		if got := c.lan.Bridge().Members(group, netip.Addr{}); len(got) != 1 {
			c.t.Fatalf("%v of %s has members at the ports %v", group, h.Name(), got)
		}
	}
}

// in returns the addresses of an interface in a prefix.
func in(i *ifnet.Info, p netip.Prefix) (all []ifaddr.Addr) {
	for _, a := range i.Addrs {
		if p.Contains(a.Addr()) {
			all = append(all, a)
		}
	}
	return all
}

// wantAddrs expects that every host has one address of its own in each of the
// prefixes, link-local one included, with the flags.
func (c *city) wantAddrs(flags ifaddr.Flags, prefixes ...netip.Prefix) {
	c.t.Helper()
	owner := make(map[netip.Addr]*lab.Node)
	for _, h := range c.hosts {
		i := eth0(h)
		for _, p := range prefixes {
			got := in(&i, p)
			if len(got) != 1 || got[0].Flags&^ifaddr.Auto != flags {
				c.t.Errorf("%s has %v in %v", h.Name(), got, p)
				continue
			}
			if o := owner[got[0].Addr()]; o != nil {
				c.t.Errorf("%v is %s's and %s's", got[0].Addr(), o.Name(), h.Name())
			}
			owner[got[0].Addr()] = h
		}
		if c.t.Failed() {
			c.t.FailNow() // the others are like it
		}
	}
}

// wantDefault expects that every host has a default route by the router, or that
// none has.
func (c *city) wantDefault(want bool) {
	c.t.Helper()
	ri := eth0(c.r)
	by := in(&ri, netip.MustParsePrefix("fe80::/10"))[0].Addr()
	for _, h := range c.hosts {
		has := false
		for _, rt := range h.Routes() {
			if rt.Dst == netip.MustParsePrefix("::/0") {
				has = true
				if rt.Gateway.WithZone("") != by {
					c.t.Fatalf("%s: default route by %v, the router is %v", h.Name(), rt.Gateway, by)
				}
			}
		}
		if has != want {
			c.t.Fatalf("%s has a default route: %v", h.Name(), has)
		}
	}
}

// pings expects that every one of the hosts reaches an address with an echo. Of
// these a host answers 100 in a second.
func (c *city) pings(from []*lab.Node, dst netip.Addr) {
	c.t.Helper()
	for some := range slices.Chunk(from, 100) {
		c.pingSome(some, dst)
	}
}

func (c *city) pingSome(from []*lab.Node, dst netip.Addr) {
	c.t.Helper()
	socks := make([]usrreq.Sock, len(from))
	for i, h := range from {
		s, e := usrreq.ListenRaw(h.Internal(), wire.ProtoICMPv6, netip.IPv6Unspecified(), 0)
		c.must(e)
		defer s.Close()
		request := make([]byte, wire.ICMP6Len)
		wire.PutICMP6(request, wire.ICMP6EchoRequest, 0, 7<<16|1)
		if _, err := s.WriteTo(request, netip.AddrPortFrom(dst, 0), nil); err != nil {
			c.t.Fatalf("%s to %v: %v", h.Name(), dst, err)
		}
		socks[i] = s
	}
	c.Run(2 * time.Second)
	for i, h := range from {
		buf, info, answered := make([]byte, 64), socket.Recv{}, false
		for {
			n, err := socks[i].ReadFrom(buf, &info, false)
			if err != nil {
				break
			}
			answered = answered || n == wire.ICMP6Len && buf[0] == wire.ICMP6EchoReply && info.From.Addr() == dst
		}
		if !answered {
			c.t.Fatalf("%s does not reach %v", h.Name(), dst)
		}
	}
}

// datagrams expects that a datagram from every one of the hosts comes to an
// address of another, and from a source that may be.
func (c *city) datagrams(from []*lab.Node, to *lab.Node, dst netip.Addr, sources ...netip.Prefix) {
	c.t.Helper()
	at := netip.AddrPortFrom(dst, 7)
	s, e := usrreq.ListenUDP(to.Internal(), at, 0, 0)
	c.must(e)
	defer s.Close()
	for _, h := range from {
		out, e := usrreq.ListenUDP(h.Internal(), netip.AddrPortFrom(netip.IPv6Unspecified(), 0), 0, 0)
		c.must(e)
		defer out.Close()
		if _, err := out.WriteTo([]byte(h.Name()), at, nil); err != nil {
			c.t.Fatalf("%s to %v: %v", h.Name(), at, err)
		}
	}
	c.Run(2 * time.Second)
	got := make(map[string]netip.Addr)
	for buf, info := make([]byte, 64), (socket.Recv{}); ; {
		n, err := s.ReadFrom(buf, &info, false)
		if err != nil {
			break
		}
		got[string(buf[:n])] = info.From.Addr()
	}
	for _, h := range from {
		a := got[h.Name()]
		if !slices.ContainsFunc(sources, func(p netip.Prefix) bool { return p.Contains(a) }) {
			c.t.Fatalf("what %s sent to %v came from %v", h.Name(), at, a)
		}
	}
}

// connections expects that every one of the hosts can open a connection to an
// address of another, and say its name.
func (c *city) connections(from []*lab.Node, to *lab.Node, dst netip.Addr) {
	c.t.Helper()
	at := netip.AddrPortFrom(dst, 7)
	l, e := usrreq.ListenTCP(to.Internal(), at, len(from), new(socket.TCPOptions))
	c.must(e)
	defer l.Close()
	socks := make([]usrreq.TCPSock, len(from))
	for i, h := range from {
		socks[i], e = usrreq.ConnectTCP(h.Internal(), netip.AddrPortFrom(netip.IPv6Unspecified(), 0), at, new(socket.TCPOptions))
		if e != 0 {
			c.t.Fatalf("%s to %v: %v", h.Name(), at, e)
		}
	}
	c.Run(2 * time.Second)
	for i, h := range from {
		if _, err := socks[i].Write([]byte(h.Name()), false); err != nil {
			c.t.Fatalf("%s to %v: %v", h.Name(), at, err)
		}
	}
	c.Run(2 * time.Second)
	said := make(map[string]bool)
	for buf := make([]byte, 64); ; {
		s, err := l.Accept(false)
		if err != nil {
			break
		}
		n, _ := s.Read(buf, false)
		said[string(buf[:n])] = true
		s.Close()
	}
	for i, h := range from {
		if !said[h.Name()] {
			c.t.Errorf("nothing of %s's connection to %v", h.Name(), at)
		}
		socks[i].Close()
	}
}

func (c *city) must(e syscall.Errno) {
	c.t.Helper()
	if e != 0 {
		c.t.Fatal(e)
	}
}

func (c *city) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// pass lets time pass.
func (c *city) pass(what string, d time.Duration) {
	began := time.Now()
	c.Run(d)
	c.t.Logf("%s: %v in %v", what, d, time.Since(began))
}

// live is the life of the city, from all booting at once to the end of the
// router.
func (c *city) live() {
	linkLocal := netip.MustParsePrefix("fe80::/10")
	c.pass("boot", 20*time.Second)
	c.wantAddrs(0, linkLocal, red, green)
	c.wantDefault(true)
	for _, h := range c.hosts {
		if i := eth0(h); i.MTU6 != 1400 {
			c.t.Fatalf("%s has MTU %d", h.Name(), i.MTU6)
		}
	}
	c.rivalry()
	c.snooped(red)
	c.traffic(red, green)

	// The router gives up a prefix for another (RFC 4192).
	c.ok(c.r.Eth(0).AddAddr(first(blue)))
	c.ok(c.r.Advertise(0, advert(vimage.RouterPrefix{Prefix: red, Preferred: -1}, vimage.RouterPrefix{Prefix: green, Preferred: -1}, vimage.RouterPrefix{Prefix: blue})))
	c.pass("renumbering", 20*time.Second)
	c.wantAddrs(ifaddr.Deprecated, red, green)
	c.wantAddrs(0, linkLocal, blue)
	c.traffic(blue)

	// What hosts have believed they may give up in two hours (RFC 4862 §5.5.3).
	c.ok(c.r.Advertise(0, advert(vimage.RouterPrefix{Prefix: red, Valid: -1, Preferred: -1}, vimage.RouterPrefix{Prefix: blue})))
	c.pass("two hours", 119*time.Minute)
	c.wantAddrs(ifaddr.Deprecated, red, green)
	c.pass("and more", 2*time.Minute)
	c.wantAddrs(ifaddr.Deprecated, green)
	for _, h := range c.hosts {
		if i := eth0(h); len(in(&i, red)) != 0 {
			c.t.Fatalf("%s has %v still", h.Name(), i.Addrs)
		}
	}

	// The router falls silent: half an hour is what it promised.
	c.ok(c.r.Eth(0).SetUp(false))
	c.pass("silence", 19*time.Minute)
	c.wantDefault(true)
	c.pass("and more", 12*time.Minute)
	c.wantDefault(false)
	c.ok(c.r.Eth(0).SetUp(true))
	c.pass("return", 11*time.Minute)
	c.wantDefault(true)
	c.traffic(blue)

	// It takes its leave (RFC 4861 §6.2.5).
	c.ok(c.r.Advertise(0, nil))
	c.pass("farewell", 20*time.Second)
	c.wantDefault(false)
	c.wantAddrs(0, linkLocal, blue)
}

// traffic expects that hosts reach the router, others, and what is behind the
// router, from addresses in the prefixes.
func (c *city) traffic(sources ...netip.Prefix) {
	c.t.Helper()
	p := sources[0]
	c.pings(c.hosts, first(p).Addr())
	c.pings(c.hosts, c.far.Addr6())
	c.datagrams(c.hosts, c.r, first(p).Addr(), p)
	c.datagrams(c.hosts, c.far, c.far.Addr6(), sources...)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		to := c.hosts[rng.IntN(len(c.hosts))]
		var from []*lab.Node
		for _, i := range rng.Perm(len(c.hosts))[:min(20, len(c.hosts)-1)] {
			if c.hosts[i] != to {
				from = append(from, c.hosts[i])
			}
		}
		i := eth0(to)
		at := in(&i, p)[0].Addr()
		c.pings(from, at)
		c.datagrams(from, to, at, p)
		c.connections(from, to, at)
	}
	c.connections(c.hosts[:min(100, len(c.hosts))], c.far, c.far.Addr6())
}

// TestThousandHosts: a whole network configures itself in virtual time, works,
// is renumbered, loses its router twice, and does so in the same way each time.
func TestThousandHosts(t *testing.T) {
	life := func(seed uint64, hosts int) string {
		c := newCity(t, hosts, seed)
		c.live()
		c.ok(c.EndCapture())
		c.Close()
		if p := c.World.Pool(); p.Buffers != 0 {
			t.Errorf("%d buffers are left", p.Buffers)
		}
		return fmt.Sprintf("%x", c.seen.Sum(nil))
	}
	hosts := 1000
	if raceOn { // in simulated time one goroutine does it all
		hosts = 200
	}
	a, b := life(1, hosts), life(1, hosts)
	if a != b {
		t.Errorf("the same seed gives other bytes: %s, %s", a, b)
	}
	if life(2, 50) == life(3, 50) {
		t.Error("seeds 2 and 3 give the same bytes")
	}
}

// TestRivals: of two hosts that boot at once with one address exactly one keeps
// it (RFC 4862 §5.4), though it takes a while to hear of the other. (Did both ask
// within that while, 0.2 ms, neither would: §5.4.3.)
func TestRivals(t *testing.T) {
	for seed := range uint64(100) {
		c := &city{Lab: lab.NewConfig(t, lab.Config{Simulated: true, Seed: seed}), t: t}
		c.lan = c.Switch("lan", lab.SwitchConfig{Subnet6: red})
		c.addRivals(link.FaultConfig{Delay: 50 * time.Microsecond})
		c.Run(20 * time.Second)
		c.rivalry()
		c.Close()
	}
}

// TestRoutes6: addresses are there at once, and routes lead over routers, of each
// family its own way.
func TestRoutes6(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true, IPv6: true})
	a, b := n.Host("a"), n.Host("b")
	r1, r2 := n.Router("r1"), n.Router("r2")
	lan := n.Switch("lan", lab.SwitchConfig{Subnet6: red})
	n.Link(a, lan)
	n.Link(r1, lan, lab.LinkConfig{A6: []netip.Prefix{netip.MustParsePrefix("2001:db8:1::ff/64")}})
	n.Link(r1, r2)
	n.Link(r2, b)
	n.RouteAll()
	if got := a.Addr6(); got != netip.MustParseAddr("2001:db8:1::1") {
		t.Errorf("a is %v", got)
	}
	if got := b.Addr6(); got != netip.MustParseAddr("fd00:0:0:2::2") {
		t.Errorf("b is %v", got)
	}
	if got := r1.AddrOn6(r2); got != netip.MustParseAddr("fd00:0:0:1::1") {
		t.Errorf("r1 is %v to r2", got)
	}
	var routes []string
	for _, rt := range a.Routes() {
		if rt.Dst.Addr().Is6() && rt.Gateway.IsValid() {
			routes = append(routes, fmt.Sprint(rt.Dst, " ", rt.Gateway))
		}
	}
	if want := []string{"fd00:0:0:1::/64 2001:db8:1::ff", "fd00:0:0:2::/64 2001:db8:1::ff"}; !slices.Equal(routes, want) {
		t.Errorf("a's routes are %v", routes)
	}
	c := &city{Lab: n, t: t}
	c.datagrams([]*lab.Node{a}, b, b.Addr6(), red)
	c.connections([]*lab.Node{b}, a, a.Addr6())
}

// TestNoIPv6: a lab that does not ask for it has none, nor its packets.
func TestNoIPv6(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, b := n.Host("a"), n.Router("b")
	n.Link(a, b)
	n.Run(time.Minute)
	for _, h := range n.Nodes() {
		if got := h.Eth(0).Addrs(); len(got) != 1 {
			t.Errorf("%s has %v", h.Name(), got)
		}
		if got := h.Counters(); len(got) != 0 {
			t.Errorf("%s has counted %v", h.Name(), got)
		}
	}
	if a.Addr6().IsValid() || a.AddrOn6(b).IsValid() || a.AddrOn6(n.Host("c")).IsValid() {
		t.Error("addresses of nowhere")
	}
}

// TestRefused6: what cannot be is refused when it is built.
func TestRefused6(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true, IPv6: true})
	a, b, r := n.Host("a"), n.Host("b"), n.Router("r")
	lan := n.Switch("lan")
	_, v4 := n.AddLink(a, b, lab.LinkConfig{Subnet6: netip.MustParsePrefix("10.0.0.0/24")})
	_, ll := n.AddSwitch("s", lab.SwitchConfig{Subnet6: netip.MustParsePrefix("fe80::/64")})
	_, narrow := n.AddLink(a, b, lab.LinkConfig{Subnet6: red, MTU: 1000})
	_, host := n.AddLink(a, lan, lab.LinkConfig{AdvertiseA: new(vimage.RouterConfig)})
	_, interval := n.AddLink(r, lan, lab.LinkConfig{AdvertiseA: &vimage.RouterConfig{MaxInterval: time.Second}})
	_, router := n.AddNode("x", lab.NodeConfig{Router: true, Autoconf: new(vimage.AutoconfConfig)})
	small := n.Switch("small", lab.SwitchConfig{Subnet6: netip.MustParsePrefix("2001:db8::/127")})
	n.Link(n.Host("one"), small)
	_, full := n.AddLink(n.Host("two"), small, lab.LinkConfig{})
	for _, x := range []struct {
		err  error
		says string
	}{
		{v4, "must be a prefix of IPv6"}, {ll, "not link-local"}, {narrow, "IPv6 needs 1280"}, {host, "a is no router"},
		{interval, "MaxInterval must be"}, {router, "does not configure itself"}, {full, "no address is left"},
	} {
		if x.err == nil || !strings.Contains(x.err.Error(), x.says) {
			t.Errorf("error %v, want one that says %q", x.err, x.says)
		}
	}
	l := n.Link(a, b, lab.LinkConfig{MTU: 1000}) // too small for what was not asked for in particular
	if got := a.AddrOn6(b); got.IsValid() {
		t.Errorf("a is %v on %s", got, l.Name())
	}
}

// TestEcho6: code that blocks, in real time and in a bubble: to an address that
// was given, and to one that the host has found by itself.
func TestEcho6(t *testing.T) {
	t.Run("real", func(t *testing.T) {
		n := lab.NewConfig(t, lab.Config{IPv6: true})
		a, b := n.Host("a"), n.Host("b")
		n.Link(a, b)
		echo6(t, a, b)
	})
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := lab.New(t)
			lan := n.Switch("lan", lab.SwitchConfig{Subnet6: red})
			r := n.Router("r")
			n.Link(r, lan, lab.LinkConfig{AdvertiseA: new(vimage.RouterConfig)})
			b, err := n.AddNode("b", lab.NodeConfig{Autoconf: new(vimage.AutoconfConfig)})
			if err != nil {
				t.Fatal(err)
			}
			n.Link(b, lan)
			global := func(a vimage.Address) bool { return red.Contains(a.Prefix.Addr()) && a.Usable() }
			if _, err := b.Eth(0).WaitAddr(t.Context(), global); err != nil {
				t.Fatal(err)
			}
			echo6(t, r, b)
		})
	})
}

func echo6(t *testing.T, a, b *lab.Node) {
	server, err := b.ListenPacket("udp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	go echo(server)
	to := netip.AddrPortFrom(b.Addr6(), 7)
	conn, err := a.Dial("udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "hello")
	buf := make([]byte, 1500)
	if k, err := conn.Read(buf); err != nil || string(buf[:k]) != "hello" {
		t.Errorf("%v: read %q, %v", to, buf[:k], err)
	}
}
