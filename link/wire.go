package link

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// WireStats counts what a Wire has moved and lost.
type WireStats struct {
	Received    uint64 `stat:"wire.received"` // frames read
	Sent        uint64 `stat:"wire.sent"`     // frames the device took
	BadMeta     uint64 `stat:"wire.bad_meta"` // frames received with a Meta that contradicts them
	ReadErrors  uint64 `stat:"wire.read_errors"`
	WriteErrors uint64 `stat:"wire.write_errors"`
	// QueueFull, DeviceFull, TooBig and, once closed, NoPeer of those to be sent;
	// NoPeer of those received while nothing was attached.
	Dropped [pkt.NumReasons]uint64 `stat:"wire.dropped"`
}

// Wire makes a Port out of a Device. One goroutine reads from the device, into
// buffers that go up the stack as they are; it holds a batch of them as long as
// the Wire is open.
type Wire struct {
	unfiltered
	sched *netisr.Sched
	dev   Device
	info  Info
	props Props
	queue netisr.Queue // of what is to be written
	rx    rx

	closing sync.Once
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed by the reader when it ends
	err     error         // why it did; read after done
	failed  error         // of Device.Close
	closed  atomic.Bool
	out     writeBatch // Drain's

	mu    sync.Mutex // a leaf
	count WireStats
}

// writeBatch is what one Write is given.
type writeBatch struct {
	bufs   []*pkt.Buf
	frames [][]byte
	meta   []Meta
}

const (
	// readFrames is how many frames are read at once, readLarge if each may be
	// longer than what fits into a Buf.
	readFrames = 32
	readLarge  = 8
	// writeFrames is how many frames are written at once, give or take those of
	// one super-segment.
	writeFrames = 64
	// taggedLen is what a frame may have beyond its IP packet.
	taggedLen = wire.EtherLen + wire.VLANLen

	// After an error the reader waits, twice as long after each one in a row.
	retryFirst = time.Millisecond
	retryMost  = time.Second
)

// NewWire takes a device and starts to read from it. Frames that come while
// nothing is attached are dropped. Close closes the device.
//
// A device that other processes feed knows only real time: NewWire refuses a
// world that is simulated. That it is in a testing/synctest bubble it cannot
// see; there only a device whose every channel and lock was made inside the
// bubble works.
func NewWire(s *netisr.Sched, dev Device) (*Wire, error) {
	info := dev.Info()
	if info.MaxFrame == 0 {
		info.MaxFrame = info.MTU + taggedLen
	}
	switch {
	case s.Clock().Simulated():
		return nil, fmt.Errorf("link: device %q lives in real time and cannot be part of a simulated world", info.Name)
	case info.MTU <= 0:
		return nil, fmt.Errorf("link: device %q: an MTU of %d", info.Name, info.MTU)
	case info.MaxFrame < info.MTU+wire.EtherLen || info.MaxFrame > pkt.Large:
		return nil, fmt.Errorf("link: device %q: frames of %d bytes, it can be %d, for its MTU, to %d", info.Name, info.MaxFrame, info.MTU+wire.EtherLen, pkt.Large)
	}
	w := &Wire{sched: s, dev: dev, info: info, stop: make(chan struct{}), done: make(chan struct{})}
	w.props = Props{MTU: info.MTU, Raw: !info.Sum}
	if len(info.MAC) == len(w.props.MAC) {
		w.props.MAC = wire.MAC(info.MAC)
	}
	w.queue.Init(w)
	go w.read()
	return w, nil
}

// Put implements Port.
func (w *Wire) Put(r *netisr.Runner, b *pkt.Buf) {
	if !w.queue.Put(r, b) {
		r.Cache.Free(b) // the Queue has counted it
	}
}

// Attach implements Port.
func (w *Wire) Attach(to netisr.Lender) { w.rx.set(to) }

// Detach implements Port.
func (w *Wire) Detach() { w.rx.clear() }

// Props implements Port.
func (w *Wire) Props() Props { return w.props }

// Stats returns the counters as they are now.
func (w *Wire) Stats() WireStats {
	w.mu.Lock()
	s := w.count
	w.mu.Unlock()
	s.Dropped[pkt.QueueFull] += w.queue.Stats().Drops
	s.Dropped[pkt.NoPeer] += w.rx.drops.Load()
	return s
}

// Err returns why no more frames are read, nil as long as they are. It is
// net.ErrClosed after Close and where the device was closed or went away.
func (w *Wire) Err() error {
	select {
	case <-w.done:
		return w.err
	default:
		return nil
	}
}

// Close closes the device and waits until nothing is read any more. What is
// sent from then on is dropped. It returns the error of Device.Close, again if
// called again, and must not be called under a lock of the network.
func (w *Wire) Close() error {
	w.closing.Do(func() {
		w.closed.Store(true)
		close(w.stop)
		w.failed = w.dev.Close()
	})
	<-w.done
	return w.failed
}

// slots are the buffers that the device reads into.
type slots struct {
	bufs   []*pkt.Buf // nil where one was handed on
	frames [][]byte
	meta   []Meta
}

// read is the goroutine of the Wire.
func (w *Wire) read() {
	defer close(w.done)
	n := readFrames
	if w.info.MaxFrame > pkt.Small {
		n = readLarge
	}
	in := slots{make([]*pkt.Buf, n), make([][]byte, n), make([]Meta, n)}
	retry := newAlarm()
	wait := retryFirst
	r := w.sched.Carry()
	for {
		w.fill(r, &in)
		r.Done()
		n, err := w.dev.Read(in.frames, in.meta)
		r = w.sched.Carry()
		w.receive(r, &in, min(max(n, 0), len(in.frames)))
		switch {
		case err == nil:
			wait = retryFirst
			continue
		case !errors.Is(err, net.ErrClosed):
			w.mu.Lock()
			w.count.ReadErrors++
			w.mu.Unlock()
			r.Done()
			again := retry.sleep(w.sched.Clock(), wait, w.stop)
			r = w.sched.Carry()
			if wait = min(2*wait, retryMost); again {
				continue
			}
			err = net.ErrClosed
		}
		w.err = err
		break
	}
	for _, b := range in.bufs {
		if b != nil {
			r.Cache.Free(b)
		}
	}
	r.Done()
}

// fill makes every slot ready to be read into.
func (w *Wire) fill(r *netisr.Runner, in *slots) {
	for i, b := range in.bufs {
		if b == nil {
			b = r.Cache.Get(w.info.MaxFrame)
			in.bufs[i] = b
			in.frames[i] = b.Extend(w.info.MaxFrame)
		}
		in.meta[i] = Meta{}
	}
}

// receive hands on the first n frames.
func (w *Wire) receive(r *netisr.Runner, in *slots, n int) {
	var good, bad uint64
	for i := range n {
		b := w.take(r, in, i)
		if b == nil {
			bad++
			continue
		}
		if b.GSO == pkt.GSOUDP {
			if cut(r, b, func(s *pkt.Buf) { w.rx.put(r, s); good++ }) == 0 {
				bad++
			}
			r.Cache.Free(b)
			continue
		}
		good++
		w.rx.put(r, b)
	}
	w.mu.Lock()
	w.count.Received += good
	w.count.BadMeta += bad
	w.mu.Unlock()
}

// take returns the frame in a slot, nil if it makes no sense. A short frame in
// a slot for long ones is copied: a Block in a queue costs as much memory as 30
// Bufs.
func (w *Wire) take(r *netisr.Runner, in *slots, i int) *pkt.Buf {
	m := &in.meta[i]
	if m.Len <= 0 || m.Len > w.info.MaxFrame {
		return nil
	}
	b := in.bufs[i]
	if w.info.MaxFrame > pkt.Small && m.Len <= pkt.Small {
		b = r.Cache.Get(m.Len)
		copy(b.Extend(m.Len), in.frames[i])
	} else {
		in.bufs[i] = nil
		b.Trim(m.Len)
	}
	if !m.received(b) {
		r.Cache.Free(b)
		return nil
	}
	return b
}

// Drain implements netisr.Node: it writes.
func (w *Wire) Drain(r *netisr.Runner, in *pkt.Batch) {
	var count WireStats
	for b := in.Pop(); b != nil; b = in.Pop() {
		if b.GSO != pkt.GSONone && !w.info.GSO && cut(r, b, func(s *pkt.Buf) { w.add(r, s, &count) }) > 0 {
			r.Cache.Free(b)
		} else {
			w.add(r, b, &count)
		}
		if len(w.out.bufs) >= writeFrames {
			w.flush(r, &count)
		}
	}
	w.flush(r, &count)
	w.mu.Lock()
	w.count.Sent += count.Sent
	w.count.WriteErrors += count.WriteErrors
	for i, n := range count.Dropped {
		w.count.Dropped[i] += n
	}
	w.mu.Unlock()
}

// add puts a frame with what is to be written next, if the device can take it.
func (w *Wire) add(r *netisr.Runner, b *pkt.Buf, count *WireStats) {
	b, m, why := w.ready(r, b)
	if why != pkt.NoReason {
		count.Dropped[why]++
		r.Cache.Free(b)
		return
	}
	o := &w.out
	o.bufs = append(o.bufs, b)
	o.frames = append(o.frames, b.Bytes())
	o.meta = append(o.meta, m)
}

// flush writes what was added.
func (w *Wire) flush(r *netisr.Runner, count *WireStats) {
	o := &w.out
	w.write(count)
	for _, b := range o.bufs {
		r.Cache.Free(b)
	}
	clear(o.bufs)
	clear(o.frames)
	o.bufs, o.frames, o.meta = o.bufs[:0], o.frames[:0], o.meta[:0]
}

// ready makes a frame such that the device can take it, or says why it cannot.
func (w *Wire) ready(r *netisr.Runner, b *pkt.Buf) (*pkt.Buf, Meta, pkt.Reason) {
	switch {
	case w.closed.Load():
		return b, Meta{}, pkt.NoPeer
	case b.GSO != pkt.GSONone && !w.info.GSO, b.GSO == pkt.GSONone && b.Len() > w.info.MTU+taggedLen:
		return b, Meta{}, pkt.TooBig
	case b.GSO == pkt.GSONone && b.Sum != pkt.SumPartial:
		return b, Meta{Len: b.Len()}, pkt.NoReason
	}
	b = r.Cache.UnshareHeader(b)
	m, ok := toSend(b, w.info.Sum || b.GSO != pkt.GSONone)
	if !ok || int(m.HeaderLen)+int(m.Size) > w.info.MTU+taggedLen {
		return b, m, pkt.TooBig
	}
	return b, m, pkt.NoReason
}

// write gives the batch to the device. A frame it refuses is passed over; when
// it takes none without an error it is full, and the rest is lost.
func (w *Wire) write(count *WireStats) {
	o := &w.out
	for i := 0; i < len(o.frames); {
		n, err := w.dev.Write(o.frames[i:], o.meta[i:])
		n = min(max(n, 0), len(o.frames)-i)
		count.Sent += uint64(n)
		i += n
		rest := uint64(len(o.frames) - i)
		switch {
		case rest == 0 && err == nil:
		case errors.Is(err, net.ErrClosed):
			count.Dropped[pkt.NoPeer] += rest
			return
		case err != nil:
			count.WriteErrors++
			if rest > 0 {
				count.Dropped[pkt.DeviceFull]++
				i++
			}
		case n == 0:
			count.Dropped[pkt.DeviceFull] += rest
			return
		}
	}
}

// alarm ends the sleep of one goroutine.
type alarm struct {
	clock.Timer
	c chan struct{}
}

func newAlarm() *alarm {
	a := &alarm{c: make(chan struct{}, 1)}
	a.F = a
	return a
}

// Fire implements clock.Firer.
func (a *alarm) Fire(clock.Time) {
	select {
	case a.c <- struct{}{}:
	default:
	}
}

// sleep returns true after d, false at once when stop is closed.
func (a *alarm) sleep(c clock.Clock, d time.Duration, stop <-chan struct{}) bool {
	c.Arm(&a.Timer, c.Now().Add(d))
	select {
	case <-a.c:
		return true
	case <-stop:
		c.Disarm(&a.Timer)
		return false
	}
}
