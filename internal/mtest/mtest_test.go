//go:build !novimage

package mtest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

var update = flag.Bool("update", false, "rewrite testdata")

// host is a host of a simulated network, with an address of each family.
func host(t *testing.T) (*lab.Lab, *lab.Node) {
	n := lab.NewConfig(t, lab.Config{Simulated: true, IPv6: true})
	sw := n.Switch("lan", lab.SwitchConfig{BridgeConfig: link.BridgeConfig{NoSnooping: true}})
	h, other := n.Host("h"), n.Host("other")
	n.Link(h, sw)
	n.Link(other, sw)
	return n, h
}

// shell is an interpreter whose two streams are one text, each line of errors
// marked.
func shell(t *testing.T, n *lab.Lab, h *lab.Node, out io.Writer) *Shell {
	sh, err := New(Config{
		Stack: h.Stack, Out: out, Err: marked{out},
		Sleep: func(ctx context.Context, d time.Duration) error { n.Run(d); return context.Cause(ctx) },
		Open:  func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join("testdata", name)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sh.Close)
	return sh
}

type marked struct{ io.Writer }

func (m marked) Write(b []byte) (int, error) {
	io.WriteString(m.Writer, "! ")
	return m.Writer.Write(b)
}

// TestTranscripts obeys the commands of testdata/*.txt, one by one, and compares
// what they print: behind each command stands its answer, indented.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: no transcripts", err)
	}
	for _, name := range files {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n, h := host(t)
		var got, out bytes.Buffer
		sh := shell(t, n, h, &out)
		var in strings.Builder
		flush := func() {
			if in.Len() == 0 {
				return
			}
			got.WriteString(in.String())
			if err := sh.Run(context.Background(), strings.NewReader(in.String())); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for l := range strings.Lines(out.String()) {
				got.WriteString("\t" + l)
			}
			out.Reset()
			in.Reset()
		}
		ended := true // the last line had an answer, or was none
		for line := range strings.Lines(string(want)) {
			if strings.HasPrefix(line, "\t") {
				ended = true
				continue
			}
			if ended || !strings.HasPrefix(line, " ") { // a line that goes on is indented by a blank
				flush()
			}
			ended = false
			in.WriteString(line)
		}
		flush()
		if *update {
			if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got.String() != string(want) {
			t.Errorf("%s: got\n%s", name, got.String())
		}
	}
}

func TestQuitFilesAndContext(t *testing.T) {
	n, h := host(t)
	var out bytes.Buffer
	sh := shell(t, n, h, &out)
	sh.Prompt = "> "
	if err := sh.Run(context.Background(), strings.NewReader("s 1\nq\nj 232.1.1.1 eth0\n")); err != nil || out.String() != "> ok\n> " {
		t.Errorf("quit: %v, %q", err, out.String())
	}
	out.Reset()
	if err := sh.Run(context.Background(), strings.NewReader("f again.cmd\n")); err != nil || sh.Failed() != 1 || strings.Count(out.String(), "ok") != maxDepth {
		t.Errorf("a file that reads itself: %v, %d failed\n%s", err, sh.Failed(), out.String())
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("stop")
	cancel(stop)
	if err := sh.Run(ctx, strings.NewReader("s 1\n")); err != stop {
		t.Errorf("interrupted: %v", err)
	}
	if err := sh.Run(context.Background(), strings.NewReader(strings.Repeat("j", 1<<20))); err == nil {
		t.Error("a line without end")
	}
	sh.Open = nil
	out.Reset()
	sh.Run(context.Background(), strings.NewReader("f again.cmd\n"))
	if !strings.Contains(out.String(), "files cannot be read here") {
		t.Errorf("%q", out.String())
	}
}

// TestEthernetGroup counts frames to a group that nobody has joined: with a they
// get as far as IP, without they do not.
func TestEthernetGroup(t *testing.T) {
	n, h := host(t)
	var out bytes.Buffer
	sh := shell(t, n, h, &out)
	other := n.Node("other")
	pc, err := other.ListenPacket("udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.(*vimage.UDPConn).SetMulticastInterface(other.Eth(0)); err != nil {
		t.Fatal(err)
	}
	send := func() uint64 {
		before := h.Counters()["ip.notmember"]
		if _, err := pc.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("239.1.2.3:9"))); err != nil {
			t.Fatal(err)
		}
		n.Run(time.Millisecond)
		return h.Counters()["ip.notmember"] - before
	}
	run := func(cmd string) { sh.Run(context.Background(), strings.NewReader(cmd)) }
	var got []uint64
	got = append(got, send())
	run("a eth0 01:00:5e:01:02:03")
	got = append(got, send())
	run("d eth0 01:00:5e:01:02:03")
	got = append(got, send())
	run("p eth0 1")
	got = append(got, send())
	run("p eth0 0")
	got = append(got, send())
	for i, want := range []uint64{0, 1, 0, 1, 0} {
		if got[i] != want {
			t.Errorf("got to IP: %v, want 0 1 0 1 0\n%s", got, out.String())
			break
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"j 232.1.1.1 eth0 10.0.0.1", "l ff3e::1 eth0", "i232.1.1.1 eth0 2 10.0.0.1 10.0.0.2", "e 232.1.1.1 eth0 0", "g 232.1.1.1 eth0 9",
		"a eth0 01:00:5e:00:00:05", "d eth0 01.00.5e.00.00.05", "p eth0 1", "s 3", "f x y", "?", "q", "t 232.1.1.1 eth0 ::ffff:10.0.0.1", "z", "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if line = strings.TrimSpace(line); line == "" {
			return
		}
		c, err := parse(line)
		if err != nil {
			if len(err.Error()) > 400 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		args, _ := verbs(c.verb)
		if strings.ContainsRune(args, 'g') && (!c.group.IsValid() || c.group.Zone() != "") || strings.ContainsRune(args, 's') && c.source.Is6() != c.group.Is6() {
			t.Errorf("%q: %+v", line, c)
		}
		if len(c.sources) > c.n || c.n < 0 || c.n > maxSleep || c.mac != (wire.MAC{}) && !strings.ContainsRune(args, 'm') {
			t.Errorf("%q: %+v", line, c)
		}
		for _, s := range c.sources {
			if s.Is6() != c.group.Is6() {
				t.Errorf("%q: %v of %v", line, s, c.group)
			}
		}
	})
}
