package live

import (
	"sync"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/watch"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// Wire listens to a device: it takes every frame, and sends only what Send is
// given. The device is its own.
type Wire struct {
	world *vimage.World
	wire  *link.Wire
	feed  feed
	mac   wire.MAC
}

// feed keeps frames until somebody takes them.
type feed struct {
	sched *netisr.Sched
	ready chan struct{}

	mu    sync.Mutex // a leaf
	ends  []mark
	bytes []byte
	lost  uint64
}

// mark is where a frame ends in the feed's bytes.
type mark struct {
	at  int64
	end int
}

// feedLimit is how many bytes wait; more are lost.
const feedLimit = 16 << 20

// OpenWire listens to a device, which it closes if that cannot be. The seed
// decides the MAC address of frames that are sent where the device suggests none.
func OpenWire(dev link.Device, seed uint64) (*Wire, error) {
	w := &Wire{world: vimage.NewWorld(vimage.Config{Seed: seed})}
	sched := w.world.Internal().Sched()
	var err error
	if w.wire, err = link.NewWire(sched, dev); err != nil {
		dev.Close()
		w.world.Close()
		return nil, err
	}
	w.mac = w.wire.Props().MAC
	if w.mac.IsZero() {
		w.mac = wire.MAC{0x02, byte(seed >> 32), byte(seed >> 24), byte(seed >> 16), byte(seed >> 8), byte(seed)}
	}
	w.feed = feed{sched: sched, ready: make(chan struct{}, 1)}
	w.wire.Attach(&w.feed)
	return w, nil
}

// Put implements netisr.Sink.
func (f *feed) Put(r *netisr.Runner, b *pkt.Buf) {
	f.mu.Lock()
	if len(f.bytes)+b.Len() > feedLimit {
		f.lost++
	} else {
		f.bytes = append(f.bytes, b.Bytes()...)
		c := f.sched.Clock()
		f.ends = append(f.ends, mark{c.Wall(c.Now()).UnixNano(), len(f.bytes)})
	}
	f.mu.Unlock()
	r.Cache.Free(b)
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// Lend implements netisr.Lender: frames come one by one.
func (f *feed) Lend(*netisr.Runner, *pkt.Buf) bool { return false }

// MAC returns the hardware address to send from.
func (w *Wire) MAC() wire.MAC { return w.mac }

// Now returns the time that frames are given.
func (w *Wire) Now() int64 { return w.world.Now().UnixNano() }

// Ready has something to receive when frames have come.
func (w *Wire) Ready() <-chan struct{} { return w.feed.ready }

// Take hands what has come to visit, which borrows it.
func (w *Wire) Take(visit func(*Frame)) error {
	f := &w.feed
	f.mu.Lock()
	ends, bytes := f.ends, f.bytes
	f.ends, f.bytes = nil, nil
	f.mu.Unlock()
	begin := 0
	for _, m := range ends {
		visit(&Frame{At: m.at, LinkType: watch.Ethernet, Len: m.end - begin, Data: bytes[begin:m.end]})
		begin = m.end
	}
	return w.wire.Err()
}

// Lost returns how many frames came faster than they were taken.
func (w *Wire) Lost() uint64 {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	return w.feed.lost
}

// Send puts a frame on the wire.
func (w *Wire) Send(frame []byte) { send(w.feed.sched, w.wire, frame) }

// send puts a copy of a frame into a port.
func send(s *netisr.Sched, p link.Port, frame []byte) {
	r := s.Carry()
	b := r.Cache.Get(len(frame))
	copy(b.Extend(len(frame)), frame)
	p.Put(r, b)
	r.Done()
}

// Close closes the device.
func (w *Wire) Close() error {
	err := w.wire.Close()
	w.world.Close()
	return err
}
