package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// sent is a frame at the edge of a device.
type sent struct {
	frame []byte
	meta  Meta
}

// fakeDevice hands out what is put into in and keeps what is written.
type fakeDevice struct {
	info   Info
	in     chan any // []sent or error
	closed chan struct{}
	write  func(frames [][]byte, meta []Meta) (int, error) // nil takes everything
	failed error                                           // of Close

	mu     sync.Mutex
	times  int      // Close was called
	read   [][]byte // the room last given to Read
	when   []time.Time
	out    []sent
	writes []int // how many frames each Write was given
}

func newFake(info Info) *fakeDevice {
	if info.MTU == 0 {
		info.MTU = 1500
	}
	return &fakeDevice{info: info, in: make(chan any, 100), closed: make(chan struct{})}
}

func (d *fakeDevice) Info() Info { return d.info }

func (d *fakeDevice) Read(frames [][]byte, meta []Meta) (int, error) {
	d.mu.Lock()
	d.read = slices.Clone(frames)
	d.when = append(d.when, time.Now())
	d.mu.Unlock()
	select {
	case <-d.closed:
		return 0, fmt.Errorf("fake: %w", net.ErrClosed)
	case x := <-d.in:
		list, ok := x.([]sent)
		if !ok {
			return 0, x.(error)
		}
		for i, s := range list {
			copy(frames[i], s.frame)
			meta[i] = s.meta
		}
		return len(list), nil
	}
}

func (d *fakeDevice) Write(frames [][]byte, meta []Meta) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes = append(d.writes, len(frames))
	select {
	case <-d.closed:
		return 0, net.ErrClosed
	default:
	}
	n, err := len(frames), error(nil)
	if d.write != nil {
		n, err = d.write(frames, meta)
	}
	for i := range min(max(n, 0), len(frames)) {
		d.out = append(d.out, sent{bytes.Clone(frames[i][:meta[i].Len]), meta[i]})
	}
	return n, err
}

func (d *fakeDevice) Close() error {
	d.mu.Lock()
	d.times++
	first := d.times == 1
	d.mu.Unlock()
	if first {
		close(d.closed)
	}
	return d.failed
}

func newWire(t testing.TB, dev Device) (*netisr.Sched, *Wire) {
	t.Helper()
	s := netisr.NewSched(clock.NewReal())
	w, err := NewWire(s, dev)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

func (w *Wire) end(t testing.TB) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	clean(t, w.sched)
}

// bubble runs a test in a bubble: synctest.Wait then waits until the reader
// waits for more.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestWireRefuses(t *testing.T) {
	for _, c := range []struct {
		clock clock.Clock
		info  Info
		want  string
	}{
		{clock.NewSim(), Info{Name: "tap0", MTU: 1500}, `link: device "tap0" lives in real time and cannot be part of a simulated world`},
		{clock.NewReal(), Info{Name: "tap0"}, `link: device "tap0": an MTU of 0`},
		{clock.NewReal(), Info{Name: "x", MTU: 1500, MaxFrame: 1500}, `link: device "x": frames of 1500 bytes, it can be 1514, for its MTU, to 65593`},
		{clock.NewReal(), Info{Name: "x", MTU: 1500, MaxFrame: 1 << 20}, `link: device "x": frames of 1048576 bytes, it can be 1514, for its MTU, to 65593`},
	} {
		w, err := NewWire(netisr.NewSched(c.clock), &fakeDevice{info: c.info})
		if w != nil || err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestWireProps(t *testing.T) {
	for _, c := range []struct {
		info Info
		want Props
	}{
		{Info{MTU: 900, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 9}}, Props{MTU: 900, MAC: wire.MAC{2, 0, 0, 0, 0, 9}, Raw: true}},
		{Info{MTU: 1500, Sum: true, MAC: make(net.HardwareAddr, 8)}, Props{MTU: 1500}},
		{Info{MTU: 1500, Sum: true, GSO: true}, Props{MTU: 1500}},
	} {
		_, w := newWire(t, newFake(c.info))
		if got := w.Props(); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.info, got, c.want)
		}
		w.end(t)
	}
}

// keeper is a receiver that keeps the buffers themselves.
type keeper struct {
	mu   sync.Mutex
	bufs []*pkt.Buf
}

func (k *keeper) Put(_ *netisr.Runner, b *pkt.Buf) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bufs = append(k.bufs, b)
}

func (k *keeper) Lend(*netisr.Runner, *pkt.Buf) bool { return false }

func (k *keeper) free(s *netisr.Sched) {
	r := s.Get()
	for _, b := range k.bufs {
		r.Cache.Free(b)
	}
	r.Done()
}

// TestWireReadsIntoBuffers looks at where frames lie in memory: those read are
// those handed on, but for short ones where each might have been long.
func TestWireReadsIntoBuffers(t *testing.T) {
	for _, c := range []struct {
		maxFrame, len int
		copied        bool
	}{{0, 60, false}, {1518, 1518, false}, {pkt.Small, pkt.Small, false}, {pkt.Small + 1, pkt.Small, true}, {pkt.Large, 60, true}, {pkt.Large, pkt.Small + 1, false}, {pkt.Large, pkt.Large, false}} {
		bubble(t, func(t *testing.T) {
			d := newFake(Info{MaxFrame: c.maxFrame})
			s, w := newWire(t, d)
			k := new(keeper)
			w.Attach(k)
			for round := range 2 {
				synctest.Wait()
				var room []unsafe.Pointer
				for _, f := range d.read {
					if len(f) < max(c.maxFrame, 1518) {
						t.Fatalf("room for %d bytes", len(f))
					}
					room = append(room, unsafe.Pointer(&f[0]))
				}
				frame := bytes.Repeat([]byte{byte(round + 1)}, c.len)
				d.in <- []sent{{frame, Meta{Len: c.len}}, {frame, Meta{Len: c.len}}}
				synctest.Wait()
				if len(k.bufs) != 2*round+2 {
					t.Fatalf("%d frames came", len(k.bufs))
				}
				for i, b := range k.bufs[2*round:] {
					if !bytes.Equal(b.Bytes(), frame) || b.Head() < pkt.Headroom {
						t.Errorf("frame %d of %d bytes, %d before it", i, b.Len(), b.Head())
					}
					if same := unsafe.Pointer(&b.Bytes()[0]) == room[i]; same == c.copied {
						t.Errorf("frame of %d bytes in room for %d: copied=%v", c.len, c.maxFrame, !same)
					}
				}
			}
			if st := w.Stats(); st.Received != 4 || st.BadMeta != 0 {
				t.Errorf("%+v", st)
			}
			k.free(s)
			w.end(t)
		})
	}
}

// TestWireReadMeta turns each Meta into what the stack knows of the packet.
func TestWireReadMeta(t *testing.T) {
	r := netisr.NewSched(clock.NewSim()).Get()
	udp := datagram(r, 30)
	tcp4 := superTCP(r, 1300, true).Bytes()
	tcp6 := superOf(r, 1300, shape{six: true, ext: true}, false).Bytes()
	ext := superOf(r, 30, shape{six: true, ext: true}, true).Bytes()
	udp6 := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd}, make([]byte, 80)...) // an extension header, perhaps
	mangled := bytes.Clone(udp6)                                                                // its sum is 0, which is sent in its other form
	mangled[62], mangled[63] = 0xff, 0xff
	for _, c := range []struct {
		name  string
		frame []byte
		meta  Meta
		want  pkt.Info
		bad   bool
	}{
		{"nothing known", udp.Bytes(), Meta{}, pkt.Info{Sum: pkt.SumUnknown}, false},
		{"valid", udp.Bytes(), Meta{Sum: SumValid, Size: 9}, pkt.Info{Sum: pkt.SumValid}, false},
		{"partial", udp.Bytes(), Meta{Sum: SumPartial, SumStart: 34, SumOffset: 6}, pkt.Info{Sum: pkt.SumPartial}, false},
		{"partial of what we do not know", udp6, Meta{Sum: SumPartial, SumStart: 60, SumOffset: 6}, pkt.Info{Sum: pkt.SumValid}, false},
		{"partial with a sum of zero", mangled, Meta{Sum: SumPartial, SumStart: 60, SumOffset: 6}, pkt.Info{Sum: pkt.SumValid}, false},
		{"partial behind extension headers", ext, Meta{Sum: SumPartial, SumStart: 86, SumOffset: 6}, pkt.Info{Sum: pkt.SumPartial}, false},
		{"tcp", tcp4, Meta{Sum: SumValid, GSO: GSOTCP4, Size: 1448}, pkt.Info{Sum: pkt.SumValid, GSO: pkt.GSOTCP4, GSOSize: 1448}, false},
		{"tcp6", tcp6, Meta{Sum: SumPartial, SumStart: 86, SumOffset: 16, GSO: GSOTCP6, Size: 1}, pkt.Info{Sum: pkt.SumPartial, GSO: pkt.GSOTCP6, GSOSize: 1}, false},
		{"tcp that is IPv6", tcp6, Meta{Sum: SumValid, GSO: GSOTCP4, Size: 1448}, pkt.Info{}, true},
		{"tcp6 that is IPv4", tcp4, Meta{Sum: SumValid, GSO: GSOTCP6, Size: 1448}, pkt.Info{}, true},
		{"tcp that is udp", udp.Bytes(), Meta{Sum: SumValid, GSO: GSOTCP4, Size: 1448}, pkt.Info{}, true},
		{"udp6, one segment", ext, Meta{Sum: SumPartial, SumStart: 86, SumOffset: 6, GSO: GSOUDP, Size: 30}, pkt.Info{Hash: 0, Sum: pkt.SumPartial}, false},
		{"udp, one segment", udp.Bytes(), Meta{Sum: SumValid, GSO: GSOUDP, Size: 30}, pkt.Info{Sum: pkt.SumPartial}, false},
		{"udp that is none", udp6, Meta{Sum: SumValid, GSO: GSOUDP, Size: 30}, pkt.Info{}, true},
		{"no segment size", udp.Bytes(), Meta{GSO: GSOTCP4}, pkt.Info{}, true},
		{"no such kind", udp.Bytes(), Meta{GSO: GSOUDP + 1, Size: 1}, pkt.Info{}, true},
		{"no such sum", udp.Bytes(), Meta{Sum: SumPartial + 1}, pkt.Info{}, true},
		{"sum of nothing", udp.Bytes(), Meta{Sum: SumPartial, SumStart: 72}, pkt.Info{}, true},
		{"sum behind the end", udp.Bytes(), Meta{Sum: SumPartial, SumStart: 71}, pkt.Info{}, true},
		{"no frame", nil, Meta{Len: -60}, pkt.Info{}, true},
		{"too long a frame", nil, Meta{Len: 1519}, pkt.Info{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newFake(Info{})
				_, w := newWire(t, d)
				rx := &catcher{c: w.sched.Clock()}
				w.Attach(rx)
				if c.meta.Len == 0 {
					c.meta.Len = len(c.frame)
				}
				d.in <- []sent{{c.frame, c.meta}}
				synctest.Wait()
				st := w.Stats()
				if c.bad {
					if len(rx.got) != 0 || st.BadMeta != 1 || st.Received != 0 {
						t.Errorf("%d frames came; %+v", len(rx.got), st)
					}
				} else if len(rx.got) != 1 || rx.got[0].info != c.want {
					t.Errorf("%+v, want %+v", rx.got, c.want)
				}
				if !c.bad && c.want.Sum == pkt.SumValid && c.meta.Sum == SumPartial {
					got := rx.got[0].frame
					if sum := binary.BigEndian.Uint16(got[66:]); wire.Checksum(got[60:]) != 0 || sum == 0 {
						t.Errorf("the sum was completed wrong, to %#x", sum)
					}
				}
				w.end(t)
			})
		})
	}
	r.Cache.Free(udp)
}

// segments makes a TCP super-segment with 12 bytes of options.
func segments(r *netisr.Runner, n int) *pkt.Buf {
	const headers = wire.EtherLen + wire.IPv4Len + 32
	b := r.Cache.Get(headers + n)
	p := b.Extend(headers + n)
	clear(p)
	wire.PutEther(p, wire.MAC{2, 2}, wire.MAC{2, 1}, wire.EtherTypeIPv4)
	wire.PutIPv4(p[wire.EtherLen:], &wire.IPv4Header{TTL: 64, Proto: wire.ProtoTCP, Src: ip("10.0.0.1"), Dst: ip("10.0.0.2")}, 32+n)
	p[34+12] = 8 << 4
	b.Sum, b.GSO, b.GSOSize = pkt.SumPartial, pkt.GSOTCP4, 1448
	return b
}

// TestWireWriteMeta turns what the stack knows of a packet into a Meta, for
// devices that can more and less.
func TestWireWriteMeta(t *testing.T) {
	can := Info{Sum: true, GSO: true}
	plain := func(r *netisr.Runner) *pkt.Buf { b := datagram(r, 30); b.Sum = pkt.SumValid; return b }
	partial := func(r *netisr.Runner) *pkt.Buf { return datagram(r, 30) }
	arp := func(r *netisr.Runner) *pkt.Buf {
		b := frame(r, 1, 42)
		b.Sum = pkt.SumPartial
		return b
	}
	super := func(r *netisr.Runner) *pkt.Buf { return segments(r, 20000) }
	usuper := func(r *netisr.Runner) *pkt.Buf {
		b := datagram(r, 20000)
		b.GSO, b.GSOSize, b.Sum = pkt.GSOUDP, 1000, pkt.SumValid
		return b
	}
	six := func(h shape, udp bool) func(*netisr.Runner) *pkt.Buf {
		return func(r *netisr.Runner) *pkt.Buf { return superOf(r, 20000, h, udp) }
	}
	foreign := func(r *netisr.Runner) *pkt.Buf {
		b := superOf(r, 20000, shape{six: true}, true)
		b.GSO = pkt.GSOTCP6
		return b
	}
	odd := func(r *netisr.Runner) *pkt.Buf { b := frame(r, 1, 20000); b.GSO, b.GSOSize = pkt.GSOTCP4, 1; return b }
	wide := func(r *netisr.Runner) *pkt.Buf { b := segments(r, 20000); b.GSOSize = 1453; return b }
	cut := func(r *netisr.Runner) *pkt.Buf {
		b := segments(r, 0)
		b.Bytes()[34+12] = 15 << 4 // a header longer than the segment
		return b
	}
	long := func(r *netisr.Runner) *pkt.Buf { return frame(r, 1, 1519) }
	longest := func(r *netisr.Runner) *pkt.Buf { return frame(r, 1, 1518) }
	for _, c := range []struct {
		name string
		info Info
		make func(*netisr.Runner) *pkt.Buf
		want Meta
		why  pkt.Reason
	}{
		{"complete", can, plain, Meta{Len: 72}, 0},
		{"partial, the device completes it", can, partial, Meta{Len: 72, Sum: SumPartial, SumStart: 34, SumOffset: 6}, 0},
		{"partial, it does not", Info{}, partial, Meta{Len: 72}, 0},
		{"partial without a sum", can, arp, Meta{Len: 42}, 0},
		{"super-segment", can, super, Meta{Len: 20066, Sum: SumPartial, SumStart: 34, SumOffset: 16, GSO: GSOTCP4, Size: 1448, HeaderLen: 66}, 0},
		{"super-datagram", can, usuper, Meta{Len: 20042, Sum: SumPartial, SumStart: 34, SumOffset: 6, GSO: GSOUDP, Size: 1000, HeaderLen: 42}, 0},
		{"super-segment of IPv6", can, six(shape{six: true}, false), Meta{Len: 20086, Sum: SumPartial, SumStart: 54, SumOffset: 16, GSO: GSOTCP6, Size: 1000, HeaderLen: 86}, 0},
		{"behind a tag and extension headers", can, six(shape{true, true, true}, false), Meta{Len: 20122, Sum: SumPartial, SumStart: 90, SumOffset: 16, GSO: GSOTCP6, Size: 1000, HeaderLen: 122}, 0},
		{"super-datagram of IPv6", can, six(shape{six: true, ext: true}, true), Meta{Len: 20094, Sum: SumPartial, SumStart: 86, SumOffset: 6, GSO: GSOUDP, Size: 1000, HeaderLen: 94}, 0},
		{"super-segment that is a datagram", can, foreign, Meta{}, pkt.TooBig},
		{"super-segment of something else, for a device that takes none", Info{Sum: true}, odd, Meta{}, pkt.TooBig},
		{"super-segment whose parts are too long", can, wide, Meta{}, pkt.TooBig},
		{"super-segment of something else", can, odd, Meta{}, pkt.TooBig},
		{"super-segment cut off", can, cut, Meta{}, pkt.TooBig},
		{"as long as can be", can, longest, Meta{Len: 1518}, 0},
		{"longer", can, long, Meta{}, pkt.TooBig},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newFake(c.info)
			s, w := newWire(t, d)
			r := s.Get()
			b := c.make(r)
			was := bytes.Clone(b.Bytes())
			b.Retain(1) // somebody else has it too
			w.Put(r, b)
			r.Done()
			if !bytes.Equal(b.Bytes(), was) {
				t.Error("a shared frame was written to")
			}
			r = s.Get()
			r.Cache.Free(b)
			r.Done()
			st := w.Stats()
			if c.why != 0 {
				if len(d.out) != 0 || st.Dropped[c.why] != 1 || st.Sent != 0 {
					t.Errorf("%d frames written, %+v", len(d.out), st)
				}
			} else if len(d.out) != 1 || d.out[0].meta != c.want || st.Sent != 1 {
				t.Errorf("written %+v, want %+v", d.out, c.want)
			} else {
				full := bytes.Clone(d.out[0].frame)
				if m := d.out[0].meta; m.Sum == SumPartial { // what the device does
					at := m.SumStart + m.SumOffset
					binary.BigEndian.PutUint16(full[at:], wire.Checksum(full[m.SumStart:]))
				}
				if wire.CompleteEther(was) && c.name != "complete" && !bytes.Equal(full, was) {
					t.Error("the checksum on the wire is wrong")
				}
			}
			w.end(t)
		})
	}
}

// takes takes n frames once, then none.
func takes(n int) func([][]byte, []Meta) (int, error) {
	return func([][]byte, []Meta) (int, error) {
		taken := n
		n = 0
		return taken, nil
	}
}

// TestWireWrites lets the device take less than it is given.
func TestWireWrites(t *testing.T) {
	errOdd := errors.New("odd frame")
	for _, c := range []struct {
		name   string
		write  func(frames [][]byte, meta []Meta) (int, error)
		want   []uint32 // of ten
		writes []int
		why    pkt.Reason
		errs   uint64
	}{
		{"all at once", nil, upTo(10), []int{10}, 0, 0},
		{"in pieces", func(f [][]byte, _ []Meta) (int, error) { return min(4, len(f)), nil }, upTo(10), []int{10, 6, 2}, 0, 0},
		{"full", takes(3), upTo(3), []int{10, 7}, pkt.DeviceFull, 0},
		{"full at once", func([][]byte, []Meta) (int, error) { return 0, nil }, nil, []int{10}, pkt.DeviceFull, 0},
		{"every fourth refused", func(f [][]byte, _ []Meta) (int, error) {
			for i := range f {
				if binary.BigEndian.Uint32(f[i])%4 == 3 {
					return i, errOdd
				}
			}
			return len(f), nil
		}, []uint32{0, 1, 2, 4, 5, 6, 8, 9}, []int{10, 6, 2}, pkt.DeviceFull, 2},
		{"an error with the last", func(f [][]byte, _ []Meta) (int, error) { return len(f), errOdd }, upTo(10), []int{10}, 0, 1},
		{"gone in the middle", func(f [][]byte, _ []Meta) (int, error) { return 3, fmt.Errorf("x: %w", net.ErrClosed) }, upTo(3), []int{10}, pkt.NoPeer, 0},
		{"it lies", func(f [][]byte, _ []Meta) (int, error) { return len(f) + 5, nil }, upTo(10), []int{10}, 0, 0},
		{"it lies the other way", func(f [][]byte, _ []Meta) (int, error) { return -1, nil }, nil, []int{10}, pkt.DeviceFull, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newFake(Info{})
			d.write = c.write
			s, w := newWire(t, d)
			r := s.Get()
			for i := range uint32(10) {
				w.Put(r, frame(r, i, 60))
			}
			r.Done()
			var got []uint32
			for _, f := range d.out {
				got = append(got, binary.BigEndian.Uint32(f.frame))
			}
			st := w.Stats()
			lost := uint64(10 - len(c.want))
			if !slices.Equal(got, c.want) || !slices.Equal(d.writes, c.writes) || st.Sent != uint64(len(c.want)) || st.WriteErrors != c.errs {
				t.Errorf("wrote %v in %v; %+v", got, d.writes, st)
			}
			if c.why != 0 && st.Dropped[c.why] != lost {
				t.Errorf("%d lost because of %v, want %d", st.Dropped[c.why], c.why, lost)
			}
			w.end(t)
			send(s, w, 0, 3, 60)
			if n := w.Stats().Dropped[pkt.NoPeer] - st.Dropped[pkt.NoPeer]; n != 3 {
				t.Errorf("%d of 3 frames lost because it was closed", n)
			}
			clean(t, s)
		})
	}
}

// TestWireReadErrors has reads fail: the Wire tries again, ever later, and
// begins anew after a success.
func TestWireReadErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newFake(Info{})
		_, w := newWire(t, d)
		rx := &catcher{c: w.sched.Clock()}
		w.Attach(rx)
		for range 12 {
			d.in <- errors.New("no luck")
		}
		d.in <- []sent{{make([]byte, 60), Meta{Len: 60}}}
		d.in <- errors.New("no luck")
		<-time.After(time.Minute)
		synctest.Wait()
		var waits []time.Duration
		for i := 1; i < len(d.when); i++ {
			waits = append(waits, d.when[i].Sub(d.when[i-1])/time.Millisecond)
		}
		if want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000, 0, 1}; !slices.Equal(waits, want) {
			t.Errorf("waited %v ms, want %v", waits, want)
		}
		if st := w.Stats(); st.ReadErrors != 13 || st.Received != 1 || w.Err() != nil {
			t.Errorf("%+v, %v", st, w.Err())
		}
		for range 20 {
			d.in <- errors.New("no luck")
		}
		<-time.After(5 * time.Second)
		w.end(t) // while it sleeps
		if !errors.Is(w.Err(), net.ErrClosed) {
			t.Errorf("Err: %v", w.Err())
		}
	})
}

// TestWireWithoutReceiver counts what nobody wants.
func TestWireWithoutReceiver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newFake(Info{})
		_, w := newWire(t, d)
		d.in <- []sent{{make([]byte, 60), Meta{Len: 60}}}
		synctest.Wait()
		rx := &catcher{c: w.sched.Clock()}
		w.Attach(rx)
		d.in <- []sent{{make([]byte, 60), Meta{Len: 60}}}
		synctest.Wait()
		w.Detach()
		d.in <- []sent{{make([]byte, 60), Meta{Len: 60}}}
		synctest.Wait()
		if st := w.Stats(); len(rx.got) != 1 || st.Received != 3 || st.Dropped[pkt.NoPeer] != 2 {
			t.Errorf("%d came, %+v", len(rx.got), st)
		}
		w.end(t)
	})
}

// TestWireDeviceGoesAway ends the reader without Close.
func TestWireDeviceGoesAway(t *testing.T) {
	d := newFake(Info{})
	s, w := newWire(t, d)
	if w.Err() != nil {
		t.Error("ended before it began")
	}
	d.Close()
	<-w.done
	if err := w.Err(); !errors.Is(err, net.ErrClosed) || err.Error() != "fake: use of closed network connection" {
		t.Errorf("Err: %v", err)
	}
	send(s, w, 0, 2, 60)
	if n := w.Stats().Dropped[pkt.NoPeer]; n != 2 {
		t.Errorf("%d of 2 lost", n)
	}
	d.failed = errors.New("too late")
	if err := w.Close(); err != d.failed {
		t.Errorf("Close: %v", err)
	}
	if err := w.Close(); err != d.failed || d.times != 2 {
		t.Errorf("second Close: %v, the device's was called %d times", err, d.times)
	}
	clean(t, s)
}

// TestWireFromManySides sends from several goroutines and reads while Close
// comes in between.
func TestWireFromManySides(t *testing.T) {
	for range 20 {
		d := newFake(Info{Sum: true})
		s, w := newWire(t, d)
		w.Attach(&catcher{c: s.Clock()})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { send(s, w, 0, 200, 60) })
		}
		wg.Go(func() {
			for range 100 {
				select {
				case d.in <- []sent{{make([]byte, 60), Meta{Len: 60}}}:
				case <-d.closed:
				}
			}
		})
		wg.Go(func() {
			w.Stats()
			w.Close()
		})
		wg.Go(func() { w.Close() })
		wg.Wait()
		settle(s)
		st := w.Stats()
		if sum := st.Sent + st.Dropped[pkt.NoPeer] + st.Dropped[pkt.QueueFull] + st.Dropped[pkt.DeviceFull]; sum != 600 {
			t.Errorf("%d of 600 frames accounted for: %+v", sum, st)
		}
		w.end(t)
	}
}
