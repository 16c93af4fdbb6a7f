package vimage_test

import (
	"fmt"
	"io"
	"math/rand"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// victim is a connection from 10.0.0.1 to 10.0.0.2 whose client has somebody at its
// cable who can forge what he likes, and has seen everything.
type victim struct {
	*testing.T
	w     *vimage.World
	a, b  *vimage.Stack
	spy   *spied // at a's end
	c, s  *vimage.TCPConn
	from  segment // the last that came from the server
	count int     // segments that the client sent
}

func newVictim(t *testing.T) *victim {
	v := &victim{T: t, w: world(t, vimage.Config{})}
	v.a, v.b, v.spy = spiedPair(t, v.w)
	v.spy.watch(func(s *segment) bool {
		if s.Out {
			v.count++
		} else {
			v.from = *s
		}
		return true
	})
	l := listenTCP(t, v.b, ":80")
	v.c, v.s = join(t, &vimage.Dialer{Stack: v.a, KeepAlive: -1}, l, netip.MustParseAddr("10.0.0.2"))
	t.Cleanup(func() { v.c.Close(); v.s.Close() })
	v.echo()
	return v
}

// echo shows that the connection works, both ways.
func (v *victim) echo() {
	v.Helper()
	talk(v.T, v.c, v.s, 3000)
	talk(v.T, v.s, v.c, 3000)
	synctest.Wait()
}

// next returns the header that the server's next segment would have.
func (v *victim) next() wire.TCPHeader {
	h := v.from.TCPHeader
	h.Seq = h.Seq.Add(v.from.Len)
	h.Flags = wire.ACK
	return h
}

func (v *victim) send(h wire.TCPHeader, data []byte) {
	v.spy.inject(forge(v.from.Src, v.from.Dst, h, data))
}

func inVictim(t *testing.T, f func(v *victim)) {
	synctest.Test(t, func(t *testing.T) { f(newVictim(t)) })
}

// TestTCPBlindReset guesses resets and SYNs (RFC 5961 §3, §4): those that do not
// hit the very next sequence number do nothing but bring a few challenges.
func TestTCPBlindReset(t *testing.T) {
	inVictim(t, func(v *victim) {
		rnd := rand.New(rand.NewSource(5))
		v.count = 0
		const guesses = 20_000
		for i := range guesses {
			h := v.next()
			h.Seq = h.Seq.Add(1 + rnd.Intn(200_000)) // in the window, mostly
			if i%2 == 0 {
				h.Seq = wire.Seq(rnd.Uint32())
			}
			h.Flags = []wire.TCPFlags{wire.RST, wire.RST | wire.ACK, wire.SYN, wire.SYN | wire.ACK, wire.FIN | wire.SYN}[i%5]
			if h.Seq == v.next().Seq {
				continue
			}
			v.send(h, nil)
		}
		if v.count > 20 {
			v.Errorf("%d segments answered %d guesses within a moment", v.count, guesses)
		}
		v.echo()
		k := v.a.Counters()
		if k["tcp.badrst"] == 0 || k["tcp.badsyn"] == 0 || k["tcp.challenge_acks"] == 0 {
			v.Errorf("counted: %v", k)
		}
	})
}

// TestTCPExactReset: the reset that does hit ends it, so the test before can fail.
func TestTCPExactReset(t *testing.T) {
	inVictim(t, func(v *victim) {
		h := v.next()
		h.Flags = wire.RST
		v.send(h, nil)
		if _, err := v.c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			v.Error(err)
		}
	})
}

// TestTCPOutOfWindow floods a connection with segments outside of its window and
// acknowledgments of what was never sent: nothing is kept, and nothing breaks. Data
// is answered, as it may be a peer's who missed an acknowledgment (RFC 9293
// §3.10.7.4), one by one at most; the rest is hardly.
func TestTCPOutOfWindow(t *testing.T) {
	inVictim(t, func(v *victim) {
		before := v.w.Pool().Buffers
		for _, size := range []int{0, 1000} {
			v.count = 0
			data := make([]byte, size)
			const flood = 10_000
			for i := range flood {
				h := v.next()
				switch i % 3 {
				case 0:
					h.Seq = h.Seq.Add(1<<30 + i)
				case 1:
					h.Ack = h.Ack.Add(1<<30 + i)
				case 2:
					h.Seq = h.Seq.Add(-100_000 - i)
				}
				v.send(h, data)
			}
			if most := []int{20, flood}[size/1000]; v.count > most {
				v.Errorf("%d segments answered %d of %d bytes within a moment", v.count, flood, size)
			}
		}
		if k := v.w.Pool().Buffers; k > before {
			v.Errorf("%d buffers are kept, %d before", k, before)
		}
		v.echo()
	})
}

// TestTCPBlindData throws segments into the window that leave holes: what is kept
// is bounded, and the stream is whole.
func TestTCPBlindData(t *testing.T) {
	inVictim(t, func(v *victim) {
		for _, size := range []int{1, 100, 1400} {
			for i := range 20_000 {
				h := v.next()
				h.Seq = h.Seq.Add(10 + (2*i*size)%250_000)
				v.send(h, make([]byte, size))
			}
			if m := mem(v.w.Internal()); m > 4<<20 {
				v.Errorf("segments of %d bytes make it keep %d bytes", size, m)
			}
			if i := must(v.c.Info())(v.T); i.OOORanges > 300 {
				v.Errorf("%d ranges out of order", i.OOORanges)
			}
		}
		v.c.Close()
		v.s.Close()
		synctest.Wait()
	})
}

// TestTCPAckStorm confuses both ends at once, so that each finds what the other
// sends wrong: the war of acknowledgments ends (RFC 5961 §7 and ours).
func TestTCPAckStorm(t *testing.T) {
	inVictim(t, func(v *victim) {
		// Both believe that data came which the other has not sent.
		h := v.next()
		v.send(h, []byte("forged"))
		back := forge(v.from.Dst, v.from.Src, wire.TCPHeader{Seq: h.Ack, Ack: h.Seq, Flags: wire.ACK | wire.PSH, Window: 500, Options: h.Options}, []byte("forged too"))
		v.inject(back)
		passed(time.Second)
		v.count = 0
		passed(10 * time.Second)
		if v.count > 100 {
			v.Errorf("%d segments in 10 seconds", v.count)
		}
	})
}

// inject sends what seems to come from the client to the server.
func (v *victim) inject(packet []byte) {
	r := v.w.Internal().Sched().Get()
	b := r.Cache.Get(wire.EtherLen + len(packet))
	f := b.Extend(wire.EtherLen + len(packet))
	peer := must(must(v.a.Interface("e0"))(v.T).Neighbors())(v.T)
	var mac wire.MAC
	for _, n := range peer {
		if n.Addr == v.from.Src.Addr() {
			mac = wire.MAC(n.MAC)
		}
	}
	wire.PutEther(f, mac, v.spy.mac, wire.EtherTypeIPv4)
	copy(f[wire.EtherLen:], packet)
	v.spy.Port.Put(r, b)
	r.Done()
}

// TestTCPTinySegments sends a megabyte in segments of one byte to somebody who
// does not read: memory is in proportion to the bytes, not to the segments.
func TestTCPTinySegments(t *testing.T) {
	inVictim(t, func(v *victim) {
		h := v.next()
		const n = 200_000
		batch := make([][]byte, 0, 50)
		for range n / cap(batch) {
			batch = batch[:0]
			for range cap(batch) {
				batch = append(batch, forge(v.from.Src, v.from.Dst, h, []byte{'x'}))
				h.Seq = h.Seq.Add(1)
			}
			v.spy.inject(batch...)
		}
		if i := must(v.c.Info())(t); i.BytesReceived < n {
			t.Errorf("%d bytes received", i.BytesReceived)
		}
		if m := mem(v.w.Internal()); m > 4*n {
			t.Errorf("%d bytes of memory for %d bytes in segments of 1", m, n)
		}
		if k, err := io.CopyN(io.Discard, v.c, n); err != nil {
			t.Errorf("%d bytes, %v", k, err)
		}
	})
}

// TestTCPSYNFlood floods a listener from a thousand addresses: requests stay
// within their limit, an established connection works, and with cookies so do new
// ones.
func TestTCPSYNFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, vimage.Config{})
		b, a, spy := spiedPair(t, w) // the spy is at the server, 10.0.0.1
		const limit = 200
		if err := b.SetSysctl("net.inet.tcp.syncache.cachelimit", limit); err != nil {
			t.Fatal(err)
		}
		server := netip.MustParseAddr("10.0.0.1")
		l := listenTCP(t, b, ":80")
		d := &vimage.Dialer{Stack: a}
		c, s := join(t, d, l, server)
		flood := func(n int) {
			for i := range n {
				src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i%100)}), uint16(1024+i))
				spy.inject(forge(src, tcpAddr(l, server), wire.TCPHeader{Seq: wire.Seq(i * 77777), Flags: wire.SYN, Window: 1000}, nil))
			}
		}
		requests := func() (k int) {
			for e := range b.Internal().TCPEntries() {
				if e.State == tcp.SYNRCVD {
					k++
				}
			}
			return k
		}
		for round := range 5 {
			flood(5000)
			if k := requests(); k > limit || k < limit/2 {
				t.Errorf("%d requests are remembered, want %d at most", k, limit)
			}
			talk(t, c, s, 100_000)
			talk(t, s, c, 100_000)
			x, y := join(t, d, l, server)
			talk(t, x, y, 10_000)
			x.Close()
			y.Close()
			if m := mem(w.Internal()); m > 4<<20 {
				t.Errorf("round %d: %d bytes of memory", round, m)
			}
		}
		if k := b.Counters(); k["tcp.sc_sendcookie"] == 0 || k["tcp.sc_cacheoverflow"]+k["tcp.sc_sendcookie"] < 10_000 {
			t.Errorf("counted: %v", k)
		}
		c.Close()
		s.Close()
		passed(5 * time.Minute)
		if k := requests(); k != 0 {
			t.Errorf("%d requests are left", k)
		}
	})
}

// TestTCPCorrupted runs over a link that damages every tenth frame, anywhere: the
// checksums find it, and the stream is whole.
func TestTCPCorrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := tcpHosts(t, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: time.Millisecond, Corrupt: 0.1}}) // one bit: two can make a checksum right again
		c, s := connected(t, a, b)
		exchange(t, c, s, fewer(1<<20, 200_000))
		if k := b.Counters(); k["tcp.rcvbadsum"] == 0 {
			t.Errorf("no damage was seen: %v", k)
		}
	})
}

// exchange has random bytes go both ways at once, and closes.
func exchange(t testing.TB, c, s *vimage.TCPConn, size int) {
	t.Helper()
	done := make(chan error, 4)
	for i, e := range [][2]*vimage.TCPConn{{c, s}, {s, c}} {
		go func() {
			data := make([]byte, size)
			rand.New(rand.NewSource(int64(i))).Read(data)
			_, err := e[0].Write(data)
			e[0].CloseWrite()
			done <- err
		}()
		go func() {
			want := make([]byte, size)
			rand.New(rand.NewSource(int64(i))).Read(want)
			got, err := io.ReadAll(e[1])
			if err == nil && string(got) != string(want) {
				err = fmt.Errorf("%d bytes, which are not those that were sent", len(got))
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	c.Close()
	s.Close()
}

// needFrag forges ICMP "fragmentation needed" of a router, about a segment.
func needFrag(about []byte, mtu int) []byte {
	quote := about[:wire.IPv4Len+8]
	b := make([]byte, wire.IPv4Len+8+len(quote))
	q, _ := wire.ParseIPv4(about)
	ip := wire.IPv4Header{TTL: 64, Proto: wire.ProtoICMP, Src: netip.MustParseAddr("10.0.0.2"), Dst: q.Src()}
	wire.PutIPv4(b, &ip, 8+len(quote))
	m := b[wire.IPv4Len:]
	copy(m[8:], quote)
	wire.PutICMP4(m, 3, 4, uint32(mtu), len(quote))
	return b
}

// TestTCPForgedMTU: who does not know the sequence numbers cannot shrink segments
// (RFC 5927 §7), who does cannot below net.inet.tcp.minpmtu.
func TestTCPForgedMTU(t *testing.T) {
	inVictim(t, func(v *victim) {
		me, peer := v.from.Dst, v.from.Src
		mss := func() int { return must(v.c.Info())(t).SndMSS }
		was := mss()
		for i := range 1000 {
			v.spy.inject(needFrag(forge(me, peer, wire.TCPHeader{Seq: v.from.Ack.Add(1_000_000 + i*1_000_000), Flags: wire.ACK}, make([]byte, 1400)), 576))
		}
		if mss() != was {
			t.Errorf("guesses made MSS %d of %d", mss(), was)
		}
		if k := v.a.Counters()["tcp.icmp_ignored"]; k < 900 {
			t.Errorf("%d were ignored", k)
		}
		v.echo()
		// With something in flight the right guess is believed, but not absurd.
		v.spy.watch(func(s *segment) bool { return !s.Out })
		v.c.Write(make([]byte, 1000))
		v.spy.inject(needFrag(forge(me, peer, wire.TCPHeader{Seq: v.from.Ack, Flags: wire.ACK}, make([]byte, 1400)), 68))
		if m := mss(); m < 296-40-12 || m > was {
			t.Errorf("MSS %d after an MTU of 68", m)
		}
		v.spy.watch(nil)
		passed(10 * time.Second)
		buf := make([]byte, 1000)
		if k, err := io.ReadFull(v.s, buf); err != nil {
			t.Errorf("%d, %v", k, err)
		}
	})
}

// noICMP is a firewall of the common kind.
type noICMP struct{}

// Filter implements pfil.Filter.
func (noICMP) Filter(p *pfil.Packet) pfil.Verdict {
	if p.IP.Proto() == wire.ProtoICMP {
		return pfil.Verdict{Action: pfil.Drop}
	}
	return pfil.Verdict{}
}

// TestTCPPathMTU crosses a link of a smaller MTU, with the ICMP that
// says so (RFC 1191) and without (a black hole, RFC 4821).
func TestTCPPathMTU(t *testing.T) {
	for _, icmp := range []bool{true, false} {
		t.Run(fmt.Sprintf("icmp %v", icmp), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := lab.New(t)
				a, r, q, b := n.Host("a"), n.Router("r"), n.Router("q"), n.Host("b")
				n.Link(a, r, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: time.Millisecond}})
				n.Link(r, q, lab.LinkConfig{MTU: 1280})
				n.Link(q, b)
				n.RouteAll()
				if !icmp {
					control.SetFilter(a.Internal(), noICMP{})
					control.SetFilter(b.Internal(), noICMP{})
				}
				began := time.Now()
				c, s := connected(t, a, b)
				exchange(t, c, s, 300_000)
				k := a.Counters()
				if icmp && (k["tcp.mturesent"] == 0 || k["tcp.pmtud_blackhole_activated"] != 0) || !icmp && (k["tcp.mturesent"] != 0 || k["tcp.pmtud_blackhole_activated"] == 0) {
					t.Errorf("counted: %v", k)
				}
				if d := time.Since(began); icmp && d > 5*time.Second || d > 2*time.Minute {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}
