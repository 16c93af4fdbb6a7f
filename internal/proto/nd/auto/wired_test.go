package auto

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/wire"
)

// wired is a link with routers and hosts on it, in virtual time, that loses
// messages.
type wired struct {
	t       *testing.T
	r       *rand.Rand
	now     clock.Time
	loss    float64
	rstats  radv.Stats
	routers []*wiredRouter
	hosts   []*wiredHost
}

type wiredRouter struct {
	radv.Router
	cfg  radv.Config
	link radv.Link
	sent clock.Time // the last to everybody that was not final
}

// wiredHost is a host with what must be true of it, worked out the slow way
// from every advertisement that reached it.
type wiredHost struct {
	Host
	tun    Tunables
	stats  Stats
	told   *told
	expire map[netip.Addr]clock.Time   // default routers
	pref   map[netip.Addr]int8         // their preferences
	lost   map[netip.Addr]int          // those that do not answer
	onLink map[netip.Prefix]clock.Time // prefixes on the link
	valid  map[netip.Prefix]clock.Time // addresses
}

func newWired(t *testing.T, seed uint64) *wired {
	w := &wired{t: t, r: rand.New(rand.NewPCG(seed, 1)), loss: 0.3}
	for i := range 3 {
		c := radv.DefaultConfig()
		c.MinInterval = 3 + w.r.Int32N(200)
		c.MaxInterval = c.MinInterval*2 + w.r.Int32N(400)
		c.Lifetime, c.Preference, c.Unicast = c.MaxInterval*3, int8(w.r.IntN(3)-1), w.r.IntN(2) == 0
		for j := range 2 {
			c.Prefixes = append(c.Prefixes, wire.NDPrefix{
				Prefix: netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/64", (i+j)%3)), OnLink: w.r.IntN(3) > 0, Autonomous: true,
				Valid: 600 + w.r.Uint32N(1<<uint(6+w.r.IntN(14))), Preferred: 300 + w.r.Uint32N(300),
			})
		}
		a := &wiredRouter{Router: radv.NewRouter(seed<<8 + uint64(i)), cfg: c, sent: -1 << 62}
		a.link = radv.Link{MAC: wire.MAC{2, 0, 0, 0, 1, byte(i)}, Addr: netip.MustParseAddr(fmt.Sprintf("fe80::%x", i+1))}
		a.Bind(&w.rstats)
		w.routers = append(w.routers, a)
	}
	for i := range 4 {
		h := &wiredHost{
			Host: NewHost(seed<<8 + 100 + uint64(i)), tun: Defaults(), expire: map[netip.Addr]clock.Time{}, pref: map[netip.Addr]int8{},
			lost: map[netip.Addr]int{}, onLink: map[netip.Prefix]clock.Time{}, valid: map[netip.Prefix]clock.Time{},
		}
		h.tun.UseTemp = int32(i % 2)
		h.Bind(&h.tun, &h.stats)
		h.told = newTold(t, &h.tun)
		h.Start(0, Link{
			MAC: wire.MAC{2, 0, 0, 0, 2, byte(i)}, AcceptRA: true, LinkLocal: true, Stable: i > 1, Secret: &[32]byte{byte(i)},
			MTU: 1500, Transmits: 1, Name: "em0",
		})
		w.hosts = append(w.hosts, h)
	}
	return w
}

// run lets time pass, deadline by deadline; meddle is called now and then.
func (w *wired) run(by time.Duration, meddle func()) {
	end := w.now.Add(by)
	next := w.now
	for {
		due := min(end, next)
		for _, a := range w.routers {
			due = min(due, a.Deadline())
		}
		for _, h := range w.hosts {
			due = min(due, h.Deadline())
		}
		if due < w.now {
			w.t.Fatalf("a deadline in the past: %d at %d", due, w.now)
		}
		w.now = due
		if w.now >= end {
			return
		}
		if w.now == next {
			meddle()
			next = w.now.Add(time.Duration(1 + w.r.Int64N(int64(2*time.Hour))))
		}
		w.exchange()
	}
}

// exchange delivers what routers and hosts have to say at this moment.
func (w *wired) exchange() {
	for busy := true; busy; {
		busy = false
		for _, h := range w.hosts {
			var o Out
			for h.Next(w.now, &o) {
				h.told.obey(w.now, &o)
				if o.Kind == SendRS {
					w.solicit(&h.Host, &o)
					busy = true
				}
			}
			w.check(h)
		}
		for _, a := range w.routers {
			var o radv.Out
			for a.Next(w.now, &o) {
				w.advertise(a, &o)
				busy = true
			}
		}
	}
}

func (w *wired) solicit(h *Host, o *Out) {
	rs, fault := wire.ParseRouterSolicit(h.AppendSolicit(nil, o))
	if fault != wire.OK {
		w.t.Fatal(fault)
	}
	for _, a := range w.routers {
		if w.r.Float64() >= w.loss {
			a.Input(w.now, &radv.Message{RS: rs, Src: o.Src, HopLimit: 255})
		}
	}
}

func (w *wired) advertise(a *wiredRouter, o *radv.Out) {
	if o.Dst.IsMulticast() && !o.Final {
		if w.now.Sub(a.sent) < 3*time.Second {
			w.t.Fatalf("two advertisements within %v", w.now.Sub(a.sent))
		}
		a.sent = w.now
	}
	ra, fault := wire.ParseRouterAdvert(a.AppendAdvert(nil, o))
	if fault != wire.OK {
		w.t.Fatal(fault)
	}
	for _, h := range w.hosts {
		if w.r.Float64() < w.loss || !o.Dst.IsMulticast() && o.Dst != h.source() {
			continue
		}
		if v := h.Input(w.now, &Message{RA: ra, Src: o.Src, HopLimit: 255}); v != Accepted {
			w.t.Fatal(v)
		}
		h.heard(w.now, a, o)
	}
}

// heard works out what an advertisement changes, as RFC 4861 §6.3.4 and RFC 4862
// §5.5.3 say it.
func (h *wiredHost) heard(now clock.Time, a *wiredRouter, o *radv.Out) {
	seconds := time.Duration(a.cfg.Lifetime) * time.Second
	if o.Final {
		seconds = 0
	}
	h.expire[o.Src], h.pref[o.Src] = now.Add(seconds), a.cfg.Preference
	delete(h.lost, o.Src)
	for _, p := range a.cfg.Prefixes {
		received := time.Duration(p.Valid) * time.Second
		if p.OnLink {
			h.onLink[p.Prefix] = now.Add(received)
		}
		remaining := h.valid[p.Prefix].Sub(now)
		switch {
		case remaining <= 0 || received > 2*time.Hour || received > remaining: // (e) 1
			h.valid[p.Prefix] = now.Add(received)
		case remaining <= 2*time.Hour: // (e) 2
		default: // (e) 3
			h.valid[p.Prefix] = now.Add(2 * time.Hour)
		}
	}
}

// check compares a host with what must be true of it.
func (w *wired) check(h *wiredHost) {
	w.t.Helper()
	h.told.check(&h.Host, w.now)
	gate, ok := h.told.routes[netip.PrefixFrom(netip.IPv6Unspecified(), 0)]
	alive, answers, best := false, false, int8(-2)
	for a, expire := range h.expire {
		if expire > w.now {
			alive = true
			if h.lost[a] == 0 {
				answers, best = true, max(best, h.pref[a])
			}
		}
	}
	switch {
	case ok != alive:
		w.t.Fatalf("at %d: a default route: %v, a router: %v", w.now, ok, alive)
	case ok && h.expire[gate] <= w.now:
		w.t.Fatalf("at %d: the default route goes through %v, which is none any more", w.now, gate)
	case ok && answers && (h.lost[gate] != 0 || h.pref[gate] != best):
		w.t.Fatalf("at %d: the default route goes through %v, and there is a better one", w.now, gate)
	}
	for p, until := range h.onLink {
		if _, ok := h.told.routes[p]; ok != (until > w.now) {
			w.t.Fatalf("at %d: %v on the link: %v, until %d", w.now, p, ok, until)
		}
	}
	for _, a := range h.AppendAddresses(nil) {
		if want := h.valid[a.Prefix.Masked()]; a.Origin == Prefix && a.Valid != want {
			w.t.Fatalf("at %d: %+v is valid until %d", w.now, a, want)
		}
	}
	for p, until := range h.valid {
		n := 0
		for _, a := range h.AppendAddresses(nil) {
			if a.Origin == Prefix && a.Prefix.Masked() == p {
				n++
			}
		}
		if until > w.now && n != 1 || until <= w.now && n != 0 {
			w.t.Fatalf("at %d: %d addresses in %v, which is valid until %d", w.now, n, p, until)
		}
	}
}

// meddle does to the link what happens to links.
func (w *wired) meddle() {
	a := w.routers[w.r.IntN(len(w.routers))]
	h := w.hosts[w.r.IntN(len(w.hosts))]
	switch w.r.IntN(9) {
	case 0:
		a.Stop(w.now)
	case 1: // a crash: no farewell
		a.Router = radv.NewRouter(w.r.Uint64())
		a.Bind(&w.rstats)
		a.sent = -1 << 62
	case 2, 3, 4:
		if err := a.Start(w.now, &a.cfg, a.link); err != nil {
			w.t.Fatal(err)
		}
	case 5:
		h.RouterLost(w.now, a.link.Addr)
		if _, ok := h.expire[a.link.Addr]; ok {
			h.lost[a.link.Addr]++
		}
	case 6:
		h.RouterFound(w.now, a.link.Addr)
		delete(h.lost, a.link.Addr)
	case 7: // the link was attached anew
		h.Solicit(w.now)
		for _, b := range h.AppendAddresses(nil) {
			h.Ready(w.now, b.Prefix.Addr())
		}
	case 8:
		list := h.AppendAddresses(nil)
		b := list[w.r.IntN(len(list))]
		if w.r.IntN(4) == 0 && (b.Origin == Temporary || h.link.Stable) {
			h.Duplicate(w.now, b.Prefix.Addr())
		} else {
			h.Ready(w.now, b.Prefix.Addr())
		}
	}
}

// TestWired runs hosts and routers on a link that loses every third message, for
// days in which routers come and go, and compares every host at every moment
// with what must be true of it. Then the link is quiet, and everything must come
// right.
func TestWired(t *testing.T) {
	unicast := uint64(0)
	for seed := range uint64(5) {
		w := newWired(t, seed)
		w.exchange()
		w.run(4*24*time.Hour, w.meddle)
		w.loss = 0
		for _, a := range w.routers {
			if err := a.Start(w.now, &a.cfg, a.link); err != nil {
				t.Fatal(err)
			}
		}
		w.run(time.Hour, func() {})
		for i, h := range w.hosts {
			if h.defaultRouter(w.now) < 0 || len(h.expire) != 3 || len(h.valid) != 3 {
				t.Errorf("seed %d: host %d has not found everything: %v %v", seed, i, h.AppendRouters(nil), h.AppendAddresses(nil))
			}
			if h.tun.UseTemp != 0 && h.stats.GaveUp == 0 && h.stats.Temporary < 3 {
				t.Errorf("seed %d: host %d formed %d temporary addresses", seed, i, h.stats.Temporary)
			}
		}
		if w.rstats.Sent < 1000 {
			t.Errorf("seed %d: %+v", seed, w.rstats)
		}
		unicast += w.rstats.Unicast
	}
	if unicast == 0 {
		t.Error("no answer to one host alone")
	}
}
