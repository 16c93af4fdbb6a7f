package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link/pcapng"
)

// packet is what a file says of one.
type packet struct {
	id      uint32
	at      int64
	whole   uint32
	data    []byte
	dir     uint32
	drops   uint64
	comment string
}

// readCapture reads packets and, by interface, how many are said to be missing.
func readCapture(t testing.TB, file []byte) (all []packet, lost map[uint32]uint64) {
	t.Helper()
	lost = make(map[uint32]uint64)
	u32 := binary.LittleEndian.Uint32
	for len(file) > 0 {
		if len(file) < 12 || int(u32(file[4:])) > len(file) || u32(file[4:]) != u32(file[u32(file[4:])-4:]) {
			t.Fatalf("the file breaks off, %d bytes before its end", len(file))
		}
		b := file[:u32(file[4:])]
		file = file[len(b):]
		id := u32(b[8:])
		switch u32(b) {
		case 6:
			p := packet{id: id, at: int64(u32(b[12:]))<<32 | int64(u32(b[16:])), whole: u32(b[24:])}
			n := int(u32(b[20:]))
			p.data = b[28 : 28+n]
			options(b[28+(n+3)&^3:len(b)-4], func(code uint16, v []byte) {
				switch code {
				case 1:
					p.comment = string(v)
				case 2:
					p.dir = u32(v)
				case 4:
					p.drops = binary.LittleEndian.Uint64(v)
				}
			})
			all = append(all, p)
		case 5:
			options(b[20:len(b)-4], func(code uint16, v []byte) {
				if code == 5 {
					lost[id] = binary.LittleEndian.Uint64(v)
				}
			})
		}
	}
	return all, lost
}

func options(b []byte, each func(code uint16, v []byte)) {
	for len(b) >= 4 {
		n := int(binary.LittleEndian.Uint16(b[2:]))
		each(binary.LittleEndian.Uint16(b), b[4:4+n])
		b = b[4+(n+3)&^3:]
	}
}

// TestCaptureIsTransparent passes every verb of a Port on.
func TestCaptureIsTransparent(t *testing.T) {
	s := netisr.NewSched(clock.NewSim())
	inner := &recordingPort{props: Props{MTU: 900, MAC: wire.MAC{2}, Raw: true}}
	c := NewCapture(s, inner, pcapng.NewWriter(io.Discard, pcapng.Section{}), CaptureOptions{})
	if p := c.Props(); p != inner.props {
		t.Errorf("properties %+v", p)
	}
	rx := &catcher{c: s.Clock()}
	c.Attach(rx)
	send(s, inner.rx, 0, 2, 60)
	if !slices.Equal(rx.nums(), upTo(2)) {
		t.Error("what came did not come through")
	}
	r := s.Get()
	b := frame(r, 1, 60)
	if inner.rx.Lend(r, b) {
		t.Error("lent a frame, which cannot be recorded in time")
	}
	r.Cache.Free(b)
	r.Done()
	send(s, c, 0, 3, 60)
	c.Accept(wire.MAC{1, 2}, true)
	c.SetAddr(wire.MAC{2, 3})
	c.SetPromisc(true)
	c.Detach()
	if got := strings.Join(inner.log, " "); got != "attach put put put accept 01:02:00:00:00:00 true addr 02:03:00:00:00:00 promisc true detach" {
		t.Errorf("the port was told: %s", got)
	}
	c.Close()
	clean(t, s)
}

// recordingPort notes what it is told.
type recordingPort struct {
	props Props
	rx    netisr.Lender
	log   []string
}

func (p *recordingPort) note(s ...string) { p.log = append(p.log, s...) }
func (p *recordingPort) Put(r *netisr.Runner, b *pkt.Buf) {
	p.note("put")
	r.Cache.Free(b)
}
func (p *recordingPort) Attach(rx netisr.Lender) { p.rx = rx; p.note("attach") }
func (p *recordingPort) Detach()                 { p.note("detach") }
func (p *recordingPort) Props() Props            { return p.props }
func (p *recordingPort) SetAddr(m wire.MAC)      { p.note("addr", m.String()) }
func (p *recordingPort) SetPromisc(on bool)      { p.note("promisc", map[bool]string{true: "true"}[on]) }
func (p *recordingPort) Accept(m wire.MAC, on bool) {
	p.note("accept", m.String(), map[bool]string{true: "true"}[on])
}

// captureRig is a cable with a Capture at each end, both in one file.
type captureRig struct {
	s    *netisr.Sched
	w    *pcapng.Writer
	file bytes.Buffer
	rec  *Recorder
	a, b *Capture
}

func newCaptureRig(c clock.Clock, buffer int, opt CaptureOptions) *captureRig {
	g := &captureRig{s: netisr.NewSched(c)}
	g.w = pcapng.NewWriter(&g.file, pcapng.Section{})
	g.rec = NewRecorder(g.s, g.w, buffer)
	cable := NewEpair(0)
	g.a, g.b = g.rec.Capture(cable.A(), opt), g.rec.Capture(cable.B(), opt)
	return g
}

// finish closes everything and reads the file.
func (g *captureRig) finish(t testing.TB) ([]packet, map[uint32]uint64) {
	t.Helper()
	if err := g.rec.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.w.Close(); err != nil {
		t.Fatal(err)
	}
	clean(t, g.s)
	return readCapture(t, g.file.Bytes())
}

// TestCaptureRecordsThePassing follows frames from one end to the other, at
// their moments.
func TestCaptureRecordsThePassing(t *testing.T) {
	sim := clock.NewSim()
	g := newCaptureRig(sim, 0, CaptureOptions{SnapLen: 40})
	g.b.Attach(&catcher{c: sim})
	for i := range uint32(100) {
		sim.RunUntil(clock.Time(i) * ms)
		send(g.s, g.a, i, i+1, 30+int(i))
	}
	all, lost := g.finish(t)
	if len(all) != 200 || len(lost) != 2 || lost[0]+lost[1] != 0 {
		t.Fatalf("%d packets, lost %v", len(all), lost)
	}
	for n, p := range all {
		i := n / 2
		want := packet{id: uint32(n % 2), at: sim.Wall(clock.Time(i) * ms).UnixNano(), whole: uint32(30 + i), dir: 2 - uint32(n%2)}
		if p.id != want.id || p.at != want.at || p.whole != want.whole || p.dir != want.dir || p.comment != "" || p.drops != 0 {
			t.Errorf("packet %d: %+v, want %+v", n, p, want)
		}
		if len(p.data) != min(30+i, 40) || binary.BigEndian.Uint32(p.data) != uint32(i) {
			t.Errorf("packet %d has %d bytes that begin with %x", n, len(p.data), p.data[:4])
		}
	}
}

// TestCaptureCompletesOnlyItsCopy sends a datagram without its checksum.
func TestCaptureCompletesOnlyItsCopy(t *testing.T) {
	sim := clock.NewSim()
	g := newCaptureRig(sim, 0, CaptureOptions{SnapLen: 50})
	rx := &catcher{c: sim}
	g.b.Attach(rx)
	r := g.s.Get()
	b := datagram(r, 200)
	g.a.Drop(b, pkt.NoPort)
	g.a.Put(r, b)
	b2 := datagram(r, 20)
	b2.Pull(wire.EtherLen)
	g.a.Drop(b2, pkt.NoRoute)
	r.Cache.Free(b2)
	b3 := superOf(r, 20, shape{six: true, ext: true}, true)
	g.a.Drop(b3, pkt.NoPort)
	b3.Pull(wire.EtherLen)
	g.a.Drop(b3, pkt.NoRoute)
	r.Cache.Free(b3)
	r.Done()
	if a := rx.got[0]; a.info.Sum != pkt.SumPartial || a.frame[40] != 0 || a.frame[41] != 0 {
		t.Errorf("the frame itself was completed: %+v", a.info)
	}
	all, _ := g.finish(t)
	if len(all) != 6 {
		t.Fatalf("%d packets", len(all))
	}
	if w, b := all[4], all[5]; w.whole != 114 || b.whole != 114 || !bytes.Equal(w.data[12:], b.data[12:]) || b.data[12] != 0x86 ||
		w.comment != "drop: no port" || b.comment != "drop: no route" {
		t.Errorf("an IPv6 packet with and without Ethernet header:\n%+v\n%+v", w, b)
	}
	for i, want := range []string{"drop: no port", "", "", "drop: no route"} {
		p := all[i]
		if p.comment != want || (p.dir == 0) != (want != "") {
			t.Errorf("packet %d: comment %q, direction %d; want %q", i, p.comment, p.dir, want)
		}
		if p.data[40] == 0 && p.data[41] == 0 || p.data[12] != 8 {
			t.Errorf("packet %d: % x", i, p.data)
		}
	}
	if n := len(all[0].data); n != 50 || all[0].whole != 242 {
		t.Errorf("%d of %d bytes kept", n, all[0].whole)
	}
	if n := all[3].whole; n != 62 {
		t.Errorf("a packet without Ethernet header is shown with %d bytes", n)
	}
}

// datagram makes a frame with a UDP datagram that lacks its checksum.
func datagram(r *netisr.Runner, n int) *pkt.Buf {
	b := r.Cache.Get(wire.EtherLen + wire.IPv4Len + wire.UDPLen + n)
	p := b.Extend(wire.EtherLen + wire.IPv4Len + wire.UDPLen + n)
	clear(p)
	wire.PutEther(p, wire.MAC{2, 0, 0, 0, 0, 2}, wire.MAC{2, 0, 0, 0, 0, 1}, wire.EtherTypeIPv4)
	wire.PutIPv4(p[wire.EtherLen:], &wire.IPv4Header{TTL: 64, Proto: wire.ProtoUDP, Src: ip("10.0.0.1"), Dst: ip("10.0.0.2")}, wire.UDPLen+n)
	wire.PutUDP(p[wire.EtherLen+wire.IPv4Len:], 1, 2, n)
	b.Sum = pkt.SumPartial
	return b
}

// TestCaptureCountsWhatItMisses records into room for three frames. What is
// missing stands at the next frame that is there, and in the statistics.
func TestCaptureCountsWhatItMisses(t *testing.T) {
	g := newCaptureRig(clock.NewSim(), 3*(entryLen+60), CaptureOptions{})
	burst := func(to *Capture, from, n uint32) {
		r := g.s.Get()
		for i := range n {
			to.Put(r, frame(r, from+i, 60))
		}
		r.Done() // only now the frames are written
	}
	burst(g.a, 0, 10)
	burst(g.b, 100, 1)
	burst(g.a, 10, 2)
	burst(g.b, 101, 5)
	all, lost := g.finish(t)
	var got []uint64
	for _, p := range all {
		got = append(got, uint64(binary.BigEndian.Uint32(p.data)), p.drops)
	}
	if want := []uint64{0, 0, 1, 0, 2, 0, 100, 0, 10, 7, 11, 0, 101, 0, 102, 0, 103, 0}; !slices.Equal(got, want) {
		t.Errorf("frames and what was lost before them: %v, want %v", got, want)
	}
	if lost[0] != 7 || lost[1] != 2 {
		t.Errorf("statistics: %v", lost)
	}
}

// TestCaptureCloseWhileFramesPass ends a capture in the middle: what passed
// before is in the file, what passes later is not, and passes.
func TestCaptureCloseWhileFramesPass(t *testing.T) {
	g := newCaptureRig(clock.NewSim(), 0, CaptureOptions{})
	rx := &catcher{c: g.s.Clock()}
	g.b.Attach(rx)
	r := g.s.Get()
	g.a.Put(r, frame(r, 0, 60)) // recorded, its Drain still to come
	if err := g.a.Close(); err != nil {
		t.Fatal(err)
	}
	g.a.Put(r, frame(r, 1, 60))
	r.Done()
	g.a.Close()
	all, _ := g.finish(t)
	if len(all) != 3 || len(rx.got) != 2 {
		t.Errorf("%d packets in the file, %d frames through", len(all), len(rx.got))
	}
}

// TestCaptureTellsTheWritersError records onto a full disk.
func TestCaptureTellsTheWritersError(t *testing.T) {
	s := netisr.NewSched(clock.NewSim())
	w := pcapng.NewWriter(fullDisk{}, pcapng.Section{})
	c := NewCapture(s, NewEpair(0).A(), w, CaptureOptions{})
	send(s, c, 0, 10, 60)
	if err := c.Close(); !errors.Is(err, errDisk) {
		t.Errorf("Close: %v", err)
	}
	clean(t, s)
}

var errDisk = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errDisk }

// TestCaptureFromManySides records from several goroutines while others flush
// and close; in real time and in a bubble.
func TestCaptureFromManySides(t *testing.T) {
	run := func(t *testing.T, wait func()) {
		g := newCaptureRig(clock.NewReal(), 0, CaptureOptions{})
		rx := &catcher{c: g.s.Clock()}
		g.a.Attach(rx)
		g.b.Attach(rx)
		var wg sync.WaitGroup
		for i := range uint32(4) {
			wg.Go(func() {
				send(g.s, []*Capture{g.a, g.b}[i%2], i*1000, i*1000+200, 60)
			})
		}
		wg.Go(func() {
			for range 20 {
				if err := g.rec.Flush(); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		wait()
		settle(g.s)
		all, lost := g.finish(t)
		if len(all)+int(lost[0]+lost[1]) != 1600 {
			t.Errorf("%d packets of 1,600, lost %v", len(all), lost)
		}
		next := make(map[[2]uint32]uint32) // by sender and place
		for i, p := range all {
			if i > 0 && p.at < all[i-1].at {
				t.Errorf("packet %d is older than the one before", i)
			}
			n := binary.BigEndian.Uint32(p.data)
			key := [2]uint32{n / 1000, p.id}
			if n%1000 != next[key] {
				t.Fatalf("sender %d, interface %d: frame %d, want %d", key[0], key[1], n%1000, next[key])
			}
			next[key]++
		}
	}
	t.Run("real", func(t *testing.T) { run(t, func() {}) })
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { run(t, synctest.Wait) }) })
	t.Run("closing", func(t *testing.T) {
		g := newCaptureRig(clock.NewReal(), 0, CaptureOptions{})
		g.b.Attach(&catcher{c: g.s.Clock()})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { send(g.s, g.a, 0, 300, 60) })
		}
		g.b.Close()
		g.rec.Close()
		if err := g.w.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		settle(g.s)
		clean(t, g.s)
		readCapture(t, g.file.Bytes())
	})
}

// TestCaptureGivesItsMemoryBack records a burst larger than what is kept.
func TestCaptureGivesItsMemoryBack(t *testing.T) {
	g := newCaptureRig(clock.NewSim(), 0, CaptureOptions{})
	r := g.s.Get()
	for range 2 * keepTape / 1000 {
		g.a.Put(r, frame(r, 0, 1000))
	}
	r.Done()
	if n := max(cap(g.rec.tape), cap(g.rec.spare)); n > keepTape {
		t.Errorf("%d bytes kept", n)
	}
	g.finish(t)
}

func TestCaptureDoesNotAllocate(t *testing.T) {
	s := netisr.NewSched(clock.NewSim())
	c := NewCapture(s, NewEpair(0).A(), pcapng.NewWriter(io.Discard, pcapng.Section{}), CaptureOptions{})
	send(s, c, 0, 100, 60)
	if n := testing.AllocsPerRun(1000, func() { send(s, c, 0, 1, 60) }); n != 0 {
		t.Errorf("%v allocations for each frame", n)
	}
	c.Close()
}

func BenchmarkCapture(b *testing.B) {
	s := netisr.NewSched(clock.NewSim())
	c := NewCapture(s, NewEpair(0).A(), pcapng.NewWriter(io.Discard, pcapng.Section{}), CaptureOptions{})
	b.ReportAllocs()
	for b.Loop() {
		send(s, c, 0, 1, 60)
	}
}
