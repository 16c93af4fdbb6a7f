package sockbuf

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// rig is a queue with something to fill it.
type rig struct {
	Queue
	t     testing.TB
	pool  pkt.Pool
	cache pkt.Cache
}

const big = 1 << 20 // a limit that is not met

func newRig(t testing.TB, c clock.Clock) *rig {
	g := &rig{t: t}
	g.cache = pkt.NewCache(&g.pool, g)
	g.Init(c)
	return g
}

// put puts a payload of n bytes behind a header of 8, numbered if there is room.
func (g *rig) put(num uint32, n, limit int) (ok, wake bool) {
	b := g.cache.Get(8 + n)
	b.Extend(8 + n)
	data := b.Bytes()[8:]
	if n >= 4 {
		binary.BigEndian.PutUint32(data, num)
	}
	ok, wake = g.Put(b, b.Bytes()[:8], data, num, limit)
	g.cache.Free(b)
	return ok, wake
}

// mustPut is put where it must go well; it wakes who is to be woken.
func (g *rig) mustPut(num uint32, n int) {
	g.t.Helper()
	ok, wake := g.put(num, n, big)
	if !ok {
		g.t.Fatalf("packet %d of %d bytes refused", num, n)
	}
	if wake {
		g.Wake()
	}
}

// want takes a packet, which must be the one with this number.
func (g *rig) want(num uint32) {
	g.t.Helper()
	it, err := g.Take(false)
	if err != nil {
		g.t.Fatalf("packet %d: %v", num, err)
	}
	data := it.Buf.Slice(int(it.Off), int(it.N))
	if it.IfIndex != num || it.N >= 4 && binary.BigEndian.Uint32(data) != num || it.Off-it.IP != 8 {
		g.t.Fatalf("%+v, want packet %d", it, num)
	}
	g.cache.Free(it.Buf)
}

func (g *rig) wantErr(want error) {
	g.t.Helper()
	if _, err := g.Take(false); !errors.Is(err, want) {
		g.t.Fatalf("error %v, want %v", err, want)
	}
}

// clean checks that all buffers were given back.
func (g *rig) clean() {
	g.t.Helper()
	g.cache.Settle()
	if n := g.pool.Counts().Bufs; n != 0 {
		g.t.Errorf("%d buffers outstanding", n)
	}
	if n := g.clock.Armed(); n != 0 {
		g.t.Errorf("%d timers armed", n)
	}
}

// TestLimits: a queue holds limit bytes, but never less than one packet.
func TestLimits(t *testing.T) {
	g := newRig(t, clock.NewSim())
	for i, c := range []struct {
		n, limit int
		ok       bool
	}{
		{200, 100, true}, // the first, however long
		{1, 100, false},
		{0, 100, false},
		{100, 299, false},
		{100, 300, true},
		{0, 300, true}, // full, but it takes no room
		{1, 300, false},
		{1, 301, true},
	} {
		if ok, wake := g.put(uint32(i), c.n, c.limit); ok != c.ok || wake {
			t.Errorf("packet %d: ok %v, wake %v", i, ok, wake)
		}
	}
	for _, num := range []uint32{0, 4, 5, 7} {
		g.want(num)
	}
	g.wantErr(syscall.EAGAIN)
	g.mustPut(8, 5000) // one packet again: nothing is left of the sum
	g.want(8)
	g.clean()
}

// TestItems: what takes no room is bounded by number.
func TestItems(t *testing.T) {
	g := newRig(t, clock.NewSim())
	for i := range uint32(MaxItems) {
		g.mustPut(i, 0)
	}
	if ok, _ := g.put(0, 0, big); ok {
		t.Error("one too many was taken")
	}
	g.want(0)
	g.mustPut(MaxItems, 0)
	for i := range uint32(MaxItems) {
		g.want(i + 1)
	}
	g.wantErr(syscall.EAGAIN)
	g.clean()
}

// TestGrowthKeepsOrder lets the ring grow at every place its head can be.
func TestGrowthKeepsOrder(t *testing.T) {
	for size := uint32(4); size <= 64; size *= 2 {
		for head := range size {
			g := newRig(t, clock.NewSim())
			for i := range size {
				g.mustPut(i, 4)
			}
			for i := range head {
				g.want(i)
				g.mustPut(size+i, 4)
			}
			for i := range uint32(3) { // the first makes it grow
				g.mustPut(size+head+i, 4)
			}
			for i := head; i < size+head+3; i++ {
				g.want(i)
			}
			g.clean()
		}
	}
}

// TestPutWakes: only who waits, and a callback when the queue was empty.
func TestPutWakes(t *testing.T) {
	g := newRig(t, clock.NewSim())
	if _, wake := g.put(1, 4, big); wake {
		t.Error("nobody is to be woken")
	}
	g.want(1)
	g.SetReady(func() {})
	for i, want := range []bool{true, false, false} {
		if _, wake := g.put(uint32(i), 4, big); wake != want {
			t.Errorf("packet %d: wake %v", i, wake)
		}
	}
	g.want(0)
	if _, wake := g.put(3, 4, big); wake {
		t.Error("woken though the queue was not empty")
	}
	for i := range uint32(3) {
		g.want(i + 1)
	}
	if ok, wake := g.put(4, 4, 0); !ok || !wake {
		t.Errorf("empty again: ok %v, wake %v", ok, wake)
	}
	g.want(4)
	g.clean()
}

// TestReady: the callback is called for a packet, for an error and for Close,
// once each, and may take.
func TestReady(t *testing.T) {
	g := newRig(t, clock.NewSim())
	var got []error
	g.SetReady(func() {
		it, err := g.Take(false)
		if got = append(got, err); err == nil {
			g.cache.Free(it.Buf)
		}
	})
	g.mustPut(1, 4)
	if !g.Fail(syscall.ECONNREFUSED) {
		t.Error("nobody is told of an error")
	}
	g.Wake()
	g.Close(g.cache.Free)
	g.Wake()
	if len(got) != 3 || got[0] != nil || got[1] != syscall.ECONNREFUSED || got[2] != net.ErrClosed {
		t.Errorf("callbacks saw %v", got)
	}
	g.SetReady(nil)
	g.Wake()
	if len(got) != 3 {
		t.Error("called after it was taken back")
	}
	g.clean()
}

// TestReadyLate: who comes after the packets is told of them, or would wait for
// an empty queue for ever; the same goes for an error and for Close.
func TestReadyLate(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(g *rig)
		want int
	}{
		{"nothing", func(*rig) {}, 0},
		{"packet", func(g *rig) { g.mustPut(1, 4) }, 1},
		{"error", func(g *rig) { g.Fail(syscall.ECONNREFUSED) }, 1},
		{"closed", func(g *rig) { g.Close(g.cache.Free) }, 1},
	} {
		g, calls := newRig(t, clock.NewSim()), 0
		c.f(g)
		g.SetReady(func() { calls++; g.Pending() }) // takes the queue's lock
		g.SetReady(nil)
		if calls != c.want {
			t.Errorf("%s: %d calls, want %d", c.name, calls, c.want)
		}
		g.Close(g.cache.Free)
		g.clean()
	}
}

// TestFail: an error is reported once, after what came before it.
func TestFail(t *testing.T) {
	g := newRig(t, clock.NewSim())
	if g.Fail(syscall.ECONNREFUSED) {
		t.Error("nobody is to be woken")
	}
	if _, err := g.TakeQueued(); err != syscall.EAGAIN {
		t.Errorf("TakeQueued: %v", err)
	}
	g.mustPut(1, 4)
	g.want(1)
	g.wantErr(syscall.ECONNREFUSED)
	g.wantErr(syscall.EAGAIN)
	g.Fail(syscall.ECONNREFUSED)
	if e := g.Pending(); e != syscall.ECONNREFUSED {
		t.Errorf("Pending: %v", e)
	}
	if e := g.Pending(); e != 0 {
		t.Errorf("Pending again: %v", e)
	}
	g.wantErr(syscall.EAGAIN)
	g.clean()
}

// TestFailAfterClose: the callback was told of Close, and that was the last.
func TestFailAfterClose(t *testing.T) {
	g := newRig(t, clock.NewSim())
	calls := 0
	g.SetReady(func() { calls++ })
	g.Close(g.cache.Free)
	g.Wake()
	if g.Fail(syscall.ECONNREFUSED) {
		t.Error("somebody is to be told of an error after Close")
	}
	if e := g.Pending(); e != 0 {
		t.Errorf("Pending after Close: %v", e)
	}
	if ok, wake := g.put(1, 4, big); ok || wake {
		t.Errorf("put after Close: %v, wake %v", ok, wake)
	}
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
	g.clean()
}

// TestTakeQueued: what is there, in order, and never a wait.
func TestTakeQueued(t *testing.T) {
	g := newRig(t, clock.NewReal())
	for i := range uint32(3) {
		g.mustPut(i, 0)
	}
	for i := range uint32(3) {
		it, err := g.TakeQueued()
		if err != nil || it.IfIndex != i {
			t.Fatalf("%+v, %v", it, err)
		}
		g.cache.Free(it.Buf)
	}
	if _, err := g.TakeQueued(); err != syscall.EAGAIN {
		t.Errorf("empty: %v", err)
	}
	g.Close(g.cache.Free)
	if _, err := g.TakeQueued(); err != net.ErrClosed {
		t.Errorf("closed: %v", err)
	}
	g.clean()
}

// TestCloseFrees: packets that wait are given back, wherever the ring begins.
func TestCloseFrees(t *testing.T) {
	g := newRig(t, clock.NewSim())
	for i := range uint32(4) {
		g.mustPut(i, 4)
	}
	g.want(0)
	g.want(1)
	g.mustPut(4, 4)
	freed := 0
	free := func(b *pkt.Buf) { freed++; g.cache.Free(b) }
	if !g.Close(free) || g.Close(free) || freed != 3 {
		t.Errorf("%d freed", freed)
	}
	g.wantErr(net.ErrClosed)
	g.clean()
}

// TestSimulated: in simulated time nobody waits.
func TestSimulated(t *testing.T) {
	sim := clock.NewSim()
	g := newRig(t, sim)
	take := func(want error) {
		t.Helper()
		if _, err := g.Take(true); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	take(Simulated{})
	g.Fail(syscall.EMSGSIZE)
	take(syscall.EMSGSIZE)
	g.SetDeadline(sim.Wall(1000))
	sim.RunUntil(999)
	take(Simulated{})
	g.mustPut(1, 4)
	sim.RunUntil(1000)
	take(os.ErrDeadlineExceeded) // though a packet waits
	g.SetDeadline(sim.Wall(1000))
	if n := sim.Armed(); n != 0 {
		t.Errorf("%d timers for a moment that has passed", n)
	}
	take(os.ErrDeadlineExceeded)
	g.SetDeadline(sim.Wall(1001))
	g.want(1)
	take(Simulated{})
	g.Close(g.cache.Free)
	take(net.ErrClosed)
	g.clean()
}

// TestConcurrent has many put, take, fail and move the deadline at once: nothing
// is lost, and nobody waits for ever.
func TestConcurrent(t *testing.T) {
	g := newRig(t, clock.NewReal())
	const readers, writers, each = 4, 4, 2000
	var sent, received [readers + writers]int
	var reading, writing sync.WaitGroup
	for i := range readers {
		reading.Go(func() { received[i] = read(g) })
	}
	for i := range writers {
		writing.Go(func() { sent[i] = write(g, uint32(i), each) })
	}
	writing.Wait()
	left := 0
	g.Close(func(b *pkt.Buf) { left++; g.cache.Free(b) })
	g.Wake()
	reading.Wait()
	in, out := 0, left
	for i := range sent {
		in, out = in+sent[i], out+received[i]
	}
	if in != out || in == 0 {
		t.Errorf("%d packets in, %d out", in, out)
	}
	g.clean()
}

// carrier is one goroutine's buffers.
type carrier struct{ cache pkt.Cache }

func newCarrier(p *pkt.Pool) *carrier {
	c := new(carrier)
	c.cache = pkt.NewCache(p, c)
	return c
}

// read takes until the queue is closed.
func read(g *rig) (n int) {
	c := newCarrier(&g.pool)
	defer c.cache.Settle()
	for {
		switch it, err := g.Take(true); {
		case err == nil:
			n++
			c.cache.Free(it.Buf)
		case errors.Is(err, net.ErrClosed):
			return n
		}
	}
}

// write puts packets, and now and then moves the deadline or fails the readers.
func write(g *rig, num uint32, each int) (n int) {
	c := newCarrier(&g.pool)
	defer c.cache.Settle()
	for i := range each {
		b := c.cache.Get(4)
		b.Extend(4)
		ok, wake := g.Put(b, b.Bytes(), b.Bytes(), num, 400)
		c.cache.Free(b)
		if ok {
			n++
		}
		switch i % 64 {
		case 0:
			wake = g.Fail(syscall.ECONNREFUSED) || wake
		case 1:
			g.SetDeadline(g.clock.Wall(g.clock.Now().Add(50_000)))
		case 2:
			g.SetDeadline(g.clock.Wall(0))
		case 3:
			g.SetDeadline(noTime)
		}
		if wake {
			g.Wake()
		}
	}
	return n
}
