package gmp

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// TestDelays: every delay is random and within its bounds: (0, Max Resp Time] of
// answers (RFC 3376 §5.2), (0, Unsolicited Report Interval] between the reports of
// a change (§5.1), 10 s in older versions (RFC 2236 §8.10, RFC 2710 §7.10).
func TestDelays(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) { delays(t, [4]byte{239, 1, 1, 1}) })
	t.Run("IPv6", func(t *testing.T) { delays(t, [16]byte{0xff, 0x1e, 15: 1}) })
}

func delays[A Address](t *testing.T, group A) {
	sources := Sources[A](raw(&group))
	all := mcast.Filter{Mode: mcast.Exclude}
	for _, c := range []struct {
		what    string
		version uint8
		limit   time.Duration
		sent    int
		do      func(h *Host[A], r *HostRules, now clock.Time)
	}{
		{"general answer", 3, 7 * time.Second, 1, func(h *Host[A], r *HostRules, now clock.Time) {
			h.Query(now, r, &Query[A]{Version: 3, MaxResp: 7 * time.Second})
		}},
		{"group answer", 3, 3 * time.Second, 1, func(h *Host[A], r *HostRules, now clock.Time) {
			h.Query(now, r, &Query[A]{Version: 3, Group: group, MaxResp: 3 * time.Second})
		}},
		{"sources answer", 3, 100 * time.Millisecond, 1, func(h *Host[A], r *HostRules, now clock.Time) {
			h.Query(now, r, &Query[A]{Version: 3, Group: group, Sources: sources, MaxResp: 100 * time.Millisecond})
		}},
		{"change again", 3, time.Second, 2, func(h *Host[A], r *HostRules, now clock.Time) { h.Change(now, r, group, mcast.Filter{}, 0) }},
		{"change later", 3, 500 * time.Millisecond, 1, func(h *Host[A], r *HostRules, now clock.Time) {
			r.Robustness = 1
			h.Change(now, r, group, mcast.Filter{}, 500*time.Millisecond)
		}},
		{"older answer", 2, 5 * time.Second, 1, func(h *Host[A], r *HostRules, now clock.Time) {
			h.QueryOlder(now, r, &Query[A]{Version: 2, MaxResp: 5 * time.Second})
		}},
		{"older join", 2, 10 * time.Second, 2, func(h *Host[A], r *HostRules, now clock.Time) {
			h.Change(now, r, group, mcast.Filter{}, 0)
			h.Next(now, r, &Message[A]{Buf: make([]byte, 100)})
			h.Change(now, r, group, all, 0)
		}},
	} {
		const tries = 200
		var shortest, longest, sum time.Duration = 1 << 62, 0, 0
		for seed := range uint64(tries) {
			h := NewHost[A](c.version, seed, false)
			r := HostRules{Unsolicited: time.Second, SourceDelay: -1, Robustness: 2, V1: true, V2: true}
			m := Message[A]{Buf: make([]byte, 1452)}
			h.Change(0, &r, group, all, 0)
			for h.Deadline() != clock.Never {
				for now := h.Deadline(); h.Next(now, &r, &m); {
				}
			}
			begun := at(time.Hour)
			c.do(&h, &r, begun)
			sent, last := 0, clock.Time(0)
			for h.Deadline() != clock.Never {
				for last = h.Deadline(); h.Next(last, &r, &m); {
					sent++
				}
			}
			if sent != c.sent {
				t.Fatalf("%s: %d messages", c.what, sent)
			}
			d := last.Sub(begun)
			shortest, longest, sum = min(shortest, d), max(longest, d), sum+d
		}
		if shortest <= 0 || longest > c.limit || shortest > c.limit/20 || longest < c.limit*19/20 {
			t.Errorf("%s: from %v to %v of %v", c.what, shortest, longest, c.limit)
		}
		if mean := sum / tries; mean < c.limit*4/10 || mean > c.limit*6/10 {
			t.Errorf("%s: %v on average of %v", c.what, mean, c.limit)
		}
	}
}
