package radv

import (
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
// complete output. A block is commands, a line of dashes, and what the router
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
	d := &driver{t: t, router: NewRouter(1)}
	d.router.Bind(&d.stats)
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

// driver plays the stack: it owns clock and statistics.
type driver struct {
	t      *testing.T
	now    clock.Time
	stats  Stats
	router Router
	out    strings.Builder
}

func (d *driver) say(format string, args ...any) { fmt.Fprintf(&d.out, format+"\n", args...) }

// run takes:
//
//	start [min=N] [max=N] [life=N] [multicast]
//	rs SRC [ll=X] [hl=N] [frag]
//	ra SRC [hop=N] [managed] [other] [reach=N] [retrans=N] [mtu=N] [valid=N] [preferred=N] [hl=N] [frag]
//	stop, advance DURATION, stats
func (d *driver) run(w []string) {
	switch w[0] {
	case "start":
		d.start(w[1:])
	case "stop":
		d.router.Stop(d.now)
	case "rs", "ra":
		m := message(d.t, w)
		d.say("%s", d.router.Input(d.now, m))
	case "advance":
		by, err := time.ParseDuration(w[1])
		if err != nil {
			d.t.Fatal(err)
		}
		end := d.now.Add(by)
		for d.router.Deadline() <= end {
			if d.router.Deadline() < d.now {
				d.t.Fatal("a deadline in the past")
			}
			d.now = d.router.Deadline()
			d.pull()
		}
		d.now = end
	case "stats":
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

func (d *driver) start(w []string) {
	c := DefaultConfig()
	c.Reachable, c.Retrans, c.MTU = 30000, 1000, 1400
	c.Prefixes = []wire.NDPrefix{{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, Autonomous: true, Valid: 7200, Preferred: 3600}}
	for _, x := range w {
		switch key, value, _ := strings.Cut(x, "="); key {
		case "min":
			c.MinInterval = int32(number(d.t, value))
		case "max":
			c.MaxInterval = int32(number(d.t, value))
		case "life":
			c.Lifetime = int32(number(d.t, value))
		case "multicast":
			c.Unicast = false
		default:
			d.t.Fatalf("unknown word %q", x)
		}
	}
	link := Link{MAC: wire.MAC{2, 0, 0, 0, 0, 0xa}, Addr: netip.MustParseAddr("fe80::ff:fe00:a")}
	if err := d.router.Start(d.now, &c, link); err != nil {
		d.say("%v", err)
	}
}

func message(t *testing.T, w []string) *Message {
	m := &Message{Src: netip.MustParseAddr(w[1]), HopLimit: 255, Fragmented: slices.Contains(w, "frag")}
	h := wire.RAHeader{HopLimit: 64, Lifetime: 1800}
	p := wire.NDPrefix{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, Valid: 7200, Preferred: 3600}
	var b []byte
	for _, x := range w[2:] {
		key, value, _ := strings.Cut(x, "=")
		switch key {
		case "ll":
			b = wire.AppendNDLinkAddr(b, wire.NDSourceLinkAddr, wire.MAC{2, 0, 0, 0, 0, value[0] - 'a' + 10})
		case "hl":
			m.HopLimit = uint8(number(t, value))
		case "hop":
			h.HopLimit = uint8(number(t, value))
		case "reach":
			h.Reachable = number(t, value)
		case "retrans":
			h.Retrans = number(t, value)
		case "managed":
			h.Managed = true
		case "other":
			h.Other = true
		case "mtu":
			b = wire.AppendNDMTU(b, number(t, value))
		case "valid":
			p.Valid = number(t, value)
		case "preferred":
			p.Preferred = number(t, value)
		case "frag":
		default:
			t.Fatalf("unknown word %q", x)
		}
	}
	if w[0] == "rs" {
		m.RS = append(wire.AppendRS(nil), b...)
	} else {
		m.RA = append(wire.AppendNDPrefix(wire.AppendRA(nil, &h), &p), b...)
	}
	return m
}

// pull takes everything Next has.
func (d *driver) pull() {
	var o Out
	for d.router.Next(d.now, &o) {
		what := ""
		if o.Final {
			what = " final"
		}
		ra, fault := wire.ParseRouterAdvert(d.router.AppendAdvert(nil, &o))
		if fault != wire.OK {
			d.t.Fatal(fault)
		}
		d.say("%s ra to %s lifetime %d%s", time.Duration(d.now), o.Dst, ra.Header().Lifetime, what)
	}
}

func number(t *testing.T, s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}
