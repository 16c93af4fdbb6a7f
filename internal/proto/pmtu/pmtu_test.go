package pmtu

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
)

func path(n byte) Path {
	return Path{Dst: netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 15: n})}
}

// TestRFC8201Section4: only ever lowered, never below 1,280, and for ten minutes.
func TestRFC8201Section4(t *testing.T) {
	var p Table
	p.Init(table.NewSeed(1))
	tun := Defaults()
	at := func(m int) clock.Time { return clock.Time(time.Duration(m) * time.Minute) }
	for _, s := range []struct {
		minute, mtu int
		news        bool
		want        int // afterwards
	}{
		{0, 1279, false, 0}, {0, 68, false, 0}, {0, 1400, true, 1400}, {1, 1400, false, 1400}, {2, 1500, false, 1400},
		{3, 1300, true, 1300}, {12, 1500, false, 1300}, {13, 0, false, 0}, {13, 1450, true, 1450}, {24, 0, false, 0},
	} {
		if s.mtu != 0 && p.TooBig(at(s.minute), &tun, path(1), s.mtu) != s.news {
			t.Errorf("%+v: news", s)
		}
		if got := p.MTU(at(s.minute), path(1)); got != s.want {
			t.Errorf("%+v: %d", s, got)
		}
	}
	if p.MTU(0, path(2)) != 0 || p.MTU(0, Path{path(1).Dst, 7}) != 0 {
		t.Error("other paths have it too")
	}
}

// TestBound: no more than the limit, the one that ends first goes.
func TestBound(t *testing.T) {
	var p Table
	p.Init(table.NewSeed(1))
	tun := Tunables{Timeout: 600, Max: 3}
	for i := range byte(5) {
		p.TooBig(clock.Time(i), &tun, path(i), 1400)
	}
	for i := range byte(5) {
		if known := p.MTU(10, path(i)) != 0; known != (i >= 2) {
			t.Errorf("path %d: %v", i, known)
		}
	}
	if s := p.Stats(); p.paths.Len() != 3 || s.Evicted != 2 || s.Lowered != 5 {
		t.Errorf("%d, %+v", p.paths.Len(), s)
	}
	tun.Max = 1
	p.TooBig(10, &tun, path(9), 1400)
	if p.paths.Len() != 1 || p.MTU(10, path(9)) != 1400 {
		t.Errorf("a lower limit leaves %d", p.paths.Len())
	}
	tun.Max = 0
	if p.TooBig(10, &tun, path(8), 1400) {
		t.Error("with a limit of 0")
	}
}

// TestAgainstMap: the table is a map whose entries end.
func TestAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var p Table
	p.Init(table.NewSeed(3))
	tun := Tunables{Timeout: 20, Max: 1000}
	type known struct {
		mtu   int
		until clock.Time
	}
	model := map[byte]known{}
	now := clock.Time(0)
	for range 20000 {
		now = now.Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)
		k, mtu := byte(rnd.IntN(50)), 1200+rnd.IntN(400)
		m := model[k]
		if m.until <= now {
			m = known{}
		}
		if got := p.MTU(now, path(k)); got != m.mtu {
			t.Fatalf("%d, want %d", got, m.mtu)
		}
		if p.TooBig(now, &tun, path(k), mtu) {
			m = known{mtu, now.Add(20 * time.Second)}
		}
		if news := mtu >= Least && (model[k].until <= now || mtu < model[k].mtu); news != (m.mtu == mtu && m.until == now.Add(20*time.Second)) {
			t.Fatalf("news %v", news)
		}
		model[k] = m
	}
}
