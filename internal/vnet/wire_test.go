package vnet_test

import (
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// tap is a test's end of a link: it keeps a copy of every frame and can send
// any. If owns is set it answers ARP requests for these addresses.
type tap struct {
	w      *vnet.World
	port   link.Port
	mac    wire.MAC              // its own
	peer   wire.MAC              // the stack's interface's
	sum    pkt.Sum               // of what inject sends
	owns   func(netip.Addr) bool // answers neighbour solicitations for these, too
	router bool                  // says so to its neighbours

	mu  sync.Mutex
	got [][]byte
}

// newTap plugs a stack into a link and returns the other end.
func newTap(t testing.TB, st *vnet.Stack, name, a string, mtu int) (*tap, uint32) {
	t.Helper()
	ep := link.NewEpair(mtu)
	i := plug(t, st, name, ep.A(), a)
	return tapOn(st.World(), ep, st, i), i
}

// tapOn is the end B of a link whose other end interface i of a stack is on.
func tapOn(w *vnet.World, ep *link.Epair, st *vnet.Stack, i uint32) *tap {
	c, _ := st.Interface(i)
	tp := &tap{w: w, port: ep.B(), mac: w.NewMAC(), peer: c.MAC}
	ep.B().Attach(tp)
	return tp
}

// newTapHost is a stack with one interface that leads to a tap.
func newTapHost(t testing.TB, w *vnet.World, shards int, a string) (*vnet.Stack, *tap) {
	t.Helper()
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: "h" + a, Shards: shards})
	if e != 0 {
		t.Fatal(e)
	}
	tp, _ := newTap(t, st, "e0", a, 0)
	return st, tp
}

// Put implements netisr.Sink: it takes what the stack sends.
func (tp *tap) Put(r *netisr.Runner, b *pkt.Buf) {
	f := append([]byte(nil), b.Bytes()...)
	r.Cache.Free(b)
	tp.mu.Lock()
	tp.got = append(tp.got, f)
	tp.mu.Unlock()
	if e, _ := wire.ParseEther(f); tp.owns != nil && e.Type() == wire.EtherTypeARP {
		if a, fault := wire.ParseARP(e.Payload()); fault == wire.OK && a.Op() == wire.ARPRequest && tp.owns(a.TargetIP()) && a.SenderIP() != a.TargetIP() {
			tp.send(r, arpFrame(a.SenderMAC(), tp.mac, wire.ARPReply, a.TargetIP(), a.SenderIP()))
		}
	} else if tp.owns != nil && e.Type() == wire.EtherTypeIPv6 {
		tp.answer6(r, e)
	}
}

// Lend implements netisr.Lender.
func (tp *tap) Lend(*netisr.Runner, *pkt.Buf) bool { return false }

func (tp *tap) send(r *netisr.Runner, f []byte) {
	b := r.Cache.Get(len(f))
	copy(b.Extend(len(f)), f)
	b.Sum = tp.sum
	tp.port.Put(r, b)
}

// inject sends frames to the stack, in one batch.
func (tp *tap) inject(frames ...[]byte) {
	r := tp.w.Sched().Get()
	for _, f := range frames {
		tp.send(r, f)
	}
	r.Done()
}

// take returns what has come since the last call.
func (tp *tap) take() [][]byte {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	got := tp.got
	tp.got = nil
	return got
}

// takeARP and takeIP are take, less all other frames.
func (tp *tap) takeARP() (all []wire.ARP) {
	for _, f := range tp.take() {
		if e, _ := wire.ParseEther(f); e.Type() == wire.EtherTypeARP {
			a, _ := wire.ParseARP(e.Payload())
			all = append(all, a)
		}
	}
	return all
}

func (tp *tap) takeIP(t testing.TB) (all []wire.IPv4) {
	t.Helper()
	for _, f := range tp.take() {
		if e, _ := wire.ParseEther(f); e.Type() == wire.EtherTypeIPv4 {
			ip, fault := wire.ParseIPv4(e.Payload())
			if fault != wire.OK || !ip.ChecksumOK() {
				t.Fatalf("bad packet % x", f)
			}
			all = append(all, ip)
		}
	}
	return all
}

// oneICMP returns the only packet that has come, an ICMP message.
func (tp *tap) oneICMP(t testing.TB) (wire.IPv4, wire.ICMP4) {
	t.Helper()
	got := tp.takeIP(t)
	if len(got) != 1 || got[0].Proto() != wire.ProtoICMP {
		t.Fatalf("got %d packets %v, want one ICMP message", len(got), got)
	}
	m, f := wire.ParseICMP4(got[0].Payload())
	if f != wire.OK || !m.ChecksumOK() {
		t.Fatalf("bad message % x", got[0])
	}
	return got[0], m
}

// learn makes the stack on the other end know the tap's hardware address as ip's.
func (tp *tap) learn(ip, self string) {
	tp.inject(arpFrame(wire.BroadcastMAC(), tp.mac, wire.ARPRequest, addr(ip), addr(self)))
	tp.take()
}

func arpFrame(dst, src wire.MAC, op uint16, sender, target netip.Addr) []byte {
	f := make([]byte, wire.EtherLen+wire.ARPLen)
	wire.PutEther(f, dst, src, wire.EtherTypeARP)
	var tmac wire.MAC
	if op == wire.ARPReply {
		tmac = dst
	}
	wire.PutARP(f[wire.EtherLen:], op, src, sender, tmac, target)
	return f
}

// ipFrame is an IPv4 packet in a frame.
func ipFrame(dst, src wire.MAC, hd wire.IPv4Header, payload []byte) []byte {
	f := make([]byte, wire.EtherLen+hd.Len()+len(payload))
	wire.PutEther(f, dst, src, wire.EtherTypeIPv4)
	n := wire.PutIPv4(f[wire.EtherLen:], &hd, len(payload))
	copy(f[wire.EtherLen+n:], payload)
	return f
}

func udpPayload(from, to netip.AddrPort, data []byte) []byte {
	u := make([]byte, wire.UDPLen+len(data))
	wire.PutUDP(u, from.Port(), to.Port(), len(data))
	copy(u[wire.UDPLen:], data)
	wire.UDP(u).SetChecksum(from.Addr(), to.Addr())
	return u
}

// udpFrame is a datagram in a frame from the tap to the stack.
func (tp *tap) udpFrame(from, to, data string) []byte {
	a, b := addrPort(from), addrPort(to)
	hd := wire.IPv4Header{TTL: 64, Proto: wire.ProtoUDP, Src: a.Addr(), Dst: b.Addr()}
	return ipFrame(tp.peer, tp.mac, hd, udpPayload(a, b, []byte(data)))
}

// echoFrame is an echo request in a frame.
func (tp *tap) echoFrame(from, to string, ttl uint8, n int) []byte {
	m := make([]byte, wire.ICMP4Len+n)
	wire.PutICMP4(m, wire.ICMP4Echo, 0, 0x00010002, n)
	hd := wire.IPv4Header{TTL: ttl, Proto: wire.ProtoICMP, Src: addr(from), Dst: addr(to)}
	return ipFrame(tp.peer, tp.mac, hd, m)
}

// chain is n routers in a row between two hosts: 10.0.0.1 - … - 10.0.n.2.
type chain struct {
	w       *vnet.World
	a, b    *vnet.Stack
	routers []*vnet.Stack
}

func subnet(i, host int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(host)}), 24)
}

// newChain makes a chain whose links have the MTUs mtu[i], 1500 where there is
// no such element.
func newChain(t testing.TB, w *vnet.World, shards, n int, mtu ...int) *chain {
	t.Helper()
	c := &chain{w: w}
	mk := func(name string) *vnet.Stack {
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: name, Shards: shards})
		if e != 0 {
			t.Fatal(e)
		}
		return st
	}
	c.a, c.b = mk("a"), mk("b")
	prev := c.a
	for i := range n + 1 {
		next := c.b
		if i < n {
			next = mk(fmt.Sprint("r", i))
			c.routers = append(c.routers, next)
			if e := next.SetSysctl("net.inet.ip.forwarding", 1); e != 0 {
				t.Fatal(e)
			}
		}
		m := 0
		if i < len(mtu) {
			m = mtu[i]
		}
		ep := link.NewEpair(m)
		plug(t, prev, "right", ep.A(), subnet(i, 1).String())
		plug(t, next, "left", ep.B(), subnet(i, 2).String())
		prev = next
	}
	def := prefix("0.0.0.0/0")
	must(t, control.AddRoute(c.a, 0, control.Route{Dst: def, Gateway: subnet(0, 2).Addr()}))
	must(t, control.AddRoute(c.b, 0, control.Route{Dst: def, Gateway: subnet(n, 1).Addr()}))
	for i, r := range c.routers {
		if i > 0 {
			must(t, control.AddRoute(r, 0, control.Route{Dst: subnet(0, 0), Gateway: subnet(i, 1).Addr()}))
		}
		if i < n-1 {
			must(t, control.AddRoute(r, 0, control.Route{Dst: def, Gateway: subnet(i+1, 2).Addr()}))
		}
	}
	return c
}

func must(t testing.TB, e syscall.Errno) {
	t.Helper()
	if e != 0 {
		t.Fatal(e)
	}
}

// count checks counters of a stack by name; absent means zero.
func count(t testing.TB, st *vnet.Stack, want map[string]uint64) {
	t.Helper()
	got := st.Counters()
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %s is %d, want %d; all: %v", st.Name(), name, got[name], n, got)
		}
	}
}

// empty checks that a world's stacks, once closed, leave nothing behind.
func empty(t testing.TB, w *vnet.World) {
	t.Helper()
	for _, st := range w.Stacks() {
		control.Close(st)
	}
	if c := w.Sched().Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
		t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
	}
	if n := w.Clock().Armed(); n != 0 {
		t.Errorf("%d timers armed", n)
	}
}

// run moves simulated time on.
func run(c *clock.Sim, d time.Duration) { c.RunUntil(c.Now().Add(d)) }
