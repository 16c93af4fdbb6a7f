package vnet_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// readPcap returns the frames of a little-endian Ethernet capture.
func readPcap(path string) ([][]byte, error) {
	b, err := os.ReadFile(path)
	le := binary.LittleEndian
	if err != nil {
		return nil, err
	}
	if len(b) < 24 || le.Uint32(b) != 0xa1b2c3d4 || le.Uint32(b[20:]) != 1 {
		return nil, fmt.Errorf("%s: not a little-endian Ethernet capture", path)
	}
	var frames [][]byte
	for b = b[24:]; len(b) >= 16; {
		n := int(le.Uint32(b[8:]))
		if n > len(b)-16 {
			return nil, fmt.Errorf("%s: cut", path)
		}
		frames = append(frames, b[16:16+n])
		b = b[16+n:]
	}
	return frames, nil
}

// How FuzzInput treats a frame.
const (
	toOurMAC  = 1 << iota // give it the interface's hardware address
	toOurIP               // and the stack's address, with a right header checksum
	sumsGood              // as from a link that has verified the checksums
	otherSide             // it comes by the second interface
	tick                  // a second passes
)

// record appends a frame to the input of FuzzInput.
func record(to []byte, how byte, frame []byte) []byte {
	to = append(to, how, byte(len(frame)>>8), byte(len(frame)))
	return append(to, frame...)
}

// FuzzInput feeds frames to a stack that has something for every kind of them.
// None may make it panic or stay for ever, and each must end in a counter.
func FuzzInput(f *testing.F) {
	files, err := filepath.Glob("../wire/testdata/pcaps/*.pcap")
	if err != nil || len(files) == 0 {
		f.Fatal("no captures", err)
	}
	for _, file := range files {
		frames, err := readPcap(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, how := range []byte{0, toOurMAC, toOurMAC | toOurIP, toOurMAC | toOurIP | sumsGood, toOurMAC | sumsGood | otherSide | tick} {
			var in []byte
			for _, frame := range frames[:min(len(frames), 40)] {
				in = record(in, how, frame)
			}
			f.Add(in, false)
			f.Add(in, true)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, sharded bool) {
		shards := 1
		if sharded {
			shards = 4
		}
		z := newFuzzed(t, shards)
		for n := 0; len(in) >= 3 && n < 200; n++ {
			how, size := in[0], int(binary.BigEndian.Uint16(in[1:]))
			in = in[3:]
			size = min(size, len(in), 9000)
			z.feed(t, how, in[:size])
			in = in[size:]
		}
		z.rest(t)
	})
}

// fuzzed is a stack under FuzzInput.
type fuzzed struct {
	*router
	socks []usrreq.Sock
	buf   [65536]byte
}

func newFuzzed(t testing.TB, shards int) *fuzzed {
	z := &fuzzed{router: newRouter(t, shards)}
	must(t, control.SetFIBs(z.st, 2))
	must(t, z.st.SetSysctl("net.inet6.ip6.forwarding", 1))
	for i := 1; i <= 3; i += 2 {
		must(t, control.AddAddr(z.st, z.ifs[i], prefix(fmt.Sprintf("2001:db8:%d::1/64", i))))
		must(t, control.SetAuto(z.st, z.ifs[i], &control.AutoConfig{Routers: true}))
	}
	if err := control.Advertise(z.st, z.ifs[3], advertised()); err != nil {
		t.Fatal(err)
	}
	run(z.c, 5*time.Second)
	must(t, control.AddRoute(z.st, 0, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: addr("10.0.3.2")}))
	for _, a := range []string{"0.0.0.0:7", "0.0.0.0:68", "10.0.1.1:9", "0.0.0.0:5001", "232.1.1.1:5000", "[::]:53", "[2001:db8:1::1]:9"} {
		z.socks = append(z.socks, listen(t, z.st, a))
	}
	must(t, z.socks[2].Connect(addrPort("10.0.1.2:9")))
	for i, s := range z.socks {
		group := netip.AddrFrom4([4]byte{232, 1, 1, byte(i)})
		must(t, s.Mcast(usrreq.McastJoinSource, usrreq.McastIf{Index: z.ifs[1]}, group, addr("10.0.1.2")))
		must(t, s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: z.ifs[3]}, netip.AddrFrom4([4]byte{239, 1, 1, byte(i)}), netip.Addr{}))
	}
	for _, proto := range []uint8{0, wire.ProtoICMP, wire.ProtoIGMP, wire.ProtoUDP, wire.ProtoTCP} {
		s, e := usrreq.ListenRaw(z.st, proto, addr("0.0.0.0"), 0)
		must(t, e)
		z.socks = append(z.socks, s)
	}
	return z
}

// outcomes are the counters one of which moves with every frame.
var outcomes = [...]string{
	"udp.delivered", "ip.forwarded", "ip.rawout", "ip.fragments", "icmp.received", "igmp.received", "arp.received",
	"ip6.forwarded", "ip6.delivered", "ip6.fragments", "icmp6.received",
}

func outcome(c map[string]uint64) (n uint64) {
	for _, name := range outcomes {
		n += c[name]
	}
	for name, v := range c {
		if strings.HasPrefix(name, "drop.") {
			n += v
		}
	}
	return n
}

// feed gives the stack one frame.
func (z *fuzzed) feed(t *testing.T, how byte, frame []byte) {
	tp, self, self6 := z.taps[1], addr("10.0.1.1"), addr("2001:db8:1::1").As16()
	if how&otherSide != 0 {
		tp, self, self6 = z.taps[3], addr("10.0.3.1"), addr("2001:db8:3::1").As16()
	}
	frame = append([]byte(nil), frame...)
	if how&toOurMAC != 0 && len(frame) >= 6 {
		copy(frame, tp.peer[:])
	}
	if how&toOurIP != 0 && len(frame) >= wire.EtherLen+wire.IPv4Len {
		if ip, f := wire.ParseIPv4(frame[wire.EtherLen:]); f == wire.OK && binary.BigEndian.Uint16(frame[12:]) == wire.EtherTypeIPv4 {
			ip.SetDst(self)
			ip.SetChecksum()
		} else if ip, f := wire.ParseIPv6(frame[wire.EtherLen:]); f == wire.OK && !ip.Dst().IsMulticast() {
			copy(ip[24:40], self6[:])
		}
	}
	tp.sum = pkt.SumUnknown
	if how&sumsGood != 0 {
		tp.sum = pkt.SumValid
	}
	before := outcome(z.st.Counters())
	tp.inject(frame)
	if outcome(z.st.Counters()) == before {
		t.Errorf("a frame vanished: % x", frame)
	}
	if how&tick != 0 {
		run(z.c, time.Second)
	}
	for _, s := range z.socks {
		for {
			var info socket.Recv
			if _, err := s.ReadFrom(z.buf[:], &info, false); err == syscall.EAGAIN {
				break
			}
		}
	}
	for i := 1; i <= 3; i++ {
		z.taps[i].take()
	}
}

// rest lets an hour pass, after which nothing is held any more, and closes
// everything.
func (z *fuzzed) rest(t *testing.T) {
	run(z.c, time.Hour)
	if n := z.w.Sched().Pool().Counts().Bufs; n != 0 {
		t.Errorf("%d buffers held after an hour: %v", n, z.st.Counters())
	}
	empty(t, z.w)
}

// FuzzOps makes random calls and checks that nothing is left at the end.
func FuzzOps(f *testing.F) {
	for seed := range 20 {
		b := make([]byte, 600)
		rnd := rand.New(rand.NewPCG(uint64(seed), 0))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b, seed%2 == 1)
	}
	f.Fuzz(func(t *testing.T, ops []byte, sharded bool) {
		shards := 1
		if sharded {
			shards = 3
		}
		c := clock.NewSim()
		o := &operator{c: c, w: vnet.NewWorld(vnet.Config{Clock: c}), rest: ops, shards: shards}
		for i := 0; len(o.rest) > 0 && i < 400; i++ {
			o.step(t)
		}
		empty(t, o.w)
	})
}

// operator turns bytes into calls.
type operator struct {
	c      *clock.Sim
	w      *vnet.World
	rest   []byte
	shards int
	wires  [6]*link.Epair // wire i joins stacks i%3 and (i+1)%3
	socks  []usrreq.Sock
}

func (o *operator) n(limit int) int {
	if len(o.rest) == 0 {
		return 0
	}
	b := o.rest[0]
	o.rest = o.rest[1:]
	return int(b) % limit
}

func (o *operator) addr() netip.Addr {
	switch o.n(4) {
	case 0:
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 7: byte(o.n(6)), 15: byte(o.n(4))})
	case 1:
		return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(o.n(4))})
	}
	return subnet(o.n(6), o.n(4)).Addr()
}

func (o *operator) group() netip.Addr {
	if o.n(3) == 0 {
		return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x3e, 15: byte(o.n(4))})
	}
	return netip.AddrFrom4([4]byte{232, 1, 1, byte(o.n(4))})
}

// prefix is one of a's.
func (o *operator) prefix(a netip.Addr) netip.Prefix {
	return netip.PrefixFrom(a, a.BitLen()/32*8*o.n(5))
}

func (o *operator) stack(t *testing.T) *vnet.Stack {
	name := fmt.Sprint("s", o.n(3))
	if st := o.w.Stack(name); st != nil {
		return st
	}
	st, e := stacktest.New(t, o.w, vnet.StackConfig{Name: name, Shards: o.shards})
	must(t, e)
	return st
}

// step makes one call.
func (o *operator) step(t *testing.T) {
	switch o.n(10) {
	case 0, 1:
		o.plugging(t)
	case 2, 3:
		o.routing(t)
	case 4, 5, 6:
		o.sockets(t)
	case 7:
		run(o.c, time.Duration(o.n(256))*time.Second/4)
	default:
		o.sending(t)
	}
	for _, st := range o.w.Stacks() {
		o.check(t, st)
	}
}

func (o *operator) plugging(t *testing.T) {
	st := o.stack(t)
	switch o.n(8) {
	case 0, 1, 2:
		i := o.n(6)
		if o.wires[i] == nil {
			o.wires[i] = link.NewEpair([]int{1500, 576, 9000}[o.n(3)])
			a, b := o.wires[i].A(), o.wires[i].B()
			control.AddInterface(st, control.IfaceConfig{Name: fmt.Sprint("w", i, "a"), Port: a, FIB: o.n(2), Down: o.n(16) == 0})
			control.AddInterface(o.stack(t), control.IfaceConfig{Name: fmt.Sprint("w", i, "b"), Port: b})
		}
	case 3:
		control.RemoveInterface(st, uint32(o.n(8)))
	case 4, 5:
		a, bits := o.addr(), 22+o.n(11)
		if a.Is6() {
			bits += 96
		}
		control.AddAddrFlags(st, uint32(o.n(8)), netip.PrefixFrom(a, bits), []ifaddr.Flags{0, 0, ifaddr.Anycast, ifaddr.Optimistic}[o.n(4)])
	case 6:
		control.DelAddr(st, uint32(o.n(8)), o.addr())
	case 7:
		o.automatic(st)
	}
}

// automatic makes the calls about IPv6's autoconfiguration, and closes stacks.
func (o *operator) automatic(st *vnet.Stack) {
	i := uint32(o.n(8))
	switch o.n(8) {
	case 0:
		control.Close(st)
	case 1, 2:
		control.SetAuto(st, i, &control.AutoConfig{Routers: true, NoDefault: o.n(3) == 0, Optimistic: o.n(2) == 0})
	case 3:
		control.SetAuto(st, i, nil)
	case 4, 5:
		cfg := advertised()
		cfg.Prefixes[0].OnLink, cfg.Prefixes[0].Autonomous = o.n(4) != 0, o.n(4) != 0
		control.Advertise(st, i, cfg)
	case 6:
		control.Advertise(st, i, nil)
	case 7:
		control.SetUp(st, i, o.n(2) == 0)
	}
}

func (o *operator) routing(t *testing.T) {
	st := o.stack(t)
	switch o.n(6) {
	case 0, 1:
		control.AddRoute(st, o.n(3), control.Route{
			Dst: o.prefix(o.addr()), Gateway: o.addr(), IfIndex: uint32(o.n(6)), MTU: 68 * o.n(20),
			Reject: o.n(16) == 0, Blackhole: o.n(16) == 1,
		})
	case 2:
		control.DelRoute(st, o.n(3), o.prefix(o.addr()).Masked())
	case 3:
		control.SetFIBs(st, 1+o.n(3))
	case 4:
		names := []string{"net.inet.ip.forwarding", "net.link.ether.inet.maxhold", "net.inet.ip.process_options", "net.inet.ip.maxfragpackets", "net.inet.udp.blackhole", "net.inet6.ip6.forwarding", "net.inet6.ip6.dad_count"}
		st.SetSysctl(names[o.n(len(names))], int64(o.n(3)))
	case 5:
		if o.n(2) == 0 {
			control.SetFilter(st, nil)
		} else {
			control.SetFilter(st, &rules{
				in:  pfil.Verdict{Action: pfil.Action(o.n(7)), FIB: uint32(o.n(3)), NextHop: o.addr()},
				out: pfil.Verdict{Action: pfil.Action(o.n(7)), FIB: uint32(o.n(3)), NextHop: o.addr()},
			})
		}
	}
}

func (o *operator) sockets(t *testing.T) {
	if len(o.socks) == 0 || o.n(5) == 0 {
		st := o.stack(t)
		any := netip.IPv4Unspecified()
		if o.n(2) == 0 {
			any = netip.IPv6Unspecified()
		}
		s, e := usrreq.ListenUDP(st, netip.AddrPortFrom(any, uint16(o.n(3))), uint32(o.n(2)), 3)
		if o.n(4) == 0 {
			s, e = usrreq.ListenRaw(st, uint8(o.n(60)), any, 0)
		}
		if e == 0 {
			s.SetBroadcast(true)
			o.socks = append(o.socks, s)
		}
		return
	}
	i := o.n(len(o.socks))
	s := o.socks[i]
	switch o.n(8) {
	case 0:
		s.Close()
		o.socks = append(o.socks[:i], o.socks[i+1:]...)
	case 1:
		s.Connect(netip.AddrPortFrom(o.addr(), uint16(o.n(3))))
	case 2, 3:
		s.Mcast(usrreq.McastOp(o.n(6)), usrreq.McastIf{Index: uint32(o.n(6))}, o.group(), o.addr())
	case 4:
		s.SetSourceFilter(usrreq.McastIf{Index: uint32(o.n(6))}, o.group(), mcast.Mode(o.n(3)), []netip.Addr{o.addr(), o.addr()})
	case 5:
		s.SetMulticastIf(uint32(o.n(6)))
	case 6:
		s.SetReadDeadline(o.c.Wall(o.c.Now().Add(time.Duration(o.n(100)) * time.Second)))
	case 7:
		s.SetFIB(o.n(3))
	}
}

func (o *operator) sending(t *testing.T) {
	if len(o.socks) == 0 {
		return
	}
	s := o.socks[o.n(len(o.socks))]
	to := netip.AddrPortFrom(o.addr(), uint16(1+o.n(2)))
	switch o.n(6) {
	case 0:
		to = netip.AddrPortFrom(o.group(), 1)
	case 1:
		to = netip.AddrPort{}
	case 2:
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), 1)
	}
	s.WriteTo(make([]byte, 97*o.n(256)), to, &socket.Send{TTL: o.n(4), IfIndex: uint32(o.n(6))})
	for range o.n(3) {
		s.ReadFrom(make([]byte, 100), nil, false)
	}
}

// check tests what must hold between calls.
func (o *operator) check(t *testing.T, st *vnet.Stack) {
	for i := range st.FIBs() {
		for _, r := range control.Routes(st, i) {
			if _, ok := st.Interface(r.IfIndex); !ok && !r.Reject && !r.Blackhole {
				t.Fatalf("%s: route %+v by an interface that is not there", st.Name(), r)
			}
		}
	}
	if err := st.Check(); err != nil {
		t.Fatalf("%s: %v", st.Name(), err)
	}
}
