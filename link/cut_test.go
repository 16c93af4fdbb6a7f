package link

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link/pcapng"
)

// TestCutUDP: a frame for 2,500 bytes in datagrams of 1,000 becomes three, whose
// bytes are the same in the same order, each a packet of its own.
func TestCutUDP(t *testing.T) {
	s := netisr.NewSched(clock.NewSim())
	r := s.Get()
	b := datagram(r, 2500)
	want := bytes.Clone(wire.UDP(wire.IPv4(wire.Ether(b.Bytes()).Payload()).Payload()).Payload())
	for i := range want {
		want[i] = byte(i / 7)
	}
	copy(b.Bytes()[b.Len()-len(want):], want)
	first := wire.IPv4(wire.Ether(b.Bytes()).Payload()).ID()
	b.Sum, b.GSO, b.GSOSize = pkt.SumPartial, pkt.GSOUDP, 1000
	var got []byte
	var sizes []int
	n := cut(r, b, func(c *pkt.Buf) {
		ip, f := wire.ParseIPv4(wire.Ether(c.Bytes()).Payload())
		u, f2 := wire.ParseUDP(ip.Payload())
		if f != wire.OK || f2 != wire.OK || !ip.ChecksumOK() || ip.ID() != first+uint16(len(sizes)) {
			t.Errorf("segment %d: %v %v, id %d", len(sizes), f, f2, ip.ID())
		}
		if c.Sum != pkt.SumPartial || c.GSO != pkt.GSONone {
			t.Errorf("segment %d: %+v", len(sizes), c.Info)
		}
		got = append(got, u.Payload()...)
		sizes = append(sizes, len(u.Payload()))
		r.Cache.Free(c)
	})
	r.Cache.Free(b)
	r.Done()
	if n != 3 || len(sizes) != 3 || sizes[0] != 1000 || sizes[2] != 500 || !bytes.Equal(got, want) {
		t.Errorf("%d segments of %v, same bytes: %v", n, sizes, bytes.Equal(got, want))
	}
	if c := s.Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
		t.Errorf("left: %+v", c)
	}
}

// superTCP is a super-segment of n bytes with every flag, in a frame with or
// without a tag.
func superTCP(r *netisr.Runner, n int, tag bool) *pkt.Buf {
	at := wire.EtherLen
	if tag {
		at += wire.VLANLen
	}
	h := wire.TCPHeader{SrcPort: 1, DstPort: 2, Seq: 1<<32 - 1500, Ack: 77, Window: 500, Urgent: 1500,
		Flags:   wire.ACK | wire.PSH | wire.FIN | wire.CWR | wire.ECE | wire.URG,
		Options: wire.TCPOptions{HasTime: true, TSVal: 3, TSEcr: 4}}
	ihd := wire.IPv4Header{TOS: 2, ID: 65535, DF: true, TTL: 60, Proto: wire.ProtoTCP, Src: ip("10.0.0.1"), Dst: ip("10.0.0.2"), Options: []byte{1, 1, 1, 0}}
	b := r.Cache.Get(at + ihd.Len() + h.Len() + n)
	p := b.Extend(at + ihd.Len() + h.Len() + n)
	wire.PutEther(p, wire.MAC{2, 2}, wire.MAC{2, 1}, wire.EtherTypeIPv4)
	if tag {
		wire.PutEther(p, wire.MAC{2, 2}, wire.MAC{2, 1}, wire.EtherTypeVLAN)
		wire.PutVLAN(p[wire.EtherLen:], 5, 0, false, wire.EtherTypeIPv4)
	}
	at += wire.PutIPv4(p[at:], &ihd, h.Len()+n)
	at += wire.PutTCP(p[at:], &h)
	for i := range p[at:] {
		p[at+i] = byte(i / 7)
	}
	b.Sum, b.GSO, b.GSOSize, b.Hash = pkt.SumPartial, pkt.GSOTCP4, 1000, 99
	return b
}

// parts checks frames that superTCP was cut into.
type parts struct {
	*testing.T
	data []byte
	n    int
	tag  bool
}

func (x *parts) next(frame []byte, whole int) {
	at := wire.EtherLen
	if x.tag {
		at += wire.VLANLen
	}
	ip, f := wire.ParseIPv4(frame[at:])
	t, f2 := wire.ParseTCP(ip.Payload())
	var h wire.TCPHeader
	if f != wire.OK || f2 != wire.OK || t.Header(&h) != wire.OK || !ip.ChecksumOK() || len(ip) != len(frame)-at {
		x.Fatalf("part %d: %v %v", x.n, f, f2)
	}
	off := len(x.data)
	last := off+len(t.Payload()) == whole
	want := wire.TCPHeader{SrcPort: 1, DstPort: 2, Seq: wire.Seq(1<<32 - 1500).Add(off), Ack: 77, Window: 500,
		Flags: wire.ACK | wire.ECE, Options: wire.TCPOptions{HasTime: true, TSVal: 3, TSEcr: 4}}
	if last {
		want.Flags |= wire.PSH | wire.FIN
	}
	if off == 0 {
		want.Flags |= wire.CWR
	}
	if off < 1500 {
		want.Flags |= wire.URG
		want.Urgent = uint16(1500 - off)
	}
	if h != want {
		x.Errorf("part %d: header\n%+v, want\n%+v", x.n, h, want)
	}
	if id := uint16(65535 + x.n); ip.ID() != id || !ip.DF() || ip.TOS() != 2 || ip.TTL() != 60 || len(ip.Options()) != 4 {
		x.Errorf("part %d: id %d, want %d", x.n, ip.ID(), id)
	}
	if n := len(t.Payload()); n != 1000 && !last {
		x.Errorf("part %d: %d bytes", x.n, n)
	}
	for i, c := range t.Payload() {
		if c != byte((off+i)/7) {
			x.Fatalf("part %d: byte %d is %d", x.n, i, c)
		}
	}
	x.data = append(x.data, t.Payload()...)
	x.n++
}

// TestCutTCP: sequence numbers and identifications count up, FIN and PSH are on
// the last part only, CWR on the first (RFC 3168 §6.1.2), the urgent pointer
// points where it did.
func TestCutTCP(t *testing.T) {
	for _, n := range []int{0, 1, 999, 1000, 1001, 2500, 4000, 60000} {
		for _, tag := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, tag %v", n, tag), func(t *testing.T) {
				s := netisr.NewSched(clock.NewSim())
				r := s.Get()
				b := superTCP(r, n, tag)
				was := bytes.Clone(b.Bytes())
				x := &parts{T: t, tag: tag}
				count := cut(r, b, func(c *pkt.Buf) {
					x.next(c.Bytes(), n)
					if c.Info != (pkt.Info{Hash: 99, Sum: pkt.SumPartial}) {
						t.Errorf("%+v", c.Info)
					}
					r.Cache.Free(c)
				})
				if want := max((n+999)/1000, 1); count != want || x.n != want || len(x.data) != n {
					t.Errorf("%d parts, want %d; %d bytes", count, want, len(x.data))
				}
				if !bytes.Equal(was, b.Bytes()) {
					t.Error("a frame that was lent has changed")
				}
				r.Cache.Free(b)
				r.Done()
				clean(t, s)
			})
		}
	}
}

// TestCutRefuses leaves alone what is not what it says.
func TestCutRefuses(t *testing.T) {
	at := wire.EtherLen + wire.IPv4Len + 4
	for name, spoil := range map[string]func(*pkt.Buf){
		"size":           func(b *pkt.Buf) { b.GSOSize = 0 },
		"kind":           func(b *pkt.Buf) { b.GSO = pkt.GSONone },
		"IPv6":           func(b *pkt.Buf) { b.GSO = pkt.GSOTCP6 },
		"UDP":            func(b *pkt.Buf) { b.GSO = pkt.GSOUDP },
		"type":           func(b *pkt.Buf) { b.Bytes()[12]++ },
		"fragment":       func(b *pkt.Buf) { b.Bytes()[wire.EtherLen+7] = 1 },
		"header":         func(b *pkt.Buf) { b.Bytes()[at+12] = 4 << 4 },
		"short":          func(b *pkt.Buf) { b.Trim(50) },
		"wrong sum":      func(b *pkt.Buf) { b.Sum = pkt.SumUnknown },
		"protocol":       func(b *pkt.Buf) { b.Bytes()[wire.EtherLen+9] = wire.ProtoICMP },
		"nothing at all": func(b *pkt.Buf) { b.Trim(0) },
	} {
		s := netisr.NewSched(clock.NewSim())
		r := s.Get()
		b := superTCP(r, 2500, false)
		spoil(b)
		if n := cut(r, b, func(c *pkt.Buf) { r.Cache.Free(c) }); n != 0 {
			t.Errorf("%s: %d parts", name, n)
		}
		r.Cache.Free(b)
		r.Done()
		clean(t, s)
	}
	s := netisr.NewSched(clock.NewSim())
	r := s.Get()
	b := superTCP(r, 2500, false)
	b.Sum = pkt.SumUnknown
	wire.CompleteEther(b.Bytes())
	if n := cut(r, b, func(c *pkt.Buf) { r.Cache.Free(c) }); n != 3 {
		t.Errorf("a right sum nobody had verified: %d parts", n)
	}
	r.Cache.Free(b)
	r.Done()
}

// FuzzCutTCP: the parts' payloads, one behind the other, are the whole's.
func FuzzCutTCP(f *testing.F) {
	f.Add(uint16(1000), uint16(2500), []byte{})
	f.Add(uint16(1), uint16(40), []byte{14, 0x4f})
	f.Fuzz(func(t *testing.T, size, n uint16, edit []byte) {
		s := netisr.NewSched(clock.NewSim())
		r := s.Get()
		b := superTCP(r, int(n%8000), false)
		for ; len(edit) >= 2; edit = edit[2:] {
			b.Bytes()[int(edit[0])%b.Len()] = edit[1]
		}
		b.GSOSize = size
		var got []byte
		_, whole := findIPv4(b.Bytes(), wire.ProtoTCP)
		count := cut(r, b, func(c *pkt.Buf) {
			_, p := findIPv4(c.Bytes(), wire.ProtoTCP)
			if p == nil || !p.ChecksumOK() {
				t.Fatal("a part is no packet")
			}
			got = append(got, wire.TCP(p.Payload()).Payload()...)
			r.Cache.Free(c)
		})
		if count > 0 && !bytes.Equal(got, wire.TCP(whole.Payload()).Payload()) {
			t.Error("the parts hold something else")
		}
		r.Cache.Free(b)
		r.Done()
		clean(t, s)
	})
}

// TestFaultCuts: with a rate the parts leave one by one, as long as each takes;
// with a delay alone the super-segment stays whole.
func TestFaultCuts(t *testing.T) {
	for _, whole := range []bool{false, true} {
		c := clock.NewSim()
		s := netisr.NewSched(c)
		cfg := FaultConfig{Rate: 8e6} // a byte each µs
		if whole {
			cfg = FaultConfig{Delay: time.Millisecond}
		}
		f := NewFault(s, 0, cfg, FaultConfig{})
		rx := &catcher{c: c}
		f.B().Attach(rx)
		r := s.Get()
		f.A().Put(r, superTCP(r, 2500, false))
		r.Done()
		if st := f.Stats(AtoB); st.Waiting != st.Entered-st.Delivered {
			t.Errorf("under way: %+v", st)
		}
		c.RunUntil(clock.Time(time.Second))
		st := f.Stats(AtoB)
		if whole {
			if len(rx.got) != 1 || rx.got[0].info.GSO != pkt.GSOTCP4 || st.Entered != 1 || st.Delivered != 1 {
				t.Errorf("not whole: %d frames, %+v", len(rx.got), st)
			}
			f.Close()
			clean(t, s)
			continue
		}
		x, at := &parts{T: t}, clock.Time(0)
		for _, a := range rx.got {
			x.next(a.frame, 2500)
			if at += clock.Time(len(a.frame)) * 1000; a.at != at {
				t.Errorf("part %d at %v, want %v", x.n, a.at, at)
			}
		}
		if x.n != 3 || st.Entered != 3 || st.Delivered != 3 || st.Waiting != 0 {
			t.Errorf("%d parts, %+v", x.n, st)
		}
		f.Close()
		clean(t, s)
	}
}

// TestFaultLosesParts: of a super-segment some parts are lost, others damaged,
// and not all of it or nothing.
func TestFaultLosesParts(t *testing.T) {
	c := clock.NewSim()
	s := netisr.NewSched(c)
	f := NewFault(s, 0, FaultConfig{Seed: 3, Loss: 0.3, Corrupt: 0.3}, FaultConfig{})
	rx := &catcher{c: c}
	f.B().Attach(rx)
	r := s.Get()
	f.A().Put(r, superTCP(r, 60000, false))
	r.Done()
	st := f.Stats(AtoB)
	lost := st.Dropped[pkt.LinkLoss]
	if st.Entered != 60 || st.Delivered+lost != 60 || lost < 5 || lost > 40 || st.Corrupted < 2 || len(rx.got) != int(st.Delivered) {
		t.Errorf("%+v", st)
	}
	f.Close()
	clean(t, s)
}

// TestWireCuts for a device that takes no super-segment, nor checksums.
func TestWireCuts(t *testing.T) {
	for _, tag := range []bool{false, true} {
		d := newFake(Info{})
		s, w := newWire(t, d)
		r := s.Get()
		for range 3 {
			w.Put(r, superTCP(r, 60000, tag))
		}
		r.Done()
		if len(d.out) != 180 || w.Stats().Sent != 180 {
			t.Fatalf("%d frames, %+v", len(d.out), w.Stats())
		}
		var x *parts
		for i, o := range d.out {
			if i%60 == 0 {
				x = &parts{T: t, tag: tag}
			}
			x.next(o.frame, 60000)
			was := bytes.Clone(o.frame)
			if wire.CompleteEther(was); !bytes.Equal(was, o.frame) || o.meta != (Meta{Len: len(was)}) {
				t.Fatalf("part %d: wrong checksum or %+v", i, o.meta)
			}
		}
		w.end(t)
	}
}

// TestCaptureCuts shows the packets that cross a wire, while what crosses it is
// the super-segment.
func TestCaptureCuts(t *testing.T) {
	for _, whole := range []bool{false, true} {
		s := netisr.NewSched(clock.NewSim())
		e := NewEpair(0)
		var file bytes.Buffer
		c := NewCapture(s, e.A(), pcapng.NewWriter(&file, pcapng.Section{}), CaptureOptions{Whole: whole})
		rx := &catcher{c: s.Clock()}
		e.B().Attach(rx)
		back := &catcher{c: s.Clock()}
		c.Attach(back)
		r := s.Get()
		c.Put(r, superTCP(r, 2500, false))
		e.B().Put(r, superTCP(r, 2500, false))
		r.Done()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for _, got := range [][]arrived{rx.got, back.got} {
			if len(got) != 1 || got[0].info.GSO != pkt.GSOTCP4 {
				t.Errorf("%d frames came through", len(got))
			}
		}
		all, _ := readCapture(t, file.Bytes())
		if whole {
			if len(all) != 2 || len(all[0].data) != len(rx.got[0].frame) {
				t.Errorf("%d frames recorded", len(all))
			}
			continue
		}
		if len(all) != 6 {
			t.Fatalf("%d frames recorded", len(all))
		}
		x := &parts{T: t}
		for i, p := range all {
			if i == 3 {
				x = &parts{T: t}
			}
			x.next(p.data, 2500)
			done := bytes.Clone(p.data)
			if wire.CompleteEther(done); !bytes.Equal(done, p.data) {
				t.Errorf("record %d: wrong checksum", i)
			}
		}
		clean(t, s)
	}
}

// BenchmarkCutTCP is 45 segments of one.
func BenchmarkCutTCP(b *testing.B) {
	s := netisr.NewSched(clock.NewSim())
	r := s.Get()
	x := superTCP(r, 65000, false)
	x.GSOSize = 1448
	b.ReportAllocs()
	for b.Loop() {
		cut(r, x, func(c *pkt.Buf) { r.Cache.Free(c) })
	}
	r.Cache.Free(x)
	r.Done()
}
