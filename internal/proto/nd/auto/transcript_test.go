package auto

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
// complete output. A block is commands, a line of dashes, and what the host
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

// driver plays the stack: it owns clock, tunables and statistics.
type driver struct {
	t     *testing.T
	now   clock.Time
	tun   Tunables
	stats Stats
	host  Host
	last  netip.Addr // the address added last
	out   strings.Builder
}

func newDriver(t *testing.T) *driver {
	d := &driver{t: t, tun: Defaults(), host: NewHost(1)}
	d.host.Bind(&d.tun, &d.stats)
	return d
}

func (d *driver) say(format string, args ...any) { fmt.Fprintf(&d.out, format+"\n", args...) }

func (d *driver) run(w []string) {
	has := func(s string) bool { return slices.Contains(w, s) }
	switch w[0] {
	case "start", "link":
		link := Link{
			MAC: mac("a"), Transmits: 1, MTU: 1500, Name: "em0", AcceptRA: !has("deaf"), LinkLocal: !has("nolinklocal"),
			NoRouters: has("norouters"), Optimistic: has("optimistic"), Stable: has("stable"),
		}
		if has("stable") || has("secret") {
			link.Secret = &[32]byte{1, 2, 3}
		}
		if w[0] == "start" {
			d.host.Start(d.now, link)
		} else {
			d.host.SetLink(d.now, link)
		}
	case "stop":
		d.host.Stop(d.now)
	case "solicit":
		d.host.Solicit(d.now)
	case "set":
		n, err := strconv.Atoi(w[2])
		if err != nil {
			d.t.Fatal(err)
		}
		reflect.ValueOf(&d.tun).Elem().FieldByName(w[1]).SetInt(int64(n))
	case "ra":
		m := advert(d.t, w[1:])
		v := d.host.Input(d.now, m)
		if v != Accepted {
			d.say("%s", v)
		} else if m.HasLinkAddr {
			d.say("%s is at %s", m.Src, m.LinkAddr)
		}
	case "ready":
		d.host.Ready(d.now, d.addr(w[1]))
	case "duplicate":
		d.host.Duplicate(d.now, d.addr(w[1]))
	case "lost":
		d.host.RouterLost(d.now, addr(w[1]))
	case "found":
		d.host.RouterFound(d.now, addr(w[1]))
	case "resigned":
		d.host.RouterResigned(d.now, addr(w[1]))
	case "announced":
		d.say("%v", d.host.Announced(addr(w[1]), addr(w[2])))
	case "advance":
		d.advance(duration(d.t, w[1]))
	case "list":
		d.pull()
		d.list()
	case "stats":
		d.showStats()
	case "deadline":
		d.pull()
		d.say("%s", until(d.now, d.host.Deadline()))
	default:
		d.t.Fatalf("unknown command %q", w)
	}
	d.pull()
}

// addr returns the address that a word means.
func (d *driver) addr(s string) netip.Addr {
	if s == "last" {
		return d.last
	}
	return addr(s)
}

// advert builds what these words describe:
//
//	SRC life=N pref=high|low hop=N reach=N retrans=N managed other ll=X mtu=N
//	prefix=P,[LA],VALID,PREFERRED route=P,PREF,LIFE rdnss=LIFE,ADDR,… dnssl=LIFE,NAME,…
//	hl=N frag
func advert(t testing.TB, w []string) *Message {
	prefs := map[string]int8{"high": 1, "medium": 0, "low": -1}
	m := &Message{Src: addr(w[0]), HopLimit: 255}
	h := wire.RAHeader{HopLimit: 64, Lifetime: 1800}
	var b []byte
	for _, x := range w[1:] {
		key, value, _ := strings.Cut(x, "=")
		v := strings.Split(value, ",")
		switch key {
		case "life":
			h.Lifetime = uint16(number(t, value))
		case "pref":
			h.Preference = prefs[value]
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
		case "ll":
			b = wire.AppendNDLinkAddr(b, wire.NDSourceLinkAddr, mac(value))
		case "mtu":
			b = wire.AppendNDMTU(b, number(t, value))
		case "prefix":
			b = wire.AppendNDPrefix(b, &wire.NDPrefix{
				Prefix: netip.MustParsePrefix(v[0]), OnLink: strings.Contains(v[1], "L"), Autonomous: strings.Contains(v[1], "A"),
				Valid: number(t, v[2]), Preferred: number(t, v[3]),
			})
		case "route":
			b = wire.AppendNDRouteInfo(b, &wire.NDRoute{Prefix: netip.MustParsePrefix(v[0]), Preference: prefs[v[1]], Lifetime: number(t, v[2])})
		case "rdnss":
			var list []netip.Addr
			for _, s := range v[1:] {
				list = append(list, addr(s))
			}
			b = wire.AppendNDRDNSS(b, number(t, v[0]), list)
		case "dnssl":
			b, _ = wire.AppendNDDNSSL(b, number(t, v[0]), v[1:])
		case "hl":
			m.HopLimit = uint8(number(t, value))
		case "frag":
			m.Fragmented = true
		default:
			t.Fatalf("unknown word %q", x)
		}
	}
	ra, fault := wire.ParseRouterAdvert(append(wire.AppendRA(nil, &h), b...))
	if fault != wire.OK {
		t.Fatal(fault)
	}
	m.RA = ra
	return m
}

// advance lets time pass, deadline by deadline.
func (d *driver) advance(by time.Duration) {
	end := d.now.Add(by)
	for steps := 0; ; steps++ {
		next := d.host.Deadline()
		if next > end {
			break
		}
		if next <= d.now || steps > 10000 {
			d.t.Fatal("deadline does not move")
		}
		d.now = next
		d.pull()
	}
	d.now = end
}

// pull takes everything Next has.
func (d *driver) pull() {
	stamp := time.Duration(d.now).Round(time.Millisecond)
	var o Out
	for d.host.Next(d.now, &o) {
		d.say("%s %s", stamp, show(d.now, &o))
		if o.Kind == AddAddress {
			d.last = o.Address.Prefix.Addr()
		}
	}
}

func show(now clock.Time, o *Out) string {
	switch o.Kind {
	case SendRS:
		return fmt.Sprintf("%s from %s", o.Kind, o.Src)
	case AddAddress, ChangeAddress, DelAddress:
		return fmt.Sprintf("%s %s", o.Kind, showAddress(now, &o.Address))
	case AddRoute, ChangeRoute, DelRoute:
		return fmt.Sprintf("%s %s", o.Kind, showRoute(now, &o.Route))
	case DNSChanged:
		return o.Kind.String()
	}
	return fmt.Sprintf("%s %d", o.Kind, o.Value)
}

func showAddress(now clock.Time, a *Address) string {
	s := fmt.Sprintf("%s %s", a.Prefix, a.Origin)
	for _, flag := range []struct {
		on   bool
		name string
	}{{a.Optimistic, "optimistic"}, {a.Deprecated, "deprecated"}, {a.Ready, "ready"}, {a.Duplicate, "duplicate"}} {
		if flag.on {
			s += " " + flag.name
		}
	}
	return fmt.Sprintf("%s (%s, %s)", s, until(now, a.Preferred), until(now, a.Valid))
}

func showRoute(now clock.Time, r *Route) string {
	if !r.Router.IsValid() {
		return fmt.Sprintf("%s on-link (%s)", r.Dst, until(now, r.Expire))
	}
	return fmt.Sprintf("%s via %s pref %d (%s)", r.Dst, r.Router, r.Preference, until(now, r.Expire))
}

func until(now, at clock.Time) string {
	switch {
	case at == clock.Never:
		return "forever"
	case at <= now:
		return "0s"
	}
	return at.Sub(now).Round(time.Millisecond).String()
}

func (d *driver) list() {
	for _, a := range d.host.AppendAddresses(nil) {
		d.say("%s", showAddress(d.now, &a))
	}
	for _, r := range d.host.AppendRoutes(nil) {
		d.say("%s", showRoute(d.now, &r))
	}
	for _, r := range d.host.AppendRouters(nil) {
		s := fmt.Sprintf("router %s pref %d (%s)", r.IP, r.Preference, until(d.now, r.Expire))
		if r.Lost {
			s += " lost"
		}
		if r.Installed {
			s += " installed"
		}
		d.say("%s", s)
	}
	for _, s := range d.host.AppendServers(nil) {
		d.say("server %s (%s)", s.Addr, until(d.now, s.Expire))
	}
	for _, s := range d.host.AppendDomains(nil) {
		d.say("domain %s (%s)", s.Name, until(d.now, s.Expire))
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

// mac returns 02:00:00:00:00:0X for a letter X.
func mac(s string) wire.MAC { return wire.MAC{2, 0, 0, 0, 0, s[0] - 'a' + 10} }

func number(t testing.TB, s string) uint32 {
	if s == "inf" {
		return wire.NDInfinity
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

func duration(t *testing.T, s string) time.Duration {
	v, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
