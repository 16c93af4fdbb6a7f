package loss

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// switches are the tunables that transcripts turn off by name.
var switches = map[string]func(*Tunables){
	"sack": func(t *Tunables) { t.SACK = 0 }, "dsack": func(t *Tunables) { t.DSACK = 0 },
	"rack": func(t *Tunables) { t.RACK = 0 }, "tlp": func(t *Tunables) { t.TLP = 0 },
	"frto": func(t *Tunables) { t.FRTO = 0 }, "eifel": func(t *Tunables) { t.Eifel = 0 },
	"limited": func(t *Tunables) { t.Limited = 0 }, "hystart": func(t *Tunables) { t.HyStart = 0 },
}

// TestTranscripts runs the commands of every testdata/*.txt and compares the
// complete output. A block is commands, a line of dashes, and what the sender
// did; blocks are separated by empty lines. A file that has a line "# needs x"
// must differ with the switch x off.
func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			want := string(b)
			got := replay(t, want, "")
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("transcript differs; now it is:\n%s", got)
			}
			for line := range strings.Lines(want) {
				if name, ok := strings.CutPrefix(strings.TrimSpace(line), "# needs "); ok && replay(t, want, name) == got {
					t.Errorf("nothing changes with %s off", name)
				}
			}
		})
	}
}

func replay(t *testing.T, script, off string) string {
	d := &driver{t: t, tun: Defaults()}
	if off != "" {
		switches[off](&d.tun)
	}
	d.e = Env{&d.tun, &d.stats}
	var b strings.Builder
	for i, block := range strings.Split(strings.TrimRight(script, "\n"), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		input, _, _ := strings.Cut(block+"\n", "----\n")
		b.WriteString(input)
		d.out.Reset()
		commands := 0
		for line := range strings.SplitSeq(strings.TrimSpace(input), "\n") {
			if !strings.HasPrefix(line, "#") {
				d.run(strings.Fields(line))
				commands++
			}
		}
		if commands > 0 {
			b.WriteString("----\n" + d.out.String())
		}
	}
	return b.String()
}

// driver plays the connection: it has bytes to send, and sends them as the
// Sender lets it. Sequence numbers in transcripts count from base.
type driver struct {
	t     *testing.T
	tun   Tunables
	stats Stats
	e     Env
	s     Sender
	now   clock.Time
	fresh int
	out   strings.Builder
}

const base wire.Seq = 0xffffe000 // so that transcripts wrap

func (d *driver) printf(format string, a ...any) {
	fmt.Fprintf(&d.out, "%9.3f  ", float64(d.now)/1e6)
	fmt.Fprintf(&d.out, format+"\n", a...)
}

func (d *driver) num(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// open sets the connection up: options, mss=N, cwnd=N, ssthresh=N, rtt=D, cc=,
// syn (the handshake is the transcript's), no=x (a switch turned off).
func (d *driver) open(args []string) {
	c := Config{MSS: 1000}
	var cwnd, ssthresh int
	name, rtt, syn := "newreno", time.Duration(0), false
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "sack":
			c.SACK = d.tun.SACK != 0
		case "ts":
			c.Time = true
		case "ecn":
			c.ECN = true
		case "mss":
			c.MSS = d.num(v)
		case "cwnd":
			cwnd = d.num(v)
		case "ssthresh":
			ssthresh = d.num(v)
		case "rtt":
			rtt, _ = time.ParseDuration(v)
		case "cc":
			name = v
		case "no":
			switches[v](&d.tun)
		case "newcwv":
			d.tun.NewCWV = 1
		case "pacing":
			d.tun.Pacing = 1
		case "syn":
			syn = true
		default:
			d.t.Fatalf("open: %q", a)
		}
	}
	d.now = clock.Time(time.Second)
	d.s.Open(&d.e, base, name)
	if syn {
		return
	}
	d.s.Establish(&d.e, d.now, &c)
	if rtt > 0 {
		d.s.Sample(&d.e, d.now, rtt)
	}
	if cwnd > 0 {
		d.s.win.Cwnd = cwnd
	}
	if ssthresh > 0 {
		d.s.win.Ssthresh = ssthresh
	}
}

func (d *driver) run(f []string) {
	switch f[0] {
	case "open":
		d.open(f[1:])
	case "establish":
		c := Config{MSS: 1000}
		for _, a := range f[1:] {
			c.SACK, c.ECN, c.Time = c.SACK || a == "sack", c.ECN || a == "ecn", c.Time || a == "ts"
		}
		d.s.Establish(&d.e, d.now, &c)
		d.pump()
	case "syn":
		d.s.Sent(&d.e, d.now, base, base.Add(1))
		d.printf("send SYN")
	case "data": // with the SYN
		n := d.num(f[1])
		d.s.Sent(&d.e, d.now, d.s.Nxt(), d.s.Nxt().Add(n))
	case "write":
		d.fresh += d.num(f[1])
		d.pump()
	case "ack":
		d.ack(f[1:])
	case "wait":
		w, err := time.ParseDuration(f[1])
		if err != nil {
			d.t.Fatal(err)
		}
		d.wait(d.now.Add(w))
	case "toobig":
		d.s.TooBig(&d.e, d.now, d.num(f[1]))
		d.pump()
	case "info":
		var i Info
		d.s.Info(&d.e, d.now, &i)
		d.printf("%s cwnd=%d ssthresh=%s out=%d pipe=%d lost=%d sacked=%d rto=%v srtt=%v backoffs=%d",
			[]string{"Open", "Disorder", "CWR", "Recovery", "Loss"}[i.State], i.Cwnd, thresh(i.Ssthresh),
			i.Outstanding, i.Pipe, i.Lost, i.Sacked, i.RTO, i.RTT.Round(time.Microsecond), i.Backoffs)
	default:
		d.t.Fatalf("unknown command %q", f[0])
	}
}

func thresh(n int) string {
	if n == cc.Unlimited {
		return "-"
	}
	return strconv.Itoa(n)
}

// ack reads: number [sack a-b …] [ts=ms] [new] [ece]. Without new, it may be a
// duplicate.
func (d *driver) ack(f []string) {
	a := Ack{Seq: base.Add(d.num(f[0])), Dup: true}
	for _, o := range f[1:] {
		k, v, _ := strings.Cut(o, "=")
		switch {
		case k == "ts":
			a.HasTime, a.TSEcr = true, uint32(d.num(v))
		case k == "new":
			a.Dup = false
		case k == "ece":
			a.ECE = true
		default:
			x, y, ok := strings.Cut(o, "-")
			if !ok {
				d.t.Fatalf("ack: %q", o)
			}
			a.Blocks = append(a.Blocks, wire.SACKBlock{Start: base.Add(d.num(x)), End: base.Add(d.num(y))})
		}
	}
	did := d.s.Ack(&d.e, d.now, &a)
	if did.Lost {
		d.printf("lost %d", d.s.q.lostBytes)
	}
	if did.Spurious {
		d.printf("spurious: undone")
	}
	d.pump()
}

// pump sends what there is to send.
func (d *driver) pump() {
	var r Range
	for {
		if d.s.Next(&d.e, d.now, d.fresh, 1<<16, &r) {
			d.printf("%s %d-%d", []string{"resend", "probe", "timeout", "too-big"}[r.Why], r.Start.Sub(base), r.End.Sub(base))
			continue
		}
		n := min(d.fresh, d.s.Room(&d.e, d.now))
		if n < d.fresh {
			n -= n % d.s.win.MSS
		}
		if n == 0 {
			break
		}
		d.fresh -= n
		cwr := ""
		if d.s.CWR() {
			cwr = " CWR"
		}
		at := d.s.Nxt()
		d.s.Sent(&d.e, d.now, at, at.Add(n))
		d.printf("send %d-%d%s", at.Sub(base), at.Add(n).Sub(base), cwr)
	}
	if err := check(&d.s); err != nil {
		d.t.Fatalf("%v: %v", d.now, err)
	}
}

// wait lets timers fire until then.
func (d *driver) wait(until clock.Time) {
	for {
		at := d.s.Deadline()
		if at > until {
			break
		}
		d.now = max(at, d.now)
		switch d.s.Expire(&d.e, d.now) {
		case Reorder:
			d.printf("reordering timer: lost %d", d.s.q.lostBytes)
		case Tail:
			d.printf("probe timer")
		case RTO:
			d.printf("timeout %d", d.s.Backoffs())
		}
		d.pump()
	}
	d.now = until
}
