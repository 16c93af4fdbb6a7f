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
}

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
// control's (cc.New). Until Establish only the first record is ever sent
// again, and only by timeout.
func (s *Sender) Open(e *Env, first wire.Seq, name string) { panic("not yet") }

// Establish tells what the handshake settled and sets the initial window (RFC
// 6928; one segment where a SYN or SYN-ACK was sent more than twice: RFC 5681 §3.1).
// It comes after the Ack of the SYN, if there was one. What was sent with the
// SYN and not acknowledged (RFC 7413) is then sent again.
func (s *Sender) Establish(e *Env, now clock.Time, c *Config) { panic("not yet") }

// Sample adds a round-trip time that the connection measured itself, that of
// the SYN-ACK of a SYN cache.
func (s *Sender) Sample(e *Env, now clock.Time, rtt time.Duration) { panic("not yet") }

// SetMSS changes the segment size from now on: the path's MTU or the options'
// length changed.
func (s *Sender) SetMSS(mss int) { panic("not yet") }

// TooBig sets a smaller segment size and has everything in flight sent again:
// the network says it was too long (RFC 1191 §6.5). That is no congestion.
func (s *Sender) TooBig(e *Env, now clock.Time, mss int) { panic("not yet") }

// SetControl changes the congestion control (TCP_CONGESTION). The window stays.
func (s *Sender) SetControl(name string) { panic("not yet") }

// Sent records that [start, end), all of it new, is sent now. start is Nxt.
// A zero-window probe counts once its byte is new.
func (s *Sender) Sent(e *Env, now clock.Time, start, end wire.Seq) { panic("not yet") }

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

// Ack takes in an acknowledgement. Its cost is that of what it changes.
func (s *Sender) Ack(e *Env, now clock.Time, a *Ack) Acked { panic("not yet") }

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

// Next tells what to send again now, at most limit bytes at a time (a
// multiple of the segment size, or less than one at the end of a record), and
// counts it as sent. fresh is how many new bytes the connection could send at
// once (data waiting, within the peer's window): tail loss probes and F-RTO
// prefer those, and then Room has them. It returns false when there is
// nothing, or the window does not allow it now.
func (s *Sender) Next(e *Env, now clock.Time, fresh, limit int, r *Range) bool { panic("not yet") }

// Room returns how many new bytes the congestion window, limited transmit and
// pacing allow now. Nothing that Next has waits for it. A sender that sends
// less than a full segment because Room is less does itself harm: it should
// wait until Room is a segment.
func (s *Sender) Room(e *Env, now clock.Time) int { panic("not yet") }

// CWR tells whether the next segment with new data carries CWR (RFC 3168
// §6.1.2), once per reduction.
func (s *Sender) CWR() bool { panic("not yet") }

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

// Deadline returns when Expire wants to be called; clock.Never if nothing is
// outstanding.
func (s *Sender) Deadline() clock.Time { panic("not yet") }

// Expire does what is due. It may be called early. The connection gives up by
// Backoffs (RFC 9293 §3.8.3 R1, R2) or Waiting (user timeout), and otherwise
// asks Next.
func (s *Sender) Expire(e *Env, now clock.Time) Event { panic("not yet") }

// Backoffs returns how many timeouts in a row there were without an
// acknowledgement of new data.
func (s *Sender) Backoffs() int { panic("not yet") }

// Waiting returns for how long something has been outstanding without any of
// it being acknowledged; 0 if nothing is.
func (s *Sender) Waiting(now clock.Time) time.Duration { panic("not yet") }

// Una returns the oldest number that is not acknowledged.
func (s *Sender) Una() wire.Seq { panic("not yet") }

// Nxt returns the number after the last one sent.
func (s *Sender) Nxt() wire.Seq { panic("not yet") }

// Outstanding returns how many numbers lie between Una and Nxt.
func (s *Sender) Outstanding() int { panic("not yet") }

// RTO returns the retransmission timeout with its back-off, for the persist
// timer too (RFC 9293 §3.8.6.1).
func (s *Sender) RTO(e *Env) time.Duration { panic("not yet") }

// SRTT returns the smoothed round-trip time, 0 before the first sample.
func (s *Sender) SRTT() time.Duration { panic("not yet") }

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
func (s *Sender) Info(e *Env, now clock.Time, i *Info) { panic("not yet") }
