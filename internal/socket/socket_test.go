package socket

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/wire"
)

func newDatagram() (*Datagram, *clock.Sim, *Options) {
	c, s, o := clock.NewSim(), new(Datagram), Defaults()
	s.Init(netisr.NewSched(c), wire.ProtoUDP, &o)
	return s, c, &o
}

// TestOptionsAreShared: sockets share a page until one of them changes it.
func TestOptionsAreShared(t *testing.T) {
	s, _, o := newDatagram()
	if s.Opts.Load() != o {
		t.Error("a new socket has a page of its own")
	}
	s.SetBroadcast(true)
	if !s.Opts.Load().Broadcast || o.Broadcast {
		t.Error("the shared page changed, or the socket's did not")
	}
	for _, c := range []struct {
		name string
		e    syscall.Errno
		bad  bool
	}{
		{"ttl 0", s.SetTTL(0), true}, {"ttl 256", s.SetTTL(256), true}, {"ttl -2", s.SetTTL(-2), true},
		{"ttl -1", s.SetTTL(-1), false}, {"ttl 255", s.SetTTL(255), false},
		{"hop limit -2", s.SetHopLimit(-2), true}, {"hop limit 256", s.SetHopLimit(256), true}, {"hop limit 0", s.SetHopLimit(0), false},
		{"tos -1", s.SetTOS(-1), true}, {"tos 256", s.SetTOS(256), true}, {"tos 255", s.SetTOS(255), false},
	} {
		if (c.e == syscall.EINVAL) != c.bad || !c.bad && c.e != 0 {
			t.Errorf("%s: %v", c.name, c.e)
		}
	}
}

// TestTTLFor: what was said of one packet, the socket's own, the stack's.
func TestTTLFor(t *testing.T) {
	one, many := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("232.0.0.1")
	own := Defaults()
	own.TTL, own.Mcast4.TTL, own.Mcast6.TTL = 9, 3, 4
	def, zero := Defaults(), Defaults()
	zero.TTL = 0 // RFC 3493 §5.1: 0 <= x <= 255, use x
	one6, many6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("ff3e::1")
	for _, c := range []struct {
		o    *Options
		dst  netip.Addr
		want uint8
	}{
		{&def, one, 64}, {&own, one, 9}, {&def, many, 1}, {&own, many, 3},
		{&def, one6, 64}, {&own, one6, 9}, {&zero, one6, 0}, {&zero, one, 64}, {&def, many6, 1}, {&own, many6, 4},
		{(&Send{TTL: 7}).Over(&own), one, 7}, {(&Send{TTL: 7}).Over(&own), many, 7}, {(&Send{}).Over(&own), many, 3},
	} {
		if got := c.o.TTLFor(c.dst, 64); got != c.want {
			t.Errorf("%v to %v: %d, want %d", *c.o, c.dst, got, c.want)
		}
	}
	for _, is6 := range []bool{false, true} {
		o := Defaults()
		if o.Loops(is6, false) || !o.Loops(is6, true) {
			t.Error("without multicast options of its own, the stack decides")
		}
		o.Multicast(is6).Own = true
		if !o.Loops(is6, false) {
			t.Error("with multicast options of its own, the stack decides")
		}
		if o.Loops(!is6, false) {
			t.Error("options of the other family count")
		}
	}
}

// TestMayWrite: closed, or too late.
func TestMayWrite(t *testing.T) {
	s, c, _ := newDatagram()
	may := func(want error) {
		t.Helper()
		if err := s.MayWrite(s.Addrs.Load()); err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	may(nil)
	s.SetWriteDeadline(c.Wall(c.Now()).Add(time.Second))
	may(nil)
	c.RunUntil(clock.Time(time.Second))
	may(os.ErrDeadlineExceeded)
	s.SetWriteDeadline(time.Unix(-1<<40, 0))
	may(os.ErrDeadlineExceeded)
	s.SetWriteDeadline(time.Time{})
	may(nil)
	s.Addrs.Store(&Addrs{Closed: true})
	may(net.ErrClosed)
	if err := s.SetWriteDeadline(time.Time{}); err != net.ErrClosed {
		t.Errorf("deadline of a closed socket: %v", err)
	}
}

// TestV6OnlyBeforeBind: what a bound socket receives does not change.
func TestV6OnlyBeforeBind(t *testing.T) {
	s, _, _ := newDatagram()
	if s.Opts.Load().V6Only {
		t.Error("RFC 3493 §5.3: off by default")
	}
	if e := s.SetV6Only(true); e != 0 || !s.Opts.Load().V6Only {
		t.Errorf("before bind: %v", e)
	}
	s.Addrs.Store(&Addrs{Local: netip.MustParseAddrPort("[::]:5")})
	if e := s.SetV6Only(false); e != syscall.EINVAL || !s.Opts.Load().V6Only {
		t.Errorf("after bind: %v", e)
	}
}
