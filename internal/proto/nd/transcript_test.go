package nd

import (
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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
		commands := false
		for _, line := range strings.Split(strings.TrimSpace(input), "\n") {
			if !strings.HasPrefix(line, "#") {
				commands = true
				d.run(strings.Fields(line))
			}
		}
		if commands {
			b.WriteString("----\n" + d.out.String())
		}
	}
	return b.String()
}

// driver plays the hall: it owns clock, tunables and statistics.
type driver struct {
	t     *testing.T
	now   clock.Time
	tun   Tunables
	stats Stats
	table *Table[string]
	last  [6]byte // nonce of the last solicitation sent
	out   strings.Builder
}

func newDriver(t *testing.T) *driver {
	d := &driver{t: t, tun: Defaults(), table: New[string](1)}
	d.table.Bind(&d.tun, &d.stats)
	return d
}

func (d *driver) say(format string, args ...any) { fmt.Fprintf(&d.out, format+"\n", args...) }

// words are a command's; opt finds what follows a name.
type words []string

func (w words) has(s string) bool { return slices.Contains(w, s) }

func (w words) opt(name string) string {
	if i := slices.Index(w, name); i >= 0 && i+1 < len(w) {
		return w[i+1]
	}
	return ""
}

func (d *driver) run(w words) {
	switch w[0] {
	case "link":
		d.table.SetLink(d.now, Link{
			MAC: mac(d.t, w[1]), Up: w.has("up"), Router: w.has("router"), Disabled: w.has("disabled"),
			NoNUD: w.has("nonud"), NoDAD: w.has("nodad"), Loops: w.has("loops"),
		})
	case "set":
		n, err := strconv.Atoi(w[2])
		if err != nil {
			d.t.Fatal(err)
		}
		reflect.ValueOf(&d.tun).Elem().FieldByName(w[1]).SetInt(int64(n))
	case "addr":
		var f AddrFlags
		for name, bit := range map[string]AddrFlags{"anycast": Anycast, "optimistic": OptimisticDAD, "nodad": NoDAD, "delayed": Delayed} {
			if w.has(name) {
				f |= bit
			}
		}
		d.errno(d.table.AddAddress(d.now, addr(w[1]), f))
	case "deladdr":
		d.errno(d.table.DelAddress(addr(w[1])))
	case "resolve":
		d.resolve(w)
	case "ns", "na", "redirect":
		d.input(w)
	case "heard":
		d.heard(w)
	case "confirm":
		d.table.Confirm(d.now, addr(w[1]))
	case "timers":
		d.table.SetTimers(duration(d.t, w[1]), duration(d.t, w[2]))
	case "static":
		expire := clock.Never
		if s := w.opt("for"); s != "" {
			expire = d.now.Add(duration(d.t, s))
		}
		d.errno(d.table.Set(addr(w[1]), mac(d.t, w[2]), w.has("pub"), expire))
	case "delete":
		d.errno(d.table.Delete(addr(w[1])))
	case "scrub":
		d.table.Scrub(netip.MustParsePrefix(w[1]), w.has("static"))
	case "clear":
		d.table.Clear()
	case "advance":
		d.advance(duration(d.t, w[1]))
	case "list":
		d.list()
	case "deadline":
		d.deadline()
	case "stats":
		d.showStats()
	default:
		d.t.Fatalf("unknown command %q", w)
	}
	d.pull()
}

func (d *driver) errno(err error) {
	if e := fmt.Sprint(err); e != "errno 0" {
		d.say("%s", e)
	}
}

func (d *driver) heard(w words) {
	role := map[string]Role{"host": HostRole, "router": RouterRole, "any": AnyRole}[w[3]]
	var m wire.MAC
	if w[2] != "-" {
		m = mac(d.t, w[2])
	}
	d.table.Heard(d.now, addr(w[1]), m, role)
}

func (d *driver) resolve(w words) {
	var src netip.Addr
	if s := w.opt("from"); s != "" {
		src = addr(s)
	}
	r := d.table.Resolve(d.now, addr(w[1]), src, w[2], w.has("gateway"))
	line := [...]string{Send: "send to " + r.MAC.String(), Held: "held", Refused: "refused"}[r.Verdict]
	if r.Errno != 0 {
		line += ": " + r.Errno.Error()
	}
	if r.HasDropped {
		line += ", dropped " + r.Dropped
	}
	d.say("%s", line)
}

// input takes: ns|na|redirect SRCMAC SRC > DST TARGET [options].
func (d *driver) input(w words) {
	src, dst, target := addr(w[2]), addr(w[4]), addr(w[5])
	var b []byte
	switch w[0] {
	case "ns":
		b = wire.AppendNS(nil, target)
	case "na":
		var f uint8
		for name, bit := range map[string]uint8{"R": wire.NARouter, "S": wire.NASolicited, "O": wire.NAOverride} {
			if w.has(name) {
				f |= bit
			}
		}
		b = wire.AppendNA(nil, f, target)
	case "redirect":
		b = wire.AppendRedirect(nil, target, addr(w.opt("dst")))
	}
	if s := w.opt("sll"); s != "" {
		b = wire.AppendNDLinkAddr(b, wire.NDSourceLinkAddr, mac(d.t, s))
	}
	if s := w.opt("tll"); s != "" {
		b = wire.AppendNDLinkAddr(b, wire.NDTargetLinkAddr, mac(d.t, s))
	}
	switch s := w.opt("nonce"); s {
	case "":
	case "own":
		b = wire.AppendNDNonce(b, d.last[:])
	default:
		n, err := hex.DecodeString(s)
		if err != nil {
			d.t.Fatal(err)
		}
		b = wire.AppendNDNonce(b, n)
	}
	if w.has("zerooption") {
		b = append(b, 1, 0, 0, 0, 0, 0, 0, 0)
	}
	if w.has("code") {
		b[1] = 1
	}
	if w.has("short") {
		b = b[:20]
	}
	r := Received{
		ICMP: b, Src: src, Dst: dst, SrcMAC: mac(d.t, w[1]), HopLimit: 255, SumOK: !w.has("badsum"),
		Fragment: w.has("fragment"), OffLink: w.has("offlink"), FirstHop: w.has("firsthop"),
	}
	if w.has("faraway") {
		r.HopLimit = 254
	}
	a := d.table.Input(d.now, &r)
	if a.Drop != NotDropped {
		d.say("drop: %s", a.Drop)
	}
	if a.Note != NoNote {
		d.say("note %d (was %s)", a.Note, a.Old)
	}
	if a.Reply {
		d.say("%s", show(&a.Message))
	}
	if a.Redirect {
		d.say("redirect %s to %s", a.Dst, a.Next)
	}
}

func show(m *Message) string {
	s := fmt.Sprintf("ns %s > %s", m.Src, m.Dst)
	if m.Advert {
		s = "na" + s[2:]
	}
	s += fmt.Sprintf(" (%s) %s", m.DstMAC, m.Target)
	if !m.LinkAddr.IsZero() {
		s += " at " + m.LinkAddr.String()
	}
	if m.Nonce != [6]byte{} {
		s += " nonce"
	}
	for i, name := range []string{"R", "S", "O"} {
		if m.Flags&(wire.NARouter>>i) != 0 {
			s += " " + name
		}
	}
	return s
}

// advance lets time pass, deadline by deadline.
func (d *driver) advance(by time.Duration) {
	end := d.now.Add(by)
	for steps := 0; ; steps++ {
		next := d.table.Deadline()
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
			if o.Message.Nonce != [6]byte{} {
				d.last = o.Message.Nonce
			}
		case SendPacket:
			d.say("%s send %s to %s", stamp, o.Packet, o.MAC)
		case DropPacket:
			d.say("%s free %s%s", stamp, o.Packet, map[bool]string{true: " and tell"}[o.First])
		case Changed:
			d.say("%s %s %s %s", stamp, o.IP, o.Event, o.MAC)
		case AddressReady:
			d.say("%s ready %s%s", stamp, o.IP, map[bool]string{true: " optimistic"}[o.Optimistic])
		case AddressDuplicate:
			d.say("%s duplicate %s of %s%s", stamp, o.IP, o.MAC, map[bool]string{true: " disable"}[o.Disable])
		default:
			d.say("%s %s %s", stamp, o.Kind, o.IP)
		}
	}
}

func (d *driver) list() {
	for _, e := range d.table.AppendEntries(nil) {
		age := "stays"
		if e.Expire != clock.Never {
			age = "for " + e.Expire.Sub(d.now).Round(time.Millisecond).String()
		}
		d.say("%s at %s %s flags %#x %s held %d", e.IP, e.MAC, e.State, uint8(e.Flags), age, e.Held)
	}
	for _, a := range d.table.locals {
		if a.state != Preferred {
			d.say("%s %s", a.ip, a.state)
		}
	}
}

func (d *driver) deadline() {
	if at := d.table.Deadline(); at != clock.Never {
		d.say("deadline in %s", at.Sub(d.now).Round(time.Millisecond))
		return
	}
	d.say("no deadline")
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
