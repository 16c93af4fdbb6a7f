package radv

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// FuzzInput hears any well-formed messages, cut from the input, at any moments:
// nothing panics, and what goes out keeps its distance.
func FuzzInput(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(append([]byte{1, 200, byte(len(m.Payload()))}, m.Payload()...))
	}
	f.Add([]byte{0, 1, 8, 133, 0, 0, 0, 0, 0, 0, 0, 2, 1, 8, 133, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var stats Stats
		r := NewRouter(1)
		r.Bind(&stats)
		if err := r.Start(0, radvd(), Link{MAC: wire.MAC{2}, Addr: netip.MustParseAddr("fe80::1")}); err != nil {
			t.Fatal(err)
		}
		now, last := clock.Time(0), clock.Time(-minDelay)
		pull := func() {
			var o Out
			for r.Next(now, &o) {
				if o.Dst.IsMulticast() {
					if now.Sub(last) < minDelay {
						t.Fatalf("%v after the one before", now.Sub(last))
					}
					last = now
				}
			}
			if r.Deadline() <= now {
				t.Fatalf("deadline %d at %d", r.Deadline(), now)
			}
		}
		for len(b) >= 3 {
			src, end := b[0], now.Add(time.Duration(b[1])*10*time.Millisecond)
			size := min(int(b[2]), len(b)-3)
			msg := b[3 : 3+size]
			b = b[3+size:]
			for r.Deadline() <= end {
				now = r.Deadline()
				pull()
			}
			now = end
			m := Message{Src: netip.IPv6Unspecified(), HopLimit: 255}
			if src > 0 {
				m.Src = netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: src})
			}
			var fault wire.Fault
			if m.RS, fault = wire.ParseRouterSolicit(msg); fault != wire.OK {
				if m.RA, fault = wire.ParseRouterAdvert(msg); fault != wire.OK {
					continue
				}
			}
			r.Input(now, &m)
			pull()
		}
	})
}
