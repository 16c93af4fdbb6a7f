// Package lab builds networks in a few lines: hosts, routers, switches and the
// links between them, on the stacks of package vimage.
//
//	n := lab.New(t)
//	a, b := n.Host("a"), n.Host("b")
//	n.Link(a, b)
//	conn, err := a.Dial("udp", b.Addr().String()+":7")
//
// New is for tests and ends the test where something cannot be built; Open is
// for programs and returns errors. Every call that builds works at any time:
// there is no start.
//
// Addresses that are not given are assigned: each link, and each switch with
// all that hangs on it, is a subnet 10.x.y.0/24, counted from 10.0.0.0 in the
// order of creation; its hosts get .1, .2, … in theirs. With Config.IPv6, or
// where a Subnet6 is given, they get IPv6 addresses too, to be used at once:
// ::1, ::2, … of fd00:0:0:n::/64. RouteAll gives every node routes to all
// subnets of both families. A host that is to find its IPv6 addresses by itself
// has NodeConfig.Autoconf, and a router to tell it of LinkConfig.AdvertiseA.
package lab

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// TB is what New needs of *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Config says what a Lab is like. The zero value runs in real time, or in the
// synctest bubble that Open is called in.
type Config struct {
	Seed      uint64 // of everything random
	Simulated bool   // time moves only by Run
	// IPv6 gives every link and switch an IPv6 subnet, as it has one of IPv4. It
	// is not so by default: the packets of a lab that is there already, and what
	// its seed gives, stay what they are.
	IPv6 bool
}

// Lab is a network under construction, or running: there is no difference.
// Building is not safe for concurrent use; everything built is.
type Lab struct {
	World *vimage.World

	t        TB // nil for programs
	nodes    []*Node
	switches int // made so far
	byName   map[string]endpoint
	subnets  int
	seed     uint64
	ipv6     bool
	faults   int
	closers  []func()

	captures captures
}

// New returns an empty lab that is closed when the test ends. Built with -tags
// novimage it skips the test.
func New(t TB) *Lab { return NewConfig(t, Config{}) }

// NewConfig is New with a configuration.
func NewConfig(t TB, c Config) *Lab {
	t.Helper()
	if s, ok := t.(interface{ Skip(...any) }); ok && ifnet.OneStack {
		s.Skip("a lab has several stacks:", vimage.ErrSecondStack)
	}
	n := Open(c)
	n.t = t
	t.Cleanup(n.Close)
	return n
}

// Open returns an empty lab for a program, which closes it. The building
// methods of this lab panic where those of New's end the test: use the Add…
// methods, which return errors.
func Open(c Config) *Lab {
	return &Lab{
		World:  vimage.NewWorld(vimage.Config{Seed: c.Seed, Simulated: c.Simulated}),
		byName: make(map[string]endpoint),
		seed:   c.Seed,
		ipv6:   c.IPv6,
	}
}

// Close removes everything. Closing twice is harmless.
func (n *Lab) Close() {
	n.World.Close()
	for _, f := range n.closers {
		f()
	}
	n.closers = nil
}

// OnClose has f called when the lab is closed, after its stacks are gone.
func (n *Lab) OnClose(f func()) { n.closers = append(n.closers, f) }

func (n *Lab) must(err error) {
	if err == nil {
		return
	}
	if n.t == nil {
		panic("lab: " + err.Error())
	}
	n.t.Helper()
	n.t.Fatalf("lab: %v", err)
}

// Run moves simulated time on.
func (n *Lab) Run(d time.Duration) { n.World.Run(d) }

// inner returns the world's inner side.
func (n *Lab) inner() *vnet.World { return n.World.Internal() }

// Endpoint is what a link may end at: a *Node or a *Switch.
type Endpoint interface{ endpoint }

// endpoint is what a link may end at.
type endpoint interface {
	name() string
	// plug puts the node's end of a link into it; a host gets the addresses it
	// wants, or the next of the subnet.
	plug(p link.Port, want *plugConfig, subnet *subnet) error
	// segment returns the subnet the endpoint is part of, nil for a host.
	segment() *subnet
}

// plugConfig is what an end of a link is to be like.
type plugConfig struct {
	addr   netip.Prefix
	addrs6 []netip.Prefix
	fib    int
	advert *vimage.RouterConfig
	port   link.PortConfig // of a switch
}

// subnet is where addresses are given out: a prefix of IPv4, and one of IPv6 or
// none.
type subnet struct{ prefix, prefix6 pool }

// pool is a prefix and how many of its addresses are given out.
type pool struct {
	netip.Prefix
	last int
}

// newSubnet returns the next subnet; given prefixes take the place of its own.
func (n *Lab) newSubnet(given, given6 netip.Prefix, mtu int) (*subnet, error) {
	k := n.subnets
	n.subnets++
	s := new(subnet)
	if s.prefix.Prefix = given; !given.IsValid() {
		s.prefix.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 8), byte(k), 0}), 24)
	}
	narrow := mtu != 0 && mtu < minMTU6
	switch {
	case given6.IsValid() && (!given6.Addr().Is6() || given6.Addr().Is4In6() || given6.Addr().IsLinkLocalUnicast() || given6.Addr().IsMulticast()):
		return nil, fmt.Errorf("Subnet6 %v: must be a prefix of IPv6, and not link-local", given6)
	case given6.IsValid() && narrow:
		return nil, fmt.Errorf("MTU %d: IPv6 needs %d (RFC 8200 §5)", mtu, minMTU6)
	case given6.IsValid():
		s.prefix6.Prefix = given6.Masked()
	case n.ipv6 && !narrow:
		s.prefix6.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 6: byte(k >> 8), 7: byte(k)}), 64)
	}
	return s, nil
}

// minMTU6 is the least that a link of IPv6 may carry.
const minMTU6 = 1280

// next returns the next free address, with the subnet's length.
func (s *pool) next() (netip.Prefix, error) {
	s.last++
	a := plus(s.Masked().Addr(), s.last)
	if !s.Contains(a) || a.Is4() && !s.Contains(a.Next()) {
		return netip.Prefix{}, fmt.Errorf("no address is left in %v: give the link a larger Subnet", s.Prefix)
	}
	return netip.PrefixFrom(a, s.Bits()), nil
}

// plus returns the n-th address after a.
func plus(a netip.Addr, n int) netip.Addr {
	b := a.AsSlice()
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	a, _ = netip.AddrFromSlice(b)
	return a
}
