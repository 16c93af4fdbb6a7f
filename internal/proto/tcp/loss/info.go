package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// State is Linux's ca_state, as ss and TCP_INFO show it.
type State uint8

// States.
const (
	Open       State = iota // nothing unusual
	Disorder                // SACK or duplicate acknowledgements, no loss yet
	CWR                     // the window shrinks after an ECN echo
	Recovering              // fast recovery
	Loss                    // after a timeout
)

// Info is the content of TCP_INFO that a Sender knows. Bytes, where Linux
// counts segments.
type Info struct {
	State                    State
	SACK, Time, ECN          bool
	Control                  string
	MSS                      int
	Cwnd, Ssthresh           int
	Outstanding, Pipe        int // not acknowledged; of it in the network
	Lost, Sacked             int // held for lost and not sent again; SACKed
	Resent, ResentBytes      int // over the connection's life: segments, bytes
	Reordering               int // furthest reordering seen, segments
	Backoffs                 int
	RTT, RTTVar, MinRTT, RTO time.Duration
	Delivered                uint64 // bytes over the connection's life
	DeliveryRate             int    // bytes/s, of the last acknowledgement
	PacingRate               int    // bytes/s; 0 while pacing is off
	LastSent, LastAck        clock.Time
}

// Info reports what a Sender knows.
func (s *Sender) Info(e *Env, now clock.Time, i *Info) {
	*i = Info{
		SACK: s.sack, Time: s.time, ECN: s.ecn, Control: s.cc.Name(), MSS: s.win.MSS, Cwnd: s.win.Cwnd, Ssthresh: s.win.Ssthresh,
		Outstanding: s.Outstanding(), Resent: int(s.resent), ResentBytes: int(s.resentBytes),
		Reordering: dupThresh, Backoffs: int(s.timeouts), RTT: s.srtt, RTTVar: s.rttvar, MinRTT: s.least.get(), RTO: s.RTO(e),
		Delivered: s.delivered, PacingRate: s.paceRate(e), LastSent: s.lastSent, LastAck: s.lastAck,
	}
	i.Reordering = max(i.Reordering, int(s.reordering)/s.win.MSS)
	if s.rateTime > 0 {
		i.DeliveryRate = int(float64(s.rateBytes) / s.rateTime.Seconds())
	}
	if q := s.q; q != nil {
		i.State, i.Pipe, i.Lost, i.Sacked = q.state, s.pipe(), q.lostBytes, q.sackedBytes
	}
}
