package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// granularity is G of RFC 6298 §2.
const granularity = time.Millisecond

// sample takes in a round-trip time, one of so many per round trip that weigh as
// much as one (RFC 6298 §2, RFC 7323 appendix G).
func (s *Sender) sample(e *Env, now clock.Time, rtt time.Duration, many int) {
	rtt = max(rtt, 1)
	s.least.add(now, rtt)
	s.backoffs = 0 // Karn: not by what may have been sent again (RFC 6298 §5)
	e.S.RTTUpdated++
	if s.srtt == 0 {
		s.srtt, s.rttvar = rtt, rtt/2
		return
	}
	n := time.Duration(max(many, 1))
	s.rttvar += (abs(s.srtt-rtt) - s.rttvar) / (4 * n)
	s.srtt += (rtt - s.srtt) / (8 * n)
	s.srtt = max(s.srtt, 1)
}

func abs(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}

// base returns the retransmission timeout without back-off.
func (s *Sender) base(e *Env) time.Duration {
	if s.srtt == 0 {
		if s.established && s.synResent > 0 {
			return 3 * time.Second // RFC 6298 §5.7
		}
		return millis(e.T.RexmitInitial)
	}
	return max(s.srtt+max(granularity, 4*s.rttvar), millis(e.T.RexmitMin))
}

// RTO returns the retransmission timeout with its back-off, for the persist
// timer too (RFC 9293 §3.8.6.1).
func (s *Sender) RTO(e *Env) time.Duration {
	limit := millis(e.T.RexmitMax)
	rto := min(s.base(e), limit)
	for range s.backoffs {
		if rto *= 2; rto >= limit {
			return limit
		}
	}
	return rto
}

func millis(n int32) time.Duration { return time.Duration(n) * time.Millisecond }

// SRTT returns the smoothed round-trip time, 0 before the first sample.
func (s *Sender) SRTT() time.Duration { return s.srtt }

// least is the least of the samples of the last leastFor to twice that long (RFC
// 8985 §6.2 asks for some such window).
type least struct {
	cur, old time.Duration // of this and the last span; 0: none
	since    clock.Time
}

const leastFor = 150 * time.Second

func (l *least) add(now clock.Time, rtt time.Duration) {
	if l.cur == 0 || now.Sub(l.since) > leastFor {
		l.old, l.cur, l.since = l.cur, rtt, now
		return
	}
	l.cur = min(l.cur, rtt)
}

func (l *least) get() time.Duration {
	if l.old == 0 {
		return l.cur
	}
	return min(l.cur, l.old)
}
