package rooms

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/vars"
)

// Set is the rooms of one shard. The zero value has none.
type Set struct {
	four  *vars.Four
	icmp  *ICMP
	six   *Six
	reass *Reass
}

// ICMP answers control messages, and decides who is told of what went wrong.
type ICMP struct {
	icmp.Engine
	stats icmp.Stats
}

// Six is what is needed as soon as IPv6 is spoken.
type Six struct {
	vars.Six
	// Timer fires when package control has to look what is to be configured; it is
	// shard 0's, as is Asked, which says that somebody wants it to.
	Timer *clock.Timer
	Asked bool
	icmp  *ICMP6
}

// ICMP6 is ICMP for IPv6.
type ICMP6 struct {
	icmp.Engine6
	stats icmp.Stats6
}

// Reass puts fragments together.
type Reass struct {
	reass.Table[*pkt.Buf]
	Pieces []reass.Piece[*pkt.Buf] // room for those of one packet
	stats  reass.Stats
}

// Four returns what is counted of groups on links that carry IPv4.
func (s *Set) Four() *vars.Four {
	if s.four == nil {
		s.four = new(vars.Four)
	}
	return s.four
}

// ARP returns what is counted of ARP.
func (s *Set) ARP() *arp.Stats {
	four := s.Four()
	if four.ARP == nil {
		four.ARP = new(arp.Stats)
	}
	return four.ARP
}

// IGMP returns what is counted of the messages of IGMP that come in.
func (s *Set) IGMP() *igmp.Stats {
	four := s.Four()
	if four.IGMP == nil {
		four.IGMP = new(igmp.Stats)
	}
	return four.IGMP
}

// Query returns what is counted of IGMP by those who ask.
func (s *Set) Query() *igmp.RouterStats {
	four := s.Four()
	if four.Query == nil {
		four.Query = new(igmp.RouterStats)
	}
	return four.Query
}

// ICMP returns the room, made if need be.
func (s *Set) ICMP(t *vars.Tunables) *ICMP {
	if s.icmp == nil {
		s.icmp = new(ICMP)
		s.icmp.Bind(&t.ICMP, &s.icmp.stats)
	}
	return s.icmp
}

// Six returns what is kept of IPv6, made if need be.
func (s *Set) Six() *Six {
	if s.six == nil {
		s.six = new(Six)
	}
	return s.six
}

// Timer returns IPv6's timer, nil where there is none.
func (s *Set) Timer() *clock.Timer {
	if s.six == nil {
		return nil
	}
	return s.six.Timer
}

// ICMP6 returns the room, made if need be.
func (s *Set) ICMP6(t *vars.Tunables) *ICMP6 {
	six := s.Six()
	if six.icmp == nil {
		six.icmp = new(ICMP6)
		six.icmp.Bind(&t.ICMP6, &six.icmp.stats)
	}
	return six.icmp
}

// Reass returns the room, made if need be.
func (s *Set) Reass(t *vars.Tunables) *Reass {
	if s.reass == nil {
		s.reass = new(Reass)
		s.reass.Bind(&t.Reass, &s.reass.stats)
	}
	return s.reass
}

// Reassembling returns the room for fragments, nil where none have come.
func (s *Set) Reassembling() *Reass { return s.reass }

// Bind gives the rooms the stack's new page.
func (s *Set) Bind(t *vars.Tunables) {
	if s.icmp != nil {
		s.icmp.Bind(&t.ICMP, &s.icmp.stats)
	}
	if s.six != nil && s.six.icmp != nil {
		s.six.icmp.Bind(&t.ICMP6, &s.six.icmp.stats)
	}
	if s.reass != nil {
		s.reass.Bind(&t.Reass, &s.reass.stats)
	}
}

// Deadline returns when a room is next due.
func (s *Set) Deadline() clock.Time {
	if s.reass == nil {
		return clock.Never
	}
	return s.reass.Deadline()
}

// Counted shows f the statistics of every room that is there: pointers to tagged
// structs.
func (s *Set) Counted(f func(block any)) {
	if s.four != nil {
		f(s.four)
	}
	if s.icmp != nil {
		f(&s.icmp.stats)
	}
	if s.six != nil {
		f(&s.six.Six)
		if s.six.icmp != nil {
			f(&s.six.icmp.stats)
		}
	}
	if s.reass != nil {
		f(&s.reass.stats)
	}
}
