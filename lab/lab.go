// Package lab builds networks in a few lines: hosts, routers, switches and the
// links between them, on the stacks of package vimage.
//
//	n := lab.New(t)
//	a, b := n.Host("a"), n.Host("b")
//	n.Link(a, b)
//	conn, err := a.Dial("udp", b.Addr().String()+":7")
//
// New is for tests and ends the test where something cannot be built; Open is
// for programs and returns errors. Every call that builds, and every one that
// removes, works at any time and from any goroutine: there is no start.
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
	"net"
	"net/netip"
	"sync"
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

// Lab is a network under construction, or running: there is no difference. Several
// goroutines may build, change and use it at once; changes are made one after the
// other. What a change calls (a capture's writer, a handler of departures) must
// not change the lab itself.
type Lab struct {
	World *vimage.World

	t    TB // nil for programs
	seed uint64
	ipv6 bool

	// building is held while the lab changes, and guards what follows. Stacks are
	// configured under it, which calls users: what these may ask for is under mu.
	building sync.Mutex
	closed   bool
	switches int // made so far
	subnets  numbers
	faults   int // made so far
	captures captures

	// mu is a leaf; it guards what follows, Node.ports, and what Link says it does.
	mu       sync.RWMutex
	nodes    []*Node
	switched []*Switch
	links    []*Link
	byName   map[string]endpoint
	closers  []func()
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
	n.building.Lock()
	n.closed = true
	n.building.Unlock()
	n.World.Close()
	n.mu.Lock()
	links, switches, closers := n.links, n.switched, n.closers
	n.links, n.switched, n.closers = nil, nil, nil
	n.mu.Unlock()
	for _, l := range links {
		if f := l.Fault(); f != nil {
			f.Close()
		}
	}
	for _, s := range switches {
		s.br.Close()
	}
	for _, f := range closers {
		f()
	}
}

// OnClose has f called when the lab is closed, after its stacks are gone.
func (n *Lab) OnClose(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closers = append(n.closers, f)
}

// change begins a change of the lab, which ends with n.building.Unlock.
func (n *Lab) change() error {
	n.building.Lock()
	if n.closed {
		n.building.Unlock()
		return fmt.Errorf("the lab is %w", net.ErrClosed)
	}
	return nil
}

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
	plug(p link.Port, e *End, want *plugConfig, subnet *subnet) error
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
	end    EndConfig
}
