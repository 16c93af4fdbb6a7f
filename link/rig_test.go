package link

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// arrived is a frame as a catcher got it.
type arrived struct {
	at    clock.Time
	num   uint32 // what the sender wrote into its first bytes
	frame []byte
	info  pkt.Info
}

// catcher is a receiver that keeps everything.
type catcher struct {
	c clock.Clock

	mu  sync.Mutex
	got []arrived
}

func (x *catcher) Put(r *netisr.Runner, b *pkt.Buf) {
	x.mu.Lock()
	x.got = append(x.got, arrived{x.c.Now(), binary.BigEndian.Uint32(b.Bytes()), append([]byte(nil), b.Bytes()...), b.Info})
	x.mu.Unlock()
	r.Cache.Free(b)
}

func (x *catcher) Lend(*netisr.Runner, *pkt.Buf) bool { return false }

// nums returns the numbers of the frames in the order they came.
func (x *catcher) nums() []uint32 {
	x.mu.Lock()
	defer x.mu.Unlock()
	var l []uint32
	for _, a := range x.got {
		l = append(l, a.num)
	}
	return l
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// frame makes a numbered frame of n bytes.
func frame(r *netisr.Runner, num uint32, n int) *pkt.Buf {
	b := r.Cache.Get(n)
	p := b.Extend(n)
	clear(p)
	binary.BigEndian.PutUint32(p, num)
	return b
}

// send puts numbered frames into a port, each by itself.
func send(s *netisr.Sched, p netisr.Sink, from, to uint32, size int) {
	for i := from; i < to; i++ {
		r := s.Get()
		p.Put(r, frame(r, i, size))
		r.Done()
	}
}

// settle waits until every hand-over is done.
func settle(s *netisr.Sched) {
	for s.Working() > 0 {
		runtime.Gosched()
	}
}

// clean checks that nothing is left behind once all is at rest.
func clean(t testing.TB, s *netisr.Sched) {
	t.Helper()
	settle(s)
	if c := s.Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
		t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
	}
	if n := s.Clock().Armed(); n != 0 {
		t.Errorf("%d timers armed", n)
	}
}
