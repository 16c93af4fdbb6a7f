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
// order of creation; its hosts get .1, .2, … in theirs. RouteAll gives every
// node routes to all subnets.
package lab

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage"
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
}

// Lab is a network under construction, or running: there is no difference.
// Building is not safe for concurrent use; everything built is.
type Lab struct {
	World *vimage.World

	t       TB // nil for programs
	nodes   []*Node
	byName  map[string]endpoint
	subnets int
	seed    uint64
	faults  int
	closers []func()

	captures captures
}

// New returns an empty lab that is closed when the test ends.
func New(t TB) *Lab { return NewConfig(t, Config{}) }

// NewConfig is New with a configuration.
func NewConfig(t TB, c Config) *Lab {
	t.Helper()
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
	// plug puts the node's end of a link into it; a host gets the address want,
	// or the next of the subnet, on an interface of the routing table fib.
	plug(p link.Port, want netip.Prefix, fib int, subnet *subnet) error
	// segment returns the subnet the endpoint is part of, nil for a host.
	segment() *subnet
}

// subnet is a prefix from which addresses are given out.
type subnet struct {
	prefix netip.Prefix
	last   int
}

func (n *Lab) newSubnet() *subnet {
	k := n.subnets
	n.subnets++
	return &subnet{prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 8), byte(k), 0}), 24)}
}

// next returns the next free address, with the subnet's length.
func (s *subnet) next() (netip.Prefix, error) {
	s.last++
	a := plus(s.prefix.Masked().Addr(), s.last)
	if !s.prefix.Contains(a) || !s.prefix.Contains(a.Next()) {
		return netip.Prefix{}, fmt.Errorf("no address is left in %v: give the link a larger Subnet", s.prefix)
	}
	return netip.PrefixFrom(a, s.prefix.Bits()), nil
}

// plus returns the n-th address after a.
func plus(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	for i := 3; i >= 0 && n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	return netip.AddrFrom4(b)
}
