package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link/pcapng"
)

// shape says what stands before the transport header of a super-segment.
type shape struct {
	tag bool // an IEEE 802.1Q tag
	six bool // IPv6
	ext bool // extension headers of IPv6
}

// shapes are all there are.
var shapes = [...]shape{{}, {tag: true}, {six: true}, {six: true, tag: true}, {six: true, ext: true}, {six: true, tag: true, ext: true}}

// exts is a hop-by-hop header with a router alert, a routing header at its end
// and a destination options header of 16 bytes.
var exts = [...]byte{
	wire.ProtoRouting, 0, 5, 2, 0, 0, 1, 0,
	wire.ProtoDestOpts, 0, 4, 0, 0, 0, 0, 0,
	wire.ProtoTCP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
}

// headers returns how long they are.
func (h shape) headers() (ip, upper int) {
	if ip = wire.EtherLen; h.tag {
		ip += wire.VLANLen
	}
	switch upper = ip + wire.IPv4Len + 4; {
	case h.ext:
		upper = ip + wire.IPv6Len + len(exts)
	case h.six:
		upper = ip + wire.IPv6Len
	}
	return ip, upper
}

// put writes them for a message of n bytes.
func (h shape) put(p []byte, proto uint8, n int) {
	typ := wire.EtherTypeIPv4
	if h.six {
		typ = wire.EtherTypeIPv6
	}
	wire.PutEther(p, wire.MAC{2, 2}, wire.MAC{2, 1}, typ)
	if h.tag {
		wire.PutEther(p, wire.MAC{2, 2}, wire.MAC{2, 1}, wire.EtherTypeVLAN)
		wire.PutVLAN(p[wire.EtherLen:], 5, 0, false, typ)
	}
	at, upper := h.headers()
	if !h.six {
		wire.PutIPv4(p[at:], &wire.IPv4Header{TOS: 2, ID: 65535, DF: true, TTL: 60, Proto: proto,
			Src: ip("10.0.0.1"), Dst: ip("10.0.0.2"), Options: []byte{1, 1, 1, 0}}, n)
		return
	}
	hd := wire.IPv6Header{TrafficClass: 2, FlowLabel: 0x12345, HopLimit: 60, NextHeader: proto, Src: ip("2001:db8::1"), Dst: ip("2001:db8::2")}
	if h.ext {
		hd.NextHeader = wire.ProtoHopByHop
		copy(p[at+wire.IPv6Len:], exts[:])
		p[at+wire.IPv6Len+16] = proto
	}
	wire.PutIPv6(p[at:], &hd, upper-at-wire.IPv6Len+n)
}

// superOf is a super-segment of n bytes: of TCP with every flag, or of UDP.
func superOf(r *netisr.Runner, n int, h shape, udp bool) *pkt.Buf {
	_, upper := h.headers()
	hd := wire.TCPHeader{SrcPort: 1, DstPort: 2, Seq: 1<<32 - 1500, Ack: 77, Window: 500, Urgent: 1500,
		Flags:   wire.ACK | wire.PSH | wire.FIN | wire.CWR | wire.ECE | wire.URG,
		Options: wire.TCPOptions{HasTime: true, TSVal: 3, TSEcr: 4}}
	proto, kind, head := wire.ProtoTCP, pkt.GSOTCP4, upper+hd.Len()
	switch {
	case udp:
		proto, kind, head = wire.ProtoUDP, pkt.GSOUDP, upper+wire.UDPLen
	case h.six:
		kind = pkt.GSOTCP6
	}
	b := r.Cache.Get(head + n)
	p := b.Extend(head + n)
	h.put(p, proto, head-upper+n)
	if udp {
		wire.PutUDP(p[upper:], 1, 2, n)
	} else {
		wire.PutTCP(p[upper:], &hd)
	}
	for i := range p[head:] {
		p[head+i] = byte(i / 7)
	}
	b.Sum, b.GSO, b.GSOSize, b.Hash = pkt.SumPartial, kind, 1000, 99
	return b
}

// superTCP is one of IPv4 TCP.
func superTCP(r *netisr.Runner, n int, tag bool) *pkt.Buf {
	return superOf(r, n, shape{tag: tag}, false)
}

// parts checks frames that superOf was cut into.
type parts struct {
	*testing.T
	data []byte
	n    int
	shape
}

// lower checks what stands before the transport header, and returns what is
// there and behind.
func (x *parts) lower(frame []byte, proto uint8) []byte {
	at, upper := x.headers()
	if len(frame) < upper {
		x.Fatalf("part %d of %d bytes", x.n, len(frame))
	}
	want := make([]byte, upper)
	x.put(want, proto, len(frame)-upper)
	if !x.six {
		setPlaceIPv4(want[at:], x.n)
		binary.BigEndian.PutUint16(want[at+2:], uint16(len(frame)-at))
		wire.IPv4(want[at:]).SetChecksum()
	}
	if !bytes.Equal(want, frame[:upper]) {
		x.Fatalf("part %d begins with\n%x, want\n%x", x.n, frame[:upper], want)
	}
	return frame[upper:]
}

func (x *parts) next(frame []byte, whole int) {
	t, f := wire.ParseTCP(x.lower(frame, wire.ProtoTCP))
	var h wire.TCPHeader
	if f != wire.OK || t.Header(&h) != wire.OK {
		x.Fatalf("part %d: %v", x.n, f)
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
	x.payload(t.Payload(), last)
}

// nextUDP is next for datagrams.
func (x *parts) nextUDP(frame []byte, whole int) {
	msg := x.lower(frame, wire.ProtoUDP)
	u, f := wire.ParseUDP(msg)
	if f != wire.OK || len(u) != len(msg) || u.SrcPort() != 1 || u.DstPort() != 2 {
		x.Fatalf("part %d: %v, %d bytes of %d", x.n, f, len(u), len(msg))
	}
	x.payload(u.Payload(), len(x.data)+len(u.Payload()) == whole)
}

func (x *parts) payload(p []byte, last bool) {
	if len(p) != 1000 && !last {
		x.Errorf("part %d: %d bytes", x.n, len(p))
	}
	for i, c := range p {
		if c != byte((len(x.data)+i)/7) {
			x.Fatalf("part %d: byte %d is %d", x.n, i, c)
		}
	}
	x.data = append(x.data, p...)
	x.n++
}

// TestCutUDP: datagrams in frames of their own, all of equal length but the
// last.
func TestCutUDP(t *testing.T) {
	eachShape(t, true, (*parts).nextUDP)
}

// TestCutTCP: sequence numbers and identifications count up, FIN and PSH are on
// the last part only, CWR on the first (RFC 3168 §6.1.2), the urgent pointer
// points where it did.
func TestCutTCP(t *testing.T) {
	eachShape(t, false, (*parts).next)
}

// eachShape cuts super-segments of every kind and many lengths.
func eachShape(t *testing.T, udp bool, next func(*parts, []byte, int)) {
	for _, n := range []int{0, 1, 999, 1000, 1001, 2500, 4000, 60000} {
		for _, h := range shapes {
			t.Run(fmt.Sprintf("%d bytes, %+v", n, h), func(t *testing.T) {
				s := netisr.NewSched(clock.NewSim())
				r := s.Get()
				b := superOf(r, n, h, udp)
				was := bytes.Clone(b.Bytes())
				x := &parts{T: t, shape: h}
				count := cut(r, b, func(c *pkt.Buf) {
					next(x, c.Bytes(), n)
					if c.Info != (pkt.Info{Hash: 99, Sum: pkt.SumPartial}) {
						t.Errorf("%+v", c.Info)
					}
					if !wire.CompleteEther(c.Bytes()) {
						t.Errorf("part %d: nobody can complete its checksum", x.n)
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
	at = wire.EtherLen + wire.IPv6Len
	for name, spoil := range map[string]func(*pkt.Buf){
		"IPv4":          func(b *pkt.Buf) { b.GSO = pkt.GSOTCP4 },
		"UDP":           func(b *pkt.Buf) { b.GSO = pkt.GSOUDP },
		"type":          func(b *pkt.Buf) { b.Bytes()[12] = 8; b.Bytes()[13] = 0 },
		"version":       func(b *pkt.Buf) { b.Bytes()[wire.EtherLen] = 0x45 },
		"fragment":      func(b *pkt.Buf) { b.Bytes()[wire.EtherLen+6] = wire.ProtoFragment },
		"segments left": func(b *pkt.Buf) { b.Bytes()[at+8+3] = 1 },
		"no next":       func(b *pkt.Buf) { b.Bytes()[at+16] = wire.ProtoNoNext },
		"header":        func(b *pkt.Buf) { b.Bytes()[at+1] = 255; b.Trim(2000); b.Bytes()[wire.EtherLen+4] = 5 },
		"short":         func(b *pkt.Buf) { b.Trim(90) },
		"wrong sum":     func(b *pkt.Buf) { b.Sum = pkt.SumUnknown },
	} {
		s := netisr.NewSched(clock.NewSim())
		r := s.Get()
		b := superOf(r, 2500, shape{six: true, ext: true}, false)
		spoil(b)
		if n := cut(r, b, func(c *pkt.Buf) { r.Cache.Free(c) }); n != 0 {
			t.Errorf("%s: %d parts", name, n)
		}
		r.Cache.Free(b)
		r.Done()
		clean(t, s)
	}
}

// TestCutVerifies the checksum of what nobody has verified: a wrong one must not
// become right ones. IPv4 datagrams without any stay so, IPv6 has none such (RFC
// 8200 §8.1).
func TestCutVerifies(t *testing.T) {
	for _, c := range []struct {
		six, udp, complete bool
		want               int
		sum                pkt.Sum
	}{
		{false, false, true, 3, pkt.SumPartial}, {true, false, true, 3, pkt.SumPartial}, {false, false, false, 0, 0}, {true, false, false, 0, 0},
		{false, true, true, 3, pkt.SumPartial}, {true, true, true, 3, pkt.SumPartial}, {false, true, false, 3, pkt.SumUnknown}, {true, true, false, 0, 0},
	} {
		s := netisr.NewSched(clock.NewSim())
		r := s.Get()
		b := superOf(r, 2500, shape{six: c.six}, c.udp)
		b.Sum = pkt.SumUnknown
		if c.complete {
			wire.CompleteEther(b.Bytes())
		}
		n := cut(r, b, func(p *pkt.Buf) {
			if p.Sum != c.sum {
				t.Errorf("%+v: a part's checksum is %d", c, p.Sum)
			}
			r.Cache.Free(p)
		})
		if n != c.want {
			t.Errorf("%+v: %d parts", c, n)
		}
		r.Cache.Free(b)
		r.Done()
		clean(t, s)
	}
}

// FuzzCut: the parts' payloads, one behind the other, are the whole's.
func FuzzCut(f *testing.F) {
	f.Add(uint8(0), uint16(1000), uint16(2500), []byte{})
	f.Add(uint8(0), uint16(1), uint16(40), []byte{14, 0x4f})
	f.Add(uint8(4), uint16(1000), uint16(2500), []byte{})
	f.Add(uint8(4), uint16(1), uint16(40), []byte{55, 1, 20, 60})
	f.Add(uint8(8), uint16(100), uint16(400), []byte{})
	f.Fuzz(func(t *testing.T, kind uint8, size, n uint16, edit []byte) {
		s := netisr.NewSched(clock.NewSim())
		r := s.Get()
		udp := kind >= uint8(len(shapes))
		b := superOf(r, int(n%8000), shapes[int(kind)%len(shapes)], udp)
		for ; len(edit) >= 2; edit = edit[2:] {
			b.Bytes()[int(edit[0])%b.Len()] = edit[1]
		}
		b.GSOSize = size
		payload := func(m []byte) []byte {
			if udp {
				return wire.UDP(m).Payload()
			}
			return wire.TCP(m).Payload()
		}
		var got []byte
		whole, _ := findSuper(b.Bytes(), b.GSO)
		count := cut(r, b, func(c *pkt.Buf) {
			p, ok := findSuper(c.Bytes(), b.GSO)
			if !ok || p.upper != whole.upper {
				t.Fatal("a part is no packet")
			}
			if !wire.CompleteEther(c.Bytes()) {
				t.Fatal("nobody can complete a part's checksum")
			}
			got = append(got, payload(p.msg)...)
			r.Cache.Free(c)
		})
		if count > 0 && !bytes.Equal(got, payload(whole.msg)) {
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
	for i := range 2 * len(shapes) {
		h, whole := shapes[i/2], i%2 == 1
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
		f.A().Put(r, superOf(r, 2500, h, false))
		r.Done()
		if st := f.Stats(AtoB); st.Waiting != st.Entered-st.Delivered {
			t.Errorf("under way: %+v", st)
		}
		c.RunUntil(clock.Time(time.Second))
		st := f.Stats(AtoB)
		if whole {
			if len(rx.got) != 1 || rx.got[0].info.GSO == pkt.GSONone || st.Entered != 1 || st.Delivered != 1 {
				t.Errorf("not whole: %d frames, %+v", len(rx.got), st)
			}
			f.Close()
			clean(t, s)
			continue
		}
		x, at := &parts{T: t, shape: h}, clock.Time(0)
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
	for _, h := range shapes {
		c := clock.NewSim()
		s := netisr.NewSched(c)
		f := NewFault(s, 0, FaultConfig{Seed: 3, Loss: 0.3, Corrupt: 0.3}, FaultConfig{})
		rx := &catcher{c: c}
		f.B().Attach(rx)
		r := s.Get()
		f.A().Put(r, superOf(r, 60000, h, false))
		r.Done()
		st := f.Stats(AtoB)
		lost := st.Dropped[pkt.LinkLoss]
		if st.Entered != 60 || st.Delivered+lost != 60 || lost < 5 || lost > 40 || st.Corrupted < 2 || len(rx.got) != int(st.Delivered) {
			t.Errorf("%+v", st)
		}
		r = s.Get()
		whole := completed(r, h)
		r.Done()
		for i, a := range rx.got {
			if a.info.Sum == pkt.SumUnknown && !slices.ContainsFunc(whole, func(w []byte) bool { return oneBit(w, a.frame) }) {
				t.Errorf("%+v: frame %d is no part with one bit changed after its checksum was filled in", h, i)
			}
		}
		f.Close()
		clean(t, s)
	}
}

// completed is the parts of a super-segment of 60,000 bytes, with checksums.
func completed(r *netisr.Runner, h shape) (all [][]byte) {
	b := superOf(r, 60000, h, false)
	cut(r, b, func(c *pkt.Buf) {
		wire.CompleteEther(c.Bytes())
		all = append(all, bytes.Clone(c.Bytes()))
		r.Cache.Free(c)
	})
	r.Cache.Free(b)
	return all
}

// oneBit tells whether two frames differ in one bit.
func oneBit(a, b []byte) bool {
	n := 0
	for i := range min(len(a), len(b)) {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n == 1 && len(a) == len(b)
}

// TestWireCuts for a device that takes no super-segment, nor checksums.
func TestWireCuts(t *testing.T) {
	for _, h := range shapes {
		d := newFake(Info{})
		s, w := newWire(t, d)
		r := s.Get()
		for range 3 {
			w.Put(r, superOf(r, 60000, h, false))
		}
		r.Done()
		if len(d.out) != 180 || w.Stats().Sent != 180 {
			t.Fatalf("%d frames, %+v", len(d.out), w.Stats())
		}
		var x *parts
		for i, o := range d.out {
			if i%60 == 0 {
				x = &parts{T: t, shape: h}
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
	for i := range 2 * len(shapes) {
		h, whole := shapes[i/2], i%2 == 1
		s := netisr.NewSched(clock.NewSim())
		e := NewEpair(0)
		var file bytes.Buffer
		c := NewCapture(s, e.A(), pcapng.NewWriter(&file, pcapng.Section{}), CaptureOptions{Whole: whole})
		rx := &catcher{c: s.Clock()}
		e.B().Attach(rx)
		back := &catcher{c: s.Clock()}
		c.Attach(back)
		r := s.Get()
		c.Put(r, superOf(r, 2500, h, false))
		e.B().Put(r, superOf(r, 2500, h, false))
		r.Done()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for _, got := range [][]arrived{rx.got, back.got} {
			if len(got) != 1 || got[0].info.GSO == pkt.GSONone {
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
		x := &parts{T: t, shape: h}
		for i, p := range all {
			if i == 3 {
				x = &parts{T: t, shape: h}
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
	for _, h := range shapes {
		b.Run(fmt.Sprintf("%+v", h), func(b *testing.B) {
			s := netisr.NewSched(clock.NewSim())
			r := s.Get()
			x := superOf(r, 65000, h, false)
			x.GSOSize = 1448
			b.ReportAllocs()
			for b.Loop() {
				cut(r, x, func(c *pkt.Buf) { r.Cache.Free(c) })
			}
			r.Cache.Free(x)
			r.Done()
		})
	}
}
