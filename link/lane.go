package link

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// lane is one direction of a Fault: a node that frames wait in.
//
// A frame goes through up to three places: unsent, where it waits for the
// rate; held, where it waits to be overtaken; air, where it is under way until
// it is due. What happens at which moment is computed from the moments
// themselves, not from when the code gets to run.
type lane struct {
	netisr.Queue
	sched *netisr.Sched
	dir   FaultDir
	to    rx
	timer clock.Timer

	// mu is the node's lock: like a stack's shard it is held while frames are
	// put into the receiver's queue, which keeps their order, and like it never
	// together with another node's.
	mu     sync.Mutex
	cfg    FaultConfig
	random splitMix
	closed bool
	armed  clock.Time // what timer is set to, or stale
	count  FaultStats
	parts  uint64 // frames beyond those that entered, because super-segments were cut

	unsent pkt.Batch
	bytes  int        // in unsent
	sent   clock.Time // when the first of unsent will have left
	part   int64      // 1/Rate nanoseconds that rounding has left over

	held []heldFrame // in order of coming and of lapsing
	air  flights
	last clock.Time // latest moment a frame was given
	seq  uint64     // frames that were set off
	high uint64     // highest seq delivered
}

// heldFrame waits until left more frames have set off, or until it lapses.
type heldFrame struct {
	b      *pkt.Buf
	seq    uint64
	left   int
	lapses clock.Time
}

const (
	// stale is no moment: the timer may be set to anything.
	stale clock.Time = -1
	// burst is how many frames that are due a lane delivers before their
	// receiver gets a chance to run.
	burst = 64
)

func (l *lane) init(s *netisr.Sched, dir FaultDir, c FaultConfig) {
	l.Queue.Init(l)
	l.sched, l.dir, l.armed = s, dir, clock.Never
	l.timer.F = l
	l.cfg = c.filled()
	l.seed()
}

// seed starts the random sequence.
func (l *lane) seed() {
	l.random = splitMix(l.cfg.Seed)
	if l.dir == BtoA {
		l.random = splitMix(l.random.next())
	}
}

func (l *lane) put(r *netisr.Runner, b *pkt.Buf) {
	if !l.Queue.Put(r, b) {
		r.Cache.Free(b) // the Queue has counted it
	}
}

// Drain implements netisr.Node.
func (l *lane) Drain(r *netisr.Runner, in *pkt.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count.Entered += uint64(in.Len())
	if l.cfg.plain() && !l.closed && l.waiting() == 0 {
		for b := in.Pop(); b != nil; b = in.Pop() {
			l.seq++
			l.deliver(r, flight{b: b, seq: l.seq})
		}
		return
	}
	now := r.Now()
	l.advance(r, now, burst)
	for b := in.Pop(); b != nil; b = in.Pop() {
		if b.GSO == pkt.GSONone || !l.cfg.perFrame() {
			l.enter(r, b, now)
			continue
		}
		n := cut(r, b, func(s *pkt.Buf) { l.enter(r, s, now) })
		if n == 0 {
			l.enter(r, b, now)
			continue
		}
		l.parts += uint64(n - 1)
		r.Cache.Free(b)
	}
	l.rearm()
}

// Fire implements clock.Firer: something is due.
func (l *lane) Fire(now clock.Time) {
	r := l.sched.Carry()
	r.At(now)
	l.mu.Lock()
	l.armed = stale
	l.advance(r, now, burst)
	l.rearm()
	l.mu.Unlock()
	r.Done()
}

// enter takes a frame.
func (l *lane) enter(r *netisr.Runner, b *pkt.Buf, now clock.Time) {
	switch {
	case l.closed || l.cfg.Down:
		l.lose(r, b, pkt.NoPeer)
	case l.cfg.Rate == 0:
		l.setOff(r, b, now)
	case l.unsent.Len() > 0 && l.bytes+b.Len() > l.cfg.Queue:
		l.lose(r, b, pkt.LinkRate)
	case l.unsent.Len() >= l.cfg.Limit:
		l.lose(r, b, pkt.QueueFull)
	default:
		l.bytes += b.Len()
		if l.unsent.Len() == 0 {
			l.part = l.cfg.Rate - 1
			l.sent = now.Add(l.sending(b.Len()))
		}
		l.unsent.Push(b)
	}
}

// sending returns how long n bytes take at the rate. Rounding does not add up.
func (l *lane) sending(n int) time.Duration {
	t := int64(n)*8*int64(time.Second) + l.part
	l.part = t % l.cfg.Rate
	return time.Duration(t / l.cfg.Rate)
}

// next returns the first moment at which something happens by itself.
func (l *lane) next() clock.Time {
	at := clock.Never
	if l.unsent.Len() > 0 {
		at = l.sent
	}
	if len(l.held) > 0 {
		at = min(at, l.held[0].lapses)
	}
	if l.air.len() > 0 {
		at = min(at, l.air.first())
	}
	return at
}

// advance lets everything happen that is due by now, in the order of the
// moments, but delivers no more than about limit frames.
func (l *lane) advance(r *netisr.Runner, now clock.Time, limit uint64) {
	limit += l.count.Delivered
	for l.count.Delivered < limit {
		at := l.next()
		switch {
		case at > now || at == clock.Never:
			return
		case l.unsent.Len() > 0 && at == l.sent:
			b := l.unsent.Pop()
			l.bytes -= b.Len()
			l.setOff(r, b, at)
			if l.unsent.Len() > 0 {
				l.sent = at.Add(l.sending(l.unsent.First().Len()))
			}
		case len(l.held) > 0 && at == l.held[0].lapses:
			h := l.held[0]
			l.held = slices.Delete(l.held, 0, 1)
			l.fly(r, flight{b: h.b, seq: h.seq, due: l.arrival(at)}, at)
		default:
			l.deliver(r, l.air.pop())
		}
	}
}

// setOff takes a frame that has been sent and decides what becomes of it.
func (l *lane) setOff(r *netisr.Runner, b *pkt.Buf, at clock.Time) {
	if l.random.hit(l.cfg.Loss) {
		l.lose(r, b, pkt.LinkLoss)
		return
	}
	if !l.random.hit(l.cfg.Duplicate) {
		l.travel(r, b, at)
		return
	}
	twin := r.Cache.Clone(b)
	l.count.Duplicated++
	l.travel(r, b, at)
	l.travel(r, twin, at)
}

// travel takes one copy of a frame.
func (l *lane) travel(r *netisr.Runner, b *pkt.Buf, at clock.Time) {
	if l.random.hit(l.cfg.Corrupt) {
		b = l.damage(r, b)
	}
	l.seq++
	seq := l.seq
	if l.random.hit(l.cfg.Reorder) {
		if l.full() {
			l.lose(r, b, pkt.QueueFull)
			return
		}
		lapses := at.Add(l.cfg.ReorderWait)
		if n := len(l.held); n > 0 {
			lapses = max(lapses, l.held[n-1].lapses)
		}
		l.held = append(l.held, heldFrame{b, seq, l.cfg.ReorderGap, lapses})
		return
	}
	f := flight{b: b, seq: seq, due: l.arrival(at)}
	if l.full() && !l.arrives(&f, at) {
		l.lose(r, b, pkt.QueueFull)
		return
	}
	l.fly(r, f, at)
	l.overtake(r, f.due, at)
}

// arrival returns when a frame sent at a moment arrives.
func (l *lane) arrival(at clock.Time) clock.Time {
	due := at.Add(l.cfg.Delay)
	if l.cfg.Jitter > 0 {
		due = due.Add(time.Duration(l.random.below(uint64(l.cfg.Jitter) + 1)))
	}
	if !l.cfg.JitterReorders {
		due = max(due, l.last)
	}
	l.last = max(l.last, due)
	return due
}

// overtake notes that a frame has passed those held back. Whom enough have
// passed follows it closely.
func (l *lane) overtake(r *netisr.Runner, due, at clock.Time) {
	kept := l.held[:0]
	for _, h := range l.held {
		if h.left--; h.left > 0 {
			kept = append(kept, h)
			continue
		}
		l.fly(r, flight{b: h.b, seq: h.seq, due: due}, at)
	}
	clear(l.held[len(kept):])
	l.held = kept
}

// fly takes a frame that set off at a moment.
func (l *lane) fly(r *netisr.Runner, f flight, at clock.Time) {
	if l.arrives(&f, at) {
		l.deliver(r, f)
		return
	}
	l.air.push(f)
}

// arrives tells whether a frame arrives the moment it sets off.
func (l *lane) arrives(f *flight, at clock.Time) bool { return l.air.len() == 0 && f.due <= at }

func (l *lane) full() bool { return l.air.len()+len(l.held) >= l.cfg.Limit }

// damage flips bits in a frame, and leaves it to the receiver to notice.
func (l *lane) damage(r *netisr.Runner, b *pkt.Buf) *pkt.Buf {
	b = r.Cache.Unshare(b)
	frame := b.Bytes()
	if b.Sum == pkt.SumPartial {
		wire.CompleteEther(frame)
	}
	b.Sum, b.Hash = pkt.SumUnknown, 0
	var flipped [maxBits]uint64
	n := min(l.cfg.CorruptBits, 8*len(frame))
	for i := 0; i < n; {
		bit := l.random.below(uint64(8 * len(frame)))
		if slices.Contains(flipped[:i], bit) {
			continue
		}
		frame[bit/8] ^= 1 << (bit % 8)
		flipped[i] = bit
		i++
	}
	if n > 0 {
		l.count.Corrupted++
	}
	return b
}

// deliver hands a frame to whoever is at the end.
func (l *lane) deliver(r *netisr.Runner, f flight) {
	to := l.to.to.Load()
	if to == nil {
		l.lose(r, f.b, pkt.NoPeer)
		return
	}
	l.count.Delivered++
	if f.seq < l.high {
		l.count.Reordered++
	}
	l.high = max(l.high, f.seq)
	(*to).Put(r, f.b)
}

func (l *lane) lose(r *netisr.Runner, b *pkt.Buf, why pkt.Reason) {
	l.count.Dropped[why]++
	r.Cache.Free(b)
}

// waiting returns how many frames are under way.
func (l *lane) waiting() int { return l.unsent.Len() + len(l.held) + l.air.len() }

// rearm sets the timer to what happens next.
func (l *lane) rearm() {
	if at := l.next(); at != l.armed {
		l.armed = at
		l.sched.Clock().Arm(&l.timer, at)
	}
}

func (l *lane) set(c FaultConfig) error {
	r := l.sched.Get()
	defer r.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	now := r.Now()
	l.advance(r, now, defaultLimit)
	old := l.cfg
	l.cfg = c.filled()
	if old.Seed != c.Seed {
		l.seed()
	}
	switch {
	case c.Down:
		l.clear(r)
	case l.unsent.Len() == 0:
	case c.Rate == 0:
		for b := l.unsent.Pop(); b != nil; b = l.unsent.Pop() {
			l.setOff(r, b, now)
		}
		l.bytes = 0
	case c.Rate != old.Rate:
		l.part = c.Rate - 1
		l.sent = min(l.sent, now.Add(l.sending(l.unsent.First().Len())))
	}
	l.rearm()
	return nil
}

func (l *lane) config() FaultConfig {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg
}

// clear loses everything under way.
func (l *lane) clear(r *netisr.Runner) {
	for b := l.unsent.Pop(); b != nil; b = l.unsent.Pop() {
		l.lose(r, b, pkt.NoPeer)
	}
	for _, h := range l.held {
		l.lose(r, h.b, pkt.NoPeer)
	}
	for _, f := range l.air.heap {
		l.lose(r, f.b, pkt.NoPeer)
	}
	l.bytes, l.held, l.air.heap, l.last = 0, nil, nil, 0
}

func (l *lane) close() {
	r := l.sched.Get()
	defer r.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.clear(r)
	l.armed = stale
	l.rearm()
}

func (l *lane) stats() FaultStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.count
	q := l.Queue.Stats()
	s.Waiting = q.Queued - s.Entered + uint64(l.waiting())
	s.Entered = q.Queued + q.Drops + l.parts
	s.Dropped[pkt.QueueFull] += q.Drops
	return s
}
