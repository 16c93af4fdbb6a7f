package wait

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Verdict is what became of a segment.
type Verdict uint8

const (
	// None: no entry is for it.
	None Verdict = iota
	// Dropped: the entry took it, and nothing is to be done.
	Dropped
	// Answer: the reply's Hdr is to be sent.
	Answer
	// Reopen: it is a SYN that begins a new connection, if somebody listens:
	// then Remove the entry, and let the new one's sequence numbers lie above
	// the reply's Floor. Otherwise the SYN is to be dropped.
	Reopen
)

// Reply is what Input gives back.
type Reply struct {
	Hdr   wire.TCPHeader // with Answer
	FIB   uint32         // with Answer
	Floor wire.Seq       // with Reopen
}

// challengeEvery is the least time between two challenge ACKs of one entry, in
// milliseconds (RFC 5961 §7): two ends that are both in TIME-WAIT, and disagree,
// would answer each other for ever.
const challengeEvery = 500

// Input takes a segment with n bytes of payload (RFC 9293 §3.10.7.4, as far as
// it speaks of TIME-WAIT). With verdicts that do not use it, r is left alone.
func (t *Table) Input(e *Env, now clock.Time, key Key, h *wire.TCPHeader, n int, r *Reply) Verdict {
	w := t.find(now, key)
	if w == nil {
		return None
	}
	switch {
	case h.Flags.Has(wire.RST): // RFC 1337 §3: (F1), ignore resets in TIME-WAIT
		e.S.Resets++
		return Dropped
	case h.Flags.Has(wire.SYN) && !h.Flags.Has(wire.ACK):
		if !w.yields(h) {
			e.S.OldSYN++
			return Dropped
		}
		e.S.Reopened++
		r.Floor = w.sndNxt
		return Reopen
	case !h.Flags.Has(wire.ACK):
		return Dropped
	case h.Flags.Has(wire.FIN) && !h.Flags.Has(wire.SYN) && h.Seq.Add(n+1) == w.rcvNxt:
		return t.again(e, now, w, h, r)
	case !h.Flags.Any(wire.SYN|wire.FIN) && n == 0 && h.Seq == w.rcvNxt && h.Ack == w.sndNxt:
		return Dropped // says nothing that we do not know
	}
	ms := milliseconds(now)
	if w.traits&challenger != 0 && ms-w.challenged < challengeEvery {
		e.S.Limited++
		return Dropped
	}
	w.challenged, w.traits = ms, w.traits|challenger
	e.S.Challenges++
	w.answer(now, r)
	return Answer
}

// yields tells whether a SYN may begin a new connection with the same ends (RFC
// 6191 §2). One that may not is silently dropped.
//
// Deviation: RFC 9293 §3.10.7.4 would answer that one with a challenge ACK. The
// peer's reset is ignored here, so the answer would change nothing.
func (w *entry) yields(h *wire.TCPHeader) bool {
	later := w.rcvNxt.AtMost(h.Seq) // than the last number seen, that of the FIN
	if w.traits&timed == 0 || !h.Options.HasTime {
		return later
	}
	d := int32(h.Options.TSVal - w.tsRecent)
	return d > 0 || d == 0 && later
}

// again answers the peer's FIN, which comes again because our last ACK was
// lost, and waits anew (RFC 9293 §3.10.7.4, eighth).
func (t *Table) again(e *Env, now clock.Time, w *entry, h *wire.TCPHeader, r *Reply) Verdict {
	e.S.FINAcked++
	o := &h.Options
	old := w.traits&timed != 0 && o.HasTime && int32(o.TSVal-w.tsRecent) < 0
	if !old { // RFC 7323 §5.3: an old duplicate is answered, and does nothing else
		if w.traits&timed != 0 && o.HasTime {
			w.tsRecent = o.TSVal
		}
		t.lists[w.class].remove(w)
		t.start(e, now, w)
	}
	w.answer(now, r)
	return Answer
}

// answer fills in the one segment that an entry sends: <SEQ=SND.NXT>
// <ACK=RCV.NXT><CTL=ACK>.
func (w *entry) answer(now clock.Time, r *Reply) {
	w.spoke = milliseconds(now)
	r.FIB = w.fib
	r.Hdr = wire.TCPHeader{
		SrcPort: w.key.Local.Port(), DstPort: w.key.Remote.Port(), Seq: w.sndNxt, Ack: w.rcvNxt,
		Flags: wire.ACK, Window: w.window,
	}
	if w.traits&timed != 0 {
		r.Hdr.Options.HasTime = true
		r.Hdr.Options.TSVal, r.Hdr.Options.TSEcr = w.spoke+w.tsOffset, w.tsRecent
	}
}
