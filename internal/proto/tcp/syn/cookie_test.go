package syn

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// cookieRig remembers nothing.
func cookieRig(t *testing.T) *rig {
	r := newRig(t)
	r.e.T.CookiesOnly = 1
	return r
}

func TestCookieOfRFC4987Section36(t *testing.T) {
	r := cookieRig(t)
	h := full()
	o := r.open(h)
	if r.c.Len() != 0 || o.FIB != 5 || !o.Hdr.Flags.Has(wire.SYN|wire.ACK|wire.ECE) {
		t.Errorf("%d requests, SYN-ACK %+v", r.c.Len(), o)
	}
	offset := r.c.secret.TSOffset(r.key.Local, r.key.Remote)
	if late := Timestamp(r.now, offset) - o.Hdr.Options.TSVal; late >= 64 {
		t.Errorf("the timestamp is %d ms late", int32(late))
	}
	r.now += 10 * ms
	r.expect(r.in(ack(&o), 3), Accepted)
	want := Handshake{
		ISS: o.Hdr.Seq, IRS: 1000, Seq: 1001, Ack: o.Hdr.Seq + 1, MSS: 1400, Offered: 65535, SendScale: 9, RecvScale: 7,
		Scaled: true, SACK: true, Timestamps: true, ECN: true, TSOffset: offset, TSRecent: 5020, Window: 500 << 9, FIB: 3, Cookie: true,
	}
	if r.hs != want {
		t.Errorf("handshake is\n%+v, want\n%+v", r.hs, want)
	}
	if want := (Stats{SentCookies: 1, RecvCookies: 1, Completed: 1}); *r.e.S != want {
		t.Errorf("statistics %+v", *r.e.S)
	}
}

// TestCookieSaysNoMoreThanItCan tries every segment size class, scale and
// option: with timestamps all but the size is exact, without them the scale is
// rounded down and ECN is not offered.
func TestCookieSaysNoMoreThanItCan(t *testing.T) {
	for mss := uint16(216); mss < 1500; mss += 31 {
		for bits := range 16 * 8 {
			r := cookieRig(t)
			h := plain()
			o := &h.Options
			o.MSS, o.HasTime, o.SACKOK, o.TSVal = mss, bits&1 != 0, bits&2 != 0, 9
			if bits&4 != 0 {
				h.Flags |= wire.ECE | wire.CWR
			}
			if o.Scale = uint8(bits >> 3); o.Scale < 15 {
				o.HasScale = true
			}
			sa := r.open(h)
			r.expect(r.in(ack(&sa), 0), Accepted)
			hs := &r.hs
			ok := hs.MSS <= mss && (mss < 1200 || hs.MSS >= mss-160) && hs.SACK == o.SACKOK && hs.Timestamps == o.HasTime && hs.Scaled == o.HasScale
			if o.HasTime {
				ok = ok && hs.ECN == (bits&4 != 0) && (!o.HasScale || hs.SendScale == o.Scale)
			} else {
				ok = ok && !hs.ECN && !sa.Hdr.Flags.Has(wire.ECE) && (!o.HasScale || hs.SendScale <= o.Scale && int(hs.SendScale) >= min(int(o.Scale)-2, 8))
			}
			if !ok {
				t.Fatalf("SYN %+v\nhandshake %+v", h, *hs)
			}
		}
	}
}

// TestCookieAges: one is good for 15 to 30 seconds.
func TestCookieAges(t *testing.T) {
	const gen = clock.Time(cookieLife)
	for _, test := range []struct {
		sent, back clock.Time
		want       Verdict
	}{
		{0, 0, Accepted}, {0, gen - 1, Accepted}, {gen - 1, gen, Accepted}, {0, 2*gen - 1, Accepted}, {gen - 1, 2*gen - 1, Accepted},
		{0, 2 * gen, Answered}, {gen - 1, 2 * gen, Answered}, {gen - 1, 3*gen - 2, Answered}, {0, 100 * gen, Answered},
	} {
		for parity := range clock.Time(2) {
			r := cookieRig(t)
			base := (20 + parity) * gen
			r.now = base + test.sent
			o := r.open(full())
			r.now = base + test.back
			if got := r.in(ack(&o), 0); got != test.want {
				t.Errorf("sent at %v, back at %v: %v", test.sent, test.back, got)
			}
		}
	}
}

// TestCookieBoundToItsConnection changes one thing at a time.
func TestCookieBoundToItsConnection(t *testing.T) {
	changes := map[string]func(*rig, *wire.TCPHeader){
		"port":       func(r *rig, h *wire.TCPHeader) { r.key.Remote = netip.AddrPortFrom(r.key.Remote.Addr(), 40001) },
		"address":    func(r *rig, h *wire.TCPHeader) { r.key.Remote = netip.MustParseAddrPort("10.0.0.3:40000") },
		"local":      func(r *rig, h *wire.TCPHeader) { r.key.Local = netip.MustParseAddrPort("10.0.0.1:81") },
		"sequence":   func(r *rig, h *wire.TCPHeader) { h.Seq++ },
		"cookie":     func(r *rig, h *wire.TCPHeader) { h.Ack ^= 1 << 20 },
		"options":    func(r *rig, h *wire.TCPHeader) { h.Ack += 4 },
		"timestamp":  func(r *rig, h *wire.TCPHeader) { h.Options.TSEcr ^= timeECN },
		"no time":    func(r *rig, h *wire.TCPHeader) { h.Options.HasTime = false },
		"our scale":  func(r *rig, h *wire.TCPHeader) { r.p.Scale = 3 },
		"our secret": func(r *rig, h *wire.TCPHeader) { r.c.secret = &Secret{9} },
		"switch":     func(r *rig, h *wire.TCPHeader) { r.e.T.Cookies = 0 },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := cookieRig(t)
			o := r.open(full())
			h := ack(&o)
			change(r, &h)
			r.expect(r.in(h, 0), Answered)
			if rst := r.next(); rst.Hdr.Flags != wire.RST || rst.Hdr.Seq != h.Ack {
				t.Errorf("answer %+v", rst.Hdr)
			}
			if r.e.S.FailedCookies+r.e.S.SpurCookies != 1 {
				t.Errorf("%+v", *r.e.S)
			}
		})
	}
}

// TestCookiesOnlyWhileThereAreSome: no ACK is hashed as long as none was sent.
func TestCookiesOnlyWhileThereAreSome(t *testing.T) {
	r := newRig(t)
	o := r.open(full())
	h := ack(&o)
	r.c.Drop(7)
	r.expect(r.in(h, 0), Answered)
	r.next()
	if r.e.S.SpurCookies != 1 || r.e.S.FailedCookies != 0 {
		t.Errorf("%+v", *r.e.S)
	}
}

// TestCookieMeetsFullQueue: it becomes a request, which can wait, and which
// takes any segment of the window.
func TestCookieMeetsFullQueue(t *testing.T) {
	r := cookieRig(t)
	o := r.open(full())
	r.p.Full = true
	h := ack(&o)
	r.expect(r.in(h, 0), Overflow)
	r.quiet()
	if r.c.Len() != 1 || r.e.S.ListenDrop != 1 {
		t.Fatalf("%d requests", r.c.Len())
	}
	r.p.Full = false
	h.Seq += 100
	r.expect(r.in(h, 50), Accepted)
	if r.hs.ISS != o.Hdr.Seq || r.hs.Seq != 1101 || r.hs.TSRecent != 5020 {
		t.Errorf("handshake %+v", r.hs)
	}
	o = r.open(full())
	r.p.Full, r.e.T.ResetOnFull = true, 1
	r.expect(r.in(ack(&o), 0), Overflow)
	if r.next().Hdr.Flags != wire.RST || r.c.Len() != 0 {
		t.Error("no reset")
	}
}

// TestFullCache: with cookies what is there stays, without them the oldest goes,
// and a number that must be above a floor is not left to a cookie.
func TestFullCache(t *testing.T) {
	for _, cookies := range []int32{0, 1} {
		r := newRig(t)
		r.e.T.CacheLimit, r.e.T.Cookies = 4, cookies
		for i := range 10 {
			h := plain()
			r.c.Input(&r.e, r.now, r.client(i), 7, &r.p, &h, 0, &r.hs)
			r.next()
		}
		first := 6 * (1 - int(cookies))
		if r.c.Len() != 4 || !r.c.Has(r.client(first)) || !r.c.Has(r.client(first+3)) {
			t.Errorf("cookies %d: %d requests", cookies, r.c.Len())
		}
		if want := uint64(6 * cookies); r.e.S.SentCookies != want || r.e.S.CacheOverflow != 6-want || r.e.S.Added != 10-want {
			t.Errorf("cookies %d: %+v", cookies, *r.e.S)
		}
		r.p.HasFloor, r.p.Floor = true, 12345
		r.open(plain())
		if !r.c.Has(r.key) || r.c.Len() != 4 {
			t.Errorf("cookies %d: the reopened connection has no entry", cookies)
		}
	}
}
