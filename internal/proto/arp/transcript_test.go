package arp

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts runs the commands of every testdata/*.txt and compares the
// complete output. A block is a command, a line of dashes, and what the table
// answered; blocks are separated by empty lines.
func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("transcript differs; now it is:\n%s", got)
			}
		})
	}
}

func replay(t *testing.T, script string) string {
	d := newDriver(t)
	var b strings.Builder
	for i, block := range strings.Split(strings.TrimRight(script, "\n"), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		input, _, _ := strings.Cut(block+"\n", "----\n")
		b.WriteString(input)
		d.out.Reset()
		for _, line := range strings.Split(strings.TrimSpace(input), "\n") {
			if !strings.HasPrefix(line, "#") {
				d.run(strings.Fields(line))
			}
		}
		if !isComment(input) {
			b.WriteString("----\n" + d.out.String())
		}
	}
	return b.String()
}

func isComment(block string) bool {
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		if !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// driver plays the hall: it owns clock, tunables, statistics and the published
// copy that knows who was sent to.
type driver struct {
	t      *testing.T
	now    clock.Time
	tun    Tunables
	stats  Stats
	table  Table[string]
	prober Prober
	used   map[netip.Addr]bool
	out    strings.Builder
}

func newDriver(t *testing.T) *driver {
	d := &driver{t: t, tun: Defaults(), used: map[netip.Addr]bool{}, prober: NewProber(1)}
	d.table.Bind(&d.tun, &d.stats)
	return d
}

func (d *driver) say(format string, args ...any) { fmt.Fprintf(&d.out, format+"\n", args...) }

func (d *driver) run(w []string) {
	if len(w) == 0 {
		return
	}
	has := func(s string) bool {
		for _, x := range w {
			if x == s {
				return true
			}
		}
		return false
	}
	switch w[0] {
	case "link":
		d.table.SetLink(d.now, Link{MAC: mac(d.t, w[1]), Up: has("up"), NoARP: has("noarp"), StaticARP: has("staticarp")})
	case "set":
		d.set(w[1], w[2])
	case "addr":
		d.errno(d.table.AddAddress(d.now, netip.MustParsePrefix(w[1])))
	case "deladdr":
		d.errno(d.table.DelAddress(addr(w[1])))
	case "resolve":
		d.resolve(addr(w[1]), w[2], has("gateway"))
	case "arp":
		d.arp(w, has)
	case "static":
		expire := clock.Never
		if i := len(w) - 2; w[i] == "for" {
			expire = d.now.Add(duration(d.t, w[i+1]))
		}
		d.errno(d.table.Set(addr(w[1]), mac(d.t, w[2]), has("pub"), expire))
	case "delete":
		d.errno(d.table.Delete(addr(w[1])))
	case "scrub":
		d.table.Scrub(netip.MustParsePrefix(w[1]), has("static"))
	case "clear":
		d.table.Clear()
	case "use":
		d.used[addr(w[1])] = true
	case "probe":
		d.prober.Start(d.now, addr(w[1]), mac(d.t, w[2]))
	case "advance":
		d.advance(duration(d.t, w[1]))
	case "list":
		d.list()
	case "stats":
		d.list()
		d.showStats()
	default:
		d.t.Fatalf("unknown command %q", w)
	}
	d.pull()
}

func (d *driver) set(name, value string) {
	n, err := strconv.Atoi(value)
	if err != nil {
		d.t.Fatal(err)
	}
	reflect.ValueOf(&d.tun).Elem().FieldByName(name).SetInt(int64(n))
}

func (d *driver) errno(err error) {
	if e := fmt.Sprint(err); e != "errno 0" {
		d.say("%s", e)
	}
}

func (d *driver) resolve(ip netip.Addr, p string, gateway bool) {
	r := d.table.Resolve(d.now, ip, p, gateway)
	line := [...]string{Send: "send to " + r.MAC.String(), Held: "held", Refused: "refused"}[r.Verdict]
	if r.Errno != 0 {
		line += ": " + r.Errno.Error()
	}
	if r.HasDropped {
		line += ", dropped " + r.Dropped
	}
	d.say("%s", line)
}

// arp takes: arp request|reply|<op> SMAC SIP > [TMAC] TIP [words of Frame].
func (d *driver) arp(w []string, has func(string) bool) {
	op := map[string]uint16{"request": wire.ARPRequest, "reply": wire.ARPReply, "other": 9}[w[1]]
	tmac, rest := wire.MAC{}, w[5:]
	if !strings.Contains(rest[0], ".") {
		tmac, rest = mac(d.t, rest[0]), rest[1:]
	}
	b := make([]byte, wire.ARPLen)
	wire.PutARP(b, op, mac(d.t, w[2]), addr(w[3]), tmac, addr(rest[0]))
	f := Frame{
		ARP: b, Alias: has("alias"), Shared: has("shared"), OffLink: has("offlink"),
		WrongInterface: has("wrongif"), Proxy: has("proxy"), ProxySender: has("proxysender"),
	}
	if has("carp") {
		f.Alias, f.AliasMAC = true, mac(d.t, "00:00:5e:00:01:07")
	}
	a := d.table.Input(d.now, &f)
	d.prober.Input(d.now, b)
	if a.Drop != NotDropped {
		d.say("drop: %s", a.Drop)
	}
	if a.Note != NoNote {
		d.say("note %d (was %s)", a.Note, a.Old)
	}
	if a.Reply {
		d.say("%s", show(&a.Message))
	}
}

func show(m *Message) string {
	op := "reply"
	if m.Op == wire.ARPRequest {
		op = "request"
	}
	return fmt.Sprintf("%s %s %s > %s %s (frame to %s)", op, m.SenderMAC, m.SenderIP, m.TargetMAC, m.TargetIP, m.Dst)
}

// advance lets time pass, deadline by deadline.
func (d *driver) advance(by time.Duration) {
	end := d.now.Add(by)
	for steps := 0; ; steps++ {
		next := min(d.table.Deadline(), d.prober.Deadline())
		if next > end {
			break
		}
		if steps > 10000 {
			d.t.Fatal("deadline does not move")
		}
		d.now = max(d.now, next)
		d.pull()
	}
	d.now = end
}

// pull takes everything Next has.
func (d *driver) pull() {
	stamp := time.Duration(d.now).Round(time.Millisecond)
	var o Out[string]
	for d.table.Next(d.now, &o) {
		switch o.Kind {
		case SendMessage:
			d.say("%s %s", stamp, show(&o.Message))
		case SendPacket:
			d.say("%s send %s to %s", stamp, o.Packet, o.MAC)
		case DropPacket:
			d.say("%s free %s", stamp, o.Packet)
		case Changed:
			d.say("%s %s %s %s", stamp, o.IP, o.Event, o.MAC)
		case Watch:
			d.used[o.IP] = false
			d.say("%s watch %s", stamp, o.IP)
		case AskUsed:
			if d.used[o.IP] {
				d.table.Used(o.IP)
			}
		}
	}
	var po ProbeOut
	for d.prober.Next(d.now, &po) {
		if po.Event != 0 {
			d.say("%s %s %s %s", stamp, po.Event, po.IP, po.MAC)
		} else {
			d.say("%s %s", stamp, show(&po.Message))
		}
	}
}

func (d *driver) list() {
	for _, e := range d.table.AppendEntries(nil) {
		age := "permanent"
		if e.Expire != clock.Never {
			age = "expires in " + e.Expire.Sub(d.now).String()
		}
		d.say("%s at %s %s flags %#x %s held %d", e.IP, e.MAC, e.State, uint8(e.Flags), age, e.Held)
	}
}

func (d *driver) showStats() {
	v := reflect.ValueOf(d.stats)
	for i := range v.NumField() {
		if n := v.Field(i).Uint(); n != 0 {
			d.say("%s %d", v.Type().Field(i).Tag.Get("stat"), n)
		}
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(t *testing.T, s string) (m wire.MAC) {
	if len(s) == 1 { // a letter stands for 02:00:00:00:00:0X
		s = "02:00:00:00:00:0" + s
	}
	if _, err := fmt.Sscanf(s, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return m
}

func duration(t *testing.T, s string) time.Duration {
	v, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
