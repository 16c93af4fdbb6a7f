package vimage_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

var update = flag.Bool("update", false, "rewrite testdata with what happens now")

// TestTCPGoodput holds the goodput of one connection through a link of 50 Mbit/s,
// by loss, delay and the link's queue, to testdata/tcp_goodput.txt: in simulated
// time, so that the figures are the same everywhere.
func TestTCPGoodput(t *testing.T) {
	if raceOn {
		t.Skip("one goroutine does it all, and the figures are the same")
	}
	const name = "testdata/tcp_goodput.txt"
	const rate = 50e6
	var table bytes.Buffer
	fmt.Fprintf(&table, "# Mbit/s of goodput in 5 s, 50 Mbit/s link, one way delay and queue in rows, loss in columns\n")
	fmt.Fprintf(&table, "%-10s %-8s %-7s", "algorithm", "delay", "queue")
	losses := []float64{0, 0.0001, 0.001, 0.01, 0.05}
	for _, loss := range losses {
		fmt.Fprintf(&table, " %7.2f%%", 100*loss)
	}
	table.WriteByte('\n')
	for _, cc := range []string{"cubic", "newreno"} {
		for _, delay := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
			for _, queue := range []int{32 << 10, 256 << 10} {
				fmt.Fprintf(&table, "%-10s %-8v %-7s", cc, delay, fmt.Sprintf("%d KiB", queue>>10))
				for _, loss := range losses {
					g := goodput(t, cc, link.FaultConfig{Rate: rate, Delay: delay, Queue: queue, Loss: loss})
					fmt.Fprintf(&table, " %8.1f", g/1e6)
					if g > rate {
						t.Errorf("%.1f Mbit/s is more than there is", g/1e6)
					}
					if loss == 0 && delay == time.Millisecond && g < 0.9*rate {
						t.Errorf("%s, queue %d: %.1f Mbit/s where nothing hinders", cc, queue, g/1e6)
					}
				}
				table.WriteByte('\n')
			}
		}
	}
	if *update {
		if err := os.WriteFile(name, table.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(table.Bytes(), want) {
		t.Errorf("goodput has changed; -update takes it over. Now:\n%sWas:\n%s", table.Bytes(), want)
	}
}

// goodput returns the bits per second that come through in five seconds.
func goodput(t *testing.T, cc string, c link.FaultConfig) float64 {
	const run = 5 * time.Second
	n := lab.NewConfig(t, lab.Config{Seed: 1, Simulated: true})
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, b, lab.LinkConfig{FaultConfig: c})
	l := must(b.Listen("tcp", ":80"))(t).(*vimage.TCPListener)
	got := 0
	buf := make([]byte, 256<<10)
	l.OnAcceptable(func() {
		s, ok, _ := l.TryAccept()
		if !ok {
			return
		}
		s.OnReadable(func() {
			for {
				k, ok, err := s.TryRead(buf)
				if !ok || err != nil {
					return
				}
				got += k
			}
		})
	})
	x, err := (&vimage.Dialer{Stack: a.Stack, Congestion: cc}).Start("tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 256<<10)
	x.OnWritable(func() {
		if ok, _ := x.Connected(); !ok {
			return
		}
		for {
			if k, err := x.TryWrite(data); k == 0 || err != nil {
				return
			}
		}
	})
	n.Run(run)
	g := float64(got) * 8 / run.Seconds()
	n.Close()
	return g
}
