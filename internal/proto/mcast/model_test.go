package mcast

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// model keeps nothing but each socket's filter as a set, and computes the
// interface's by the words of RFC 3376 §3.2.
type model map[int]map[Key]modelFilter

type modelFilter struct {
	mode    Mode
	sources map[netip.Addr]bool
}

func (m model) merged(k Key) Filter {
	var union, inter map[netip.Addr]bool
	mode := Undefined
	include := map[netip.Addr]bool{}
	for _, s := range m {
		f, ok := s[k]
		if !ok {
			continue
		}
		if f.mode == Include {
			if mode == Undefined {
				mode = Include
			}
			for a := range f.sources {
				include[a] = true
			}
			continue
		}
		mode = Exclude
		if inter == nil {
			inter = map[netip.Addr]bool{}
			for a := range f.sources {
				inter[a] = true
			}
		}
		for a := range inter {
			if !f.sources[a] {
				delete(inter, a)
			}
		}
	}
	union = include
	if mode == Exclude {
		union = inter
		for a := range include {
			delete(union, a)
		}
	}
	var list []netip.Addr
	for a := range union {
		list = append(list, a)
	}
	return Filter{Mode: mode, Sources: Sorted(list)}
}

type request struct {
	op, socket int
	at         Key
	source     netip.Addr
	mode       Mode
	list       []netip.Addr
}

func randomRequest(r *rand.Rand) request {
	q := request{op: r.IntN(7), socket: r.IntN(6), source: src(r.IntN(6)), mode: Mode(1 + r.IntN(2))}
	q.at = Key{netip.AddrFrom4([4]byte{239, 0, 0, byte(r.IntN(3))}), int32(1 + r.IntN(2))}
	for range r.IntN(6) {
		q.list = append(q.list, src(r.IntN(6)))
	}
	return q
}

func (q request) do(g *Groups[int], m *Memberships[int], tun *Tunables) (Txn[int], error) {
	switch q.op {
	case 0:
		return g.Join(m, q.at.Group, q.at.IfIndex, tun)
	case 1:
		return g.Leave(m, q.at.Group, q.at.IfIndex, tun)
	case 2:
		return g.JoinSource(m, q.at.Group, q.at.IfIndex, q.source, tun)
	case 3:
		return g.LeaveSource(m, q.at.Group, q.at.IfIndex, q.source, tun)
	case 4:
		return g.Block(m, q.at.Group, q.at.IfIndex, q.source, tun)
	case 5:
		return g.Unblock(m, q.at.Group, q.at.IfIndex, q.source, tun)
	}
	return g.SetFilter(m, q.at.Group, q.at.IfIndex, q.mode, q.list, tun)
}

// apply does the request on the model; false if it should have been refused.
func (q request) apply(m model) bool {
	mine := m[q.socket]
	f, member := mine[q.at]
	switch q.op {
	case 0:
		if member {
			return false
		}
		mine[q.at] = modelFilter{Exclude, map[netip.Addr]bool{}}
	case 1:
		delete(mine, q.at)
		return member
	case 2:
		if member && (f.mode == Exclude || f.sources[q.source]) {
			return false
		}
		if !member {
			f = modelFilter{Include, map[netip.Addr]bool{}}
			mine[q.at] = f
		}
		f.sources[q.source] = true
	case 3:
		if !member || f.mode != Include || !f.sources[q.source] {
			return false
		}
		delete(f.sources, q.source)
	case 4, 5:
		if !member || f.mode != Exclude || f.sources[q.source] != (q.op == 5) {
			return false
		}
		if q.op == 4 {
			f.sources[q.source] = true
		} else {
			delete(f.sources, q.source)
		}
	case 6:
		if !member {
			return false
		}
		f = modelFilter{q.mode, map[netip.Addr]bool{}}
		for _, a := range q.list {
			f.sources[a] = true
		}
		mine[q.at] = f
	}
	return true
}

// TestAgainstSets runs random requests, a third of them rolled back, against
// the sets-only model.
func TestAgainstSets(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		tun := Defaults()
		var g Groups[int]
		m := model{}
		var sockets [6]Memberships[int]
		var choices Choices[int]
		for i := range sockets {
			sockets[i].Socket, m[i] = i, map[Key]modelFilter{}
		}
		for step := range 2000 {
			q := randomRequest(r)
			before := m.merged(q.at)
			tx, err := q.do(&g, &sockets[q.socket], &tun)
			if err == nil && r.IntN(3) == 0 {
				tx.Rollback()
			} else if ok := q.apply(m); ok != (err == nil) {
				t.Fatalf("seed %d step %d %+v: %v, model says %v", seed, step, q, err, ok)
			} else if ok {
				after := m.merged(q.at)
				if !tx.Old.Equal(before) || !tx.New.Equal(after) || tx.Changed() == before.Equal(after) {
					t.Fatalf("seed %d step %d %+v: %s -> %s, want %s -> %s",
						seed, step, q, tx.Old.text(), tx.New.text(), before.text(), after.text())
				}
				tx.Commit()
			}
			if err := compare(&g, m, q.at, &choices); err != nil {
				t.Fatalf("seed %d step %d %+v: %v", seed, step, q, err)
			}
		}
	}
}

func compare(g *Groups[int], m model, at Key, choices *Choices[int]) error {
	want := m.merged(at)
	s := g.Lookup(at.Group, at.IfIndex)
	if s == nil {
		if want.Mode != Undefined {
			return fmt.Errorf("no group, want %s", want.text())
		}
		return nil
	}
	if got := s.Merged(); got.Mode != want.Mode || !got.Equal(want) {
		return fmt.Errorf("merged %s, want %s", got.text(), want.text())
	}
	listeners := 0
	for i := range m {
		if _, ok := m[i][at]; ok {
			listeners++
		}
	}
	if listeners != len(s.Members) {
		return fmt.Errorf("%d members, want %d", len(s.Members), listeners)
	}
	for k, member := range s.Members {
		f := m[member.Socket][at]
		for i := range 6 {
			got := member.Match(src(i))
			if got != (f.sources[src(i)] == (f.mode == Include)) {
				return fmt.Errorf("socket %d passes %v: %v", member.Socket, src(i), got)
			}
			if choices.Hearers(s, src(i)).Hears(k) != got {
				return fmt.Errorf("socket %d is remembered otherwise about %v", member.Socket, src(i))
			}
		}
	}
	return nil
}

// TestLookupWhileWriting reads without a lock while one writer changes
// memberships; the race detector and the reader's own checks judge it.
func TestLookupWhileWriting(t *testing.T) {
	tun := Defaults()
	var g Groups[int]
	sockets := make([]Memberships[int], 50)
	stop, done := make(chan bool), make(chan int)
	go func() {
		seen := 0
		for {
			select {
			case <-stop:
				done <- seen
				return
			default:
			}
			if s := g.Lookup(group, eth0); s != nil {
				for i := range s.Members {
					if m := &s.Members[i]; !m.Match(src(m.Socket)) || m.Match(src(1000)) {
						t.Errorf("socket %d has the filter of another", m.Socket)
					}
					seen++
				}
			}
		}
	}()
	for range 20 {
		for i := range sockets {
			sockets[i].Socket = i
			tx, _ := g.JoinSource(&sockets[i], group, eth0, src(i), &tun)
			tx.Commit()
		}
		for i := range sockets {
			tx, _ := g.Leave(&sockets[(i*7)%50], group, eth0, &tun)
			tx.Commit()
		}
	}
	stop <- true
	<-done
}
