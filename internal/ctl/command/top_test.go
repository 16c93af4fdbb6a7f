//go:build !novimage

package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// busyLab is a document as a lab of some size might send it.
func busyLab() *client.Activity {
	a := &client.Activity{
		Seconds: 2,
		Stacks:  &client.Top[client.StackActivity]{Count: 10001, Total: client.StackActivity{InPackets: 2_468_000, InBytes: 1_850_000_000, OutPackets: 2_468_123, OutBytes: 1_850_001_234, Drops: 123}},
		Links:   &client.Top[client.LinkActivity]{Count: 10000, Total: client.LinkActivity{Toward: [2]client.LinkCounters{{Packets: 7, Bytes: 700}, {Packets: 1999, Bytes: 1999000, Lost: 1}}}},
		Groups:  &client.Top[client.GroupActivity]{},
		Flows:   &client.Top[client.FlowActivity]{Count: 1},
	}
	for i := range 30 {
		a.Stacks.Top = append(a.Stacks.Top, client.StackActivity{Name: fmt.Sprintf("h%d", i), InPackets: uint64(3 * i), InBytes: uint64(1000 * i), OutPackets: 1, OutBytes: 50, Drops: uint64(i % 3), Sockets: i})
	}
	a.Links.Top = []client.LinkActivity{
		{Name: "uplink-with-a-name-that-is-long", Between: [2]string{"studio", "edge-of-the-world"}, Toward: [2]client.LinkCounters{{Packets: 7, Bytes: 700}, {Packets: 1998, Bytes: 1998000}}},
		{Name: "bad\x1b[2Jname", Between: [2]string{"a", "b"}, Toward: [2]client.LinkCounters{1: {Packets: 1, Bytes: 1000, Lost: 1}}, Cut: true},
	}
	a.Flows.Top = []client.FlowActivity{{Name: "voice", From: "a", To: "[2001:db8::1]:5000", Receivers: 1, Sent: 100, Delivered: 98, Lost: 1_234_567, Latency: 40.25}}
	return a
}

// TestTopScreen draws screens of all sizes; each line of the golden file is one of the
// screen, "#" for those in reverse.
func TestTopScreen(t *testing.T) {
	var got strings.Builder
	for _, x := range []struct {
		width, height int
		keys          string // that have been pressed
		a             *client.Activity
	}{
		{100, 30, "", busyLab()}, {80, 24, "", busyLab()}, {60, 14, "", busyLab()}, {40, 13, "", busyLab()}, {20, 5, "", busyLab()}, {1, 1, "", busyLab()},
		{80, 8, "l>", busyLab()}, {80, 10, "s\x1b[6~\x1b[B", busyLab()}, {80, 8, "s<\x1b[F", busyLab()}, {80, 6, "\t\t\t", busyLab()}, {50, 7, "f", busyLab()},
		{60, 5, "g ", busyLab()}, {60, 10, "h", busyLab()}, {30, 3, "h", busyLab()}, {60, 4, "", nil},
	} {
		v := topView{title: "lab golden", every: time.Second, shown: client.ActivityKinds(), keys: map[string]string{}}
		for _, kind := range v.shown {
			v.keys[kind] = client.ActivityKeys(kind)[0]
		}
		for _, k := range topKeys([]byte(x.keys)) {
			v.press(k, x.height, 30)
		}
		fmt.Fprintf(&got, "== %d x %d %q\n", x.width, x.height, x.keys)
		lines := v.draw(x.a, x.width, x.height)
		for _, l := range lines {
			if n := utf8.RuneCountInString(l.text); n > x.width {
				t.Errorf("%d x %d: %q has %d characters", x.width, x.height, l.text, n)
			}
			fmt.Fprintln(&got, map[bool]string{true: "#", false: "|"}[l.title]+l.text)
		}
		if len(lines) > x.height {
			t.Errorf("%d x %d: %d lines", x.width, x.height, len(lines))
		}
	}
	const name = "testdata/top-screen.golden"
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got.String() {
		t.Errorf("%s: rewrite it with -update if that is right:\n%s", name, firstDifference(string(want), got.String()))
	}
}

// TestTopSizes draws on every small screen: never more than there is room for.
func TestTopSizes(t *testing.T) {
	v := topView{title: "lab golden", shown: client.ActivityKinds(), keys: map[string]string{"stacks": "name"}}
	for w := 0; w < 130; w += 3 {
		for h := range 30 {
			for _, from := range []int{0, 1000} {
				v.from = from
				lines := v.draw(busyLab(), w+1, h+1)
				for _, l := range lines {
					if utf8.RuneCountInString(l.text) > w+1 || strings.ContainsFunc(l.text, func(r rune) bool { return r < ' ' }) {
						t.Fatalf("%d x %d: %q", w+1, h+1, l.text)
					}
				}
				if len(lines) > h+1 {
					t.Fatalf("%d x %d: %d lines", w+1, h+1, len(lines))
				}
			}
		}
	}
}

func TestTopFigures(t *testing.T) {
	for _, x := range []struct {
		n       uint64
		seconds float64
		want    string
	}{
		{0, 1, "0"}, {1, 1, "1"}, {1, 2, "0.5"}, {3, 1.0003, "3"}, {1, 100, "0.0"}, {1, 0, "0"}, {99, 10, "9.9"}, {999, 1, "999"},
		{9996, 10, "1.00k"}, {1000, 1, "1.00k"}, {9994, 1, "9.99k"}, {9996, 1, "10.0k"}, {99949, 1, "99.9k"}, {99960, 1, "100k"},
		{999_400, 1, "999k"}, {999_600, 1, "1.00M"}, {1 << 63, 1, "9.22E"}, {1<<64 - 1, 1e-3, "18447E"},
	} {
		if got := perSecond(x.n, x.seconds); got != x.want {
			t.Errorf("%d in %v s: %s, want %s", x.n, x.seconds, got, x.want)
		}
	}
}

func TestTopKeys(t *testing.T) {
	for typed, want := range map[string]string{
		"q": "q", "\x03": "q", "\t": "tab", "sl": "s l", " ": " ", "\x1b[A\x1bOB\x1b[5~\x1b[6~": "up down pgup pgdn", "\x1b[C\x1b[D<": "> < <",
		"\x1b": "", "\x1b[": "", "\x1b[1;5": "", "\x1b[1;5Ax": "x", "\x1b[200~q": "q", "\x7f\x00\x1a": "", "é": "é", "\xff": "\ufffd", "\x1b[H\x1b[F": "home end",
	} {
		if got := strings.Join(topKeys([]byte(typed)), " "); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// TestTopPress goes through what keys do.
func TestTopPress(t *testing.T) {
	v := topView{shown: client.ActivityKinds(), keys: map[string]string{}}
	for _, kind := range v.shown {
		v.keys[kind] = client.ActivityKeys(kind)[0]
	}
	for _, x := range []struct{ key, want string }{
		{"h", "all bytes 0 help"}, {"x", "all bytes 0"}, {"tab", "stacks bytes 0"}, {"tab", "links bytes 0"}, {"tab", "groups bytes 0"}, {"tab", "flows bytes 0"},
		{"tab", "all bytes 0"}, {">", "all packets 0"}, {"<", "all bytes 0"}, {"s", "stacks bytes 0"}, {"<", "stacks name 0"}, {">", "stacks bytes 0"},
		{"down", "stacks bytes 1"}, {"pgdn", "stacks bytes 18"}, {"pgdn", "stacks bytes 33"}, {"up", "stacks bytes 32"}, {"pgup", "stacks bytes 15"},
		{"home", "stacks bytes 0"}, {"up", "stacks bytes 0"}, {"end", "stacks bytes 33"}, {"l", "links bytes 0"}, {" ", "links bytes 0 paused"}, {" ", "links bytes 0"},
		{"z", "links bytes 0"}, {"a", "all bytes 0"},
	} {
		if v.press(x.key, 20, 50) {
			t.Errorf("%s ends it", x.key)
		}
		shown := strings.Join(v.shown, " ")
		if slices.Equal(v.shown, client.ActivityKinds()) {
			shown = "all"
		}
		got := fmt.Sprint(shown, " ", v.keys["stacks"], " ", v.from, map[bool]string{true: " help"}[v.help], map[bool]string{true: " paused"}[v.paused])
		if got != x.want {
			t.Errorf("%s: %s, want %s", x.key, got, x.want)
		}
	}
	if v.help = true; !v.press("q", 20, 50) {
		t.Error("q does not end it")
	}
}

// glass is a terminal of glass.
type glass struct {
	mu            sync.Mutex
	width, height int
	raw           bool
	panics        bool
	seen          bytes.Buffer
	keys          chan []byte
}

func newGlass() *glass {
	return &glass{width: 80, height: 24, keys: make(chan []byte)}
}

func (g *glass) Size() (width, height int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.panics {
		panic("of the test's own")
	}
	return g.width, g.height
}

func (g *glass) Raw() (keys <-chan []byte, restore func(), err error) {
	g.raw = true
	return g.keys, func() { g.raw = false }, nil
}

func (g *glass) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen.Write(b)
}

// all returns what has been written, and last the lines of the last screen.
func (g *glass) all() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen.String()
}

func (g *glass) last() string {
	all := g.all()
	text := all[strings.LastIndex(all, toTop)+len(toTop):]
	for _, code := range []string{clearLine, clearBelow, reverseVideo, plainVideo, leaveScreen, "\r"} {
		text = strings.ReplaceAll(text, code, "")
	}
	return text
}

// topBubble runs top on a terminal of glass, in a lab that sends datagrams, and then f,
// which ends it.
func topBubble(t *testing.T, line string, status int, said string, f func(g *glass, l *ctltest.Lab, cancel func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := ctltest.Start(t, "hosts: [a, b]\nlinks: [{between: [a, b]}]\nflows: [{name: talk, from: a, to: b, count: 100000, rate: 100, start: 5ms}]\n")
		defer l.Close()
		g := newGlass()
		var e bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := l.Client()
		defer c.Close()
		ended := make(chan int)
		go func() {
			defer func() {
				if recover() != nil {
					ended <- -2
				}
			}()
			ended <- Lookup("top").Main(&Env{Ctx: ctx, Out: bufio.NewWriter(g), Err: &e, Screen: g, Terminal: true, Open: func(string) (*client.Client, error) { return c, nil }}, words(line))
		}()
		<-time.After(1100 * time.Millisecond)
		synctest.Wait()
		f(g, l, cancel)
		if got := <-ended; got != status || e.String() != said {
			t.Errorf("exit %d, %q; want %d, %q", got, e.String(), status, said)
		}
		if all := g.all(); g.raw || !strings.HasPrefix(all, enterScreen) || !strings.HasSuffix(all, leaveScreen) || strings.Count(all, leaveScreen) != 1 {
			t.Errorf("the terminal is not what it was: raw %v, %q … %q", g.raw, all[:min(40, len(all))], all[max(0, len(all)-40):])
		}
	})
}

// press types keys and lets them take effect.
func (g *glass) press(keys string) {
	g.keys <- []byte(keys)
	synctest.Wait()
}

func TestTopOnScreen(t *testing.T) {
	topBubble(t, "", 0, "", func(g *glass, _ *ctltest.Lab, _ func()) {
		for _, want := range []string{"lab lab, every 1s", "3 stacks", "\na ", "100", "talk", "0 groups"} {
			if !strings.Contains(g.last(), want) {
				t.Errorf("no %q:\n%s", want, g.last())
			}
		}
		g.press("l")
		if got := g.last(); !strings.Contains(got, "1 link") || strings.Contains(got, "stacks") {
			t.Errorf("links:\n%s", got)
		}
		g.press(" ")
		before := len(g.all())
		<-time.After(3 * time.Second)
		synctest.Wait()
		if got := g.last(); !strings.Contains(got, "paused") || len(g.all()) != before {
			t.Errorf("it goes on:\n%s", got)
		}
		g.mu.Lock()
		g.width, g.height = 30, 4
		g.mu.Unlock()
		<-time.After(resizePoll)
		synctest.Wait()
		if got := g.last(); !strings.Contains(got, "paused") || strings.Contains(got, "between") || !strings.Contains(got, "a-b ") {
			t.Errorf("in less room:\n%s", got)
		}
		g.press("\x03")
	})
}

// TestTopSorts has the lab sort, where it has not told all.
func TestTopSorts(t *testing.T) {
	topBubble(t, "stacks 1 -s 0.5", 0, "", func(g *glass, _ *ctltest.Lab, _ func()) {
		if got := g.last(); !strings.Contains(got, "\na  ") || strings.Contains(got, "\n0  ") {
			t.Errorf("the first by bytes is a:\n%s", got)
		}
		g.press("<")
		<-time.After(time.Second)
		synctest.Wait()
		if got := g.last(); !strings.Contains(got, "\n0  ") || strings.Contains(got, "\na  ") {
			t.Errorf("the first by name is 0:\n%s", got)
		}
		g.press("q")
	})
}

// TestTopEnds leaves the terminal as it was, however it ends.
func TestTopEnds(t *testing.T) {
	topBubble(t, "-n 2", 0, "", func(*glass, *ctltest.Lab, func()) {})
	topBubble(t, "", 0, "", func(_ *glass, _ *ctltest.Lab, cancel func()) { cancel() })
	topBubble(t, "", 1, "top: the lab has ended\n", func(_ *glass, l *ctltest.Lab, _ func()) { l.Close() })
	topBubble(t, "", -2, "", func(g *glass, _ *ctltest.Lab, _ func()) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.panics = true
	})
	topBubble(t, "-j b", 1, "top: no such device or address: jail b has been removed\n", func(_ *glass, l *ctltest.Lab, _ func()) {
		if err := l.Net.RemoveNode("b"); err != nil {
			t.Error(err)
		}
	})
}

// TestTopLines: without a terminal the lab's end is said, too, and each line of JSON is a
// document.
func TestTopLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ctltest.Start(t, "hosts: [a]\n")
		defer l.Close()
		c := l.Client()
		defer c.Close()
		var out, e bytes.Buffer
		ended := make(chan int)
		go func() {
			ended <- Lookup("top").Main(&Env{Ctx: t.Context(), Out: bufio.NewWriter(&out), Err: &e, Open: func(string) (*client.Client, error) { return c, nil }}, []string{"--json"})
		}()
		<-time.After(2500 * time.Millisecond)
		l.Close()
		if got := <-ended; got != 1 || e.String() != "top: the lab has ended\n" {
			t.Errorf("exit %d, %q", got, e.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for _, line := range lines {
			var a client.Activity
			if err := json.Unmarshal([]byte(line), &a); err != nil || a.Stacks.Count != 2 || a.Seconds != 1 {
				t.Errorf("%s: %v", line, err)
			}
		}
		if len(lines) != 2 {
			t.Errorf("%d lines", len(lines))
		}
	})
}
