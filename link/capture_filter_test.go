package link

import (
	"encoding/binary"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/filter"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestCaptureFilter records what a filter accepts, and no more of it than that
// keeps. What it passes over is in the statistics; it is not lost, and crosses.
func TestCaptureFilter(t *testing.T) {
	f, err := filter.Compile("udp dst port 2 and greater 70", filter.Ethernet, 50)
	if err != nil {
		t.Fatal(err)
	}
	g := newCaptureRig(clock.NewSim(), 0, CaptureOptions{Filter: f, FilterText: "udp dst port 2 and greater 70", SnapLen: 64})
	rx := &catcher{c: g.s.Clock()}
	g.b.Attach(rx)
	r := g.s.Get()
	for _, n := range []int{10, 40, 20, 1000} {
		g.a.Put(r, datagram(r, n))
	}
	g.a.Put(r, frame(r, 1, 60))
	r.Done()
	all, lost := g.finish(t)
	if len(rx.got) != 5 {
		t.Errorf("%d frames crossed", len(rx.got))
	}
	for i, p := range all {
		if want := uint32(42 + []int{40, 40, 1000, 1000}[i]); p.whole != want || len(p.data) != 50 {
			t.Errorf("frame %d: %d bytes of %d", i, len(p.data), p.whole)
		}
	}
	if len(all) != 4 || lost[0] != 0 || lost[1] != 0 {
		t.Errorf("%d frames, lost %v", len(all), lost)
	}
	for id := range uint32(2) {
		if got := statistics(t, g.file.Bytes(), id); got[4] != 5 || got[6] != 2 || got[8] != 2 {
			t.Errorf("interface %d: %d received, %d accepted, %d written", id, got[4], got[6], got[8])
		}
	}
}

// TestCaptureFilterOfDrops asks the filter of a packet that has lost its Ethernet
// header with the header that is shown.
func TestCaptureFilterOfDrops(t *testing.T) {
	f, err := filter.Compile("udp dst port 2 and ether src 0:0:0:0:0:0", filter.Ethernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := newCaptureRig(clock.NewSim(), 0, CaptureOptions{Filter: f})
	r := g.s.Get()
	for _, port := range []uint16{2, 3} {
		b := datagram(r, 20)
		wire.PutUDP(b.Bytes()[wire.EtherLen+wire.IPv4Len:], 1, port, 20)
		g.a.Drop(b, pkt.NoRoute)
		b.Pull(wire.EtherLen)
		g.a.Drop(b, pkt.NoRoute)
		r.Cache.Free(b)
	}
	r.Done()
	all, _ := g.finish(t)
	if len(all) != 1 || all[0].comment == "" || all[0].whole != 62 {
		t.Errorf("recorded %+v", all)
	}
}

func TestCaptureFilterDoesNotAllocate(t *testing.T) {
	f, err := filter.Compile("tcp port 80", filter.Ethernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := newCaptureRig(clock.NewSim(), 0, CaptureOptions{Filter: f})
	send(g.s, g.a, 0, 100, 60)
	if n := testing.AllocsPerRun(1000, func() { send(g.s, g.a, 0, 1, 60) }); n != 0 {
		t.Errorf("%v allocations for each frame", n)
	}
	if all, _ := g.finish(t); len(all) != 0 {
		t.Errorf("%d recorded", len(all))
	}
}

// statistics returns the counts in an interface's statistics by their option.
func statistics(t *testing.T, file []byte, id uint32) map[uint16]uint64 {
	t.Helper()
	got := map[uint16]uint64{}
	u32 := binary.LittleEndian.Uint32
	for len(file) > 0 {
		b := file[:u32(file[4:])]
		file = file[len(b):]
		if u32(b) == 5 && u32(b[8:]) == id {
			options(b[20:len(b)-4], func(code uint16, v []byte) {
				if len(v) == 8 {
					got[code] = binary.LittleEndian.Uint64(v)
				}
			})
		}
	}
	return got
}

var _ Filter = (*filter.Program)(nil)
