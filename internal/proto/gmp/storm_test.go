package gmp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// storm is a querier to which members of one group leave one after another, each
// when somebody has just answered the query about the one before.
type storm[A Address] struct {
	t       *testing.T
	router  Router[A]
	r       RouterRules
	now     clock.Time
	ask     Ask[A]
	group   A
	queries int
	clear   int // of them, without the S flag
	last    clock.Time
}

func newStorm[A Address](t *testing.T, count uint8, group, self A) *storm[A] {
	s := &storm[A]{t: t, group: group, ask: Ask[A]{Buf: make([]byte, 1452), Head: 28}}
	s.r = RouterRules{Interval: 125 * time.Second, Response: 10 * time.Second, LastMember: time.Second, Robustness: 2,
		LastCount: count, MaxGroups: 10, MaxSources: 100}
	s.router = NewRouter(0, &s.r, self, false)
	s.until(at(100 * time.Second)) // what it asks at the start
	s.queries, s.clear = 0, 0
	return s
}

func (s *storm[A]) until(t clock.Time) {
	for s.router.Deadline() <= t {
		s.now = max(s.now, s.router.Deadline())
		s.pull()
	}
	s.now = t
}

func (s *storm[A]) pull() {
	for s.router.Next(s.now, &s.r, &s.ask) {
		if s.queries++; !s.ask.Suppress {
			s.clear++
		}
		s.last = s.now
	}
}

func (s *storm[A]) hear(typ uint8, list Sources[A]) {
	s.router.Apply(s.now, &s.r, Record[A]{Group: s.group, Type: typ, Version: 3, Sources: list})
	s.pull()
}

// TestRFC3376Section6_6_3Storm: how often a querier asks about a group when many
// leave does not depend on how many do, and when the last one has left the group
// is forgotten as soon as if it had been the only one.
func TestRFC3376Section6_6_3Storm(t *testing.T) {
	for count := range uint8(4) {
		storms(t, count+1, [4]byte{239, 1, 1, 1}, [4]byte{10, 0, 0, 1})
		storms(t, count+1, [16]byte{0xff, 0x1e, 15: 1}, [16]byte{0xfe, 0x80, 15: 1})
	}
}

func storms[A Address](t *testing.T, count uint8, group, src A) {
	one := Sources[A](raw(&src))
	for name, record := range map[string]struct {
		join, leave, answer uint8
		list                Sources[A]
	}{
		"sources": {wire.IGMPAllow, wire.IGMPBlock, wire.IGMPIsIn, one},
		"to in":   {wire.IGMPAllow, wire.IGMPToIn, wire.IGMPIsIn, nil},
		"group":   {wire.IGMPToEx, wire.IGMPToIn, wire.IGMPIsEx, nil},
	} {
		const leavers, took = 2000, 5 * time.Second
		s := newStorm(t, count, group, src)
		wanted := one
		if name == "group" {
			wanted = nil
		}
		s.hear(record.join, wanted)
		begun := s.now
		for i := range leavers {
			s.until(begun.Add(took / leavers * time.Duration(i)))
			s.hear(record.leave, record.list)
			s.until(s.now.Add(took / leavers / 2))
			if i < leavers-1 {
				s.hear(record.answer, wanted)
			}
			if !s.router.Forwards(NetIP(group), NetIP(src)) {
				t.Fatalf("%s, %d queries: a member is forgotten", name, count)
			}
		}
		left := s.now.Add(-took / leavers / 2)
		seconds := int(took / s.r.LastMember)
		if most := 2*(seconds+1) + int(count); s.queries > most || s.clear < seconds {
			t.Errorf("%s, %d queries: asked %d times, %d times for routers too, want at most %d, at least %d",
				name, count, s.queries, s.clear, most, seconds)
		}
		for s.router.Forwards(NetIP(group), NetIP(src)) {
			s.until(s.router.Deadline())
		}
		if rest := s.now.Sub(s.last); rest < s.r.LastMember {
			t.Errorf("%s, %d queries: %v to answer the last one", name, count, rest)
		}
		limit := max(time.Duration(count)*s.r.LastMember, s.r.LastMember*3/2)
		if took := s.now.Sub(left); took > limit || s.router.db.Len() > 0 {
			t.Errorf("%s, %d queries: still forwarded %v after the last one left, want at most %v", name, count, took, limit)
		}
	}
}

// TestRFC3376Section8_8Lost: of members that leave in a storm none that stays is
// forgotten, although all queries but one of any [Last Member Query Count] in
// a row are lost.
func TestRFC3376Section8_8Lost(t *testing.T) {
	for seed := range uint64(20) {
		lostQueries(t, seed, make4(239, 1), make4(10, 9))
		lostQueries(t, seed, make16(0xff, 0x1e), make16(0x20, 0x01))
	}
}

func lostQueries[A Address](t *testing.T, seed uint64, group, source func(byte) A) {
	const hosts = 30
	rnd := rng(seed)
	n := newNet(t, hosts, seed&^1, group, source)
	n.rr.LastCount = 2 + uint8(seed%3)
	n.lossOf = int(n.rr.LastCount)
	f := mcast.Filter{Mode: mcast.Include, Sources: mcast.Sorted([]netip.Addr{NetIP(source(1)), NetIP(source(2))})}
	if seed%4 >= 2 {
		f = mcast.Filter{Mode: mcast.Exclude}
	}
	for h := range hosts {
		n.change(h, group(0), f)
	}
	n.run(n.now.Add(20 * time.Second))
	for h := range hosts - 1 {
		n.run(n.now.Add(rnd.within(0, 200*time.Millisecond).Sub(0)))
		n.change(h, group(0), mcast.Filter{})
	}
	for range 100 {
		n.run(n.now.Add(50 * time.Millisecond))
		n.check(false)
	}
	n.change(hosts-1, group(0), mcast.Filter{})
	n.run(n.now.Add(10 * time.Second))
	n.check(true)
}

// TestAskingManyGroups: when ten thousand groups are left at once a querier asks about
// them in slices, forgets none that is wanted, and all others.
func TestAskingManyGroups(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) { askingMany(t, crowd4, [4]byte{10, 0, 0, 1}) })
	t.Run("IPv6", func(t *testing.T) { askingMany(t, crowd16, [16]byte{0xfe, 0x80, 15: 1}) })
}

func askingMany[A Address](t *testing.T, group func(n int) A, self A) {
	const count = 2
	s := newStorm(t, count, group(0), self)
	s.r.MaxGroups = crowdSize
	for i := range crowdSize {
		s.group = group(i)
		s.hear(wire.IGMPToEx, nil)
	}
	begun := s.now
	for i := range crowdSize {
		s.router.Apply(s.now, &s.r, Record[A]{Group: group(i), Type: wire.IGMPToIn, Version: 3})
	}
	asked := map[A]int{}
	var answers []A // to each second query, of every other group, as late as may be
	var answerAt []clock.Time
	for s.router.Deadline() < begun.Add(10*time.Second) {
		s.now = max(s.now, s.router.Deadline())
		for len(answers) > 0 && answerAt[0] <= s.now {
			s.router.Apply(answerAt[0], &s.r, Record[A]{Group: answers[0], Type: wire.IGMPIsEx, Version: 3})
			answers, answerAt = answers[1:], answerAt[1:]
		}
		n := 0
		for s.router.Next(s.now, &s.r, &s.ask) {
			n++
			g := s.ask.Group
			if asked[g]++; asked[g] == count && g[len(g)-1]%2 == 0 {
				answers, answerAt = append(answers, g), append(answerAt, s.now.Add(s.ask.MaxResp-1))
			}
		}
		if n > count*burst {
			t.Fatalf("%d queries in one go", n)
		}
	}
	for i := range crowdSize {
		g := group(i)
		if asked[g] != count {
			t.Fatalf("group %d: asked %d times", i, asked[g])
		}
		if got := s.router.Forwards(NetIP(g), NetIP(self)); got != (i%2 == 0) {
			t.Fatalf("group %d: forwarded %v", i, got)
		}
	}
}
