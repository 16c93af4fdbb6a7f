package loss

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts runs every file of testdata: paragraphs of commands, each with
// everything that came of it behind a line of four dashes. # starts a comment.
// The commands are described at script.do.
func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, got := play(t, file)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("%s does not say what happens (-update rewrites it); now:\n%s", file, got)
			}
		})
	}
}

// TestTranscriptsCanFail plays transcripts with the feature that they are about
// switched off, and wants them to end differently.
func TestTranscriptsCanFail(t *testing.T) {
	for file, sysctl := range map[string]string{
		"rfc8985-6.2-rack":             "net.inet.tcp.rack",
		"rfc8985-6.2-lost-again":       "net.inet.tcp.rack",
		"rfc8985-6.3-reordering-timer": "net.inet.tcp.rack",
		"rfc8985-7.3-last-segment":     "net.inet.tcp.tlp",
		"rfc8985-7.3-new-data":         "net.inet.tcp.tlp",
		"rfc8985-7.4-repaired":         "net.inet.tcp.tlp",
		"rfc5682-2.1-spurious":         "net.inet.tcp.frto",
		"rfc5682-3.1-sack-spurious":    "net.inet.tcp.frto",
		"rfc3522-3.2-eifel":            "net.inet.tcp.eifel",
		"rfc3708-2-dsack-undo":         "net.inet.tcp.sack.dsack",
		"rfc8985-6.2-dsack-window":     "net.inet.tcp.sack.dsack",
		"rfc3042-2-limited-transmit":   "net.inet.tcp.rfc3042",
		"rfc7661-4.4-idle":             "net.inet.tcp.newcwv",
		"pacing":                       "net.inet.tcp.pacing",
		"rfc9406-4.2-hystart":          "net.inet.tcp.cc.hystartplusplus",
	} {
		t.Run(file, func(t *testing.T) {
			want, got := play(t, "testdata/"+file+".txt", sysctl)
			if want == got {
				t.Errorf("nothing is different with %s off", sysctl)
			}
		})
	}
}

// play runs a transcript, with some tunables held at 0, and returns what the
// file says and what happened.
func play(t *testing.T, file string, off ...string) (want, got string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newScript(t, off...)
	var out strings.Builder
	for i, p := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		commands, _, _ := strings.Cut(p, "\n----")
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(commands + "\n")
		ran := false
		for line := range strings.Lines(commands) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				s.run(line)
				ran = true
			}
		}
		if ran {
			s.show()
			out.WriteString("----\n" + s.out.String())
			s.out.Reset()
		}
	}
	return string(b), out.String()
}

// Transcripts begin at this moment and number, which are 0 in them.
const (
	scriptStart = clock.Time(10 * time.Second)
	scriptISS   = wire.Seq(0xfffff000)
)

// script is one sender with a user that has bytes to send, and the time, driven
// by commands.
type script struct {
	t     testing.TB
	out   strings.Builder
	now   clock.Time
	s     Sender
	tun   Tunables
	st    Stats
	off   []string
	fresh int
	limit int
	last  string
}

func newScript(t testing.TB, off ...string) *script {
	s := &script{t: t, now: scriptStart, tun: Defaults(), off: off, limit: 1 << 20}
	for _, name := range off {
		s.set(name, "0")
	}
	return s
}

func (s *script) env() *Env { return &Env{T: &s.tun, S: &s.st} }

func (s *script) printf(format string, a ...any) { fmt.Fprintf(&s.out, format, a...) }

// run does one command and then what a connection does: it asks Next, and sends
// what there is room for, in full segments but for the end. A line that ends
// with & leaves that to a later one.
func (s *script) run(line string) {
	line, hold := strings.CutSuffix(line, " &")
	s.do(strings.Fields(line), line)
	if !hold {
		s.pull()
	}
}

// do does one command:
//
//	set NAME VALUE     a tunable, by its sysctl name
//	limit N            no segment is longer
//	open [CC]          and N numbers are sent: syn N
//	established mss=N rtt=D [sack] [time] [ecn] [rexmits=N] [cc=NAME] [cwnd=N] [ssthresh=N]
//	                   in one: a new connection
//	establish …        the same of one that is open
//	write N            the user has N more bytes
//	ack SEQ [sack A:B,…] [ts D] [window] [ece]
//	                   ts: when what is echoed was sent; window: it may not be a
//	                   duplicate
//	mss N, toobig N
//	+D                 time passes, timers fire
//	late D             the same, but they fire only at its end
//	recoveries N       so often two segments are sent and the first is lost
//	rounds N RTT       so often all in flight is acknowledged one by one
//	stat NAME, rtt, rate, reo, memory
//	                   are shown
func (s *script) do(w []string, line string) {
	e := s.env()
	switch w[0] {
	case "set":
		s.set(w[1], w[2])
	case "limit":
		s.limit = s.num(w[1])
	case "open":
		s.s.Open(e, scriptISS, strings.Join(w[1:], ""))
	case "syn":
		s.s.Sent(e, s.now, scriptISS, scriptISS.Add(s.num(w[1])))
	case "established":
		s.s.Open(e, scriptISS, s.arg(w, "cc"))
		s.fresh = 0
		s.establish(w)
	case "establish":
		s.establish(w)
	case "write":
		s.fresh += s.num(w[1])
	case "ack":
		s.ack(w)
	case "late":
		s.now = s.now.Add(s.dur(w[1]))
		for n := 0; n < 10 && s.s.Deadline() <= s.now; n++ {
			s.expire()
			s.pull()
		}
	case "mss":
		s.s.SetMSS(s.num(w[1]))
	case "toobig":
		s.s.TooBig(e, s.now, s.num(w[1]))
	case "stat":
		s.printf("%s %d\n", w[1], field(s.t, &s.st, "stat", w[1]).Uint())
	case "rtt":
		s.printf("srtt %v rttvar %v min %v rto %v\n", s.s.srtt, s.s.rttvar, s.s.least.get(), s.s.RTO(e))
	case "rate":
		var i Info
		s.s.Info(e, s.now, &i)
		s.printf("delivered %d at %d/s, paced %d/s\n", i.Delivered, i.DeliveryRate, i.PacingRate)
	case "reo":
		s.printf("reordering window %v\n", s.s.reoWindow())
	case "recoveries":
		for range s.num(w[1]) {
			s.recovery()
		}
		s.printf("at %s\n", s.at())
	case "rounds":
		for range s.num(w[1]) {
			s.round(s.dur(w[2]))
		}
		s.printf("at %s\n", s.at())
	case "memory":
		s.printf("held %v\n", s.s.q != nil)
	default:
		d, ok := strings.CutPrefix(w[0], "+")
		if !ok {
			s.t.Fatalf("what is %q?", line)
		}
		s.pass(s.dur(d))
	}
}

func (s *script) establish(w []string) {
	e := s.env()
	c := Config{MSS: s.num(s.arg(w, "mss")), SACK: has(w, "sack"), Time: has(w, "time"), ECN: has(w, "ecn")}
	if n := s.arg(w, "rexmits"); n != "" {
		c.Rexmits = s.num(n)
	}
	s.s.Establish(e, s.now, &c)
	if d := s.arg(w, "rtt"); d != "" {
		s.s.Sample(e, s.now, s.dur(d))
	}
	if n := s.arg(w, "cwnd"); n != "" {
		s.s.win.Cwnd = s.num(n)
	}
	if n := s.arg(w, "ssthresh"); n != "" {
		s.s.win.Ssthresh = s.num(n)
	}
}

func (s *script) ack(w []string) {
	a := Ack{Seq: scriptISS.Add(s.num(w[1])), Dup: true}
	for i := 2; i < len(w); i++ {
		switch w[i] {
		case "sack":
			i++
			for _, b := range strings.Split(w[i], ",") {
				from, to, _ := strings.Cut(b, ":")
				a.Blocks = append(a.Blocks, wire.SACKBlock{Start: scriptISS.Add(s.num(from)), End: scriptISS.Add(s.num(to))})
			}
		case "ts":
			i++
			a.HasTime, a.TSEcr = true, ms(scriptStart.Add(s.dur(w[i])))
		case "window":
			a.Dup = false
		case "ece":
			a.ECE = true
		default:
			s.t.Fatalf("what is %q?", w[i])
		}
	}
	a.Dup = a.Dup && a.Seq == s.s.Una()
	did := s.s.Ack(s.env(), s.now, &a)
	s.printf("%s acked %d delivered %d", s.at(), did.Bytes, did.Delivered)
	if did.RTT > 0 {
		s.printf(" rtt %v", did.RTT)
	}
	if did.Lost {
		s.printf(" lost")
	}
	if did.Spurious {
		s.printf(" spurious")
	}
	s.printf("\n")
}

// recovery has one of two segments lost and sent again.
func (s *script) recovery() {
	said := s.out.String()
	for _, w := range []string{"write 2000", "+40ms", "first", "+40ms", "+80ms"} {
		if w == "first" {
			una := s.s.Una().Sub(scriptISS)
			w = fmt.Sprintf("ack %d sack %d:%d", una, una+1000, una+2000)
		} else if w == "+80ms" {
			w = fmt.Sprintf("ack %d", s.s.Nxt().Sub(scriptISS))
		}
		s.run(w)
	}
	s.out.Reset()
	s.out.WriteString(said)
}

// round acknowledges every segment in flight, after d.
func (s *script) round(d time.Duration) {
	said := s.out.String()
	una, nxt := s.s.Una(), s.s.Nxt()
	s.now = s.now.Add(d)
	for una != nxt {
		una = una.Add(1000)
		s.run(fmt.Sprintf("ack %d", una.Sub(scriptISS)))
	}
	s.out.Reset()
	s.out.WriteString(said)
}

// pass lets d pass, timer by timer.
func (s *script) pass(d time.Duration) {
	until := s.now.Add(d)
	for {
		at := s.s.Deadline()
		if at > until {
			break
		}
		s.now = max(s.now, at)
		s.expire()
		s.pull()
	}
	s.now = until
}

func (s *script) expire() {
	before := s.s.q
	if ev := s.s.Expire(s.env(), s.now); ev != Nothing {
		s.printf("%s %v\n", s.at(), [...]string{"", "reorder", "tail", "rto", "paced"}[ev])
	} else if before != nil && s.s.q == nil {
		s.printf("%s released\n", s.at())
	}
}

// pull sends what may be sent.
func (s *script) pull() {
	e := s.env()
	for range 1000 {
		var r Range
		if s.s.Next(e, s.now, s.fresh, s.limit, &r) {
			s.printf("%s > %d:%d again, %s\n", s.at(), r.Start.Sub(scriptISS), r.End.Sub(scriptISS),
				[...]string{"recovery", "probe", "timeout", "too big"}[r.Why])
			continue
		}
		if !s.s.established {
			return
		}
		mss := s.s.win.MSS
		n := min(s.fresh, s.s.Room(e, s.now), max(s.limit/mss, 1)*mss)
		if n < s.fresh {
			n -= n % mss
		}
		if n == 0 {
			return
		}
		from := s.s.Nxt()
		s.s.Sent(e, s.now, from, from.Add(n))
		s.fresh -= n
		s.printf("%s > %d:%d", s.at(), from.Sub(scriptISS), from.Add(n).Sub(scriptISS))
		if s.s.CWR() {
			s.printf(" cwr")
		}
		s.printf("\n")
	}
	s.t.Fatal("it sends for ever")
}

// show says how the sender is, where that is new.
func (s *script) show() {
	q := s.s.q
	if q == nil {
		return
	}
	thresh := strconv.Itoa(s.s.win.Ssthresh)
	if s.s.win.Ssthresh == cc.Unlimited {
		thresh = "-"
	}
	line := fmt.Sprintf("%v cwnd %d ssthresh %s pipe %d lost %d sacked %d\n",
		[...]string{"open", "disorder", "cwr", "recovery", "loss"}[q.state], s.s.win.Cwnd, thresh, s.s.pipe(), q.lostBytes, q.sackedBytes)
	if line != s.last {
		s.printf("%s", line)
	}
	s.last = line
}

func (s *script) at() string { return fmt.Sprintf("%.4f", s.now.Sub(scriptStart).Seconds()) }

// arg returns what follows name= in w.
func (s *script) arg(w []string, name string) string {
	for _, a := range w {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
	}
	return ""
}

func has(w []string, name string) bool {
	for _, a := range w {
		if a == name {
			return true
		}
	}
	return false
}

func (s *script) num(a string) int {
	n, err := strconv.Atoi(a)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) dur(a string) time.Duration {
	d, err := time.ParseDuration(a)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// set changes a tunable, unless it is held at 0.
func (s *script) set(name, value string) {
	for _, o := range s.off {
		if o == name {
			value = "0"
		}
	}
	field(s.t, &s.tun, "sysctl", name).SetInt(int64(s.num(value)))
}

// field finds the field of *p whose tag has that name.
func field(t testing.TB, p any, tag, name string) reflect.Value {
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		if n, _, _ := strings.Cut(v.Type().Field(i).Tag.Get(tag), ","); n == name {
			return v.Field(i)
		}
	}
	t.Fatalf("there is no %s %q", tag, name)
	return reflect.Value{}
}
