package wait

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

const (
	ms = clock.Time(time.Millisecond)
	s  = clock.Time(time.Second)
)

// rig is a table with one connection, whose next numbers are 5000 and 9000.
type rig struct {
	*testing.T
	tab   *Table
	e     Env
	now   clock.Time
	state State
	reply Reply
}

func newRig(t *testing.T, times bool) *rig {
	tun := Defaults()
	r := &rig{T: t, tab: New(table.NewSeed(1)), e: Env{&tun, &Stats{}}, now: 50 * s, state: State{
		Key:    key(1),
		SndNxt: 5000, RcvNxt: 9000, Window: 77, FIB: 4, Timestamps: times, TSOffset: 1 << 30, TSRecent: 800,
	}}
	r.tab.Add(&r.e, r.now, &r.state)
	return r
}

func key(port int) Key {
	return Key{Local: netip.MustParseAddrPort("10.0.0.1:80"), Remote: netip.AddrPortFrom(netip.MustParseAddr("fd00::2"), uint16(port))}
}

func (r *rig) in(h wire.TCPHeader, n int) Verdict {
	return r.tab.Input(&r.e, r.now, r.state.Key, &h, n, &r.reply)
}

func stamped(h wire.TCPHeader, val uint32) wire.TCPHeader {
	h.Options.HasTime, h.Options.TSVal = true, val
	return h
}

// TestTimeWaitOfRFC9293Section31074 sends every kind of segment to an entry.
func TestTimeWaitOfRFC9293Section31074(t *testing.T) {
	fin := wire.TCPHeader{Seq: 8999, Ack: 5000, Flags: wire.FIN | wire.ACK}
	tests := []struct {
		name     string
		h        wire.TCPHeader
		n        int
		want     Verdict
		restarts bool
	}{
		{"the FIN again", fin, 0, Answer, true},
		{"the FIN with the data before it", wire.TCPHeader{Seq: 8900, Ack: 5000, Flags: wire.FIN | wire.ACK}, 99, Answer, true},
		{"a FIN with other numbers", wire.TCPHeader{Seq: 9000, Ack: 5000, Flags: wire.FIN | wire.ACK}, 0, Answer, false},
		{"its last ACK", wire.TCPHeader{Seq: 9000, Ack: 5000, Flags: wire.ACK}, 0, Dropped, false},
		{"an ACK of less", wire.TCPHeader{Seq: 9000, Ack: 4999, Flags: wire.ACK}, 0, Answer, false},
		{"old data", wire.TCPHeader{Seq: 8000, Ack: 5000, Flags: wire.ACK}, 100, Answer, false},
		{"data after the FIN", wire.TCPHeader{Seq: 9000, Ack: 5000, Flags: wire.ACK}, 100, Answer, false},
		{"SYN|ACK", wire.TCPHeader{Seq: 9000, Ack: 5000, Flags: wire.SYN | wire.ACK}, 0, Answer, false},
		{"no ACK", wire.TCPHeader{Seq: 8999, Flags: wire.FIN}, 0, Dropped, false},
		{"RFC 1337: RST", wire.TCPHeader{Seq: 9000, Flags: wire.RST}, 0, Dropped, false},
		{"RFC 1337: RST|ACK", wire.TCPHeader{Seq: 9000, Ack: 5000, Flags: wire.RST | wire.ACK}, 0, Dropped, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, true)
			r.now += s
			if got := r.in(stamped(test.h, 900), test.n); got != test.want {
				t.Fatalf("verdict %v, want %v", got, test.want)
			}
			if test.want == Answer {
				recent := uint32(800)
				if test.restarts {
					recent = 900
				}
				want := wire.TCPHeader{SrcPort: 80, DstPort: 1, Seq: 5000, Ack: 9000, Flags: wire.ACK, Window: 77,
					Options: wire.TCPOptions{HasTime: true, TSVal: 1<<30 + 51000, TSEcr: recent}}
				if r.reply.Hdr != want || r.reply.FIB != 4 {
					t.Errorf("answer %+v", r.reply)
				}
			}
			end := 110 * s
			if test.restarts {
				end += s
			}
			if r.tab.Deadline() != end || !r.tab.Has(end-1, r.state.Key) || r.tab.Has(end, r.state.Key) {
				t.Errorf("ends at %v, want %v", r.tab.Deadline(), end)
			}
		})
	}
	r := newRig(t, false)
	if r.in(fin, 0) != Answer || r.reply.Hdr.Options.HasTime {
		t.Errorf("without timestamps: %+v", r.reply)
	}
	r = newRig(t, true)
	r.now += s
	if r.in(stamped(fin, 799), 0) != Answer || r.tab.Deadline() != 110*s || r.reply.Hdr.Options.TSEcr != 800 {
		t.Errorf("RFC 7323 §5.3: an old FIN makes it wait anew")
	}
}

// TestReopenOfRFC6191Section2 is its list of cases.
func TestReopenOfRFC6191Section2(t *testing.T) {
	syn := func(seq wire.Seq) wire.TCPHeader { return wire.TCPHeader{Seq: seq, Flags: wire.SYN} }
	for i, test := range []struct {
		times bool
		h     wire.TCPHeader
		want  Verdict
	}{
		{true, stamped(syn(1), 801), Reopen},
		{true, stamped(syn(9000), 800), Reopen},
		{true, stamped(syn(8999), 800), Dropped},
		{true, stamped(syn(20000), 799), Dropped},
		{true, syn(9000), Reopen},
		{true, syn(8999), Dropped},
		{false, syn(9000), Reopen},
		{false, syn(8999), Dropped},
		{false, stamped(syn(9000), 1), Reopen},
		{false, stamped(syn(8999), 9999), Dropped},
	} {
		r := newRig(t, test.times)
		if got := r.in(test.h, 0); got != test.want {
			t.Errorf("case %d: %v, want %v", i, got, test.want)
		}
		if test.want == Reopen && r.reply.Floor != 5000 {
			t.Errorf("case %d: floor %d", i, r.reply.Floor)
		}
		if !r.tab.Has(r.now, r.state.Key) {
			t.Errorf("case %d: the entry is gone, though nobody may be listening", i)
		}
		r.tab.Remove(r.state.Key)
		if r.in(test.h, 0) != None || r.tab.Len() != 0 || r.tab.Deadline() != clock.Never {
			t.Errorf("case %d: the entry is not gone", i)
		}
	}
}

// TestConfusedPeersOfRFC5961Section7: two entries that disagree, and answer each
// other, soon stop.
func TestConfusedPeersOfRFC5961Section7(t *testing.T) {
	a, b := newRig(t, true), newRig(t, true)
	n, v := 0, a.in(wire.TCPHeader{Seq: 1, Ack: 1, Flags: wire.ACK}, 0)
	for v == Answer && n < 1000 {
		n++
		v = b.in(a.reply.Hdr, 0)
		a, b = b, a
	}
	if n != 2 {
		t.Errorf("%d answers", n)
	}
	a.now += 500 * ms
	if a.in(wire.TCPHeader{Flags: wire.ACK}, 0) != Answer || a.e.S.Limited+b.e.S.Limited != 1 {
		t.Error("the limit does not end")
	}
}

func TestConnectReuses(t *testing.T) {
	r := newRig(t, true)
	try := func(want bool) {
		t.Helper()
		if floor, ok := r.tab.CanReuse(&r.e, r.now, r.state.Key); ok != want || ok && floor != 5000 {
			t.Errorf("after %v: %v, %d", r.now-50*s, ok, floor)
		}
	}
	try(false) // the last segment's timestamp and the SYN's would be the same
	r.now += ms
	try(true)
	r.in(wire.TCPHeader{Seq: 8999, Ack: 5000, Flags: wire.FIN | wire.ACK}, 0)
	try(false)
	r.now += ms
	try(true)
	r.e.T.Reuse = 0
	try(false)
	r = newRig(t, false)
	r.now += 10 * s
	try(false)
	r.now += 100 * s
	if try(false); r.tab.Has(r.now, r.state.Key) {
		t.Error("its time was over")
	}
}

func TestLimitRecyclesWhatEndsFirst(t *testing.T) {
	r := newRig(t, true)
	r.e.T.Max = 3
	for i := 2; i <= 6; i++ {
		r.now += s
		st := r.state
		st.Key, st.Local = key(i), i == 4 // 20 s instead of 60: ends first
		r.tab.Add(&r.e, r.now, &st)
	}
	var left string
	for x := range r.tab.All() {
		left += fmt.Sprintf("%d until %d ", x.Key.Remote.Port(), x.Expires/s)
	}
	if left != "3 until 112 5 until 114 6 until 115 " || r.e.S.Recycled != 3 || r.e.S.Added != 6 {
		t.Errorf("left: %s, %+v", left, *r.e.S)
	}
	r.tab.Expire(&r.e, 114*s)
	if r.tab.Len() != 1 || r.e.S.Expired != 2 {
		t.Errorf("%d left", r.tab.Len())
	}
	again := r.state
	again.Key, again.SndNxt = key(6), 6000
	r.tab.Add(&r.e, 114*s+5*ms, &again)
	if floor, _ := r.tab.CanReuse(&r.e, 115*s, again.Key); r.tab.Len() != 1 || floor != 6000 {
		t.Error("the same connection twice")
	}
}

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(entry{}); n > 128 {
		t.Errorf("an entry takes %d bytes", n)
	}
	r := newRig(t, true)
	r.e.T.Max = 100
	i := 0
	add := func() {
		i++
		st := r.state
		st.Key = key(i)
		r.tab.Add(&r.e, r.now, &st)
	}
	for range 1000 {
		add()
	}
	if n := testing.AllocsPerRun(1000, add); n != 0 {
		t.Errorf("%v allocations per connection at the limit", n)
	}
}

// TestModel compares with a map and a sorted search on random operations.
func TestModel(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		r := newRig(t, true)
		r.tab.Remove(r.state.Key)
		model := map[Key]clock.Time{}
		for range 500 {
			r.now += clock.Time(rnd.IntN(4000)) * ms
			r.tab.Expire(&r.e, r.now)
			next := clock.Never
			for k, at := range model {
				if at <= r.now {
					delete(model, k)
				} else {
					next = min(next, at)
				}
			}
			if r.tab.Len() != len(model) || r.tab.Deadline() != next {
				t.Fatalf("seed %d: %d entries until %v, want %d until %v", seed, r.tab.Len(), r.tab.Deadline(), len(model), next)
			}
			r.state.Key, r.state.Local = key(rnd.IntN(20)), rnd.IntN(2) == 0
			k := r.state.Key
			switch rnd.IntN(3) {
			case 0:
				r.tab.Add(&r.e, r.now, &r.state)
				if model[k] = r.now + 60*s; r.state.Local {
					model[k] = r.now + 20*s
				}
			case 1:
				r.tab.Remove(k)
				delete(model, k)
			case 2:
				_, want := model[k]
				if got := r.in(wire.TCPHeader{Seq: 1, Flags: wire.RST}, 0) != None; got != want || r.tab.Has(r.now, k) != want {
					t.Fatalf("seed %d: found %v, want %v", seed, got, want)
				}
			}
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	tun := Defaults()
	e := Env{&tun, &Stats{}}
	tab := New(table.NewSeed(1))
	st := State{Timestamps: true, Key: Key{Local: netip.MustParseAddrPort("10.0.0.1:80")}}
	i := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		i++
		st.Key.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 16), byte(i >> 8)}), uint16(i)|1<<15)
		tab.Add(&e, clock.Time(i)*ms, &st)
	}
}
