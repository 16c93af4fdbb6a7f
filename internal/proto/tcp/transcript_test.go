package tcp

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts runs every file of testdata: paragraphs of commands, each with
// everything that came of it behind a line of four dashes. # starts a comment.
// The commands are described at script.do, segments at script.parse.
func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newScript(t)
			var got strings.Builder
			for i, p := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
				commands, _, _ := strings.Cut(p, "\n----")
				if i > 0 {
					got.WriteString("\n")
				}
				got.WriteString(commands + "\n")
				ran := false
				for line := range strings.Lines(commands) {
					if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
						s.run(line)
						ran = true
					}
				}
				if ran {
					got.WriteString("----\n" + s.out.String())
					s.out.Reset()
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != string(b) {
				t.Errorf("%s does not say what happens (-update rewrites it); now:\n%s", file, got.String())
			}
		})
	}
}

// Initial sequence numbers of transcripts, in which they are 0.
const (
	scriptISS = wire.Seq(0xfffff000)
	scriptIRS = wire.Seq(0x7fff0000)
)

// script is one connection and the time, driven by commands.
type script struct {
	t    testing.TB
	out  strings.Builder
	now  clock.Time
	c    *Conn
	cfg  Config
	tun  Tunables
	st   Stats
	lt   loss.Tunables
	ls   loss.Stats
	ch   Challenges
	ooo  int
	kept uint64 // readable, of the last event
}

func newScript(t testing.TB) *script {
	return &script{
		t: t, c: new(Conn), now: clock.Time(10 * time.Second), tun: Defaults(), lt: loss.Defaults(), ooo: 1 << 20,
		cfg: Config{ISS: scriptISS, MSS: 1460},
	}
}

func (s *script) env() *Env {
	return &Env{T: &s.tun, S: &s.st, L: loss.Env{T: &s.lt, S: &s.ls}, C: &s.ch, OOO: s.ooo - s.c.OOO()}
}

func (s *script) printf(format string, a ...any) { fmt.Fprintf(&s.out, format, a...) }

// run does one command. Next is pulled after it, unless it ends with &.
func (s *script) run(line string) {
	line, hold := strings.CutSuffix(line, " &")
	var ev Event
	s.do(strings.Fields(line), line, &ev)
	s.show(&ev)
	if !hold {
		s.pull()
	}
}

// do does one command:
//
//	set NAME VALUE            a tunable, by its sysctl name
//	config KEY=VALUE …        of Config: mss, burst, rcvbuf, sndbuf, nodelay, user, keepidle, keepintvl, keepcnt, cookie, ipv6
//	ooo N                     bytes that may be kept out of order
//	connect                   an active open
//	accept KEY=VALUE …        of Handshake: mss ws ts sack ecn fastopen data win rexmit
//	established KEY=VALUE …   the same, and the segment that completes it, in silence
//	< SEGMENT                 it arrives
//	write N, urgent N, read [N], shutdown, close, abort
//	nodelay, cork, uncork, keepalive, user D, setmss N
//	unreachable SEQ hard|soft, toobig SEQ MSS
//	+D                        time passes, timers fire
//	state, stat NAME, limits  are shown
func (s *script) do(w []string, line string, ev *Event) {
	e := s.env()
	switch w[0] {
	case "set":
		s.set(w[1], w[2])
	case "config":
		s.config(w[1:])
	case "ooo":
		s.ooo = s.num(w[1])
	case "connect":
		s.c = new(Conn)
		s.c.Connect(e, s.now, &s.cfg)
	case "accept":
		s.c = new(Conn)
		s.c.Accept(e, s.now, &s.cfg, s.handshake(w[1:]), ev)
	case "established":
		s.establish(w[1:])
	case "<":
		h, n, ecn := s.parse(line)
		s.c.Input(e, s.now, &h, n, ecn, ev)
	case "write":
		s.c.Wrote(s.num(w[1]))
	case "urgent":
		s.c.WroteUrgent(s.num(w[1]))
	case "read":
		to := s.kept
		if len(w) > 1 {
			to = s.c.read + uint64(s.num(w[1]))
		}
		s.c.Read(to)
	case "shutdown":
		s.c.Shutdown()
	case "close":
		s.c.Close(e, s.now, ev)
	case "abort":
		s.c.Abort(e, s.now, ev)
	case "unreachable":
		s.c.Unreachable(e, s.now, scriptISS.Add(s.num(w[1])), syscall.ECONNREFUSED, w[2] == "hard", ev)
	case "toobig":
		s.printf("believed %v\n", s.c.TooBig(e, s.now, scriptISS.Add(s.num(w[1])), s.num(w[2])))
	default:
		s.more(w, line)
	}
}

func (s *script) more(w []string, line string) {
	switch w[0] {
	case "nodelay":
		s.c.SetNoDelay(true)
	case "cork", "uncork":
		s.c.SetCork(w[0] == "cork")
	case "keepalive":
		s.c.SetKeepAlive(s.now, &s.tun, true, 0, 0, 0)
	case "user":
		s.c.SetUserTimeout(s.dur(w[1]))
	case "setmss":
		s.c.SetMSS(s.num(w[1]))
	case "state":
		s.printf("%v\n", s.c.State())
	case "stat":
		s.printf("%s %d\n", w[1], s.stat(w[1]))
	case "limits":
		s.printf("rcv %d snd %d mss %d ooo %d\n", s.c.RcvLimit(), s.c.SndLimit(&s.tun), s.c.MSS(), s.c.OOO())
	case "remains":
		r := s.c.Remains()
		s.printf("seq %d ack %d win %d\n", r.SndNxt.Sub(scriptISS), r.RcvNxt.Sub(scriptIRS), r.Window)
	default:
		if d, ok := strings.CutPrefix(w[0], "+"); ok {
			s.pass(s.dur(d))
			return
		}
		s.t.Fatalf("what is %q?", line)
	}
}

// pass lets time go by.
func (s *script) pass(d time.Duration) {
	end := s.now.Add(d)
	for i := 0; s.c.Deadline() <= end; i++ {
		if i > 10000 {
			s.t.Fatal("a deadline that does not move")
		}
		s.now = max(s.now, s.c.Deadline())
		var ev Event
		s.c.Expire(s.env(), s.now, &ev)
		s.show(&ev)
		s.pull()
	}
	s.now = end
}

// pull shows all that Next has.
func (s *script) pull() {
	var o Out
	for i := 0; s.c.Next(s.env(), s.now, &o); i++ {
		if i > 1000 {
			s.t.Fatal("Next has no end")
		}
		s.printf("%.3f > %s\n", s.at(), s.segment(&o))
	}
}

func (s *script) at() float64 { return float64(s.now)/1e9 - 10 }

// show prints what an event says.
func (s *script) show(v *Event) {
	if v.To > v.From {
		s.printf("keep %d-%d at %d\n", v.From, v.To, v.At)
	}
	if v.Readable > s.kept {
		s.printf("readable %d\n", v.Readable)
		s.kept = v.Readable
	}
	if v.Acked > 0 {
		s.printf("acked %d\n", v.Acked)
	}
	if v.Has(Urgent) {
		s.printf("urgent to %d\n", v.Mark)
	}
	for i, name := range [...]string{"established", "peer closed", "time-wait", "closed", "", "cookie", "soft"} {
		if v.What&(1<<i) != 0 && name != "" {
			s.printf("%.3f %s", s.at(), name)
			if v.Err != 0 && (name == "closed" || name == "soft") {
				s.printf(": %v", v.Err)
			}
			s.printf("\n")
		}
	}
}

const flagLetters = "FSRP.UEW"

// segment writes a segment as parse reads it.
func (s *script) segment(o *Out) string {
	var b strings.Builder
	h := &o.Hdr
	for i, r := range flagLetters {
		if h.Flags&(1<<i) != 0 {
			b.WriteRune(r)
		}
	}
	at := h.Seq.Sub(scriptISS)
	fmt.Fprintf(&b, " %d:%d(%d)", at, at+o.Len, o.Len)
	if h.Flags.Has(wire.ACK) {
		fmt.Fprintf(&b, " ack %d", h.Ack.Sub(scriptIRS))
	}
	if !h.Flags.Has(wire.RST) {
		fmt.Fprintf(&b, " win %d", h.Window)
	}
	if h.Flags.Has(wire.URG) {
		fmt.Fprintf(&b, " urg %d", h.Urgent)
	}
	b.WriteString(options(&h.Options))
	if o.Len > o.Seg {
		fmt.Fprintf(&b, " seg %d", o.Seg)
	}
	if o.ECT {
		b.WriteString(" ect")
	}
	if o.Retransmit {
		b.WriteString(" again")
	}
	if want := at - 1; o.Len > 0 && !h.Flags.Has(wire.SYN) && o.Off != uint64(want) {
		fmt.Fprintf(&b, " BUT offset %d", o.Off)
	}
	return b.String()
}

func options(o *wire.TCPOptions) string {
	var l []string
	if o.MSS != 0 {
		l = append(l, fmt.Sprintf("mss %d", o.MSS))
	}
	if o.SACKOK {
		l = append(l, "sackOK")
	}
	if o.HasTime {
		l = append(l, fmt.Sprintf("TS %d %d", o.TSVal, o.TSEcr))
	}
	if o.HasScale {
		l = append(l, fmt.Sprintf("ws %d", o.Scale))
	}
	if o.NSACK > 0 {
		b := "sack"
		for _, k := range o.SACK[:o.NSACK] {
			b += fmt.Sprintf(" %d:%d", k.Start.Sub(scriptIRS), k.End.Sub(scriptIRS))
		}
		l = append(l, b)
	}
	if o.HasFastOpen {
		l = append(l, fmt.Sprintf("FO %x", o.FastOpenCookie()))
	}
	if l == nil {
		return ""
	}
	return " <" + strings.Join(l, ",") + ">"
}

// parse reads a segment from the peer, in which sequence numbers count from its
// SYN and acknowledgments from ours:
//
//	< FLAGS SEQ:END(LEN) [ack N] [win N] [urg N] [<mss N,sackOK,TS VAL ECR,ws N,sack A:B C:D,FO HEX>] [ce]
func (s *script) parse(line string) (h wire.TCPHeader, n int, ecn ECN) {
	line, opts, _ := strings.Cut(strings.TrimPrefix(line, "< "), "<")
	opts, tail, _ := strings.Cut(opts, ">")
	w := strings.Fields(line + " " + tail)
	for _, r := range w[0] {
		i := strings.IndexRune(flagLetters, r)
		if i < 0 {
			s.t.Fatalf("flags %q", w[0])
		}
		h.Flags |= 1 << i
	}
	var from, to int
	if _, err := fmt.Sscanf(w[1], "%d:%d(%d)", &from, &to, &n); err != nil || to-from != n {
		s.t.Fatalf("%q: %v", w[1], err)
	}
	h.Seq, h.Window = scriptIRS.Add(from), 65535
	for i := 2; i < len(w); i++ {
		switch w[i] {
		case "ack":
			i++
			h.Ack = scriptISS.Add(s.num(w[i]))
		case "win":
			i++
			h.Window = uint16(s.num(w[i]))
		case "urg":
			i++
			h.Urgent = uint16(s.num(w[i]))
		case "ce":
			ecn = CE
		default:
			s.t.Fatalf("what is %q?", w[i])
		}
	}
	if opts != "" {
		for _, o := range strings.Split(opts, ",") {
			s.option(&h.Options, strings.Fields(o))
		}
	}
	return h, n, ecn
}

func (s *script) option(o *wire.TCPOptions, w []string) {
	switch w[0] {
	case "mss":
		o.MSS = uint16(s.num(w[1]))
	case "sackOK":
		o.SACKOK = true
	case "TS":
		o.HasTime, o.TSVal, o.TSEcr = true, uint32(s.num(w[1])), uint32(s.num(w[2]))
	case "ws":
		o.HasScale, o.Scale = true, uint8(s.num(w[1]))
	case "sack":
		for _, b := range w[1:] {
			from, to, _ := strings.Cut(b, ":")
			o.SACK[o.NSACK] = wire.SACKBlock{Start: scriptISS.Add(s.num(from)), End: scriptISS.Add(s.num(to))}
			o.NSACK++
		}
	case "FO":
		o.HasFastOpen = true
		if len(w) > 1 {
			o.Cookie = uint8(copy(o.FastOpen[:], w[1]))
		}
	default:
		s.t.Fatalf("option %q", w[0])
	}
}

func (s *script) num(w string) int {
	n, err := strconv.Atoi(w)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *script) dur(w string) time.Duration {
	d, err := time.ParseDuration(w)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// set changes the tunable of that sysctl name.
func (s *script) set(name, value string) {
	found := false
	for _, v := range []reflect.Value{reflect.ValueOf(&s.tun).Elem(), reflect.ValueOf(&s.lt).Elem()} {
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("sysctl"), ",")
			if tag == name || tag == "net.inet.tcp."+name {
				v.Field(i).SetInt(int64(s.num(value)))
				found = true
			}
		}
	}
	if !found {
		s.t.Fatalf("no tunable %s", name)
	}
}

func (s *script) stat(name string) uint64 {
	for _, v := range []reflect.Value{reflect.ValueOf(s.st), reflect.ValueOf(s.ls)} {
		for i := range v.NumField() {
			if tag := v.Type().Field(i).Tag.Get("stat"); tag == name || tag == "tcp."+name {
				return v.Field(i).Uint()
			}
		}
	}
	s.t.Fatalf("no statistic %s", name)
	return 0
}

func (s *script) config(w []string) {
	g := &s.cfg
	for _, o := range w {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "mss":
			g.MSS = s.num(v)
		case "burst":
			g.MaxBurst = s.num(v)
		case "rcvbuf":
			g.RcvBuf = s.num(v)
		case "sndbuf":
			g.SndBuf = s.num(v)
		case "nodelay":
			g.NoDelay = true
		case "keepalive":
			g.KeepAlive = true
		case "user":
			g.UserTimeout = s.dur(v)
		case "timeout":
			g.ConnTimeout = s.dur(v)
		case "keepidle":
			g.KeepIdle = s.dur(v)
		case "keepintvl":
			g.KeepIntvl = s.dur(v)
		case "keepcnt":
			g.KeepCount = s.num(v)
		case "ipv6":
			g.IPv6 = true
		case "fastopen":
			g.FastOpen, g.Cookie = true, []byte(v)
		default:
			s.t.Fatalf("config %q", o)
		}
	}
}

func (s *script) handshake(w []string) *Handshake {
	hs := &Handshake{ISS: scriptISS, IRS: scriptIRS, MSS: 1460, RcvWnd: min(maxWindow, int(s.tun.RcvSpace)), Window: 65535}
	if s.cfg.RcvBuf > 0 {
		hs.RcvWnd = min(maxWindow, s.cfg.RcvBuf)
	}
	for _, o := range w {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "mss":
			hs.MSS = uint16(s.num(v))
		case "ws":
			hs.HasScale, hs.SndScale, hs.RcvScale = true, uint8(s.num(v)), 6
		case "ts":
			hs.HasTime, hs.TSRecent = true, uint32(s.num(v))
		case "sack":
			hs.SACK = true
		case "ecn":
			hs.ECN = true
		case "rtt":
			hs.RTT = s.dur(v)
		case "fastopen":
			hs.FastOpen = true
		case "data":
			hs.Data = s.num(v)
		case "win":
			hs.Window = uint16(s.num(v))
		default:
			s.t.Fatalf("handshake %q", o)
		}
	}
	return hs
}

// establish makes an established connection, and says nothing.
func (s *script) establish(w []string) {
	hs := s.handshake(w)
	var ev Event
	s.c = new(Conn)
	s.kept = 0
	s.c.Accept(s.env(), s.now, &s.cfg, hs, &ev)
	h := wire.TCPHeader{Seq: scriptIRS.Add(1), Ack: scriptISS.Add(1), Flags: wire.ACK, Window: hs.Window >> hs.SndScale}
	if hs.HasTime {
		h.Options.HasTime, h.Options.TSVal = true, hs.TSRecent
	}
	s.c.Input(s.env(), s.now, &h, 0, NotECT, &ev)
	if s.c.State() != ESTABLISHED {
		s.t.Fatal("not established")
	}
	s.pull()
	s.out.Reset()
}
