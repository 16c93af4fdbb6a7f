package usrreq_test

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/link"
)

// TestLoopDefault: whether a socket hears itself is what the sysctl of the family
// says until the socket has options of its own, then what it said at that moment,
// until IP_MULTICAST_LOOP overrides it (behaviour 10, case 52).
func TestLoopDefault(t *testing.T) {
	for _, c := range []struct {
		sysctl, group string
		set           func(s usrreq.Sock, on bool)
		ttl           func(s usrreq.Sock, n int) syscall.Errno
	}{
		{"net.inet.ip.mcast.loop", "239.1.1.1", usrreq.Sock.SetMulticastLoop, usrreq.Sock.SetMulticastTTL},
		{"net.inet6.ip6.mcast.loop", "ff0e::1", usrreq.Sock.SetMulticastLoop6, usrreq.Sock.SetMulticastHops},
	} {
		st := newStack(t, newWorld(), "a")
		on := usrreq.McastIf{Index: plug(t, st, "e0", link.NewEpair(0).A(), "10.0.0.1/24", "fd00::1/64")}
		hear := listen(t, st, "[::]:5000")
		must(t, hear.Mcast(usrreq.McastJoin, on, addr(c.group), netip.Addr{}))
		loops := func(s usrreq.Sock) bool {
			if _, err := s.WriteTo([]byte("x"), netip.AddrPortFrom(addr(c.group), 5000), &socket.Send{IfIndex: on.Index}); err != nil {
				t.Fatal(c.sysctl, err)
			}
			_, err := hear.ReadFrom(make([]byte, 1), nil, false)
			return err == nil
		}
		early, late := listen(t, st, "[::]:0"), listen(t, st, "[::]:0")
		must(t, c.ttl(early, 2))
		if !loops(early) || !loops(late) {
			t.Errorf("%s = 1: does not loop", c.sysctl)
		}
		must(t, st.SetSysctl(c.sysctl, 0))
		if !loops(early) || loops(late) {
			t.Errorf("%s = 0: the one with options of its own loops %t, the other %t", c.sysctl, loops(early), loops(late))
		}
		must(t, c.ttl(late, 2))
		must(t, st.SetSysctl(c.sysctl, 1))
		if loops(late) {
			t.Errorf("%s = 0 at the moment of the first option: loops", c.sysctl)
		}
		c.set(late, true)
		c.set(early, false)
		if !loops(late) || loops(early) {
			t.Errorf("%s: the option does not count", c.sysctl)
		}
	}
}
