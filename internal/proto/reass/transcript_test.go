package reass

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
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts runs the commands of every testdata/*.txt and compares the
// complete output. A block is commands, a line of dashes, and what the table
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
	d := &driver{t: t, tun: Defaults()}
	d.table.Bind(&d.tun, &d.stats)
	var b strings.Builder
	for i, block := range strings.Split(strings.TrimRight(script, "\n"), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		input, _, _ := strings.Cut(block+"\n", "----\n")
		b.WriteString(input)
		d.out.Reset()
		commands := 0
		for _, line := range strings.Split(strings.TrimSpace(input), "\n") {
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

type driver struct {
	t      *testing.T
	now    clock.Time
	tun    Tunables
	stats  Stats
	table  Table[string]
	pieces []Piece[string]
	out    strings.Builder
}

func (d *driver) say(format string, args ...any) { fmt.Fprintf(&d.out, format+"\n", args...) }

func (d *driver) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *driver) run(w []string) {
	switch w[0] {
	case "frag":
		d.frag(w[1:])
	case "set":
		reflect.ValueOf(&d.tun).Elem().FieldByName(w[1]).SetInt(int64(d.number(w[2])))
	case "advance":
		by, err := time.ParseDuration(w[1])
		if err != nil {
			d.t.Fatal(err)
		}
		end := d.now.Add(by)
		for d.table.Deadline() <= end {
			d.now = max(d.now, d.table.Deadline())
			d.pull()
		}
		d.now = end
	case "clear":
		d.table.Clear()
	case "stats":
		d.say("datagrams %d", d.table.Len())
		v := reflect.ValueOf(d.stats)
		for i := range v.NumField() {
			if n := v.Field(i).Uint(); n != 0 {
				d.say("%s %d", v.Type().Field(i).Tag.Get("stat"), n)
			}
		}
	default:
		d.t.Fatalf("unknown command %q", w)
	}
	d.pull()
}

// frag takes: frag NAME ID FIRST-END [more] [v6] [hdr=N] [ecn=N] [cost=N] [proto=N] [scope=N].
func (d *driver) frag(w []string) {
	first, end, _ := strings.Cut(w[2], "-")
	f := Fragment[string]{Packet: w[0], Hdr: 20, Key: key(uint32(d.number(w[1])), false)}
	f.Off = d.number(first)
	f.Len = d.number(end) - f.Off
	for _, o := range w[3:] {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "more":
			f.More = true
		case "v6":
			f.Key, f.Hdr = key(f.Key.ID, true), 0
		case "hdr":
			f.Hdr = d.number(value)
		case "ecn":
			f.ECN = uint8(d.number(value))
		case "cost":
			f.Cost = d.number(value)
		case "proto":
			f.Key.Proto = uint8(d.number(value))
		case "scope":
			f.Key.Scope = uint32(d.number(value))
		}
	}
	r := d.table.Input(d.now, &f, d.pieces)
	switch r.Verdict {
	case Held:
		d.say("%s held", f.Packet)
	case Refused:
		d.say("%s refused: %s", f.Packet, r.Reason)
	case Complete:
		d.pieces = r.Pieces
		var s []string
		for _, p := range r.Pieces {
			s = append(s, fmt.Sprintf("%s %d-%d", p.Packet, p.Off, p.Off+p.Len))
		}
		d.say("%s complete: %d bytes, ecn %d: %s", f.Packet, r.Len, r.ECN, strings.Join(s, ", "))
	}
}

func (d *driver) pull() {
	var o Out[string]
	for d.table.Next(d.now, &o) {
		what := "free"
		if o.Kind == TimeExceeded {
			what = "time exceeded for"
		}
		d.say("%s %s %s: %s", time.Duration(d.now), what, o.Packet, o.Reason)
	}
}

func key(id uint32, ip6 bool) Key {
	if ip6 {
		return Key{Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"), ID: id}
	}
	return Key{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), Proto: 17, ID: id}
}
