package vnet_test

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// TestBigDatagrams sends the longest datagrams over links of several MTUs, over
// a router that cuts fragments again, and to ourselves.
func TestBigDatagrams(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		ch := newChain(t, vnet.NewWorld(vnet.Config{Clock: clock.NewSim()}), shards, 2, 1500, 1006, 9000)
		for _, st := range []*vnet.Stack{ch.a, ch.b} { // 64 are not enough for 90 pieces
			must(t, st.SetSysctl("net.inet.ip.maxfragsperpacket", 200))
		}
		sa, sb := listen(t, ch.a, "0.0.0.0:9"), listen(t, ch.b, "0.0.0.0:7")
		sb.SetRecvSpace(1 << 20)
		self := listen(t, ch.a, "0.0.0.0:7")
		for _, n := range []int{0, 1, 1472, 1473, 8000, 65507} {
			data := string(pattern(n))
			send(t, sa, data, "10.0.2.2:7")
			expect(t, sb, data)
			send(t, sb, data, addrFrom(sa, ch.a).String())
			expect(t, sa, data)
			send(t, sa, data, "10.0.0.1:7")
			expect(t, self, data)
		}
		empty(t, ch.w)
	})
}

// addrFrom is the socket's port at the stack's first address.
func addrFrom(s usrreq.Sock, st *vnet.Stack) fmt.Stringer {
	i, _ := st.Interface(anIf)
	return addrPort(fmt.Sprint(i.Addrs[0].Addr(), ":", s.LocalAddr().Port()))
}

// TestPathMTU is RFC 1191 §4: with DF a router answers with the next link's
// MTU, and a local sender is told EMSGSIZE.
func TestPathMTU(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter(t, shards)
		hd := wire.IPv4Header{TTL: 9, DF: true, Proto: wire.ProtoUDP, Src: addr("10.0.1.2"), Dst: addr("10.0.2.9")}
		r.taps[1].inject(ipFrame(r.taps[1].peer, r.taps[1].mac, hd, pattern(600)))
		_, m := r.taps[1].oneICMP(t)
		if m.Type() != wire.ICMP4Unreachable || m.Code() != wire.ICMP4CodeFragNeeded || m.MTU() != 600 {
			t.Errorf("type %d code %d MTU %d", m.Type(), m.Code(), m.MTU())
		}
		// The packet is quoted as the sender sent it, for it to recognize.
		if q := wire.IPv4(m.Payload()); q.TTL() != 9 || wire.Checksum(q[:20]) != 0 {
			t.Errorf("quoted with TTL %d: % x", q.TTL(), q[:20])
		}
		count(t, r.st, map[string]uint64{"drop.fragmentation needed": 1})
		// A route's own MTU counts as well.
		must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("10.0.3.9/32"), IfIndex: r.ifs[3], MTU: 700}))
		hd.Dst = addr("10.0.3.9")
		r.taps[1].inject(ipFrame(r.taps[1].peer, r.taps[1].mac, hd, pattern(700)))
		if _, m := r.taps[1].oneICMP(t); m.MTU() != 700 {
			t.Errorf("MTU %d of a route of 700", m.MTU())
		}
		s := listen(t, r.st, "0.0.0.0:9")
		s.SetDontFrag(true)
		if _, err := s.WriteTo(pattern(573), addrPort("10.0.2.9:7"), nil); err != syscall.EMSGSIZE {
			t.Errorf("a local sender: %v", err)
		}
		if _, err := s.WriteTo(pattern(572), addrPort("10.0.2.9:7"), nil); err != nil || len(r.taps[2].takeIP(t)) != 1 {
			t.Errorf("just fitting: %v", err)
		}
		r.quiet(t)
	})
}

// TestFragmentOptions: of the options only those marked so are in every
// fragment (RFC 791 §3.1), and the pieces fit.
func TestFragmentOptions(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter(t, shards)
		// Router Alert is copied (0x94), a time stamp (0x44) is not.
		opts := []byte{0x94, 4, 0, 0, 0x44, 8, 5, 0, 0, 0, 0, 0}
		hd := wire.IPv4Header{TTL: 9, ID: 99, Proto: 200, Src: addr("10.0.1.2"), Dst: addr("10.0.2.9"), Options: opts}
		data := pattern(1400)
		r.taps[1].inject(ipFrame(r.taps[1].peer, r.taps[1].mac, hd, data))
		got := r.taps[2].takeIP(t)
		if len(got) != 3 {
			t.Fatalf("%d fragments", len(got))
		}
		var whole []byte
		for i, ip := range got {
			want := opts
			if i > 0 {
				want = opts[:4]
			}
			if h := ip.Header(); !bytes.Equal(h.Options, want) || h.ID != 99 || h.TTL != 8 || h.FragOffset != len(whole) || h.MF != (i < 2) || len(ip) > 600 {
				t.Errorf("fragment %d of %d bytes: %+v", i, len(ip), h)
			}
			whole = append(whole, ip.Payload()...)
		}
		if !bytes.Equal(whole, data) {
			t.Error("the fragments are not the packet")
		}
		// A fragment is cut again, and says it is not the last.
		hd.Options, hd.FragOffset, hd.MF = nil, 8000, true
		r.taps[1].inject(ipFrame(r.taps[1].peer, r.taps[1].mac, hd, data[:1000]))
		got = r.taps[2].takeIP(t)
		if len(got) != 2 || got[0].FragOffset() != 8000 || got[1].FragOffset() != 8576 || !got[1].MF() || !got[0].MF() {
			t.Errorf("a fragment was cut into %v", got)
		}
		r.quiet(t)
	})
}

// fragFrames cuts a datagram to the stack at the given offsets, and gives the
// pieces in that order.
func fragFrames(tp *tap, id uint16, from, to string, data []byte, cuts ...[2]int) (frames [][]byte) {
	a, b := addrPort(from), addrPort(to)
	u := udpPayload(a, b, data)
	for _, c := range cuts {
		hd := wire.IPv4Header{TTL: 9, ID: id, Proto: wire.ProtoUDP, Src: a.Addr(), Dst: b.Addr(), FragOffset: c[0], MF: c[1] < len(u)}
		frames = append(frames, ipFrame(tp.peer, tp.mac, hd, u[c[0]:c[1]]))
	}
	return frames
}

func TestReassembly(t *testing.T) {
	data := pattern(3992) // with its header 4,000 bytes
	forShards(t, func(t *testing.T, shards int) {
		for _, c := range []struct {
			name string
			cuts [][2]int
			ok   bool
			drop map[string]uint64
		}{
			{"in order", [][2]int{{0, 1480}, {1480, 2960}, {2960, 4000}}, true, nil},
			{"backwards", [][2]int{{2960, 4000}, {1480, 2960}, {0, 1480}}, true, nil},
			{"twice the same", [][2]int{{0, 1480}, {0, 1480}, {1480, 4000}}, true, nil},
			{"overlapping", [][2]int{{0, 1480}, {1472, 2960}, {2960, 4000}}, false, nil},
			{"nested", [][2]int{{0, 2960}, {800, 1600}, {2960, 4000}}, false, nil},
			{"no multiple of 8", [][2]int{{0, 1481}, {1480, 4000}}, false, map[string]uint64{"drop.bad fragment": 1}},
		} {
			t.Run(c.name, func(t *testing.T) {
				clk := clock.NewSim()
				w := vnet.NewWorld(vnet.Config{Clock: clk})
				st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
				s := listen(t, st, "0.0.0.0:7")
				tp.inject(fragFrames(tp, 5, "10.0.0.2:9", "10.0.0.1:7", data, c.cuts...)...)
				if c.ok {
					expect(t, s, string(data))
					count(t, st, map[string]uint64{"udp.delivered": 1})
				} else {
					expectNone(t, s)
				}
				if c.name == "overlapping" || c.name == "nested" {
					if st.Counters()["drop.overlapping fragments"] < 2 {
						t.Errorf("counted %v", st.Counters())
					}
				}
				count(t, st, c.drop)
				run(clk, time.Minute)
				if clk.Armed() != 0 {
					t.Error("a timer is armed")
				}
				empty(t, w)
			})
		}
	})
}

// TestReassemblyTimeout: after 30 s the sender is told, once, if the first
// fragment has come (RFC 1122 §3.3.2).
func TestReassemblyTimeout(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		clk := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: clk})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		tp.learn("10.0.0.2", "10.0.0.1")
		data := pattern(3992)
		tp.inject(fragFrames(tp, 5, "10.0.0.2:9", "10.0.0.1:7", data, [2]int{0, 1480})...)
		tp.inject(fragFrames(tp, 6, "10.0.0.2:9", "10.0.0.1:7", data, [2]int{1480, 2960})...)
		run(clk, 29*time.Second)
		if got := tp.take(); len(got) != 0 {
			t.Fatalf("%d frames before the time", len(got))
		}
		run(clk, time.Second)
		ip, m := tp.oneICMP(t)
		if m.Type() != wire.ICMP4TimeExceeded || m.Code() != wire.ICMP4CodeReassembly || ip.Src() != addr("10.0.0.1") {
			t.Errorf("type %d code %d from %v", m.Type(), m.Code(), ip.Src())
		}
		count(t, st, map[string]uint64{"ip.fragtimeout": 2, "drop.reassembly timeout": 2})
		control.RemoveInterface(st, anIf)
		if n := w.Sched().Pool().Counts().Bufs; n != 0 || clk.Armed() != 0 {
			t.Errorf("%d buffers, %d timers", n, clk.Armed())
		}
		empty(t, w)
	})
}

// TestFragmentLimits: as many as the sysctls say are held, and all are freed.
func TestFragmentLimits(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		clk := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: clk})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		must(t, st.SetSysctl("net.inet.ip.maxfragpackets", 10))
		for id := range 50 {
			tp.inject(fragFrames(tp, uint16(id), "10.0.0.2:9", "10.0.0.1:7", pattern(992), [2]int{0, 504})...)
		}
		if n := w.Sched().Pool().Counts().Bufs; n != 10 {
			t.Errorf("%d fragments held, want 10", n)
		}
		count(t, st, map[string]uint64{"drop.too many fragments": 40})
		must(t, st.SetSysctl("net.inet.ip.maxfragpackets", 0))
		tp.inject(fragFrames(tp, 99, "10.0.0.2:9", "10.0.0.1:7", pattern(992), [2]int{0, 504}, [2]int{504, 1000})...)
		count(t, st, map[string]uint64{"udp.received": 0})
		empty(t, w)
	})
}
