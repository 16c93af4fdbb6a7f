package gmp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

func at(d time.Duration) clock.Time { return clock.Time(0).Add(d) }

// make4 and make16 make the n-th address of a kind, for either family.
func make4(a, b byte) func(n byte) [4]byte {
	return func(n byte) [4]byte { return [4]byte{a, b, 1, n} }
}

func make16(a, b byte) func(n byte) [16]byte {
	return func(n byte) [16]byte { return [16]byte{a, b, 15: n} }
}

// records reads what Host.Next has written.
func records[A Address](t testing.TB, m *Message[A]) (list []Record[A]) {
	t.Helper()
	b := m.Buf[headLen:m.N]
	for range m.Records {
		r := Record[A]{Type: b[0], Version: 3}
		n := len(r.Group)
		copy(raw(&r.Group), b[4:])
		end := 4 + n + n*int(binary.BigEndian.Uint16(b[2:]))
		r.Sources, b = Sources[A](b[4+n:end]), b[end:]
		list = append(list, r)
	}
	if len(b) > 0 {
		t.Fatalf("%d bytes behind the records", len(b))
	}
	return list
}

// net is a wire with hosts and one router, without delay.
type net[A Address] struct {
	t      *testing.T
	hosts  []Host[A]
	want   []map[A]mcast.Filter
	router Router[A]
	hr     HostRules
	rr     RouterRules
	now    clock.Time
	group  func(byte) A
	source func(byte) A
	groups int
	sent   []int // state-change reports of each host
	lossOf int   // if not 0: of so many queries about a group one arrives
	asked  int   // about groups
	buf    []byte
}

func newNet[A Address](t *testing.T, hosts int, seed uint64, group, source func(byte) A) *net[A] {
	n := &net[A]{t: t, group: group, source: source, groups: 1 + int(seed&1), sent: make([]int, hosts), buf: make([]byte, 1452)}
	n.hr = HostRules{Unsolicited: time.Second, SourceDelay: -1, Robustness: 3, V1: true, V2: true}
	n.rr = RouterRules{Interval: 125 * time.Second, Response: 10 * time.Second, LastMember: time.Second, Robustness: 3,
		MaxGroups: 1000, MaxSources: 100}
	for i := range hosts {
		n.hosts = append(n.hosts, NewHost[A](3, seed*100+uint64(i), false))
		n.want = append(n.want, map[A]mcast.Filter{})
	}
	n.router = NewRouter(0, &n.rr, source(200), false)
	return n
}

func (n *net[A]) change(h int, g A, f mcast.Filter) {
	n.hosts[h].Change(n.now, &n.hr, g, f, 0)
	n.want[h][g] = f
	n.run(n.now)
}

func (n *net[A]) run(until clock.Time) {
	for {
		due := n.router.Deadline()
		for i := range n.hosts {
			due = min(due, n.hosts[i].Deadline())
		}
		if due > until {
			n.now = until
			return
		}
		n.now = max(n.now, due)
		ask := Ask[A]{Buf: n.buf, Head: 28}
		for n.router.Next(n.now, &n.rr, &ask) {
			if n.lossOf > 0 && ask.Group != *new(A) {
				if n.asked++; n.asked%n.lossOf != 0 {
					continue
				}
			}
			q := Query[A]{Version: 3, Group: ask.Group, MaxResp: ask.MaxResp, Interval: ask.Interval, Robustness: ask.Robustness,
				Suppress: ask.Suppress, Sources: Sources[A](ask.Buf[ask.Head : ask.Head+ask.N])}
			for i := range n.hosts {
				n.hosts[i].Query(n.now, &n.hr, &q)
			}
		}
		for i := range n.hosts {
			n.report(i)
		}
	}
}

// report sends what host i has to say. With one group, state-change reports are
// lost, but never three in a row, which is what a robustness of 3 covers.
func (n *net[A]) report(i int) {
	m := Message[A]{Buf: n.buf}
	for n.hosts[i].Next(n.now, &n.hr, &m) {
		if m.Kind != Report {
			continue
		}
		list := records(n.t, &m)
		if list[0].Type > 2 {
			if n.sent[i]++; n.groups == 1 && n.sent[i]%3 != 0 {
				continue
			}
		}
		for _, r := range list {
			if !n.router.Apply(n.now, &n.rr, r) {
				n.t.Fatal("refused")
			}
		}
		consistent(n.t, &n.router.db)
	}
}

func (n *net[A]) check(exact bool) {
	n.t.Helper()
	for g := range n.groups {
		group := n.group(byte(g))
		for a := range byte(5) {
			src := NetIP(n.source(a))
			wanted, settled := false, true
			for i := range n.hosts {
				f := n.want[i][group]
				wanted = wanted || f.Match(src)
				if h := n.hosts[i].find(group); h != nil && h.todo != nil {
					settled = false
				}
			}
			got := n.router.Forwards(NetIP(group), src)
			if wanted && !got && settled || exact && got != wanted {
				n.t.Fatalf("at %v: (%v,%v) forwarded %v, wanted %v", n.now.Sub(0), src, NetIP(group), got, wanted)
			}
		}
	}
}

// TestHostsAndRouterAgree lets a few hosts change their filters at random and
// compares what the router forwards with what the hosts want: nothing may be
// missing once a change has been reported, and nothing may be too much after the
// group membership interval.
func TestHostsAndRouterAgree(t *testing.T) {
	for seed := range uint64(40) {
		agree(t, seed, make4(239, 1), make4(10, 9))
		agree(t, seed, make16(0xff, 0x1e), make16(0x20, 0x01))
	}
}

func agree[A Address](t *testing.T, seed uint64, group, source func(byte) A) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	n := newNet(t, 4, seed, group, source)
	for range 60 {
		h, g := rnd.IntN(4), n.group(byte(rnd.IntN(n.groups)))
		f := mcast.Filter{Mode: mcast.Mode(1 + rnd.IntN(2))}
		for range rnd.IntN(4) {
			f.Sources = append(f.Sources, NetIP(source(byte(rnd.IntN(4)))))
		}
		f.Sources = mcast.Sorted(f.Sources)
		if rnd.IntN(4) == 0 {
			f = mcast.Filter{}
		}
		n.change(h, g, f)
		n.run(n.now.Add(time.Duration(rnd.IntN(20000)) * time.Millisecond))
		n.check(false)
	}
	n.run(n.now.Add(10 * time.Minute))
	n.check(true)
}

// consistent checks what must always hold.
func consistent[A Address](t *testing.T, d *Database[A]) {
	t.Helper()
	groups := 0
	for port := range d.ports.Len() {
		n := int32(0)
		for g := d.First(int32(port)); g != nil; g = g.Next() {
			groups++
			n++
			blocked := int32(0)
			for i, s := range g.sources {
				if s.until == stopped {
					blocked++
				}
				if i > 0 && Compare(g.sources[i-1].at, s.at) >= 0 {
					t.Fatal("sources out of order")
				}
			}
			switch {
			case d.Lookup(int32(port), g.at) != g:
				t.Fatal("a listed group is not found")
			case blocked != g.blocked || g.mode == mcast.Include && blocked > 0:
				t.Fatalf("%d blocked, counted %d in %v", blocked, g.blocked, g.mode)
			case g.mode == mcast.Include && len(g.sources) == 0:
				t.Fatal("a group that nobody wants")
			case g.wake > g.earliest() || g.place == 0:
				t.Fatal("a group that nobody will look at in time")
			}
		}
		if n != d.ports.At(int32(port)).n {
			t.Fatal("miscounted port")
		}
	}
	if groups != d.Len() || groups != len(d.heap) {
		t.Fatalf("%d groups listed, %d in the table, %d in the heap", groups, d.Len(), len(d.heap))
	}
}

// TestIdleGroup: what a group takes while nothing is to be sent.
func TestIdleGroup(t *testing.T) {
	if a, b := unsafe.Sizeof(group[[4]byte]{}), unsafe.Sizeof(group[[16]byte]{}); a != 64 || b != 80 {
		t.Errorf("%d and %d bytes", a, b)
	}
	if n := unsafe.Sizeof(Host[[16]byte]{}); n > 80 {
		t.Errorf("an engine takes %d bytes", n)
	}
}

// TestNothingStays: a host that has left many groups holds nothing.
func TestNothingStays(t *testing.T) {
	const many = 1000
	h := NewHost[[16]byte](3, 1, false)
	r := HostRules{Unsolicited: time.Second, Robustness: 2}
	group := func(n int) [16]byte { return [16]byte{0xff, 2, 14: byte(n >> 8), 15: byte(n)} }
	for i := range many {
		h.Change(0, &r, group(i), mcast.Filter{Mode: mcast.Exclude}, 0)
	}
	if h.index.Len() != many || h.Groups() != many {
		t.Errorf("%d groups, %d in the index", h.Groups(), h.index.Len())
	}
	m := Message[[16]byte]{Buf: make([]byte, 1452)}
	for i := range many {
		h.Change(0, &r, group(i), mcast.Filter{}, 0)
	}
	for h.Deadline() != clock.Never {
		for now := h.Deadline(); h.Next(now, &r, &m); {
		}
	}
	if h.Groups() != 0 || h.index.Len() != 0 || h.first != nil || h.last != nil || h.work != nil {
		t.Error("something stayed behind")
	}
}

// TestRFC3376Section7_2_1Return: what was scheduled for an older querier is
// dropped, and nothing else happens, if that querier is forgotten by the time
// it is due.
func TestRFC3376Section7_2_1Return(t *testing.T) {
	for _, older := range []uint8{1, 2} {
		h := NewHost[[4]byte](3, 1, false)
		r := HostRules{Unsolicited: time.Second, Robustness: 2, V1: true, V2: true}
		h.Change(0, &r, [4]byte{239, 1, 1, 1}, mcast.Filter{Mode: mcast.Exclude}, 0)
		h.QueryOlder(0, &r, &Query[[4]byte]{Version: 2, MaxResp: 10 * time.Second})
		h.QueryOlder(0, &r, &Query[[4]byte]{Version: older, MaxResp: 10 * time.Second})
		h.Change(at(259*time.Second), &r, [4]byte{239, 1, 1, 2}, mcast.Filter{Mode: mcast.Exclude}, 0)
		m := Message[[4]byte]{Buf: make([]byte, 1476)}
		for h.Next(at(259*time.Second), &r, &m) {
		}
		if h.Next(at(270*time.Second), &r, &m) || h.Version(at(270*time.Second), &r) != 3 || h.Deadline() != clock.Never {
			t.Errorf("after version %d: %+v", older, m)
		}
	}
}

// FuzzEngine does what the bytes say to a host, a router and its database: two
// bytes are an operation on one of four groups and a set of five sources.
func FuzzEngine(f *testing.F) {
	f.Add([]byte{0x00, 0x13, 0x11, 0x05, 0x42, 0x1f, 0x63, 0x00, 0x34, 0x01, 0x75, 0xff})
	f.Add([]byte{0x01, 0x20, 0x61, 0x03, 0x31, 0x1f, 0x21, 0x01, 0x50, 0x7f, 0x41, 0x00})
	f.Fuzz(func(t *testing.T, ops []byte) {
		fuzzEngine(t, ops, make4(239, 1), make4(10, 9))
		fuzzEngine(t, ops, make16(0xff, 0x1e), make16(0x20, 0x01))
	})
}

func fuzzEngine[A Address](t *testing.T, ops []byte, group, source func(byte) A) {
	n := newNet(t, 1, 1, group, source)
	for ; len(ops) > 1; ops = ops[2:] {
		verb, g, set := ops[0]>>4, group(ops[0]&3), ops[1]
		var list Sources[A]
		var ips []netip.Addr
		for i := range byte(5) {
			if a := source(i); set>>i&1 != 0 {
				list, ips = append(list, raw(&a)...), append(ips, NetIP(a))
			}
		}
		q := Query[A]{Version: 3, Group: g, Sources: list, MaxResp: time.Duration(set) * time.Second, Suppress: set&0x80 != 0}
		switch verb {
		case 0, 1, 2:
			n.change(0, g, mcast.Filter{Mode: mcast.Mode(verb), Sources: ips})
		case 3:
			n.hosts[0].Query(n.now, &n.hr, &q)
			n.router.Query(n.now, &n.rr, source(set), &q)
		case 4:
			q.Version, q.Sources = 1+set&1, nil
			if set&2 != 0 {
				q.Group = *new(A)
			}
			n.hosts[0].QueryOlder(n.now, &n.hr, &q)
			n.hosts[0].ReportOlder(n.now, &n.hr, group(set&3))
		case 5:
			n.hosts[0].Query(n.now, &n.hr, &Query[A]{Version: 3, MaxResp: q.MaxResp, Robustness: set & 7, Interval: q.MaxResp})
		case 6:
			n.hosts[0].Announce(n.now, &n.hr)
		case 7:
			n.run(n.now.Add(time.Duration(set) * 3 * time.Second))
		default:
			n.router.Apply(n.now, &n.rr, Record[A]{Group: g, Sources: list, Type: 1 + verb%6, Version: set >> 6})
		}
		consistent(t, &n.router.db)
	}
	n.run(n.now.Add(24 * time.Hour))
	for i := range byte(4) {
		n.hosts[0].Change(n.now, &n.hr, group(i), mcast.Filter{}, 0)
	}
	n.run(n.now.Add(24 * time.Hour))
	if h := &n.hosts[0]; h.Groups() != 0 || h.work != nil || n.router.db.Len() != 0 {
		t.Errorf("after a day of silence: %d groups, pending %v, %d at the router", h.Groups(), h.work, n.router.db.Len())
	}
}
