package syn

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

func fastRig(t *testing.T) *rig {
	r := newRig(t)
	r.e.T.FastOpen, r.p.FastLimit = 1, 10
	return r
}

// fast is a SYN with a Fast Open option.
func fast(cookie ...byte) wire.TCPHeader {
	h := full()
	h.Options.HasFastOpen, h.Options.Cookie = true, uint8(copy(h.Options.FastOpen[:], cookie))
	return h
}

// cookie asks for one.
func (r *rig) cookie() []byte {
	r.Helper()
	o := r.open(fast())
	if o.Hdr.Ack != 1001 || len(o.Hdr.Options.FastOpenCookie()) != FastCookieLen {
		r.Fatalf("SYN-ACK %+v", o.Hdr)
	}
	r.expect(r.in(ack(&o), 0), Accepted)
	if r.hs.FastOpen {
		r.Fatal("a request for a cookie opened fast")
	}
	return o.Hdr.Options.FastOpenCookie()
}

func TestFastOpenOfRFC7413Section4(t *testing.T) {
	r := fastRig(t)
	cookie := r.cookie()
	r.key.Remote = netip.AddrPortFrom(r.key.Remote.Addr(), 40001) // the cookie is the address's
	r.expect(r.in(fast(cookie...), 100), Accepted)
	hs := &r.hs
	if !hs.FastOpen || hs.IRS != 1000 || hs.Seq != 1000 || hs.HasNewCookie || hs.Window != 64240 || hs.TSRecent != 5000 || !hs.Scaled || hs.MSS != 1400 || hs.FIB != 3 {
		t.Errorf("handshake %+v", *hs)
	}
	r.quiet()
	if r.c.Len() != 0 {
		t.Error("there is a request too")
	}
	if s := r.e.S; s.FastOpened != 1 || s.FastRequests != 1 || s.FastRefused != 0 {
		t.Errorf("%+v", *s)
	}
}

// TestFastOpenRefused goes on with the usual handshake, and a cookie where the
// client's is bad.
func TestFastOpenRefused(t *testing.T) {
	bad := func(r *rig, c []byte) []byte { c[3]++; return c }
	for _, test := range []struct {
		name   string
		edit   func(*rig, []byte) []byte
		offers bool
	}{
		{"wrong cookie", bad, true},
		{"short cookie", func(r *rig, c []byte) []byte { return c[:4] }, true},
		{"another client's", func(r *rig, c []byte) []byte { r.key.Remote = netip.MustParseAddrPort("10.0.0.9:5"); return c }, true},
		{"too old", func(r *rig, c []byte) []byte { r.now += 240 * s; return c }, true},
		{"RFC 7413 §5.1: too many pending", func(r *rig, c []byte) []byte { r.p.FastPending = 10; return c }, false},
		{"accept queue full", func(r *rig, c []byte) []byte { r.p.Full = true; return c }, false},
		{"listener does not", func(r *rig, c []byte) []byte { r.p.FastLimit = 0; return c }, false},
		{"stack does not", func(r *rig, c []byte) []byte { r.e.T.FastOpen = 0; return c }, false},
		{"stack does not, and no cookie", func(r *rig, c []byte) []byte { r.e.T.FastOpen = 0; return nil }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := fastRig(t)
			o := r.open(fast(test.edit(r, append([]byte(nil), r.cookie()...))...))
			if o.Hdr.Options.HasFastOpen != test.offers || o.Hdr.Ack != 1001 || r.c.Len() != 1 {
				t.Errorf("SYN-ACK %+v", o.Hdr)
			}
		})
	}
}

// TestFastOpenKeyOfRFC7413Section4131: the last key is still good, and its
// cookie is exchanged for a new one; without rotation nothing ages.
func TestFastOpenKeyOfRFC7413Section4131(t *testing.T) {
	r := fastRig(t)
	old := append([]byte(nil), r.cookie()...)
	r.now += 120 * s
	r.expect(r.in(fast(old...), 1), Accepted)
	if !r.hs.FastOpen || !r.hs.HasNewCookie || string(r.hs.NewCookie[:]) == string(old) {
		t.Errorf("handshake %+v", r.hs)
	}
	r.expect(r.in(fast(r.hs.NewCookie[:]...), 1), Accepted)
	if r.hs.HasNewCookie {
		t.Error("the new one is not good")
	}
	r.e.T.FastAutoKey = 0
	old = append([]byte(nil), r.cookie()...)
	r.now += 1e6 * s
	r.expect(r.in(fast(old...), 1), Accepted)
}

func TestISNOfRFC6528(t *testing.T) {
	a, b := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:40000")
	x, y := &Secret{1}, &Secret{2}
	if x.ISN(0, a, b) == y.ISN(0, a, b) || x.ISN(0, a, b) == x.ISN(0, b, a) || x.ISN(0, a, b) == x.ISN(0, a, a) {
		t.Error("the ISN does not depend on the secret or the ends")
	}
	if d := x.ISN(100*s, a, b) - x.ISN(99*s, a, b); d != 250000 {
		t.Errorf("%d in a second, want 250000: one every 4 µs", d)
	}
	if x.ISN(5*s, a, b) != (&Secret{1}).ISN(5*s, a, b) {
		t.Error("the same secret gives another number")
	}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), 80)
	if x.ISN(0, a, b) == x.ISN(0, mapped, b) {
		t.Error("families are not told apart")
	}
}

// TestTimestampsGoOnOfRFC6191: the offset is the pair's, whatever the time.
func TestTimestampsGoOnOfRFC6191(t *testing.T) {
	x, a, b := &Secret{1}, netip.MustParseAddrPort("[fd00::1]:80"), netip.MustParseAddrPort("[fd00::2]:4000")
	off := x.TSOffset(a, b)
	if _, o := x.Pair(77*s, a, b); o != off || off == x.TSOffset(a, netip.AddrPortFrom(b.Addr(), 4001)) {
		t.Error("the offset is not the pair's")
	}
	if Timestamp(7*s, off)-Timestamp(6*s, off) != 1000 {
		t.Error("timestamps do not count milliseconds")
	}
}
