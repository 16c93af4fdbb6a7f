package gmp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// MemberState says what a host is doing about one group.
type MemberState uint8

// The states that FreeBSD counts, with its numbers. A Host is never in
// NotMember, Silent (a group that is never reported does not come to a Host:
// whoever lists it says so), Sleeping or Awakening, which do not differ from
// Lazy and Reporting in anything that is sent.
const (
	NotMember               MemberState = iota
	SilentMember                        // never reported
	ReportingMember                     // version 3: known; 1 and 2: a report is due
	IdleMember                          // versions 1 and 2: we reported last
	LazyMember                          // versions 1 and 2: somebody else did
	SleepingMember                      //
	AwakeningMember                     //
	GroupQueryPending                   // version 3: the answer about the group is due
	GroupSourceQueryPending             // version 3: the answer about recorded sources is due
	LeavingMember                       // left, the last reports of it are due
)

var memberStates = [...]string{"not-member", "silent", "reporting", "idle", "lazy", "sleeping", "awakening",
	"g-query-pending", "sg-query-pending", "leaving"}

// String names the state.
func (s MemberState) String() string {
	if int(s) < len(memberStates) {
		return memberStates[s]
	}
	return "unknown state"
}

// HostState is a Host as people read it. Times left are 0 where nothing runs.
type HostState struct {
	Version       int            // in force, as the protocol counts
	Base          int            // without older queriers
	Robustness    uint8          // the querier's, or our own
	QueryInterval time.Duration  // the querier's, or the default
	QueryResponse time.Duration  // of the last general query that was adopted, or the default
	Unsolicited   time.Duration  // within which a change is reported again
	General       time.Duration  // left until the answer to a general query
	Older         []OlderQuerier // that are believed to be there, oldest first
	Groups        []HostGroup    // sorted
	Silent        bool           // never sends
	UseAllow      bool           // joins and leaves of sources are not changes of the filter mode
}

// OlderQuerier is an Older Version Querier Present timer (RFC 3376 §8.12).
type OlderQuerier struct {
	Version int
	Left    time.Duration
}

// HostGroup is a group that a Host reports.
type HostGroup struct {
	Group   netip.Addr
	Filter  mcast.Filter  // what the interface wants
	State   MemberState   //
	Left    time.Duration // until something is sent about it
	Pending int           // reports of its last change still to be sent
}

// State returns what there is to know, as of now. It changes nothing: what is
// due, or ran out, and was not yet pulled is shown as it will be found then.
func (h *Host[A]) State(now clock.Time, r *HostRules) HostState {
	s := HostState{
		Version: h.Version(now, r), Base: int(h.base), Robustness: h.rv(r), QueryInterval: h.interval(),
		QueryResponse: time.Duration(h.queryResp) * time.Millisecond, Unsolicited: r.Unsolicited,
		Silent: h.silent, UseAllow: !r.ModeChange,
	}
	if h.queryResp == 0 {
		s.QueryResponse = queryResponse
	}
	if r.V1 && now < h.v1 {
		s.Older = append(s.Older, OlderQuerier{1, h.v1.Sub(now)})
	}
	if r.V2 && now < h.v2 {
		s.Older = append(s.Older, OlderQuerier{2, h.v2.Sub(now)})
	}
	stale := s.Version != int(h.version) // then whatever was pending is void (RFC 3376 §7.2.1)
	if w := h.work; w != nil && !stale {
		s.General = left(w.generalAt, now)
	}
	for g := h.first; g != nil; g = g.next {
		if !stale || !g.filter().Nothing() {
			s.Groups = append(s.Groups, g.state(now, s.Version, stale))
		}
	}
	slices.SortFunc(s.Groups, func(a, b HostGroup) int { return a.Group.Compare(b.Group) })
	return s
}

func left(t, now clock.Time) time.Duration {
	if t == clock.Never {
		return 0
	}
	return max(t.Sub(now), 0)
}

func (g *group[A]) state(now clock.Time, version int, stale bool) HostGroup {
	s := HostGroup{Group: NetIP(g.at), Filter: g.filter(), State: ReportingMember}
	p := g.todo
	if stale {
		p = nil
	}
	if p != nil {
		s.Left, s.Pending = left(g.due(), now), int(p.modeLeft)
		for _, c := range p.changed {
			s.Pending = max(s.Pending, int(c.left))
		}
	}
	switch {
	case s.Filter.Nothing():
		s.State = LeavingMember
	case version < 3 && p == nil && g.reporter:
		s.State = IdleMember
	case version < 3 && p == nil:
		s.State = LazyMember
	case version < 3 || p == nil || p.answerAt == clock.Never:
	case p.asked == nil:
		s.State = GroupQueryPending
	default:
		s.State = GroupSourceQueryPending
	}
	return s
}
