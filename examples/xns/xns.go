// Package xns is a worked example of a module: it teaches every stack of a world
// the datagrams of the Xerox Network Systems (Internet Transport Protocols, XSIS
// 028112, 1981), a protocol without netmasks. What a module can do is in it:
//
//   - variables of which every stack has its own: its network number, how far
//     packets go, what it has counted. Others read them by name, as xns.forwarded;
//   - a constructor and a destructor for every stack;
//   - frames of an EtherType that the stacks do not know, answered and passed on;
//   - an address family of its own, with routes by exact match: network number to
//     next hop. It ignores FIBs: every handle means the one table.
//
// It is loaded and unloaded while stacks run:
//
//	x := xns.New()
//	w.Load(x.Module)
//	x.SetNetwork(stack, 7)
//	stack.AddFamilyRoute(xns.Family, xns.Route(9, nextHop, ifIndex))
//
// A stack takes packets to its own network that arrive at one of its interfaces,
// answers those to the echo socket, and forwards the others.
package xns

import (
	"encoding/binary"
	"errors"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage"
)

// Numbers of the protocol.
const (
	Family     = "xns"
	EtherType  = 0x0600
	HeaderLen  = 30
	EchoSocket = 2  // well known
	MaxHops    = 15 // a packet that has been through as many routers is lost
	etherLen   = 14
)

// Offsets in a packet: its length; hops; network, host and socket of both ends.
const (
	atLen       = 2
	atHops      = 4
	atDst       = 6
	atDstSocket = 16
	atSrc       = 18
	addrLen     = 12
)

// XNS is the module.
type XNS struct {
	Module *vimage.Module

	network   *vimage.Var[atomic.Uint32] // the stack's own; 0: none
	maxHops   *vimage.Var[atomic.Uint32]
	routes    *vimage.Var[table]
	delivered *vimage.Var[atomic.Uint64]
	echoed    *vimage.Var[atomic.Uint64]
	forwarded *vimage.Var[atomic.Uint64]
	lost      *vimage.Var[atomic.Uint64]
}

// New returns the module, to be loaded.
func New() *XNS {
	m := &vimage.Module{Name: "xns", EtherType: EtherType}
	x := &XNS{
		Module:    m,
		network:   vimage.NewVar(m, "network", atomic.Uint32{}),
		maxHops:   vimage.NewVar(m, "maxhops", atomic.Uint32{}),
		routes:    vimage.NewVar(m, "routes", table{}),
		delivered: vimage.NewVar(m, "delivered", atomic.Uint64{}),
		echoed:    vimage.NewVar(m, "echoed", atomic.Uint64{}),
		forwarded: vimage.NewVar(m, "forwarded", atomic.Uint64{}),
		lost:      vimage.NewVar(m, "lost", atomic.Uint64{}),
	}
	m.Construct = func(s *vimage.Stack) error {
		x.maxHops.In(s).Store(MaxHops)
		return nil
	}
	m.InEther = x.input
	m.Family = x.family()
	return x
}

// SetNetwork says which network is the stack's own; 0 makes it none.
func (x *XNS) SetNetwork(s *vimage.Stack, network uint32) { x.network.In(s).Store(network) }

// SetMaxHops says after how many routers packets are lost in this stack.
func (x *XNS) SetMaxHops(s *vimage.Stack, n uint32) { x.maxHops.In(s).Store(n) }

// input takes a frame, and may write one to out that is to leave by an interface.
func (x *XNS) input(s *vimage.Stack, ifIndex int, frame, out []byte) (n, via int) {
	p := frame[etherLen:]
	if len(p) < HeaderLen || len(p) < length(p) || length(p) < HeaderLen {
		x.lost.In(s).Add(1)
		return 0, 0
	}
	p = p[:length(p)]
	dst := binary.BigEndian.Uint32(p[atDst:])
	switch own := x.network.In(s).Load(); {
	case dst != own || own == 0:
		return x.forward(s, dst, p, frame, out)
	case binary.BigEndian.Uint16(p[atDstSocket:]) != EchoSocket:
		x.delivered.In(s).Add(1)
		return 0, 0
	}
	x.echoed.In(s).Add(1)
	n = copy(out, frame[:etherLen+len(p)])
	copy(out, frame[6:12]) // back to whom it came from
	o := out[etherLen:]
	o[atHops] = 0
	copy(o[atDst:], p[atSrc:atSrc+addrLen])
	copy(o[atSrc:], p[atDst:atDst+addrLen])
	return n, ifIndex
}

// forward passes a packet on to the next hop of its network.
func (x *XNS) forward(s *vimage.Stack, dst uint32, p, frame, out []byte) (n, via int) {
	r, ok := x.routes.In(s).get(dst)
	if !ok || uint32(p[atHops]) >= x.maxHops.In(s).Load() {
		x.lost.In(s).Add(1)
		return 0, 0
	}
	x.forwarded.In(s).Add(1)
	n = copy(out, frame[:etherLen+len(p)])
	copy(out, r.gateway[:])
	out[etherLen+atHops]++
	return n, r.ifIndex
}

func length(p []byte) int { return int(binary.BigEndian.Uint16(p[atLen:])) }

// hop is where packets to a network go next.
type hop struct {
	gateway [6]byte
	ifIndex int
}

// table is a stack's routes: a map that is replaced at each change, and read by
// packets without a lock.
type table struct {
	hops atomic.Pointer[map[uint32]hop]
}

func (t *table) all() map[uint32]hop {
	if m := t.hops.Load(); m != nil {
		return *m
	}
	return nil
}

func (t *table) get(network uint32) (hop, bool) {
	h, ok := t.all()[network]
	return h, ok
}

// change replaces the map. One at a time does: the family's methods.
func (t *table) change(f func(m map[uint32]hop)) {
	m := maps.Clone(t.all())
	if m == nil {
		m = map[uint32]hop{}
	}
	f(m)
	t.hops.Store(&m)
}

// Snapshot is what others read of the variable: how many routes there are.
func (t *table) Snapshot() any { return len(t.all()) }

// Route returns the route to a network in the form in which stacks take it.
func Route(network uint32, nextHop net.HardwareAddr, ifIndex int) vimage.FamilyRoute {
	return vimage.FamilyRoute{Dst: address(network), Gateway: string(nextHop), Interface: ifIndex}
}

// address returns a network number as the bytes that the family has for it.
func address(network uint32) string { return string(binary.BigEndian.AppendUint32(nil, network)) }

func networkOf(dst string) (uint32, error) {
	if len(dst) != 4 {
		return 0, syscall.EINVAL
	}
	return binary.BigEndian.Uint32([]byte(dst)), nil
}

// family is the routing methods. They are given a table number, which is always 0.
func (x *XNS) family() *vimage.Family {
	return &vimage.Family{
		Name: Family,
		Detach: func(s *vimage.Stack, _ int) {
			x.routes.In(s).hops.Store(nil)
		},
		Lookup: func(s *vimage.Stack, _ int, dst string) (vimage.FamilyRoute, error) {
			network, err := networkOf(dst)
			h, ok := x.routes.In(s).get(network)
			if err == nil && !ok {
				err = syscall.ESRCH
			}
			return Route(network, h.gateway[:], h.ifIndex), err
		},
		Add: func(s *vimage.Stack, _ int, r vimage.FamilyRoute) error {
			network, err := networkOf(r.Dst)
			if err != nil || len(r.Gateway) != 6 || r.Interface <= 0 {
				return errors.Join(err, syscall.EINVAL)
			}
			if _, ok := x.routes.In(s).get(network); ok {
				return syscall.EEXIST
			}
			x.routes.In(s).change(func(m map[uint32]hop) { m[network] = hop{[6]byte([]byte(r.Gateway)), r.Interface} })
			return nil
		},
		Delete: func(s *vimage.Stack, _ int, r vimage.FamilyRoute) error {
			network, err := networkOf(r.Dst)
			if _, ok := x.routes.In(s).get(network); err == nil && !ok {
				err = syscall.ESRCH
			}
			if err == nil {
				x.routes.In(s).change(func(m map[uint32]hop) { delete(m, network) })
			}
			return err
		},
		Walk: func(s *vimage.Stack, _ int, visit func(vimage.FamilyRoute) bool) {
			all := x.routes.In(s).all()
			for _, network := range slices.Sorted(maps.Keys(all)) {
				if h := all[network]; !visit(Route(network, h.gateway[:], h.ifIndex)) {
					return
				}
			}
		},
	}
}
