package socket

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
)

func allowed(list ...string) Allowed {
	var a Allowed
	for _, s := range list {
		a.Addrs = append(a.Addrs, netip.MustParseAddr(s))
	}
	return a
}

// behaviour 1.2, non-vnet jail addressing: what a bind comes to.
func TestLimitLocal(t *testing.T) {
	all := Allowed{All: true}
	two4, one6 := allowed("10.0.0.3", "10.0.0.4"), allowed("2001:db8::3")
	for _, c := range []struct {
		four, six Allowed
		a         string
		v6only    bool
		want      string
	}{
		{two4, one6, "10.0.0.4", false, "10.0.0.4 []"},
		{two4, one6, "10.0.0.5", false, "EADDRNOTAVAIL"},
		{two4, one6, "127.0.0.1", false, "10.0.0.3 []"},
		{allowed("10.0.0.3", "127.0.0.1"), one6, "127.0.0.1", false, "127.0.0.1 []"},
		{two4, one6, "127.0.0.2", false, "10.0.0.3 []"},
		{two4, one6, "239.1.1.1", false, "239.1.1.1 []"},
		{two4, one6, "255.255.255.255", false, "EADDRNOTAVAIL"},
		{two4, one6, "0.0.0.0", false, "0.0.0.0 [10.0.0.3 10.0.0.4]"},
		{two4, one6, "::", true, "2001:db8::3 []"},
		{two4, one6, "::", false, ":: [2001:db8::3 10.0.0.3 10.0.0.4]"},
		{two4, all, "::", false, ":: [:: 10.0.0.3 10.0.0.4]"},
		{two4, all, "::", true, ":: []"},
		{all, one6, "::", false, ":: [2001:db8::3 0.0.0.0]"},
		{all, all, "::", false, ":: []"},
		{all, Allowed{}, "::", false, "0.0.0.0 []"},
		{two4, Allowed{}, "::", false, "0.0.0.0 [10.0.0.3 10.0.0.4]"},
		{two4, Allowed{}, "::", true, "EAFNOSUPPORT"},
		{two4, Allowed{}, "::1", false, "EAFNOSUPPORT"},
		{Allowed{}, one6, "0.0.0.0", false, "EAFNOSUPPORT"},
		{Allowed{}, one6, "239.1.1.1", false, "EAFNOSUPPORT"},
		{Allowed{}, one6, "::", false, "2001:db8::3 []"},
		{Allowed{}, Allowed{}, "::", false, "EAFNOSUPPORT"},
	} {
		l := &Limit{Gone: new(atomic.Bool), Four: c.four, Six: c.six}
		a, only, e := l.Local(netip.MustParseAddr(c.a), c.v6only)
		got := fmt.Sprint(a, " ", only)
		switch e {
		case 0:
		case syscall.EADDRNOTAVAIL:
			got = "EADDRNOTAVAIL"
		case syscall.EAFNOSUPPORT:
			got = "EAFNOSUPPORT"
		default:
			got = e.Error()
		}
		if got != c.want {
			t.Errorf("%v %v: %s (v6only %v): %s, want %s", c.four, c.six, c.a, c.v6only, got, c.want)
		}
	}
}

func TestLimitPeer(t *testing.T) {
	l := &Limit{Gone: new(atomic.Bool), Four: allowed("10.0.0.3"), Six: Allowed{All: true}}
	for a, want := range map[string]string{"127.0.0.1": "10.0.0.3", "10.0.0.9": "10.0.0.9", "::1": "::1"} {
		if got, e := l.Peer(netip.MustParseAddr(a)); got != netip.MustParseAddr(want) || e != 0 {
			t.Errorf("%s: %v %v, want %s", a, got, e, want)
		}
	}
	l.Four = Allowed{}
	if _, e := l.Peer(netip.MustParseAddr("10.0.0.9")); e != syscall.EAFNOSUPPORT {
		t.Errorf("disabled family: %v", e)
	}
	if (*Limit)(nil).Over() || l.Over() {
		t.Error("over before its time")
	}
	if l.Gone.Store(true); !l.Over() {
		t.Error("not over")
	}
}
