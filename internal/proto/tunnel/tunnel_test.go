package tunnel

import (
	"bytes"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// packet is an IP packet of 30 bytes of UDP with a type of service.
func packet(src, dst string, tos uint8) []byte {
	hd := wire.IPHeader{Src: ip(src), Dst: ip(dst), TTL: 9, Proto: wire.ProtoUDP, TOS: tos, ID: 5}
	b := make([]byte, hd.Len()+30)
	wire.PutUDP(b[hd.Len():], 1, 2, 22)
	wire.PutIP(b, &hd, 30)
	return b
}

func frame(typ uint16, payload []byte) []byte {
	b := make([]byte, wire.EtherLen+len(payload))
	wire.PutEther(b, wire.MAC{2, 0, 0, 0, 0, 2}, wire.MAC{2, 0, 0, 0, 0, 1}, typ)
	copy(b[wire.EtherLen:], payload)
	return b
}

// put returns the outer packet of an inner one.
func put(t *testing.T, end *Tunnel, inner []byte) wire.Packet {
	t.Helper()
	tun := Defaults()
	var o Out
	if why := end.Encap(0, inner, &tun, &o); why != NotDropped {
		t.Fatalf("refused: %v", why)
	}
	b := make([]byte, o.Len()+len(inner))
	copy(b[o.Len():], inner)
	if complete := o.Put(b); !complete {
		wire.UDP(b[wire.IPv6Len:]).SetChecksum(end.Local, o.Dst())
	}
	p, f := wire.ParseIP(b)
	if f != wire.OK || p.Len() != len(b) || !p.Is6() && !p.V4().ChecksumOK() {
		t.Fatalf("%s: %x", f, b)
	}
	return p
}

func pair(c Config) (a, b *Tunnel) {
	if !c.Local.IsValid() {
		c.Local, c.Remote = ip("192.0.2.1"), ip("192.0.2.2")
	}
	if e := c.Check(); e != 0 {
		panic(e)
	}
	other := c
	other.Local, other.Remote = c.Remote, c.Local
	return New(c, table.NewSeed(1), 1), New(other, table.NewSeed(2), 2)
}

// TestThere sends packets and frames through tunnels of every kind.
func TestThere(t *testing.T) {
	four, six := packet("10.0.0.1", "10.0.0.2", 0), packet("2001:db8::1", "2001:db8::2", 0)
	for _, c := range []Config{
		{Kind: GIF}, {Kind: GRE}, {Kind: GRE, HasKey: true, Key: 1<<32 - 1}, {Kind: GRE, Checksum: true}, {Kind: GRE, Sequence: true},
		{Kind: GRE, HasKey: true, Checksum: true, Sequence: true}, {Kind: GRETAP}, {Kind: VXLAN, VNI: 1<<24 - 1}, {Kind: VXLAN, Port: 8472, TTL: 3},
	} {
		for _, over6 := range []bool{false, true} {
			if over6 {
				c.Local, c.Remote = ip("2001:db8:1::1"), ip("2001:db8:1::2")
			}
			inners := [][]byte{four, six}
			if c.Kind.Ethernet() {
				inners = [][]byte{frame(wire.EtherTypeIPv4, four), frame(wire.EtherTypeIPv6, six), frame(wire.EtherTypeARP, make([]byte, wire.ARPLen))}
			}
			a, b := pair(c)
			for _, inner := range inners {
				outer := put(t, a, inner)
				over := outer.Len() - len(inner)
				if c.Kind.Ethernet() {
					over += wire.EtherLen
				}
				if over != c.Overhead() || outer.Src() != a.Local || outer.Dst() != a.Remote {
					t.Errorf("%v: %d bytes more, want %d; %v > %v", c, over, c.Overhead(), outer.Src(), outer.Dst())
				}
				var in In
				tun := Defaults()
				if why := b.Decap(0, outer, &tun, true, &in); why != NotDropped {
					t.Fatalf("%v: %v", c, why)
				}
				if got := outer.Bytes()[in.Off:][:in.Len]; !bytes.Equal(got, inner) {
					t.Errorf("%v: %x, want %x", c, got, inner)
				}
			}
			if a.Stats().Entered != uint64(len(inners)) || b.Stats().Left != uint64(len(inners)) {
				t.Errorf("%+v %+v", a.Stats(), b.Stats())
			}
		}
	}
}

// TestOuter looks at what a tunnel decides about the outer header.
func TestOuter(t *testing.T) {
	for _, tc := range []struct {
		c     Config
		proto uint8
		ttl   uint8
		df    bool
	}{
		{Config{Kind: GIF}, wire.ProtoIPv4, 30, false},
		{Config{Kind: GRE}, wire.ProtoGRE, 30, false},
		{Config{Kind: GRE, TTL: 7}, wire.ProtoGRE, 7, false},
		{Config{Kind: VXLAN}, wire.ProtoUDP, 64, true}, // RFC 7348 §4.3: must not be cut
	} {
		a, _ := pair(tc.c)
		inner := packet("10.0.0.1", "10.0.0.2", 0xb8|ect0)
		if tc.c.Kind.Ethernet() {
			inner = frame(wire.EtherTypeIPv4, inner)
		}
		p := put(t, a, inner).V4()
		if p.Proto() != tc.proto || p.TTL() != tc.ttl || p.DF() != tc.df || p.TOS() != 0xb8|ect0 {
			t.Errorf("%v: protocol %d, TTL %d, DF %v, TOS %#x", tc.c, p.Proto(), p.TTL(), p.DF(), p.TOS())
		}
		if again := put(t, a, inner).V4(); !tc.df && again.ID() != p.ID()+1 {
			t.Errorf("%v: identification %d, then %d", tc.c, p.ID(), again.ID())
		}
	}
}

// RFC 7348 §5: UDP's source port is of the flow and in 49152-65535, its checksum is
// zero over IPv4.
func TestVXLANPorts(t *testing.T) {
	a, _ := pair(Config{Kind: VXLAN, VNI: 1})
	seen := map[uint16]bool{}
	for i := range byte(100) {
		inner := packet("10.0.0.1", "10.0.0.2", 0)
		inner[wire.IPv4Len+1] = i // another source port
		p := put(t, a, frame(wire.EtherTypeIPv4, inner))
		u, f := wire.ParseUDP(p.Payload())
		if f != wire.OK || u.DstPort() != 4789 || u.SrcPort() < 49152 || u.Checksum() != 0 {
			t.Fatalf("%s: ports %d, %d, checksum %d", f, u.SrcPort(), u.DstPort(), u.Checksum())
		}
		seen[u.SrcPort()] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 flows have %d ports", len(seen))
	}
}

// RFC 6040 §4.1 and §4.2, figure 4, over every kind that carries IP or frames.
func TestCongestionMarks(t *testing.T) {
	const drop = 255
	names := [4]string{"not-ECT", "ECT(1)", "ECT(0)", "CE"}
	want := [4][4]uint8{ // by inner and outer
		notECT: {notECT: notECT, ect0: notECT, ect1: notECT, ce: drop},
		ect0:   {notECT: ect0, ect0: ect0, ect1: ect1, ce: ce},
		ect1:   {notECT: ect1, ect0: ect1, ect1: ect1, ce: ce},
		ce:     {notECT: ce, ect0: ce, ect1: ce, ce: ce},
	}
	for _, kind := range []Kind{GIF, GRE, VXLAN} {
		for _, addr := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"2001:db8::1", "2001:db8::2"}} {
			for inner := range uint8(4) {
				for outer := range uint8(4) {
					a, b := pair(Config{Kind: kind})
					p := packet(addr[0], addr[1], 0x28|inner)
					if kind == VXLAN {
						typ := wire.EtherTypeIPv4
						if ip(addr[0]).Is6() {
							typ = wire.EtherTypeIPv6
						}
						p = frame(typ, p)
					}
					o := put(t, a, p)
					if o.TOS() != 0x28|inner {
						t.Errorf("%v: %s goes out as %#x", kind, names[inner], o.TOS())
					}
					o.V4().SetTOS(o.TOS()&^3 | outer)
					var in In
					tun := Defaults()
					why := b.Decap(0, o, &tun, true, &in)
					if (why == Congested) != (want[inner][outer] == drop) {
						t.Fatalf("%v: %s in %s: %v", kind, names[inner], names[outer], why)
					}
					if why != NotDropped {
						continue
					}
					got := o.Bytes()[in.Off:][:in.Len]
					in.Mark(got, kind.Ethernet())
					if kind == VXLAN {
						got = got[wire.EtherLen:]
					}
					q, f := wire.ParseIP(got)
					if f != wire.OK || !q.Is6() && !q.V4().ChecksumOK() || q.TOS() != 0x28|want[inner][outer] {
						t.Errorf("%v: %s in %s comes out as %#x, %s", kind, names[inner], names[outer], q.TOS(), f)
					}
				}
			}
		}
	}
}

// RFC 2890 §2.2: packets that come after later ones are discarded, round the end of the
// numbers as well.
func TestGREOrder(t *testing.T) {
	a, b := pair(Config{Kind: GRE, Sequence: true})
	a.seq = 1<<32 - 2
	var sent []wire.Packet
	for range 5 {
		sent = append(sent, put(t, a, packet("10.0.0.1", "10.0.0.2", 0)))
	}
	tun := Defaults()
	var in In
	for _, s := range []struct {
		i    int
		want Drop
	}{{1, NotDropped}, {0, Late}, {1, Late}, {3, NotDropped}, {2, Late}, {4, NotDropped}} {
		if why := b.Decap(0, sent[s.i], &tun, true, &in); why != s.want {
			t.Errorf("packet %d: %v, want %v", s.i, why, s.want)
		}
	}
}

// TestRefused shows an end what is not for it, or damaged.
func TestRefused(t *testing.T) {
	good := packet("10.0.0.1", "10.0.0.2", 0)
	for _, tc := range []struct {
		name     string
		from, to Config
		inner    []byte
		spoil    func(b []byte)
		want     Drop
	}{
		{"inner version", Config{Kind: GIF}, Config{Kind: GIF}, good, func(b []byte) { b[20] = 0x65 }, BadHeader},
		{"inner length", Config{Kind: GIF}, Config{Kind: GIF}, good, func(b []byte) { b[22] = 1 }, BadHeader},
		{"no key", Config{Kind: GRE}, Config{Kind: GRE, HasKey: true, Key: 1}, good, nil, NotOurs},
		{"a key", Config{Kind: GRE, HasKey: true, Key: 1}, Config{Kind: GRE}, good, nil, NotOurs},
		{"another key", Config{Kind: GRE, HasKey: true, Key: 1}, Config{Kind: GRE, HasKey: true, Key: 2}, good, nil, NotOurs},
		{"no checksum", Config{Kind: GRE}, Config{Kind: GRE, Checksum: true}, good, nil, BadHeader},
		{"no number", Config{Kind: GRE}, Config{Kind: GRE, Sequence: true}, good, nil, BadHeader},
		{"wrong checksum", Config{Kind: GRE, Checksum: true}, Config{Kind: GRE}, good, func(b []byte) { b[len(b)-1] ^= 1 }, BadChecksum},
		{"routing", Config{Kind: GRE}, Config{Kind: GRE}, good, func(b []byte) { b[20] |= 0x40 }, BadHeader},
		{"type", Config{Kind: GRE}, Config{Kind: GRE}, good, func(b []byte) { b[23]++ }, Unsupported},
		{"no frame", Config{Kind: GRE}, Config{Kind: GRETAP}, good, nil, Unsupported},
		{"VNI", Config{Kind: VXLAN, VNI: 1}, Config{Kind: VXLAN, VNI: 2}, frame(0x0800, good), nil, NotOurs},
		{"flags", Config{Kind: VXLAN}, Config{Kind: VXLAN}, frame(0x0800, good), func(b []byte) { b[28] = 0 }, BadHeader},
		{"UDP checksum", Config{Kind: VXLAN}, Config{Kind: VXLAN}, frame(0x0800, good), func(b []byte) { b[26] = 1 }, BadChecksum},
	} {
		a, _ := pair(tc.from)
		_, b := pair(tc.to)
		p := put(t, a, tc.inner)
		if tc.spoil != nil {
			tc.spoil(p.Bytes())
		}
		var in In
		tun := Defaults()
		if why := b.Decap(0, p, &tun, true, &in); why != tc.want || b.Stats().Refused != 1 {
			t.Errorf("%s: %v, want %v", tc.name, why, tc.want)
		}
	}
	// And nothing enters its own tunnel, nor what is neither packet nor frame.
	for _, c := range []Config{{Kind: GIF}, {Kind: GRE}, {Kind: GRETAP}, {Kind: VXLAN, VNI: 9}} {
		a, _ := pair(c)
		inner := good
		if c.Kind.Ethernet() {
			inner = frame(0x0800, good)
		}
		again := put(t, a, inner).Bytes()
		if c.Kind.Ethernet() {
			again = frame(0x0800, again)
		}
		tun := Defaults()
		var o Out
		if why := a.Encap(0, again, &tun, &o); why != Looped {
			t.Errorf("%v in itself: %v", c, why)
		}
		if why := a.Encap(0, []byte("x"), &tun, &o); why != Unsupported {
			t.Errorf("%v: one byte: %v", c, why)
		}
	}
}

// RFC 7348 §4.1, §4.2: ends learn who is behind which other from what they receive; what
// is for many, or for whom nobody has seen, goes to the group.
func TestLearning(t *testing.T) {
	c := Config{Kind: VXLAN, Local: ip("192.0.2.1"), Remote: ip("239.1.1.1")}
	if e := c.Check(); e != 0 {
		t.Fatal(e)
	}
	end := New(c, table.NewSeed(1), 1)
	tun := Defaults()
	tun.MaxMACs = 2
	host := func(n byte) wire.MAC { return wire.MAC{2, 0, 0, 0, 0, n} }
	heard := func(now clock.Time, n byte, via string) {
		t.Helper()
		other := New(Config{Kind: VXLAN, Local: ip(via), Remote: c.Local, Port: c.Port}, table.NewSeed(2), 2)
		f := frame(wire.EtherTypeARP, make([]byte, wire.ARPLen))
		wire.PutEther(f, host(9), host(n), wire.EtherTypeARP)
		var in In
		if why := end.Decap(now, put(t, other, f), &tun, true, &in); why != NotDropped {
			t.Fatal(why)
		}
	}
	goes := func(now clock.Time, to wire.MAC, want string) {
		t.Helper()
		f := frame(wire.EtherTypeARP, make([]byte, wire.ARPLen))
		wire.PutEther(f, to, host(9), wire.EtherTypeARP)
		var o Out
		if why := end.Encap(now, f, &tun, &o); why != NotDropped || o.Dst() != ip(want) {
			t.Errorf("at %v a frame to %v goes to %v, want %s; %v", now, to, o.Dst(), want, why)
		}
	}
	second := clock.Time(time.Second)
	goes(1, host(1), "239.1.1.1")
	heard(1, 1, "192.0.2.2")
	goes(2, host(1), "192.0.2.2")
	goes(2, wire.BroadcastMAC(), "239.1.1.1")
	heard(600*second, 1, "192.0.2.3") // it has moved
	goes(600*second, host(1), "192.0.2.3")
	heard(601*second, 2, "192.0.2.2")
	heard(602*second, 3, "192.0.2.2") // there is no room
	goes(602*second, host(3), "239.1.1.1")
	goes(1799*second, host(1), "192.0.2.3")
	heard(1800*second, 3, "192.0.2.4") // there is, 1,200 s after 1 was last seen
	goes(1800*second, host(1), "239.1.1.1")
	goes(1800*second, host(3), "192.0.2.4")
	if all := end.AppendMACs(nil, 1800*second); len(all) != 2 {
		t.Errorf("%v", all)
	}
	if s := end.Stats(); s.Learned != 3 || s.Moved != 1 || s.NotLearned != 1 || s.Flooded != 4 {
		t.Errorf("%+v", s)
	}
}

func TestCheck(t *testing.T) {
	a, b, six, group := ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1"), ip("239.1.1.1")
	for _, tc := range []struct {
		c    Config
		want syscall.Errno
	}{
		{Config{Kind: GIF, Local: a, Remote: b}, 0},
		{Config{Local: a, Remote: b}, syscall.EINVAL},
		{Config{Kind: VXLAN + 1, Local: a, Remote: b}, syscall.EINVAL},
		{Config{Kind: GIF, Local: a}, syscall.EDESTADDRREQ},
		{Config{Kind: GIF, Remote: b}, syscall.EADDRNOTAVAIL},
		{Config{Kind: GIF, Local: a, Remote: six}, syscall.EINVAL},
		{Config{Kind: GIF, Local: a, Remote: group}, syscall.EADDRNOTAVAIL},
		{Config{Kind: VXLAN, Local: a, Remote: group}, 0},
		{Config{Kind: VXLAN, Local: group, Remote: b}, syscall.EADDRNOTAVAIL},
		{Config{Kind: VXLAN, Local: a, Remote: b, VNI: 1 << 24}, syscall.EINVAL},
		{Config{Kind: VXLAN, Local: a, Remote: b, Checksum: true}, syscall.EINVAL},
		{Config{Kind: GRE, Local: a, Remote: b, VNI: 1}, syscall.EINVAL},
		{Config{Kind: GRE, Local: a, Remote: b, Key: 1}, syscall.EINVAL},
		{Config{Kind: GIF, Local: a, Remote: ip("0.0.0.0")}, syscall.EADDRNOTAVAIL},
		{Config{Kind: GIF, Local: ip("::ffff:192.0.2.1"), Remote: six}, syscall.EADDRNOTAVAIL},
	} {
		if e := tc.c.Check(); e != tc.want {
			t.Errorf("%+v: %v, want %v", tc.c, e, tc.want)
		}
	}
}

// FuzzDecap gives ends of every kind what came from anywhere: they must neither fail
// nor say that something is where nothing is, and what they take must go through again.
func FuzzDecap(f *testing.F) {
	configs := []Config{{Kind: GIF}, {Kind: GRE, HasKey: true, Key: 1}, {Kind: GRE, Checksum: true, Sequence: true}, {Kind: GRETAP}, {Kind: VXLAN, VNI: 42}}
	tun := Defaults()
	for i, c := range configs {
		a, _ := pair(c)
		inner := packet("10.0.0.1", "10.0.0.2", ect0)
		if c.Kind.Ethernet() {
			inner = frame(wire.EtherTypeIPv4, inner)
		}
		var o Out
		a.Encap(0, inner, &tun, &o)
		b := append(make([]byte, o.Len()), inner...)
		o.Put(b)
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		a, end := pair(configs[int(which)%len(configs)])
		p, fault := wire.ParseIP(b)
		if fault != wire.OK || p.IsFragment() {
			return
		}
		var in In
		if end.Decap(0, p, &tun, true, &in) != NotDropped {
			return
		}
		inner := b[in.Off:][:in.Len]
		in.Mark(inner, end.Kind.Ethernet())
		var o Out
		if a.Encap(0, inner, &tun, &o) != NotDropped {
			return // it would be looped
		}
		again := append(make([]byte, o.Len()), inner...)
		o.Put(again)
		q, fault := wire.ParseIP(again)
		_, other := pair(a.Config)
		var in2 In
		if why := other.Decap(0, q, &tun, false, &in2); fault != wire.OK || why != NotDropped || !bytes.Equal(again[in2.Off:][:in2.Len], inner) {
			t.Errorf("%x came out and does not go through: %s, %v", inner, fault, why)
		}
	})
}
