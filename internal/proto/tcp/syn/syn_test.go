package syn

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

const (
	ms = clock.Time(time.Millisecond)
	s  = clock.Time(time.Second)
)

// rig is a cache with a listener, number 7, and a clock.
type rig struct {
	*testing.T
	c   *Cache[int]
	e   Env
	p   Listen
	now clock.Time
	key Key
	hs  Handshake
}

func newRig(t *testing.T) *rig {
	tun := Defaults()
	secret := &Secret{1, 2, 3}
	return &rig{
		T: t, c: New[int](secret, table.NewSeed(1)), e: Env{&tun, &Stats{}}, now: 100 * s,
		p:   Listen{MSS: 1460, MinMSS: 216, Window: 65535, Scale: 7, Scaling: true, Timestamps: true, SACK: true, ECN: true, FIB: 3, PacketFIB: 5},
		key: Key{Local: netip.MustParseAddrPort("10.0.0.1:80"), Remote: netip.MustParseAddrPort("10.0.0.2:40000")},
	}
}

// client returns the i-th other end.
func (r *rig) client(i int) Key {
	return Key{Local: r.key.Local, Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1024)}
}

func (r *rig) in(h wire.TCPHeader, n int) Verdict {
	return r.c.Input(&r.e, r.now, r.key, 7, &r.p, &h, n, &r.hs)
}

func (r *rig) expect(got, want Verdict) {
	r.Helper()
	if got != want {
		r.Fatalf("verdict %v, want %v", got, want)
	}
}

// next returns what is sent now, and fails if there is nothing.
func (r *rig) next() Out[int] {
	r.Helper()
	var o Out[int]
	if !r.c.Next(&r.e, r.now, &o) {
		r.Fatal("nothing is sent")
	}
	return o
}

func (r *rig) quiet() {
	r.Helper()
	var o Out[int]
	if r.c.Next(&r.e, r.now, &o) {
		r.Fatalf("%v is sent, want nothing", o.Hdr.Flags)
	}
}

// full is a SYN with every option; its number is 1000.
func full() wire.TCPHeader {
	return wire.TCPHeader{Seq: 1000, Flags: wire.SYN | wire.ECE | wire.CWR, Window: 64240,
		Options: wire.TCPOptions{MSS: 1400, HasScale: true, Scale: 9, SACKOK: true, HasTime: true, TSVal: 5000}}
}

func plain() wire.TCPHeader { return wire.TCPHeader{Seq: 1000, Flags: wire.SYN, Window: 64240} }

// ack is the answer to a SYN-ACK.
func ack(o *Out[int]) wire.TCPHeader {
	h := wire.TCPHeader{Seq: o.Hdr.Ack, Ack: o.Hdr.Seq + 1, Flags: wire.ACK, Window: 500}
	if o.Hdr.Options.HasTime {
		h.Options = wire.TCPOptions{HasTime: true, TSVal: o.Hdr.Options.TSEcr + 20, TSEcr: o.Hdr.Options.TSVal}
	}
	return h
}

// open sends a SYN and returns what answers it.
func (r *rig) open(h wire.TCPHeader) Out[int] {
	r.Helper()
	r.expect(r.in(h, 0), Answered)
	return r.next()
}

func TestHandshakeOfRFC9293Section35(t *testing.T) {
	r := newRig(t)
	o := r.open(full())
	want := wire.TCPHeader{SrcPort: 80, DstPort: 40000, Seq: o.Hdr.Seq, Ack: 1001, Flags: wire.SYN | wire.ACK | wire.ECE, Window: 65535,
		Options: wire.TCPOptions{MSS: 1460, HasScale: true, Scale: 7, SACKOK: true, HasTime: true, TSVal: o.Hdr.Options.TSVal, TSEcr: 5000}}
	if o.Hdr != want || o.FIB != 3 || o.Listener != 7 || o.Retransmit {
		t.Errorf("SYN-ACK is %+v", o)
	}
	r.quiet()
	r.now += 30 * ms
	r.expect(r.in(ack(&o), 10), Accepted)
	hs := Handshake{
		ISS: o.Hdr.Seq, IRS: 1000, Seq: 1001, Ack: o.Hdr.Seq + 1, MSS: 1400, Offered: 65535, SendScale: 9, RecvScale: 7,
		Scaled: true, SACK: true, Timestamps: true, ECN: true, TSOffset: r.c.secret.TSOffset(r.key.Local, r.key.Remote), TSRecent: 5020,
		Window: 500 << 9, FIB: 3, RTT: 30 * time.Millisecond,
	}
	if r.hs != hs {
		t.Errorf("handshake is\n%+v, want\n%+v", r.hs, hs)
	}
	r.quiet()
	if r.c.Len() != 0 || r.c.Deadline() != clock.Never || r.c.Has(r.key) {
		t.Error("the request is still there")
	}
	if want := (Stats{Added: 1, Completed: 1}); *r.e.S != want {
		t.Errorf("statistics %+v", *r.e.S)
	}
}

// TestOptions asks for each option with and without the listener's consent.
func TestOptions(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Listen, *wire.TCPHeader)
		is   func(o *wire.TCPHeader, hs *Handshake) bool
	}{
		{"RFC 9293 MUST-15: 536 without MSS", func(p *Listen, h *wire.TCPHeader) { h.Options.MSS = 0 }, func(o *wire.TCPHeader, hs *Handshake) bool { return hs.MSS == 536 }},
		{"mssdflt", func(p *Listen, h *wire.TCPHeader) { h.Options.MSS, p.MSSDefault = 0, 1000 }, func(o *wire.TCPHeader, hs *Handshake) bool { return hs.MSS == 1000 }},
		{"minmss", func(p *Listen, h *wire.TCPHeader) { h.Options.MSS = 1 }, func(o *wire.TCPHeader, hs *Handshake) bool { return hs.MSS == 216 }},
		{"our MTU", func(p *Listen, h *wire.TCPHeader) { h.Options.MSS, p.MSS = 8960, 1360 }, func(o *wire.TCPHeader, hs *Handshake) bool { return hs.MSS == 1360 && o.Options.MSS == 1360 }},
		{"RFC 7323 §2.3: scale 15 is 14", func(p *Listen, h *wire.TCPHeader) { h.Options.Scale = 15 }, func(o *wire.TCPHeader, hs *Handshake) bool { return hs.SendScale == 14 && hs.Window == 500<<14 }},
		{"no scale asked for", func(p *Listen, h *wire.TCPHeader) { h.Options.HasScale = false }, func(o *wire.TCPHeader, hs *Handshake) bool {
			return !o.Options.HasScale && !hs.Scaled && hs.SendScale == 0 && hs.RecvScale == 0
		}},
		{"no scale allowed", func(p *Listen, h *wire.TCPHeader) { p.Scaling = false }, func(o *wire.TCPHeader, hs *Handshake) bool { return !o.Options.HasScale && !hs.Scaled }},
		{"no timestamps asked for", func(p *Listen, h *wire.TCPHeader) { h.Options.HasTime = false }, func(o *wire.TCPHeader, hs *Handshake) bool { return !o.Options.HasTime && !hs.Timestamps }},
		{"no timestamps allowed", func(p *Listen, h *wire.TCPHeader) { p.Timestamps = false }, func(o *wire.TCPHeader, hs *Handshake) bool { return !o.Options.HasTime && !hs.Timestamps }},
		{"no SACK asked for", func(p *Listen, h *wire.TCPHeader) { h.Options.SACKOK = false }, func(o *wire.TCPHeader, hs *Handshake) bool { return !o.Options.SACKOK && !hs.SACK }},
		{"no SACK allowed", func(p *Listen, h *wire.TCPHeader) { p.SACK = false }, func(o *wire.TCPHeader, hs *Handshake) bool { return !o.Options.SACKOK && !hs.SACK }},
		{"RFC 3168 §6.1.1: ECE alone is no ECN setup", func(p *Listen, h *wire.TCPHeader) { h.Flags &^= wire.CWR }, func(o *wire.TCPHeader, hs *Handshake) bool { return !o.Flags.Any(wire.ECE|wire.CWR) && !hs.ECN }},
		{"no ECN allowed", func(p *Listen, h *wire.TCPHeader) { p.ECN = false }, func(o *wire.TCPHeader, hs *Handshake) bool { return !o.Flags.Any(wire.ECE|wire.CWR) && !hs.ECN }},
		{"RFC 7323 §2.2: the offer is not scaled", func(p *Listen, h *wire.TCPHeader) { p.Window = 1 << 20 }, func(o *wire.TCPHeader, hs *Handshake) bool { return o.Window == 65535 && hs.Offered == 65535 }},
		{"small buffer", func(p *Listen, h *wire.TCPHeader) { p.Window = 4096 }, func(o *wire.TCPHeader, hs *Handshake) bool { return o.Window == 4096 && hs.Offered == 4096 }},
		{"above the floor", func(p *Listen, h *wire.TCPHeader) { p.HasFloor, p.Floor = true, 0 }, func(o *wire.TCPHeader, hs *Handshake) bool { return wire.Seq(0).Less(hs.ISS) }},
		{"above the opposite floor", func(p *Listen, h *wire.TCPHeader) { p.HasFloor, p.Floor = true, 1<<31 }, func(o *wire.TCPHeader, hs *Handshake) bool { return wire.Seq(1 << 31).Less(hs.ISS) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			h := full()
			test.edit(&r.p, &h)
			o := r.open(h)
			r.expect(r.in(ack(&o), 0), Accepted)
			if !test.is(&o.Hdr, &r.hs) {
				t.Errorf("SYN-ACK %+v\nhandshake %+v", o.Hdr, r.hs)
			}
		})
	}
}

func TestIPv6DefaultMSSOfRFC9293Section371(t *testing.T) {
	r := newRig(t)
	r.key = Key{Local: netip.MustParseAddrPort("[fd00::1]:80"), Remote: netip.MustParseAddrPort("[fd00::2]:40000")}
	o := r.open(plain())
	r.expect(r.in(ack(&o), 0), Accepted)
	if r.hs.MSS != 1220 {
		t.Errorf("MSS %d", r.hs.MSS)
	}
}

// TestListenOfRFC9293Section31072 sends what is no SYN to a listener.
func TestListenOfRFC9293Section31072(t *testing.T) {
	for _, test := range []struct {
		flags wire.TCPFlags
		want  Verdict
	}{
		{0, Dropped}, {wire.FIN, Dropped}, {wire.RST, Dropped}, {wire.RST | wire.ACK, Dropped}, {wire.RST | wire.SYN, Dropped},
		{wire.ACK, Answered}, {wire.ACK | wire.FIN, Answered}, {wire.SYN | wire.ACK, Answered},
	} {
		r := newRig(t)
		h := wire.TCPHeader{Seq: 1, Ack: 77, Flags: test.flags}
		if got := r.in(h, 3); got != test.want {
			t.Errorf("%v: %v, want %v", test.flags, got, test.want)
		}
		if test.want == Answered {
			want := Out[int]{Key: r.key, FIB: 5, Hdr: wire.TCPHeader{SrcPort: 80, DstPort: 40000, Seq: 77, Flags: wire.RST}}
			if o := r.next(); o != want {
				t.Errorf("%v: answer %+v", test.flags, o)
			}
		}
		r.quiet()
	}
}

func TestUnanswerableSources(t *testing.T) {
	for _, from := range []string{"224.0.0.1:5", "0.0.0.0:5", "10.0.0.2:0", "10.0.0.1:80", "[ff02::1]:5", "[::]:5"} {
		r := newRig(t)
		r.key.Remote = netip.MustParseAddrPort(from)
		r.expect(r.in(plain(), 0), Dropped)
		r.quiet()
	}
	r := newRig(t)
	r.key.Local = netip.MustParseAddrPort("224.0.0.1:80")
	r.expect(r.in(plain(), 0), Dropped)
}

// TestSYNReceivedOfRFC9293Section31074 sends segments to an entry.
func TestSYNReceivedOfRFC9293Section31074(t *testing.T) {
	// Seq counts from the SYN's number, Ack from that of our SYN-ACK.
	tests := []struct {
		name  string
		h     wire.TCPHeader
		n     int
		want  Verdict
		sends wire.TCPFlags
		left  int
	}{
		{"the ACK", wire.TCPHeader{Seq: 1, Ack: 1, Flags: wire.ACK}, 0, Accepted, 0, 0},
		{"ACK with data and FIN", wire.TCPHeader{Seq: 1, Ack: 1, Flags: wire.ACK | wire.FIN}, 5, Accepted, 0, 0},
		{"ACK of later data", wire.TCPHeader{Seq: 1000, Ack: 1, Flags: wire.ACK}, 5, Accepted, 0, 0},
		{"ACK of too much", wire.TCPHeader{Seq: 1, Ack: 2, Flags: wire.ACK}, 0, Answered, wire.RST, 1},
		{"ACK of nothing", wire.TCPHeader{Seq: 1, Ack: 0, Flags: wire.ACK}, 0, Answered, wire.RST, 1},
		{"before the window", wire.TCPHeader{Seq: 0, Ack: 1, Flags: wire.ACK}, 0, Answered, wire.ACK, 1},
		{"beyond the window", wire.TCPHeader{Seq: 65536, Ack: 1, Flags: wire.ACK}, 0, Answered, wire.ACK, 1},
		{"the last in the window", wire.TCPHeader{Seq: 65535, Ack: 1, Flags: wire.ACK}, 1, Accepted, 0, 0},
		{"half before the window", wire.TCPHeader{Seq: 0, Ack: 1, Flags: wire.ACK}, 5, Accepted, 0, 0},
		{"no ACK", wire.TCPHeader{Seq: 1, Flags: wire.PSH}, 5, Dropped, 0, 1},
		{"RST (RFC 5961 §3.2: exact)", wire.TCPHeader{Seq: 1, Flags: wire.RST}, 0, Ended, 0, 0},
		{"RST (RFC 5961 §3.2: in the window)", wire.TCPHeader{Seq: 2, Flags: wire.RST}, 0, Answered, wire.ACK, 1},
		{"RST (RFC 5961 §3.2: outside)", wire.TCPHeader{Seq: 0, Flags: wire.RST}, 0, Dropped, 0, 1},
		{"the SYN again", wire.TCPHeader{Seq: 0, Flags: wire.SYN}, 0, Answered, wire.SYN | wire.ACK, 1},
		{"another SYN", wire.TCPHeader{Seq: 50, Flags: wire.SYN}, 0, Answered, wire.SYN | wire.ACK, 1},
		{"SYN|ACK", wire.TCPHeader{Seq: 1, Ack: 1, Flags: wire.SYN | wire.ACK}, 0, Answered, wire.ACK, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			o := r.open(plain())
			h := test.h
			h.Seq, h.Ack = h.Seq+1000, h.Ack+o.Hdr.Seq
			r.expect(r.in(h, test.n), test.want)
			if test.sends != 0 {
				got := r.next()
				wantSeq, wantAck := o.Hdr.Seq+1, wire.Seq(1001)
				switch {
				case test.sends.Has(wire.RST):
					wantSeq, wantAck = h.Ack, 0
				case test.sends.Has(wire.SYN):
					wantSeq = o.Hdr.Seq
				}
				if got.Hdr.Flags != test.sends || got.Hdr.Seq != wantSeq || got.Hdr.Ack != wantAck {
					t.Errorf("sends %+v", got.Hdr)
				}
			}
			r.quiet()
			if r.c.Len() != test.left {
				t.Errorf("%d requests left", r.c.Len())
			}
		})
	}
}

// TestOldDuplicateOfRFC9293Figure8: an old SYN comes first; the peer resets what
// it made, and its real SYN opens the connection.
func TestOldDuplicateOfRFC9293Figure8(t *testing.T) {
	r := newRig(t)
	old := plain()
	old.Seq = 90
	o := r.open(old)
	again := r.open(plain()) // the real one, while the old is there
	if again.Hdr.Ack != 91 || again.Hdr.Seq != o.Hdr.Seq {
		t.Errorf("answer to another SYN: %+v", again.Hdr)
	}
	r.expect(r.in(wire.TCPHeader{Seq: again.Hdr.Ack, Flags: wire.RST}, 0), Ended)
	o = r.open(plain())
	r.expect(r.in(ack(&o), 0), Accepted)
	if r.hs.IRS != 1000 {
		t.Errorf("IRS %d", r.hs.IRS)
	}
}

func TestRetransmissionOfRFC6298Section55(t *testing.T) {
	r := newRig(t)
	first := r.open(full())
	start := r.now
	var at []clock.Time
	for r.c.Deadline() != clock.Never {
		r.now = r.c.Deadline()
		var o Out[int]
		for r.c.Next(&r.e, r.now, &o) {
			at = append(at, (r.now-start)/s)
			if !o.Retransmit || o.Hdr.Seq != first.Hdr.Seq || o.Hdr.Options.TSVal != first.Hdr.Options.TSVal+uint32((r.now-start)/ms) {
				t.Errorf("SYN-ACK again is %+v", o)
			}
		}
	}
	if len(at) != 3 || at[0] != 1 || at[1] != 3 || at[2] != 7 || r.now-start != 15*s {
		t.Errorf("SYN-ACKs again after %v s, end after %v", at, r.now-start)
	}
	if want := (Stats{Added: 1, Retransmitted: 3, Stale: 1}); *r.e.S != want {
		t.Errorf("statistics %+v", *r.e.S)
	}
}

// TestSYNAgainKeepsTheRequest: a SYN that comes again just before the request is
// given up is answered, and so may be its answer.
func TestSYNAgainKeepsTheRequest(t *testing.T) {
	r := newRig(t)
	r.open(full())
	start := r.now
	var o Out[int]
	for r.c.Deadline() < start+15*s {
		r.now = r.c.Deadline()
		o = r.next()
	}
	r.now = start + 15*s - ms
	r.expect(r.in(full(), 0), Answered)
	o = r.next()
	r.now += 500 * ms
	r.quiet()
	r.expect(r.in(ack(&o), 0), Accepted)
}

// TestKarnOfRFC6298Section3: which SYN-ACK was answered only timestamps tell.
func TestKarnOfRFC6298Section3(t *testing.T) {
	for _, timed := range []bool{false, true} {
		r := newRig(t)
		h := plain()
		h.Options.HasTime = timed
		first := r.open(h)
		r.now += s
		second := r.next()
		r.now += 40 * ms
		answered, want := second, 40*time.Millisecond
		if timed {
			answered, want = first, 1040*time.Millisecond
		}
		r.expect(r.in(ack(&answered), 0), Accepted)
		if !timed {
			want = 0
		}
		if r.hs.RTT != want || r.hs.Rexmits != 1 {
			t.Errorf("timestamps %v: RTT %v after %d", timed, r.hs.RTT, r.hs.Rexmits)
		}
	}
}

func TestPAWSOfRFC7323Section53(t *testing.T) {
	r := newRig(t)
	o := r.open(full())
	old := ack(&o)
	old.Options.TSVal = 4999
	r.expect(r.in(old, 0), Answered)
	if c := r.next(); c.Hdr.Flags != wire.ACK || c.Hdr.Options.TSEcr != 5000 {
		t.Errorf("challenge %+v", c.Hdr)
	}
	none := ack(&o)
	none.Options.HasTime = false
	r.expect(r.in(none, 0), Dropped) // §3.2
	r.e.T.TolerateNoTime = 1
	r.expect(r.in(none, 0), Accepted)
	if r.hs.TSRecent != 5000 || r.e.S.PAWSDropped != 2 {
		t.Errorf("TS.Recent %d, %+v", r.hs.TSRecent, *r.e.S)
	}
}

// TestChallengeLimitOfRFC5961Section7: a storm gets two answers a second.
func TestChallengeLimitOfRFC5961Section7(t *testing.T) {
	r := newRig(t)
	r.open(plain())
	n := 0
	for range 990 {
		r.now += ms
		if r.in(wire.TCPHeader{Seq: 5000, Flags: wire.RST}, 0) == Answered {
			n++
			r.next()
		}
	}
	if n != 2 || r.e.S.Challenges != 2 {
		t.Errorf("%d challenges", n)
	}
}

// TestECNGivenUpOfRFC3168Section6111: the SYN comes again without ECN.
func TestECNGivenUpOfRFC3168Section6111(t *testing.T) {
	r := newRig(t)
	r.open(full())
	h := full()
	h.Flags, h.Options.TSVal = wire.SYN, 6000
	o := r.open(h)
	if o.Hdr.Flags != wire.SYN|wire.ACK || o.Hdr.Options.TSEcr != 6000 || !o.Retransmit {
		t.Errorf("answer %+v", o.Hdr)
	}
	r.expect(r.in(ack(&o), 0), Accepted)
	if r.hs.ECN || r.e.S.DupSYN != 1 {
		t.Error("ECN is still on")
	}
}

func TestAcceptQueueFull(t *testing.T) {
	r := newRig(t)
	o := r.open(full())
	r.p.Full = true
	r.expect(r.in(ack(&o), 4), Overflow)
	r.quiet()
	r.now += s
	if again := r.next(); !again.Hdr.Flags.Has(wire.SYN | wire.ACK) {
		t.Errorf("sends %v", again.Hdr.Flags)
	}
	r.p.Full = false
	r.expect(r.in(ack(&o), 4), Accepted)
	if r.e.S.ListenDrop != 1 || r.e.S.Aborted != 0 {
		t.Errorf("%+v", *r.e.S)
	}
	o = r.open(full())
	r.p.Full, r.e.T.ResetOnFull = true, 1
	r.expect(r.in(ack(&o), 4), Overflow)
	if rst := r.next(); rst.Hdr.Flags != wire.RST || rst.Hdr.Seq != o.Hdr.Seq+1 || r.c.Len() != 0 {
		t.Errorf("sends %+v", rst.Hdr)
	}
}

// TestListenerCloses also holds that the FIB is the one the listener had.
func TestListenerCloses(t *testing.T) {
	r := newRig(t)
	for i := range 10 {
		h := plain()
		r.p.FIB = uint32(i)
		r.c.Input(&r.e, r.now, r.client(i), i%2, &r.p, &h, 0, &r.hs)
	}
	r.c.Drop(0)
	i := 1
	for q := range r.c.All() {
		if q.Listener != 1 || q.Key != r.client(i) || q.FIB != uint32(i) {
			t.Errorf("left: %+v", q)
		}
		i += 2
	}
	if r.c.Len() != 5 || i != 11 {
		t.Errorf("%d left", r.c.Len())
	}
	r.c.Drop(1)
	for range 10 { // what was queued
		r.next()
	}
	if r.c.Deadline() != clock.Never {
		t.Error("a deadline of nothing")
	}
}

// TestUnreachableOfRFC5927: one error is no proof, and a wrong number none at all.
func TestUnreachableOfRFC5927(t *testing.T) {
	r := newRig(t)
	o := r.open(plain())
	r.c.Unreachable(&r.e, r.key, o.Hdr.Seq)
	r.c.Unreachable(&r.e, r.key, o.Hdr.Seq)
	r.now += s
	r.next()
	r.c.Unreachable(&r.e, r.key, o.Hdr.Seq+1)
	if r.c.Len() != 1 {
		t.Fatal("forgotten too early")
	}
	r.c.Unreachable(&r.e, r.key, o.Hdr.Seq)
	if r.c.Len() != 0 || r.e.S.Unreach != 1 {
		t.Error("not forgotten")
	}
}
