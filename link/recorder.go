package link

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/link/pcapng"
)

// Recorder writes what its Captures see into one file, in the order and with
// the time of the passing. Frames are copied into memory as they pass and
// written when no lock of the network is held, in the goroutine that carried
// them.
type Recorder struct {
	sched *netisr.Sched
	w     *pcapng.Writer
	room  int
	queue netisr.Queue  // holds at most a few empty packets: reasons to run Drain
	ready chan struct{} // where not nil: has an item instead, for who writes in his own time

	// writing is held while entries go from the tape to w. It is taken before mu,
	// and by nobody who holds a lock of the network.
	writing sync.Mutex
	spare   []byte // what tape will be next
	limit   int    // packets to write, 0 for all
	written int

	mu    sync.Mutex // a leaf; guards what follows, and what its Captures say it does
	tape  []byte     // entries, one behind the other
	woken bool       // Drain is about to be run
	all   []*Capture // not closed
}

const (
	defaultTape = 16 << 20
	// keepTape is how much memory a Recorder keeps between bursts.
	keepTape = 1 << 20
)

// NewRecorder returns a Recorder without Captures. buffer is how many bytes may
// wait to be written, 16 MiB if it is 0; frames that find no room pass
// unrecorded and are counted in the file. Close it before w.
func NewRecorder(s *netisr.Sched, w *pcapng.Writer, buffer int) *Recorder {
	if buffer <= 0 {
		buffer = defaultTape
	}
	rec := &Recorder{sched: s, w: w, room: buffer}
	rec.queue.Init(rec)
	return rec
}

// NewWaitingRecorder is NewRecorder for a w that may keep its caller waiting: nothing is
// written but by Flush, which somebody calls whenever Ready says so.
func NewWaitingRecorder(s *netisr.Sched, w *pcapng.Writer, buffer int) *Recorder {
	rec := NewRecorder(s, w, buffer)
	rec.ready = make(chan struct{}, 1)
	return rec
}

// Ready has an item once something is to be written that was not before the last Flush.
// It is nil where NewRecorder has made rec.
func (rec *Recorder) Ready() <-chan struct{} { return rec.ready }

// SetLimit has no more than n packets be written, unless n is 0.
func (rec *Recorder) SetLimit(n int) { rec.limit = n }

// Full tells whether as many have been.
func (rec *Recorder) Full() bool {
	rec.writing.Lock()
	defer rec.writing.Unlock()
	return rec.limit > 0 && rec.written >= rec.limit
}

// wake has it one.
func (rec *Recorder) wake() {
	select {
	case rec.ready <- struct{}{}:
	default:
	}
}

func (rec *Recorder) add(c *Capture) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.all = append(rec.all, c)
}

// remove ends a Capture, writes what it recorded and tells what it lost last.
func (rec *Recorder) remove(c *Capture) {
	rec.mu.Lock()
	lost := c.lost
	c.lost, c.closed = 0, true
	if i := slices.Index(rec.all, c); i >= 0 {
		rec.all = slices.Delete(rec.all, i, i+1)
	}
	rec.mu.Unlock()
	rec.write()
	if lost > 0 {
		rec.w.Lost(c.id, lost)
	}
	c.tellRejected()
}

// tellRejected tells the Writer what the filter passed over.
func (c *Capture) tellRejected() {
	if n := c.rejected.Swap(0); n > 0 {
		c.rec.w.Rejected(c.id, n)
	}
}

// Flush writes all that was recorded, and has the Writer hand it on. It returns
// the Writer's first error, and must not be called under a lock of the network.
func (rec *Recorder) Flush() error {
	rec.write()
	rec.mu.Lock()
	all := slices.Clone(rec.all)
	rec.mu.Unlock()
	for _, c := range all {
		c.tellRejected()
	}
	return rec.w.Flush()
}

// Close ends all Captures, and then is Flush. Frames may still be under way:
// they pass unseen.
func (rec *Recorder) Close() error {
	rec.mu.Lock()
	all := slices.Clone(rec.all)
	rec.mu.Unlock()
	for _, c := range all {
		rec.remove(c)
	}
	return rec.Flush()
}

// entry is what stands on the tape before the bytes of a frame.
type entry struct {
	at    clock.Time
	lost  uint64 // frames of the Capture that are missing before this one
	id    uint32
	kept  uint32 // bytes that follow
	whole uint32 // length of the frame
	dir   pcapng.Direction
	why   pkt.Reason
}

const entryLen = 32

func (e *entry) put(b []byte) {
	binary.LittleEndian.PutUint64(b[0:], uint64(e.at))
	binary.LittleEndian.PutUint64(b[8:], e.lost)
	binary.LittleEndian.PutUint32(b[16:], e.id)
	binary.LittleEndian.PutUint32(b[20:], e.kept)
	binary.LittleEndian.PutUint32(b[24:], e.whole)
	b[28], b[29] = byte(e.dir), byte(e.why)
}

func parseEntry(b []byte) entry {
	return entry{
		at:    clock.Time(binary.LittleEndian.Uint64(b[0:])),
		lost:  binary.LittleEndian.Uint64(b[8:]),
		id:    binary.LittleEndian.Uint32(b[16:]),
		kept:  binary.LittleEndian.Uint32(b[20:]),
		whole: binary.LittleEndian.Uint32(b[24:]),
		dir:   pcapng.Direction(b[28]), why: pkt.Reason(b[29]),
	}
}

// pass records a frame that goes by, or the packets that it stands for. It
// borrows b.
func (rec *Recorder) pass(r *netisr.Runner, c *Capture, b *pkt.Buf, dir pcapng.Direction) {
	if b.GSO != pkt.GSONone && !c.whole && rec.open(c) {
		parts := CutFrame
		if c.bare {
			parts = CutPacket
		}
		if parts(r, b, func(s *pkt.Buf) { rec.record(r, c, s, dir); r.Cache.Free(s) }) > 0 {
			return
		}
	}
	rec.record(r, c, b, dir)
}

func (rec *Recorder) open(c *Capture) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return !c.closed
}

// record puts a frame on the tape, and sees to it that it is written.
func (rec *Recorder) record(r *netisr.Runner, c *Capture, b *pkt.Buf, dir pcapng.Direction) {
	if !rec.append(c, nil, b, dir, pkt.NoReason, true) {
		return
	}
	if rec.ready != nil {
		rec.wake()
	} else {
		wake := r.Cache.Get(0)
		if !rec.queue.Put(r, wake) {
			r.Cache.Free(wake)
		}
	}
}

// append puts a frame, perhaps with a header before it, on the tape. It tells
// whether Drain must be woken: never if wake is false.
func (rec *Recorder) append(c *Capture, header []byte, b *pkt.Buf, dir pcapng.Direction, why pkt.Reason, wake bool) bool {
	e := entry{id: uint32(c.id), whole: uint32(len(header) + b.Len()), dir: dir, why: why}
	e.kept = e.whole
	if c.snap > 0 {
		e.kept = min(e.whole, uint32(c.snap))
	}
	if header == nil && !c.accepts(b.Bytes(), &e) {
		return false
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if c.closed || !rec.lay(c, header, b, e) {
		return false
	}
	wake = wake && !rec.woken
	rec.woken = rec.woken || wake
	return wake
}

// accepts asks the filter, which may shorten what is kept of a frame.
func (c *Capture) accepts(frame []byte, e *entry) bool {
	if c.filter == nil {
		return true
	}
	n := c.filter.Match(frame, int(e.whole))
	if n <= 0 {
		c.rejected.Add(1)
		return false
	}
	e.kept = min(e.kept, uint32(n))
	return true
}

// lay puts an entry and its bytes on the tape, or counts them where there is no
// room. It tells whether there is something to write, if only the count.
func (rec *Recorder) lay(c *Capture, header []byte, b *pkt.Buf, e entry) bool {
	at := len(rec.tape)
	if at+entryLen+int(e.kept) > rec.room {
		c.lost++
		return true
	}
	rec.tape = append(rec.tape, make([]byte, entryLen)...)
	rec.tape = append(append(rec.tape, header...), b.Bytes()...)
	frame := rec.tape[at+entryLen:]
	if header != nil && !c.accepts(frame, &e) { // only here header and b are one
		rec.tape = rec.tape[:at]
		return false
	}
	if b.Sum == pkt.SumPartial {
		c.complete(frame)
	}
	// The time is read under the lock: no entry is older than the one before.
	e.at, e.lost = rec.sched.Clock().Now(), c.lost
	c.lost = 0
	e.put(rec.tape[at:])
	rec.tape = rec.tape[:at+entryLen+int(e.kept)]
	return true
}

// Drain implements netisr.Node: something was recorded.
func (rec *Recorder) Drain(r *netisr.Runner, in *pkt.Batch) {
	r.Cache.FreeBatch(in)
	rec.write()
}

// write moves what is on the tape to the Writer.
func (rec *Recorder) write() {
	rec.writing.Lock()
	defer rec.writing.Unlock()
	rec.mu.Lock()
	tape := rec.tape
	rec.tape, rec.spare, rec.woken = rec.spare, nil, false
	rec.mu.Unlock()
	for rest := tape; len(rest) > 0; {
		if rec.written++; rec.limit > 0 && rec.written > rec.limit {
			break
		}
		e := parseEntry(rest)
		rest = rest[entryLen:]
		if e.lost > 0 {
			rec.w.Lost(int(e.id), e.lost)
		}
		p := pcapng.Packet{Time: rec.sched.Clock().Wall(e.at).UnixNano(), Len: int(e.whole), Dir: e.dir}
		if e.why != pkt.NoReason {
			p.Comment = "drop: " + e.why.String()
		}
		rec.w.WritePacket(int(e.id), p, rest[:e.kept])
		rest = rest[e.kept:]
	}
	if cap(tape) <= keepTape {
		rec.spare = tape[:0]
	}
}
