package mld

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// transcripts runs every file that matches: paragraphs of commands, each with
// the complete output behind a line of four dashes. # starts a comment.
func transcripts(t *testing.T, pattern string, fresh func(t *testing.T) func(cmd string) string) {
	files, _ := filepath.Glob(pattern)
	if len(files) == 0 {
		t.Fatalf("no transcripts in %s", pattern)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			do := fresh(t)
			var got strings.Builder
			for i, p := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
				commands, _, _ := strings.Cut(p, "\n----")
				if i > 0 {
					got.WriteString("\n")
				}
				got.WriteString(commands + "\n")
				output, ran := "", false
				for line := range strings.Lines(commands) {
					if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
						output, ran = output+do(line), true
					}
				}
				if ran {
					got.WriteString("----\n" + output)
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

// words splits a command into its words, lists in braces staying whole, and its
// key=value options.
func words(cmd string) (list []string, options map[string]string) {
	options = map[string]string{}
	for cmd = strings.TrimSpace(cmd); cmd != ""; cmd = strings.TrimSpace(cmd) {
		end := strings.IndexByte(cmd+" ", ' ')
		if i := strings.IndexByte(cmd, '{'); i >= 0 && i < end {
			end = strings.IndexByte(cmd, '}') + 1
		}
		word := cmd[:end]
		cmd = cmd[end:]
		if k, v, ok := strings.Cut(word, "="); ok {
			options[k] = v
		} else {
			list = append(list, word)
		}
	}
	return list, options
}

func duration(t testing.TB, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// signed puts the checksum into a packet's message.
func signed(p Packet) Packet {
	p.Payload[2], p.Payload[3] = 0, 0
	wire.ICMP6(p.Payload).SetChecksum(p.Src, p.Dst)
	return p
}

// query makes a version 2 query of the words: group, {sources}, S, max=, code=,
// qrv=, qqi=, dst=, src=.
func query(t testing.TB, list []string, o map[string]string) Packet {
	h := wire.MLDv2QueryHeader{Group: ip("::"), QRV: 2, QQIC: 125, MaxRespCode: 10000}
	p := Packet{Src: ip("fe80::fe"), Dst: ip("ff02::1"), HopLimit: 1, RouterAlert: true}
	b := make([]byte, 8192)
	var sources []netip.Addr
	for _, w := range list {
		switch {
		case w == "S":
			h.S = true
		case w[0] == '{':
			sources = addrs(strings.Trim(w, "{}"))
		default:
			h.Group = ip(w)
			p.Dst = h.Group
		}
	}
	if v := o["max"]; v != "" {
		h.MaxRespCode = wire.MLDEncode(int(duration(t, v) / time.Millisecond))
	}
	if v := o["code"]; v != "" {
		fmt.Sscanf(v, "%v", &h.MaxRespCode)
	}
	fmt.Sscan(o["qrv"], &h.QRV)
	if v := o["qqi"]; v != "" {
		n := 0
		fmt.Sscan(v, &n)
		h.QQIC = wire.IGMPEncode(n)
	}
	if v := o["dst"]; v != "" {
		p.Dst = ip(v)
	}
	if v := o["src"]; v != "" {
		p.Src = ip(v)
	}
	p.Payload = b[:wire.PutMLDv2Query(b, &h, sources)]
	return signed(p)
}

// older makes a version 1 message.
func older(typ uint8, max time.Duration, group, dst string) Packet {
	b := make([]byte, wire.MLDLen)
	wire.PutMLD(b, typ, uint16(max/time.Millisecond), ip(group))
	return signed(Packet{Src: ip("fe80::9"), Dst: ip(dst), HopLimit: 1, RouterAlert: true, Payload: b})
}

// hostScript is a Host and the time.
type hostScript struct {
	t     *testing.T
	tun   Tunables
	stats Stats
	h     Host
	now   clock.Time
	out   Out
}

func newHostScript(t *testing.T) *hostScript {
	s := &hostScript{t: t, tun: Defaults(), out: Out{Buf: make([]byte, 1500-48)}}
	s.h = NewHost(&s.tun, 1, false)
	return s
}

func (s *hostScript) env() Env { return Env{&s.tun, &s.stats} }

func (s *hostScript) do(cmd string) string {
	list, o := words(cmd)
	switch list[0] {
	case "host":
		fmt.Sscan(o["version"], &s.tun.DefaultVersion)
		fmt.Sscan(o["gsrdelay"], &s.tun.SourceDelay)
		fmt.Sscan(o["use_allow"], &s.tun.UseAllow)
		fmt.Sscan(o["v1enable"], &s.tun.V1Enable)
		fmt.Sscan(o["v2enable"], &s.tun.V2Enable)
		fmt.Sscan(o["robustness"], &s.tun.Robustness)
		mtu := 1500
		fmt.Sscan(o["mtu"], &mtu)
		s.out.Buf = make([]byte, mtu-48)
		s.h = NewHost(&s.tun, 1, len(list) > 1)
	case "change":
		delay := time.Duration(0)
		if v := o["delay"]; v != "" {
			delay = duration(s.t, v)
		}
		s.h.Change(s.now, s.env(), ip(list[1]), filterOf(s.t, list[2]), delay)
		return s.run(s.now)
	case "query":
		p := query(s.t, list[1:], o)
		return s.input(&p)
	case "v1query":
		group, dst, limit := "::", "ff02::1", 10*time.Second
		if len(list) > 1 {
			group, dst, limit = list[1], list[1], time.Second
		}
		if v := o["dst"]; v != "" {
			dst = v
		}
		p := older(wire.ICMP6MLDQuery, limit, group, dst)
		return s.input(&p)
	case "v1report":
		p := older(wire.ICMP6MLDv1Report, 0, list[1], list[1])
		return s.input(&p)
	case "announce":
		s.h.Announce(s.now, s.env())
		return s.run(s.now)
	case "run":
		return s.run(s.now.Add(duration(s.t, list[1])))
	case "state":
		return fmt.Sprintf("version %d, %d groups, idle %v\n", s.h.Version(s.now, &s.tun), s.h.Groups(), s.h.Deadline() == clock.Never)
	case "stats":
		return fmt.Sprintf("%+v\n", s.stats)
	default:
		s.t.Fatalf("unknown command %q", cmd)
	}
	return ""
}

func (s *hostScript) input(p *Packet) string {
	if v := s.h.Input(s.now, s.env(), p); v != Accepted {
		return v.String() + "\n"
	}
	return s.run(s.now)
}

// run pulls everything that is due until then.
func (s *hostScript) run(until clock.Time) string {
	var b strings.Builder
	for s.h.Deadline() <= until {
		s.now = max(s.now, s.h.Deadline())
		for s.h.Next(s.now, s.env(), &s.out) {
			fmt.Fprintf(&b, "%8.3fs %s\n", s.now.Sub(0).Seconds(), text(s.out.Buf[:s.out.N]))
			checkDst(s.t, &s.out)
		}
	}
	s.now = until
	return b.String()
}

func TestHostTranscripts(t *testing.T) {
	transcripts(t, "testdata/host/*.txt", func(t *testing.T) func(string) string { return newHostScript(t).do })
}
