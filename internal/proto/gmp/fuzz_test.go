package gmp

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// feed is a fuzzer's bytes, read as numbers.
type feed struct{ b []byte }

func (f *feed) more() bool { return len(f.b) > 0 }

func (f *feed) next() byte {
	if len(f.b) == 0 {
		return 0
	}
	b := f.b[0]
	f.b = f.b[1:]
	return b
}

// sources reads a set: of five addresses, or of a few hundred.
func sources[A Address](f *feed, of func(byte) A) (list []A) {
	set := f.next()
	for i := range byte(5) {
		if set>>i&1 != 0 {
			list = append(list, of(i))
		}
	}
	if set>>5 == 7 {
		for i := range 100 {
			a := of(byte(i))
			a[1] = 77 + set
			list = append(list, a)
		}
	}
	return list
}

func wireOf[A Address](list []A) (s Sources[A]) {
	for _, a := range list {
		s = append(s, raw(&a)...)
	}
	return s
}

func filter[A Address](f *feed, of func(byte) A) mcast.Filter {
	mode := mcast.Mode(f.next() % 3)
	var list []netip.Addr
	for _, a := range sources(f, of) {
		list = append(list, NetIP(a))
	}
	if mode == mcast.Undefined {
		return mcast.Filter{}
	}
	return mcast.Filter{Mode: mode, Sources: mcast.Sorted(list)}
}

// query reads any query, also such as no protocol lets through.
func query[A Address](f *feed, group, source func(byte) A) *Query[A] {
	q := &Query[A]{Version: f.next() % 4, MaxResp: time.Duration(f.next()) * 100 * time.Millisecond}
	v := f.next()
	q.Suppress, q.Robustness, q.Interval = v&8 != 0, v&7, time.Duration(v>>4)*20*time.Second
	if g := f.next(); g%5 > 0 {
		q.Group = group(g % 5)
	}
	if q.Version == 3 {
		q.Sources = wireOf(sources(f, source))
	}
	return q
}

func hostSeeds(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for n := range 12 {
		b := make([]byte, 20+20*n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
}

// FuzzHost does to a host what the bytes say: changes, queries and reports that
// make sense or not, other rules, time. It must always come to rest until later,
// in bursts, keep what others make it remember within bounds, show its state
// without changing it, and hold nothing when all is left.
func FuzzHost(f *testing.F) {
	hostSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzHost(t, b, make4(239, 1), make4(10, 9))
		fuzzHost(t, b, make16(0xff, 0x1e), make16(0x20, 0x01))
	})
}

func fuzzHost[A Address](t *testing.T, b []byte, group, source func(byte) A) {
	f := &feed{b}
	r := HostRules{Unsolicited: time.Second, SourceDelay: -1, Robustness: 2, V1: true, V2: true}
	h := NewHost[A](1+f.next()%3, uint64(f.next()), f.next()%16 == 0)
	m := Message[A]{Buf: make([]byte, 64+int(f.next())*8)}
	now := clock.Time(0)
	for f.more() {
		switch g := group(f.next() % 5); f.next() % 8 {
		case 0, 1, 2:
			h.Change(now, &r, g, filter(f, source), time.Duration(f.next()%3)*300*time.Millisecond)
		case 3:
			if q := query(f, group, source); q.Version == 3 {
				h.Query(now, &r, q)
			} else {
				h.QueryOlder(now, &r, q)
			}
		case 4:
			h.ReportOlder(now, &r, g)
		case 5:
			v := f.next()
			r.V1, r.V2, r.Suppress, r.ModeChange = v&1 == 0, v&2 == 0, v&4 != 0, v&8 != 0
			r.Robustness, r.SourceDelay = f.next(), time.Duration(int(v>>4)-1)*time.Second
		case 6:
			h.Announce(now, &r)
		default:
			now = now.Add(time.Duration(f.next()) * 40 * time.Millisecond)
		}
		if f.next()%4 > 0 {
			pullHost(t, &h, now, &r, &m)
		}
		checkHost(t, &h, now, &r)
	}
	for i := range byte(5) {
		h.Change(now, &r, group(i), mcast.Filter{}, 0)
	}
	for steps := 0; h.Deadline() != clock.Never; steps++ {
		if steps > 10000 {
			t.Fatalf("at %v the host still wants to be asked at %v", now.Sub(0), h.Deadline().Sub(0))
		}
		now = max(now, h.Deadline())
		pullHost(t, &h, now, &r, &m)
	}
	if h.Groups() != 0 || h.work != nil || h.index.Len() != 0 {
		t.Fatalf("%d groups stay, pending %v", h.Groups(), h.work)
	}
}

// pullHost takes what is due: a burst at most, after which the host is content
// for now.
func pullHost[A Address](t *testing.T, h *Host[A], now clock.Time, r *HostRules, m *Message[A]) {
	t.Helper()
	n := 0
	for h.Next(now, r, m) {
		if n++; n > burst {
			t.Fatal("more than a burst")
		}
		if m.Kind != Report {
			continue
		}
		if m.N > len(m.Buf) {
			t.Fatalf("%d bytes written into %d", m.N, len(m.Buf))
		}
		for _, rec := range records(t, m) {
			if rec.Type < wire.IGMPIsIn || rec.Type > wire.IGMPBlock || rec.Type >= wire.IGMPAllow && len(rec.Sources) == 0 {
				t.Fatalf("record of type %d with %d sources", rec.Type, rec.Sources.Len())
			}
		}
	}
	if h.Deadline() <= now {
		t.Fatalf("asked at %v, the host wants to be asked at %v", now.Sub(0), h.Deadline().Sub(0))
	}
}

// checkHost checks what must always hold.
func checkHost[A Address](t *testing.T, h *Host[A], now clock.Time, r *HostRules) {
	t.Helper()
	due := h.Deadline()
	first, second := h.State(now, r), h.State(now, r)
	if !reflect.DeepEqual(first, second) || h.Deadline() != due {
		t.Fatal("looking at the state changes it")
	}
	n, pending := 0, 0
	for g := h.first; g != nil; g = g.next {
		n++
		if h.find(g.at) != g {
			t.Fatal("a listed group is not found")
		}
		p := g.todo
		if p == nil {
			if g.filter().Nothing() {
				t.Fatal("a group that nobody wants and nobody is told of")
			}
			continue
		}
		if p.place != 0 {
			pending++
		} else if h.work == nil || h.work.sole != g {
			t.Fatal("something is to be sent, but never")
		}
		if len(p.asked) > maxAsked || len(p.changed) > 0 && p.changed[0].left > 7 || p.modeLeft > 7 {
			t.Fatalf("too much is remembered: %+v", p)
		}
	}
	if n != h.Groups() || h.work == nil && pending > 0 || h.work != nil && (pending != len(h.work.heap) || len(h.work.fresh) > burst) {
		t.Fatalf("%d groups, %d counted, %d pending", n, h.Groups(), pending)
	}
}

// FuzzRouter does the same to a router.
func FuzzRouter(f *testing.F) {
	hostSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzRouter(t, b, make4(239, 1), make4(10, 9))
		fuzzRouter(t, b, make16(0xff, 0x1e), make16(0x20, 0x01))
	})
}

func fuzzRouter[A Address](t *testing.T, b []byte, group, source func(byte) A) {
	f := &feed{b}
	r := RouterRules{Interval: 125 * time.Second, Response: 10 * time.Second, LastMember: time.Second, Robustness: 2,
		MaxGroups: 3, MaxSources: 150, Version: f.next() % 4, SSM: true}
	router := NewRouter(0, &r, source(100), f.next()%2 == 0)
	ask := Ask[A]{Buf: make([]byte, 64+int(f.next())*8), Head: 28}
	now := clock.Time(0)
	for f.more() {
		switch f.next() % 8 {
		case 0, 1, 2, 3:
			rec := Record[A]{Group: group(f.next() % 5), Type: f.next() % 8, Version: f.next() % 4, Sources: wireOf(sources(f, source))}
			if !router.Ignores(&r, &rec) {
				router.Apply(now, &r, rec)
			}
		case 4:
			router.Query(now, &r, source(f.next()), query(f, group, source))
		case 5:
			v := f.next()
			r.Version, r.LastCount, r.Startup, r.Robustness = v&3, v>>2&3, v>>4&3, v>>6
		default:
			now = now.Add(time.Duration(f.next()) * 40 * time.Millisecond)
		}
		if f.next()%4 > 0 {
			pullRouter(t, &router, now, &r, &ask)
		}
		checkRouter(t, &router, &r)
	}
	for steps := 0; router.db.Len() > 0 || !router.Querier(now); steps++ {
		if steps > 100000 {
			t.Fatalf("%d groups stay", router.db.Len())
		}
		now = max(now, router.Deadline())
		pullRouter(t, &router, now, &r, &ask)
	}
}

func pullRouter[A Address](t *testing.T, router *Router[A], now clock.Time, r *RouterRules, ask *Ask[A]) {
	t.Helper()
	n := 0
	for router.Next(now, r, ask) {
		if n++; n > 1000 {
			t.Fatal("asks without end")
		}
		if ask.Head+ask.N > len(ask.Buf) || ask.Version < 3 && ask.N > 0 {
			t.Fatalf("%d bytes of sources in version %d", ask.N, ask.Version)
		}
	}
	var e Event[A]
	for router.NextEvent(&e) {
		_ = e.What.String()
	}
	if router.Deadline() <= now {
		t.Fatalf("asked at %v, the router wants to be asked at %v", now.Sub(0), router.Deadline().Sub(0))
	}
}

func checkRouter[A Address](t *testing.T, router *Router[A], r *RouterRules) {
	t.Helper()
	consistent(t, &router.db)
	if router.db.Len() > int(r.MaxGroups) {
		t.Fatalf("%d groups", router.db.Len())
	}
	for g := router.db.First(0); g != nil; g = g.Next() {
		if len(g.sources) > int(r.MaxSources) || g.asks != nil && len(g.asks.sources) > int(r.MaxSources) {
			t.Fatalf("%d sources, %d asked about", len(g.sources), len(g.asks.sources))
		}
	}
}

// link is a wire with hosts and routers that loses what the bytes say.
type link[A Address] struct {
	t       *testing.T
	f       *feed
	hosts   []Host[A]
	routers []Router[A]
	want    []map[A]mcast.Filter
	hr      HostRules
	rr      RouterRules
	now     clock.Time
	buf     []byte
	lossy   bool
}

func newLink[A Address](t *testing.T, b []byte, hosts, routers int, source func(byte) A) *link[A] {
	l := &link[A]{t: t, f: &feed{b}, lossy: true, buf: make([]byte, 4096)} // no list is cut (RFC 3376 §4.2.16)
	l.hr = HostRules{Unsolicited: time.Second, SourceDelay: -1, Robustness: 2, V1: true, V2: true}
	l.rr = RouterRules{Interval: 125 * time.Second, Response: 10 * time.Second, LastMember: time.Second, Robustness: 2,
		MaxGroups: 1000, MaxSources: 1000}
	for i := range hosts {
		version := uint8(3)
		if len(b) > 1 && b[1]>>i&1 != 0 {
			version = 1 + b[1]>>(4+i)&1
		}
		l.hosts = append(l.hosts, NewHost[A](version, uint64(i), false))
		l.want = append(l.want, map[A]mcast.Filter{})
	}
	for i := range routers {
		l.routers = append(l.routers, NewRouter(0, &l.rr, source(byte(100+i)), false))
	}
	return l
}

// lost decides about one message for one receiver.
func (l *link[A]) lost() bool { return l.lossy && l.f.next()&1 != 0 }

func (l *link[A]) run(until clock.Time) {
	for {
		due := clock.Never
		for i := range l.hosts {
			due = min(due, l.hosts[i].Deadline())
		}
		for i := range l.routers {
			due = min(due, l.routers[i].Deadline())
		}
		if due > until {
			l.now = until
			return
		}
		l.now = max(l.now, due)
		for i := range l.routers {
			l.asks(i)
		}
		for i := range l.hosts {
			l.reports(i)
		}
	}
}

// asks sends what a router asks. Hosts of older versions read of it what those
// have.
func (l *link[A]) asks(i int) {
	ask := Ask[A]{Buf: l.buf, Head: 28}
	for l.routers[i].Next(l.now, &l.rr, &ask) {
		q := Query[A]{Version: 3, Group: ask.Group, MaxResp: ask.MaxResp, Interval: ask.Interval, Robustness: ask.Robustness,
			Suppress: ask.Suppress, Sources: Sources[A](ask.Buf[ask.Head : ask.Head+ask.N])}
		for h := range l.hosts {
			older := q
			switch older.Version = uint8(l.hosts[h].Base()); {
			case l.lost():
			case older.Version == 3:
				l.hosts[h].Query(l.now, &l.hr, &q)
			default:
				l.hosts[h].QueryOlder(l.now, &l.hr, &older)
			}
		}
		for r := range l.routers {
			if r != i && !l.lost() {
				l.routers[r].Query(l.now, &l.rr, l.routers[i].self, &q)
			}
		}
	}
}

func (l *link[A]) reports(i int) {
	m := Message[A]{Buf: l.buf}
	for l.hosts[i].Next(l.now, &l.hr, &m) {
		var list []Record[A]
		switch m.Kind {
		case Report:
			list = records(l.t, &m)
		case OlderReport:
			list = []Record[A]{{Group: m.Group, Type: wire.IGMPIsEx, Version: m.Version}}
			for h := range l.hosts {
				if h != i && !l.lost() {
					l.hosts[h].ReportOlder(l.now, &l.hr, m.Group)
				}
			}
		case Leave:
			list = []Record[A]{{Group: m.Group, Type: wire.IGMPToIn}}
		}
		for r := range l.routers {
			if l.lost() {
				continue
			}
			for _, rec := range list {
				l.routers[r].Apply(l.now, &l.rr, rec)
			}
		}
	}
}

// FuzzConverge has hosts of all versions change their filters on a wire that loses
// anything, as the bytes say. Once it loses nothing any more, every router, asking or not,
// soon forwards all that is wanted, and when what was lost has timed out it knows
// exactly that.
func FuzzConverge(f *testing.F) {
	hostSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		converge(t, b, make4(239, 1), make4(10, 9))
		converge(t, b, make16(0xff, 0x1e), make16(0x20, 0x01))
	})
}

func converge[A Address](t *testing.T, b []byte, group, source func(byte) A) {
	hosts := 1
	if len(b) > 0 {
		hosts += int(b[0] % 3)
	}
	l := newLink(t, b, hosts, 2, source)
	for steps := 0; l.f.more() && steps < 200; steps++ {
		h, g, fl := int(l.f.next())%hosts, group(l.f.next()%3), filter(l.f, source)
		l.hosts[h].Change(l.now, &l.hr, g, fl, 0)
		if l.hosts[h].Base() < 3 && !fl.Nothing() {
			fl = mcast.Filter{Mode: mcast.Exclude} // it cannot say more
		}
		l.want[h][g] = fl
		l.run(l.now.Add(time.Duration(l.f.next()) * 20 * time.Millisecond))
	}
	l.lossy = false
	l.run(l.now.Add(l.rr.Interval*2 + l.rr.Response*2)) // the routers agree who asks, and it has asked
	l.check(group, source, false)
	l.run(l.now.Add(270 * time.Second))
	l.check(group, source, true)
}

func (l *link[A]) check(group, source func(byte) A, exact bool) {
	l.t.Helper()
	for r := range l.routers {
		for g := range byte(3) {
			for s := range byte(6) {
				wanted := slices.ContainsFunc(l.want, func(w map[A]mcast.Filter) bool {
					f := w[group(g)]
					return f.Match(NetIP(source(s)))
				})
				got := l.routers[r].Forwards(NetIP(group(g)), NetIP(source(s)))
				if wanted && !got || exact && got != wanted {
					l.t.Fatalf("router %d, (%v,%v): forwarded %v, wanted %v; knows %+v", r, NetIP(source(s)), NetIP(group(g)), got, wanted,
						l.routers[r].State(l.now))
				}
			}
		}
		if exact && len(l.hosts) == 1 {
			l.same(r)
		}
	}
}

// same checks that a router knows of a single host what that wants, no more and
// no less.
func (l *link[A]) same(r int) {
	l.t.Helper()
	known := map[A]bool{}
	for _, s := range l.routers[r].State(l.now) {
		a := AddrOf[A](s.Group)
		known[a] = true
		want := l.want[0][a]
		var list []netip.Addr
		for _, src := range s.Sources {
			if (src.Left == 0) == (s.Mode == mcast.Exclude) {
				list = append(list, src.Source)
			}
		}
		if s.Mode != want.Mode || !slices.Equal(list, want.Sources) {
			l.t.Fatalf("router %d knows %+v, the host wants %v", r, s, want)
		}
	}
	for a, want := range l.want[0] {
		if !want.Nothing() && !known[a] {
			l.t.Fatalf("router %d does not know %v %v", r, NetIP(a), want)
		}
	}
}

// FuzzElection has up to eight routers on a wire that loses anything. Once it
// loses nothing any more the lowest address asks, alone, and the next lowest does
// when that falls silent.
func FuzzElection(f *testing.F) {
	hostSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		election(t, b, make4(10, 9))
		election(t, b, make16(0xfe, 0x80))
	})
}

func election[A Address](t *testing.T, b []byte, source func(byte) A) {
	routers := 2
	if len(b) > 0 {
		routers += int(b[0] % 7)
	}
	l := newLink(t, b, 0, routers, source)
	for l.f.more() {
		l.run(l.now.Add(time.Duration(l.f.next()) * time.Second))
		if v := l.f.next(); v%8 == 0 { // one starts anew
			i := int(v>>3) % routers
			l.routers[i] = NewRouter(l.now, &l.rr, l.routers[i].self, false)
		}
	}
	l.lossy = false
	for len(l.routers) > 1 {
		l.run(l.now.Add(3 * 255 * time.Second))
		for i := range l.routers {
			if asks := l.routers[i].Querier(l.now); asks != (i == 0) || l.routers[i].QuerierAddr(l.now) != NetIP(l.routers[0].self) {
				t.Fatalf("%d routers: number %d asks: %v; it says %v does", len(l.routers), i, asks, l.routers[i].QuerierAddr(l.now))
			}
		}
		l.routers = l.routers[1:]
	}
}
