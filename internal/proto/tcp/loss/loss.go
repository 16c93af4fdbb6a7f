package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/wire"
)

// Sender knows what one connection has sent and not yet been acknowledged. It
// deals in sequence numbers: SYN and FIN count one each. The zero value is
// unused; Open comes first.
//
// The connection's part, whenever it may send:
//
//	for s.Next(e, now, fresh, &r) { send r again }   // fresh: new bytes it could send now
//	for fresh > 0 && s.Room(e, now) > 0 { send a new segment; s.Sent(e, now, from, to) }
type Sender struct {
	cc  cc.Control
	win cc.Window
	q   *transfer // while anything is outstanding and a while after

	una, nxt     wire.Seq
	recover      wire.Seq // nxt at the last reduction (RFC 6582 §3.2)
	dsackRound   wire.Seq // nxt when reoMult last grew
	probeEnd     wire.Seq // TLP.end_seq (RFC 8985 §7.1)
	srtt, rttvar time.Duration
	least        least      // round-trip time
	lastSent     clock.Time // anything
	lastAck      clock.Time
	progress     clock.Time // when una last moved, or something was sent after nothing was outstanding
	paceAt       clock.Time // when pacing allows the next segment
	delivered    uint64     // bytes
	resentBytes  uint64
	rateBytes    int // of the last delivery rate sample,
	rateTime     time.Duration
	resent       uint32 // segments
	reordering   int32  // furthest, bytes

	timeouts    uint8 // in a row, without anything new acknowledged
	backoffs    uint8 // doublings of the timeout: until there is a sample
	reoMult     uint8 // RACK.reo_wnd_mult (RFC 8985 §6.2)
	reoPersist  uint8
	synResent   uint8
	established bool
	sack        bool
	time        bool
	ecn         bool
	cwr         bool // the next new segment says so
	reduced     bool // recover is set
	reordered   bool // RACK.reordering_seen
	dsackSeen   bool // dsackRound is set
	probing     bool // a tail loss probe is out: probeEnd is set
	probeAgain  bool // it was a retransmission
}

// transfer is what a Sender needs only while something is outstanding.
type transfer struct {
	board
	rtoAt    clock.Time // retransmission timeout; once nothing is outstanding, release of this
	tailAt   clock.Time // tail loss probe
	reoAt    clock.Time // RACK's reordering timer
	rateFrom clock.Time // when what was last acknowledged had been sent
	rateAt   clock.Time // when delivered last grew

	peak, lastPeak int      // most bytes in flight this round and the last
	round          wire.Seq // end of this round

	rackSent clock.Time // of the segment sent last among those delivered (RFC 8985 §5.2)
	rackEnd  wire.Seq
	fack     wire.Seq // highest number delivered
	rackRTT  time.Duration

	dups     int      // duplicate acknowledgements in a row (RFC 5681 §2, RFC 6675 §2)
	dupBytes int      // without SACK: what has left the network by them
	counted  wire.Seq // up to here RFC 6675's counting has looked

	prrDelivered, prrOut, prrFlight int // RFC 6937bis

	priorCwnd, priorSsthresh int
	unproven                 int      // bytes sent again and not yet reported as duplicates
	undoFrom                 wire.Seq // una at the reduction
	resentFrom               wire.Seq // the episode's first retransmission
	resentMS                 uint32   // and its time

	frtoSent int // new bytes sent in F-RTO's step 2

	state     State
	why       Why
	frto      uint8 // step of RFC 5682, 0: not at it
	undo      bool  // prior… can be restored
	resentAny bool  // something was sent again in this episode
	advanced  bool  // una has moved since the reduction
	force     bool  // the next retransmission does not ask the window
	tail      bool  // a tail loss probe is wanted
	paced     bool  // pacing held something back
}

// ms returns now as timestamps have it.
func ms(now clock.Time) uint32 { return uint32(now / clock.Time(time.Millisecond)) }

// Config is what the handshake settled.
type Config struct {
	MSS     int  // payload bytes of a full segment, options that every segment has deducted
	SACK    bool // both sides permit SACK
	Time    bool // both sides use timestamps
	ECN     bool // both sides agreed to RFC 3168
	Rexmits int  // how often the SYN-ACK was sent again by whoever kept the connection before (SYN cache)
}

// Open begins a sender whose first number will be first: the SYN, or, where a
// SYN cache has sent the SYN-ACK, what follows it. name is the congestion
// control's (cc.New), empty for the stack's default. Until Establish only the
// first number is ever sent again, and only by timeout.
func (s *Sender) Open(e *Env, first wire.Seq, name string) {
	if name == "" {
		name = cc.Name(int(e.T.Control))
	}
	*s = Sender{cc: cc.New(name), una: first, nxt: first, reoMult: 1}
	s.win = cc.Window{Cwnd: 536, Ssthresh: cc.Unlimited, MSS: 536}
}

// Establish tells what the handshake settled and sets the initial window (RFC
// 6928; one segment where a SYN or SYN-ACK was sent again: RFC 5681 §3.1).
// It comes after the Ack of the SYN, if there was one. What was sent with the
// SYN and not acknowledged (RFC 7413) is then sent again.
func (s *Sender) Establish(e *Env, now clock.Time, c *Config) {
	s.established, s.sack, s.time, s.ecn = true, c.SACK, c.Time, c.ECN
	s.win.MSS = max(c.MSS, 1)
	s.win.Cwnd = s.initial(e)
	s.synResent, s.backoffs = uint8(min(int(s.synResent)+c.Rexmits, 255)), 0
	if s.synResent > 0 {
		s.win.Cwnd = s.win.MSS
	}
	if q := s.q; q != nil && s.una != s.nxt {
		s.resendAll(TooBig, now)
	}
}

// initial returns the initial window (RFC 6928 §2).
func (s *Sender) initial(e *Env) int {
	n, mss := int(e.T.InitialWindow), s.win.MSS
	return min(n*mss, max(2*mss, n*1460))
}

// Sample adds a round-trip time that the connection measured itself, that of
// the SYN-ACK of a SYN cache.
func (s *Sender) Sample(e *Env, now clock.Time, rtt time.Duration) {
	s.sample(e, now, rtt, 1)
}

// SetMSS changes the segment size from now on: the path's MTU or the options'
// length changed.
func (s *Sender) SetMSS(mss int) { s.win.MSS = max(mss, 1) }

// TooBig sets a smaller segment size and has everything in flight sent again:
// the network says it was too long (RFC 1191 §6.5). That is no congestion.
func (s *Sender) TooBig(e *Env, now clock.Time, mss int) {
	s.SetMSS(mss)
	if s.q != nil && s.una != s.nxt {
		s.resendAll(TooBig, now)
	}
}

// resendAll has everything in flight sent again without a reduction.
func (s *Sender) resendAll(why Why, now clock.Time) {
	q := s.q
	s.loseAll()
	q.state, q.why, q.frto, q.undo, q.force = Loss, why, 0, false, true
	q.tail, s.probing, q.tailAt, q.reoAt = false, false, clock.Never, clock.Never
	q.dups, q.dupBytes = 0, 0
	s.recover, s.reduced = s.nxt, true
}

// SetControl changes the congestion control (TCP_CONGESTION). The window stays.
func (s *Sender) SetControl(name string) { s.cc = cc.New(name) }

// Ack is what an acceptable acknowledgement says (RFC 9293 §3.10.7.4: Una ≤
// Seq ≤ Nxt; older ones may be passed on too, for their D-SACK).
type Ack struct {
	Seq     wire.Seq
	Blocks  []wire.SACKBlock // as received; what is nonsense in them is ignored
	TSEcr   uint32           // in milliseconds of now (offset removed), where HasTime
	HasTime bool
	Dup     bool // may be a duplicate: no data, no SYN or FIN, window as before (RFC 5681 §2)
	ECE     bool // ECN echo, of a connection that agreed to it
}

// Acked is what an acknowledgement did.
type Acked struct {
	Bytes     int           // sequence numbers newly acknowledged cumulatively
	Delivered int           // newly acknowledged or newly SACKed
	RTT       time.Duration // sample that it gave, 0 for none
	Lost      bool          // it revealed losses: Next has something
	Spurious  bool          // it revealed that a recovery or timeout was for nothing, and was undone
}

// Why tells why a range is sent again.
type Why uint8

// Reasons to send again.
const (
	Recovery Why = iota // fast retransmit and what follows it
	Probe               // tail loss probe: the last segment (RFC 8985 §7.3)
	Timeout             // retransmission timeout
	TooBig              // as Sender.TooBig says
)

// Range is [Start, End), to be sent again as it is.
type Range struct {
	Start, End wire.Seq
	Why        Why
}

// Event is what Expire found due.
type Event uint8

// Events.
const (
	Nothing Event = iota // not yet
	Reorder              // segments are now held for lost
	Tail                 // a tail loss probe is to be sent: Next or Room has it
	RTO                  // retransmission timeout: see Backoffs
	Paced                // pacing allows more
)

// Backoffs returns how many timeouts in a row there were without an
// acknowledgement of new data.
func (s *Sender) Backoffs() int { return int(s.timeouts) }

// Waiting returns for how long something has been outstanding without any of
// it being acknowledged; 0 if nothing is.
func (s *Sender) Waiting(now clock.Time) time.Duration {
	if s.una == s.nxt {
		return 0
	}
	return now.Sub(s.progress)
}

// Una returns the oldest number that is not acknowledged.
func (s *Sender) Una() wire.Seq { return s.una }

// Nxt returns the number after the last one sent.
func (s *Sender) Nxt() wire.Seq { return s.nxt }

// Outstanding returns how many numbers lie between Una and Nxt.
func (s *Sender) Outstanding() int { return s.nxt.Sub(s.una) }
