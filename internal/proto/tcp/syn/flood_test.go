package syn

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// flood sends SYNs from ever new addresses, and takes what answers them.
type flood struct {
	c   *Cache[int]
	e   Env
	p   Listen
	i   uint32
	hs  Handshake
	out Out[int]
	h   wire.TCPHeader
}

func newFlood(cookies int32, limit int32) *flood {
	tun := Defaults()
	tun.Cookies, tun.CacheLimit = cookies, limit
	f := &flood{c: New[int](&Secret{5}, table.NewSeed(9)), e: Env{&tun, &Stats{}}, h: full()}
	f.p = Listen{MSS: 1460, MinMSS: 216, Window: 65535, Scale: 7, Scaling: true, Timestamps: true, SACK: true, ECN: true}
	for range 3 * limit {
		f.one()
	}
	return f
}

func (f *flood) one() {
	f.i++
	key := Key{Local: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 80),
		Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(f.i >> 16), byte(f.i >> 8), byte(f.i)}), 4000)}
	f.c.Input(&f.e, 1e9, key, 7, &f.p, &f.h, 0, &f.hs)
	for f.c.Next(&f.e, 1e9, &f.out) {
	}
}

func TestFloodAllocatesNothing(t *testing.T) {
	for _, cookies := range []int32{0, 1} {
		f := newFlood(cookies, 1000)
		if n := testing.AllocsPerRun(5000, f.one); n != 0 {
			t.Errorf("cookies %d: %v allocations per SYN", cookies, n)
		}
		if f.c.Len() != 1000 {
			t.Errorf("cookies %d: %d requests, want the limit", cookies, f.c.Len())
		}
	}
}

// BenchmarkFlood is what a SYN from a forged address costs when the cache is
// full: answered with a cookie, or in the place of the oldest request.
func BenchmarkFlood(b *testing.B) {
	for name, cookies := range map[string]int32{"cookies": 1, "oldest": 0} {
		b.Run(name, func(b *testing.B) {
			f := newFlood(cookies, Defaults().CacheLimit)
			b.ReportAllocs()
			for b.Loop() {
				f.one()
			}
		})
	}
}

// BenchmarkHandshake is SYN and ACK.
func BenchmarkHandshake(b *testing.B) {
	f := newFlood(1, 1)
	f.c.Drop(7)
	f.e.T.CacheLimit = 100
	key := Key{Local: netip.MustParseAddrPort("10.0.0.1:80"), Remote: netip.MustParseAddrPort("10.0.0.2:40000")}
	b.ReportAllocs()
	for b.Loop() {
		f.c.Input(&f.e, 1e9, key, 7, &f.p, &f.h, 0, &f.hs)
		f.c.Next(&f.e, 1e9, &f.out)
		a := ack(&f.out)
		if f.c.Input(&f.e, 1e9, key, 7, &f.p, &a, 0, &f.hs) != Accepted {
			b.Fatal("not accepted")
		}
	}
}

// FuzzInput sends segments to a cache in every state: whatever comes, its lists
// hold together, the limit holds, and no connection is made that acknowledges
// something else than a SYN-ACK that was sent.
func FuzzInput(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, mode uint8) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		tun := Defaults()
		tun.CacheLimit, tun.Cookies, tun.CookiesOnly, tun.FastOpen = 5, int32(mode&1), int32(mode>>1&1), int32(mode>>2&1)
		x := flood{c: New[int](&Secret{byte(seed)}, table.NewSeed(seed)), e: Env{&tun, &Stats{}}}
		sent := map[Key]map[wire.Seq]bool{}
		var last Out[int]
		now := clock.Time(0)
		for range 400 {
			now += clock.Time(rnd.IntN(700)) * ms
			key := Key{Local: netip.MustParseAddrPort("10.0.0.1:80"), Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 2}), uint16(1+rnd.IntN(9)))}
			h := randomSegment(rnd, &last)
			if rnd.IntN(2) == 0 && last.Hdr.Flags != 0 {
				key = last.Key
			}
			x.p = Listen{MSS: 1460, Window: rnd.IntN(1 << 17), Scale: 4, Scaling: true, Timestamps: rnd.IntN(2) == 0, SACK: true, Full: rnd.IntN(4) == 0, FastLimit: 3}
			v := x.c.Input(&x.e, now, key, rnd.IntN(3), &x.p, &h, rnd.IntN(3), &x.hs)
			if v == Accepted && !x.hs.FastOpen && !sent[key][h.Ack-1] {
				t.Fatalf("%+v made a connection, which acknowledges no SYN-ACK", h)
			}
			for x.c.Next(&x.e, now, &x.out) {
				if last = x.out; last.Hdr.Flags.Has(wire.SYN) {
					if sent[last.Key] == nil {
						sent[last.Key] = map[wire.Seq]bool{}
					}
					sent[last.Key][last.Hdr.Seq] = true
				}
			}
			if rnd.IntN(50) == 0 {
				x.c.Drop(rnd.IntN(3))
			}
			x.check(t, now)
		}
	})
}

// randomSegment makes one that often answers the last that was sent.
func randomSegment(rnd *rand.Rand, last *Out[int]) wire.TCPHeader {
	flags := []wire.TCPFlags{wire.SYN, wire.SYN, wire.SYN | wire.ECE | wire.CWR, wire.ACK, wire.ACK, wire.RST, wire.FIN | wire.ACK, wire.SYN | wire.ACK, 0}
	h := wire.TCPHeader{Seq: wire.Seq(rnd.IntN(3)), Flags: flags[rnd.IntN(len(flags))], Window: uint16(rnd.Uint32())}
	h.Options.HasTime = rnd.IntN(2) == 0
	h.Options.TSVal = rnd.Uint32() >> 20
	if rnd.IntN(4) == 0 {
		h.Options.HasFastOpen = true
		h.Options.Cookie = last.Hdr.Options.Cookie
		h.Options.FastOpen = last.Hdr.Options.FastOpen
	}
	if rnd.IntN(4) > 0 && !h.Flags.Has(wire.SYN) {
		h.Seq, h.Ack = last.Hdr.Ack+wire.Seq(rnd.IntN(2)), last.Hdr.Seq+wire.Seq(rnd.IntN(2))
		h.Options.TSEcr = last.Hdr.Options.TSVal
	}
	return h
}

// check walks all lists.
func (x *flood) check(t *testing.T, now clock.Time) {
	n, timed := 0, 0
	for r := x.c.oldest; r != nil; r = r.newer {
		if x.c.find(r.key) != r || r.newer == nil && x.c.newest != r {
			t.Fatal("lost entry")
		}
		n++
	}
	for level := range x.c.timers {
		due := clock.Time(0)
		for r := x.c.timers[level].first; r != nil; r = r.later {
			if int(r.level) != level || r.due < due || r.due <= now {
				t.Fatalf("timer of level %d at %v, at level %d after %v, now %v", r.level, r.due, level, due, now)
			}
			due = r.due
			timed++
		}
	}
	if n != timed || n != x.c.Len() || n > int(x.e.T.CacheLimit) || (n == 0) != (x.c.Deadline() == clock.Never) {
		t.Fatalf("%d entries, %d timers, %d in the table", n, timed, x.c.Len())
	}
}
