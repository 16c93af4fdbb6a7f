package interop

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link"
)

// What a goodput is measured over: a link so slow that processors decide
// nothing, for so long, so often at once, each over a link of its own.
const (
	goodputRate = 20e6 // bits of frame per second
	goodputTime = 4 * time.Second
	goodputRuns = 5 // the median counts
	// goodputMore is how often instead where those tell of a difference. Where
	// frames are lost the median of five is as much chance as anything.
	goodputMore = 15
	// goodputShare is how much of Linux's goodput ours must be at least.
	goodputShare = 0.9
)

// path is a link of the table.
type path struct {
	loss  float64 // percent, of the data's direction and of the other's
	delay time.Duration
	queue int // bytes
}

func (p path) String() string {
	return fmt.Sprintf("loss=%g%% delay=%v queue=%dKiB", p.loss, p.delay, p.queue>>10)
}

// paths is the table. The ones of the short version come first.
func paths(whole bool) []path {
	all := []path{{0, 10 * time.Millisecond, 64 << 10}, {1, 10 * time.Millisecond, 64 << 10}}
	if !whole {
		return all
	}
	all = nil
	for _, loss := range [...]float64{0, 0.1, 1, 3} {
		for _, delay := range [...]time.Duration{time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
			for _, queue := range [...]int{16 << 10, 64 << 10, 256 << 10} {
				all = append(all, path{loss, delay, queue})
			}
		}
	}
	return all
}

// goodput returns the median, in Mbit/s, of what a sends b over the path.
func (p path) goodput(t *testing.T, linux bool, runs int) float64 {
	t.Helper()
	got := make([]float64, runs)
	errs := make([]error, runs)
	var all sync.WaitGroup
	for i := range got {
		r := newTCPRig(t, rigConfig{linux: linux, fault: link.FaultConfig{
			Seed: uint64(i + 1), Rate: goodputRate, Queue: p.queue, Loss: p.loss / 100, Delay: p.delay,
		}})
		from, to := connectTCP(t, r.a, r.b)
		all.Go(func() { got[i], errs[i] = sendFor(from, to, goodputTime) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("%v: %v", p, err)
	}
	slices.Sort(got)
	t.Logf("%v: %.2f Mbit/s", p, got)
	return got[runs/2]
}

// sendFor sends for a while as fast as it can and returns the Mbit/s that came
// meanwhile.
func sendFor(from, to net.Conn, d time.Duration) (float64, error) {
	end := time.Now().Add(d)
	from.SetDeadline(end)
	to.SetDeadline(end)
	sent := make(chan error, 1)
	go func() {
		b := make([]byte, 64<<10)
		for {
			if _, err := from.Write(b); err != nil {
				sent <- err
				return
			}
		}
	}()
	n, err := io.Copy(io.Discard, to)
	for _, err := range [...]error{err, <-sent} {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, fmt.Errorf("after %d bytes: %w", n, cmp.Or(err, io.EOF))
		}
	}
	return float64(n) * 8 / d.Seconds() / 1e6, nil
}

func goodputFile() string { return filepath.Join("testdata", "tcp-goodput.txt") }

// TestTCPGoodputLinux records what CUBIC of Linux gets through the table's
// paths, and looks at least that it is not far from what is on record.
func TestTCPGoodputLinux(t *testing.T) {
	recording := os.Getenv(recordEnv) == "1"
	if !recording && !soak() {
		t.Skip("the record is made with " + recordEnv + "=1 and looked at again with VIMAGE_SOAK=1")
	}
	for _, p := range paths(true) {
		t.Run(p.String(), func(t *testing.T) {
			ns.Run(t, func(t *testing.T) {
				got := p.goodput(t, true, goodputRuns)
				if recording {
					recordGoodput(t, p, got)
					return
				}
				// What is random lies further apart than what is not.
				if was := recordedGoodput(t)[p.String()]; math.Abs(got-was) > (0.15+0.1*p.loss)*was {
					t.Errorf("Linux gets %.2f Mbit/s, %.2f are on record", got, was)
				}
			})
		})
	}
}

// recordGoodput puts a line of the record in the place of an old one, or at its end.
func recordGoodput(t *testing.T, p path, mbits float64) {
	t.Helper()
	table := recordedGoodput(t)
	table[p.String()] = mbits
	var text strings.Builder
	fmt.Fprintf(&text, "# Mbit/s that Linux with CUBIC gets to Linux over a link of %d Mbit/s, median of %d times %v\n",
		int(goodputRate/1e6), goodputRuns, goodputTime)
	for _, p := range paths(true) {
		if v, ok := table[p.String()]; ok {
			fmt.Fprintf(&text, "%-40s %.2f\n", p, v)
		}
	}
	if err := os.WriteFile(goodputFile(), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func recordedGoodput(t *testing.T) map[string]float64 {
	t.Helper()
	table := map[string]float64{}
	f, err := os.Open(goodputFile())
	if errors.Is(err, os.ErrNotExist) {
		return table
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		var loss, delay, queue string
		var v float64
		if n, _ := fmt.Sscan(in.Text(), &loss, &delay, &queue, &v); n == 4 {
			table[loss+" "+delay+" "+queue] = v
		}
	}
	return table
}

// TestTCPGoodput compares what ours gets through the same paths with the record,
// and where it is less, with what Linux gets at the same time: the record is
// of a machine that had nothing else to do.
func TestTCPGoodput(t *testing.T) {
	for _, p := range paths(soak()) {
		t.Run(p.String(), func(t *testing.T) {
			ns.Run(t, func(t *testing.T) {
				want, ok := recordedGoodput(t)[p.String()]
				if !ok {
					t.Fatal("no figure of Linux is on record")
				}
				if got := p.goodput(t, false, goodputRuns); got >= goodputShare*want {
					return
				}
				want = min(want, p.goodput(t, true, goodputMore))
				if got := p.goodput(t, false, goodputMore); got < goodputShare*want {
					t.Errorf("ours gets %.2f Mbit/s, Linux %.2f", got, want)
				}
			})
		})
	}
}
