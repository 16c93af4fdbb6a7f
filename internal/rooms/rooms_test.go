package rooms

import (
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/sysctl"
	"github.com/seed88948545/vimage/internal/vars"
)

// TestMadeAtFirstUse: a set owns nothing before it is asked, and what it has made
// stays the same, whatever page it is given.
func TestMadeAtFirstUse(t *testing.T) {
	var s Set
	all := make(map[string]uint64)
	add := func(block any) { sysctl.Add(block, all) }
	page, next := vars.Defaults(), vars.Defaults()
	s.Counted(add)
	s.Bind(&page)
	if s.Reassembling() != nil || s.Timer() != nil || s.Deadline() != clock.Never || s != (Set{}) || len(all) != 0 {
		t.Fatal("an empty set has something")
	}
	if n := testing.AllocsPerRun(1, func() { s = Set{}; s.Four(); s.Four() }); n != 1 {
		t.Errorf("%v allocations for one block of counters", n)
	}
	icmp, icmp6, reass := s.ICMP(&page), s.ICMP6(&page), s.Reass(&page)
	s.Bind(&next)
	if s.ICMP(&next) != icmp || s.ICMP6(&next) != icmp6 || s.Reassembling() != reass || s.Reass(&next) != reass {
		t.Error("a room was made twice")
	}
}

// TestCounted: what is counted in any room is found by its name.
func TestCounted(t *testing.T) {
	var s Set
	page := vars.Defaults()
	s.ARP().Received = 3
	s.Six().InReceives = 4
	s.ICMP(&page).stats.Received = 5
	s.ICMP6(&page).stats.Received = 6
	s.Reass(&page).stats.Fragments = 7
	all := make(map[string]uint64)
	add := func(block any) { sysctl.Add(block, all) }
	s.Counted(add)
	s.Counted(add) // as of a second shard
	for name, want := range map[string]uint64{"arp.received": 6, "ip6.received": 8} {
		if all[name] != want {
			t.Errorf("%s is %d, want %d", name, all[name], want)
		}
	}
	if len(all) != 5 {
		t.Errorf("%v", all)
	}
}
