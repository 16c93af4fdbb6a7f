//go:build !novimage

package tester

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestFlow(t *testing.T) {
	for _, c := range []struct {
		name                      string
		next                      uint64
		seqs                      []uint64
		last                      uint64
		expected, delivered       uint64
		duplicates, reordered, of uint64
	}{
		{"all", 1, []uint64{1, 2, 3}, 3, 3, 3, 0, 0, 0},
		{"before the first is join delay", 1, []uint64{3, 4}, 4, 2, 2, 0, 0, 0},
		{"lost between", 1, []uint64{1, 4}, 4, 4, 2, 0, 0, 2},
		{"lost at the end", 1, []uint64{1, 2}, 5, 5, 2, 0, 0, 3},
		{"nobody knows the end", 0, []uint64{7, 9}, 0, 3, 2, 0, 0, 1},
		{"nothing came", 4, nil, 9, 6, 0, 0, 0, 6},
		{"nothing was sent", 4, nil, 3, 0, 0, 0, 0, 0},
		{"nobody knows and nothing came", 0, nil, 0, 0, 0, 0, 0, 0},
		{"twice", 1, []uint64{1, 2, 2, 1, 3}, 3, 3, 3, 2, 0, 0},
		{"overtaken", 1, []uint64{1, 3, 2, 4}, 4, 4, 4, 0, 1, 0},
		{"overtaken by too many", 1, append(count(2, 70), 1), 70, 69, 69, 0, 1, 0},
		{"a jump forgets", 1, []uint64{1, 100, 100, 99}, 100, 100, 3, 1, 1, 97},
	} {
		var f Flow
		f.Begin(c.next)
		for _, s := range c.seqs {
			f.Arrive(s)
		}
		f.End(c.last)
		if f.Expected != c.expected || f.Delivered != c.delivered || f.Duplicates != c.duplicates || f.Reordered != c.reordered || f.Lost() != c.of {
			t.Errorf("%s: %+v lost %d", c.name, f, f.Lost())
		}
	}
}

func count(from, to uint64) (all []uint64) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

// TestFlowSpells: what is sent while the group is not joined is not missed.
func TestFlowSpells(t *testing.T) {
	var f Flow
	for _, spell := range [][]uint64{{1, 2, 3}, {10, 12}, {}, {40}} {
		next := uint64(20)
		if len(spell) > 0 {
			next = spell[0]
		}
		f.Begin(next)
		for _, s := range spell {
			f.Arrive(s)
		}
		if len(spell) > 0 {
			f.End(spell[len(spell)-1])
		} else {
			f.End(21)
		}
	}
	if f.Expected != 3+3+2+1 || f.Delivered != 6 || f.Lost() != 3 {
		t.Errorf("%+v", f)
	}
}

// TestFlowAgainstSet compares with a set of all numbers that came, where nothing is
// overtaken by more than the window.
func TestFlowAgainstSet(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var f Flow
		f.Begin(1)
		f.Arrive(1)
		seen, high, dup, late := map[uint64]bool{1: true}, uint64(1), uint64(0), uint64(0)
		for range 500 {
			seq := high + 5 - min(rng.Uint64N(60), high+4)
			switch {
			case seen[seq]:
				dup++
			case seq < high:
				late++
			}
			seen[seq] = true
			high = max(high, seq)
			f.Arrive(seq)
		}
		f.End(high)
		if f.Delivered != uint64(len(seen)) || f.Duplicates != dup || f.Reordered != late || f.Expected != high {
			t.Fatalf("seed %d: %+v, but %d came, %d twice, %d late, of %d", seed, f, len(seen), dup, late, high)
		}
	}
}

func TestPayload(t *testing.T) {
	b := make([]byte, 64)
	p := Payload{Clock: 1, Sender: 2, Seq: 3, Sent: time.Unix(5, 7).UnixNano()}
	PutPayload(b, p)
	if got, ok := ParsePayload(b); !ok || got != p {
		t.Errorf("%+v %v", got, ok)
	}
	if d, same := p.delay(1, time.Unix(5, 9)); d != 2 || !same {
		t.Errorf("%v %v", d, same)
	}
	if _, same := p.delay(9, time.Unix(5, 9)); same {
		t.Error("another clock's time is believed")
	}
	if _, ok := ParsePayload(b[:PayloadLen-1]); ok {
		t.Error("a short one is taken")
	}
	b[0]++
	if _, ok := ParsePayload(b); ok {
		t.Error("another program's is taken")
	}
	if ClockOf(true, 1) == ClockOf(true, 2) || ClockOf(false, 1) != ClockOf(false, 2) || ClockOf(true, 1) == ClockOf(false, 1) {
		t.Error("clocks are mixed up")
	}
}

// TestGrace: what may still be on its way when a group is left is not missed.
func TestGrace(t *testing.T) {
	for _, virtual := range []bool{true, false} {
		x := &test{Receive: Receive{Virtual: virtual}, tally: tally{oneWay: new(Histogram)}}
		want := map[bool]time.Duration{true: grace, false: lag}[virtual]
		if got := x.grace(); got != want {
			t.Errorf("virtual %v: %v, want %v", virtual, got, want)
		}
		x.tally.delay(time.Second)
		if got := x.grace(); got != 2*time.Second {
			t.Errorf("virtual %v: %v after a datagram that took a second", virtual, got)
		}
	}
}
