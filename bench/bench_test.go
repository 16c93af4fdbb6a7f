package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/wire"
)

func TestTrafficIsTheSameForAll(t *testing.T) {
	for _, n := range []int{10, 5000} {
		sameTraffic(t, ip4, n)
		sameTraffic(t, ip6, n)
	}
}

func sameTraffic(t *testing.T, family family, n int) {
	{
		a, b := newTraffic(family, n), newTraffic(family, n)
		if len(a.Routes) != n || !slices.Equal(a.Routes, b.Routes) {
			t.Fatalf("%d routes wanted: %d and %d, or not equal", n, len(a.Routes), len(b.Routes))
		}
		seen := map[netip.Prefix]bool{}
		for i, p := range a.Routes {
			if seen[p] || p != p.Masked() || i > 0 && p.Bits() < a.Routes[i-1].Bits() {
				t.Errorf("route %d, %v: twice, not masked or out of order", i, p)
			}
			seen[p] = true
		}
		for i, f := range a.Frames {
			if !bytes.Equal(f, b.Frames[i]) || len(f) != frameLen {
				t.Fatalf("frame %d differs or has %d bytes", i, len(f))
			}
			end := ethLen + family.headerLen()
			dst, _ := netip.AddrFromSlice(f[end-len(a.Routes[0].Addr().AsSlice()) : end])
			if !slices.ContainsFunc(a.Routes, func(p netip.Prefix) bool { return p.Contains(dst) }) {
				t.Fatalf("frame %d goes to %v, where no route leads", i, dst)
			}
			if sum := headerSum(f[14:34]); sum != 0 && !family.is6() {
				t.Fatalf("frame %d: header checksum is off by %#x", i, sum)
			}
		}
	}
}

func TestStopwatchCounts(t *testing.T) {
	var w stopwatch
	if err := w.time(func() error {
		_, err := repeat(50*time.Millisecond, func() error { return nil })
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if w.wall < 50*time.Millisecond || w.cpu <= 0 {
		t.Errorf("50 ms of work: %v wall, %v CPU", w.wall, w.cpu)
	}
	if f := (&stopwatch{cpu: time.Second, wall: 2 * time.Second}).figure(1000, time.Microsecond); f.Value != 1000 || *f.Wall != 2000 {
		t.Errorf("1 s CPU, 2 s wall in 1,000 operations: %v, %v µs", f.Value, *f.Wall)
	}
}

func result(row string, v float64) Result { return Result{row: {Value: v}} }

func TestMedianOfRounds(t *testing.T) {
	s := &samples{results: []Result{result("x", 3), result("x", 100), result("x", 1)}}
	if f, ok := s.median("x"); !ok || f.Value != 3 || f.Wall != nil {
		t.Errorf("median of 3, 100, 1: %v", f)
	}
	if _, ok := s.median("y"); ok {
		t.Error("a row that no round has")
	}
	s.err = errors.New("broke in the last round")
	if _, ok := s.median("x"); ok {
		t.Error("a figure of a peer that failed")
	}
}

func TestRatioIsAboveOneWhereVimageIsBetter(t *testing.T) {
	one, four, zero := 1.0, 4.0, 0.0
	if q := better(Row{}, &one, &four); q == nil || *q != 4 {
		t.Errorf("1 µs against 4 µs: %v", q)
	}
	if q := better(Row{Higher: true}, &four, &one); q == nil || *q != 4 {
		t.Errorf("4/s against 1/s: %v", q)
	}
	if better(Row{}, &zero, &four) != nil || better(Row{}, nil, &four) != nil {
		t.Error("a ratio to nothing")
	}
}

func TestMissingRow(t *testing.T) {
	c := Case{Name: "x", Rows: []Row{{Name: "x", Unit: "µs"}}}
	names := []string{"vimage", "gvisor", "linux"}
	good := &samples{results: []Result{result("x", 2)}}
	absent := &samples{err: absence("no such thing here")}
	broken := &samples{err: errors.New("broken")}
	for _, test := range []struct {
		name                  string
		vimage, gvisor, linux *samples
		missing               bool
	}{
		{"all there", good, good, good, false},
		{"a peer is absent", good, good, absent, false},
		{"a peer broke", good, broken, good, true},
		{"vimage is absent", absent, good, good, true},
		{"vimage has no figure", &samples{}, good, good, true},
	} {
		l := makeLines(c, names, map[string]*samples{"vimage": test.vimage, "gvisor": test.gvisor, "linux": test.linux})[0]
		if l.missing != test.missing {
			t.Errorf("%s: missing is %v", test.name, l.missing)
		}
	}
	l := makeLines(c, names, map[string]*samples{"vimage": good, "gvisor": good, "linux": absent})[0]
	out, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"linux":null,"ratio":{"gvisor":1,"linux":null}`; !strings.Contains(string(out), want) {
		t.Errorf("%s\nshould contain %s", out, want)
	}
	if !strings.Contains(l.Note, "no such thing here") {
		t.Errorf("note %q does not say why", l.Note)
	}
}

func TestCasesAreChosenByName(t *testing.T) {
	if got, err := choose("joins,udp64"); err != nil || len(got) != 2 {
		t.Errorf("two cases: %d, %v", len(got), err)
	}
	for _, bad := range []string{"udp", "udp64,", "udp64,udp64"} {
		if _, err := choose(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// TestPeersDoWhatTheySay runs each verb once: every datagram, copy and frame
// must arrive.
func TestPeersDoWhatTheySay(t *testing.T) {
	for _, f := range []family{ip4, ip6} {
		small := []Case{udpCase(), forwardCase(f, "forward10", 10), fanoutCase(1), fanoutCase(10), joinCase(f), createCase(f, "create", 10), createDestroyCase(), readersCase(f),
			filterCase(), queryCase("query", 1000), receiversCase("receivers", 20)}
		verbs(t, f, slices.Concat(small, pathCases(f), tcpCases()))
	}
}

func verbs(t *testing.T, f family, small []Case) {
	for _, p := range peers(true, f) {
		for _, c := range small {
			t.Run(fmt.Sprintf("%s/%s%d", p.name, c.Name, f), func(t *testing.T) {
				m, err := c.prepare(p.Peer)
				if a, ok := isAbsence(err); ok {
					t.Skip(a)
				}
				if err != nil {
					t.Fatal(err)
				}
				r, err := m(10 * time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := r[c.Rows[0].Name]; !ok {
					t.Errorf("no figure for %s", c.Rows[0].Name)
				}
			})
		}
	}
}

// TestRingKeepsBytes moves what no block holds whole.
func TestRingKeepsBytes(t *testing.T) {
	r := newRing()
	want := make([]byte, 3*ringBlocks*ringBlock+1234)
	for i := range want {
		want[i] = byte(i * 31 >> 3)
	}
	go func() {
		r.Write(want[:100_000])
		r.Write(want[100_000:])
		r.Close()
	}()
	var got []byte
	for b := make([]byte, 50_000); ; {
		n, err := r.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			break
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes came, or others", len(got), len(want))
	}
}

func TestSYNsAreGood(t *testing.T) {
	for _, family := range []family{ip4, ip6} {
		to := family.routerOut().Addr()
		seen := map[netip.Addr]bool{}
		for i, f := range family.synFlood(routerInMAC(), to) {
			ip, fault := wire.ParseIP(f[ethLen:])
			if fault != wire.OK {
				t.Fatalf("frame %d: %v: % x", i, fault, f)
			}
			seg, fault := wire.ParseTCP(ip.Payload())
			if fault != wire.OK || !seg.ChecksumOK(ip.Src(), ip.Dst()) || seg.Flags() != wire.SYN || len(seg) != 24 {
				t.Fatalf("frame %d: %v: % x", i, fault, f)
			}
			if !family.synSources().Contains(ip.Src()) {
				t.Fatalf("frame %d is from %v", i, ip.Src())
			}
			seen[ip.Src()] = true
		}
		if len(seen) != synFrames {
			t.Errorf("%d sources of %d", len(seen), synFrames)
		}
	}
}

func TestLockProfileIsRead(t *testing.T) {
	p := &lockProfile{waited: map[string]float64{}}
	p.parse("--- mutex:\ncycles/second=1000\nsampling period=1\n2000 3 @ 0x1 0x2\n" +
		"#\t0x1\tsync.(*Mutex).Unlock+0x1\t/go/src/sync/mutex.go:1\n#\t0x2\tmain.f+0x5\t/w/f.go:7\n" +
		"6000 1 @ 0x3\n#\t0x3\tmain.g+0x1\t/w/g.go:9\n")
	if p.all != 8 || p.waited["main.f+0x5 f.go:7"] != 2 || p.waited["main.g+0x1 g.go:9"] != 6 {
		t.Errorf("read as %+v", p)
	}
}

// TestShardsAreCompared has hosts that have none stand for those that have.
func TestShardsAreCompared(t *testing.T) {
	p := newGvisor(ip4)
	var pair [2][][2]Stream
	for i := range pair {
		var err error
		if pair[i], err = openMany(p, 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a round must leave the connections as it found them
		r, err := compareShards(p, pair[0], pair[1], 50*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range shardCase().Rows {
			if f, ok := r[row.Name]; !ok || f.Value < 0 {
				t.Errorf("%s: %v", row.Name, f)
			}
		}
	}
}

func TestFloodReachesVimage(t *testing.T) {
	for f, received := range map[family]string{ip4: "ip.received", ip6: "ip6.received"} {
		w := vimage.NewWorld(vimage.Config{})
		s, err := w.NewStack("b", vimage.StackConfig{})
		if err != nil {
			t.Fatal(err)
		}
		flood, err := f.vmFlood(w, s)
		if err != nil {
			t.Fatal(err)
		}
		const n = 100
		if err := flood(n); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		if got := s.Counters()[received]; got < n { // IPv6's includes an advertisement
			t.Errorf("%d SYNs of %d came: %v", got, n, s.Counters())
		}
	}
}

func TestQuotientIsOfPairs(t *testing.T) {
	four := &samples{results: []Result{result("x", 1), result("x", 10), result("x", 100)}}
	six := &samples{results: []Result{result("ip6.x", 2), result("ip6.x", 11), result("ip6.x", 50)}}
	if q := quotient(four, six, "x"); q != "1.10" {
		t.Errorf("the median of 2, 1.1 and 0.5 is %s", q)
	}
}

func TestCasesOverIPv6AreTheSame(t *testing.T) {
	all := cases()
	half := len(casesOf(ip4))
	for i, c := range all[:half] {
		six := all[half+i]
		if six.Name != prefix6+c.Name || !six.Family.is6() || len(six.Rows) != len(c.Rows) || six.Rows[0].Name != prefix6+c.Rows[0].Name {
			t.Errorf("%s has the counterpart %s, %+v", c.Name, six.Name, six.Rows)
		}
	}
}

// TestReportsAreReallySent: what joins and leaves cost includes what they say,
// where a stack says it at once.
func TestReportsAreReallySent(t *testing.T) {
	for _, f := range []family{ip4, ip6} {
		for _, p := range []Peer{newVimage(f), newGvisor(f)} {
			m, err := p.Joins(1)
			if err != nil {
				t.Fatal(err)
			}
			before, _ := m.Sent()
			if err := m.each(f, m.Join, 10, 10); err != nil {
				t.Fatal(err)
			}
			if err := m.each(f, m.Leave, 10, 10); err != nil {
				t.Fatal(err)
			}
			if after, _ := m.Sent(); after-before < 20 {
				t.Errorf("%T%d: %d packets for ten groups joined and left", p, f, after-before)
			}
		}
	}
}

// waitsForLock is a reader as there must not be any.
//
//go:noinline
func waitsForLock(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
}

// TestWaitersAreFound: readers that wait for a lock would be seen.
func TestWaitersAreFound(t *testing.T) {
	runtime.SetBlockProfileRate(1)
	defer runtime.SetBlockProfileRate(0)
	var mu sync.Mutex
	for try := 0; waitsIn(".waitsForLock") == 0; try++ {
		if try == 100_000 {
			t.Fatal("who waits for a lock is in no profile")
		}
		mu.Lock()
		var wg sync.WaitGroup
		wg.Go(func() { waitsForLock(&mu) })
		for range 10 {
			runtime.Gosched()
		}
		mu.Unlock()
		wg.Wait()
	}
}
