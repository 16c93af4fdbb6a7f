package ipv6_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv6"
)

// TestSameProgram runs a small program of source-specific multicast over the kernel
// and over a stack: it cannot tell which.
func TestSameProgram(t *testing.T) {
	const want = `joined
"one" from fd00::1 to ff35::8000:7 with hop limit 3
"four" from fd00::2 to ff35::8000:7 with hop limit 3
"five" from fd00::1 to ff35::8000:7 with hop limit 3
left
"over" from ::1 to ::1 with hop limit 64
`
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		if got := program(t, n, lo); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// program joins a group for one source, then for another, and leaves it, while both
// sources speak.
func program(t *testing.T, n vimage.Network, ifi *net.Interface) string {
	var log strings.Builder
	r, s := listen(t, n, "udp6", "[::]:0"), listen(t, n, "udp6", "[::]:0")
	g, first, second := at("ff35::8000:7", port(r)), ip("fd00::1"), ip("fd00::2")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.SetMulticastInterface(ifi))
	check(s.SetMulticastHopLimit(3))
	check(r.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst, true))
	hear := func() {
		b := make([]byte, 100)
		k, cm, from, err := r.ReadFrom(b)
		check(err)
		fmt.Fprintf(&log, "%q from %v to %v with hop limit %d\n", b[:k], from.(*net.UDPAddr).IP, cm.Dst, cm.HopLimit)
	}

	check(r.JoinSourceSpecificGroup(ifi, g, first))
	fmt.Fprintln(&log, "joined")
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	send(t, s, "one", "fd00::1", g)
	send(t, s, "two", "fd00::2", g)
	hear()
	check(r.LeaveSourceSpecificGroup(ifi, g, first))
	check(r.JoinSourceSpecificGroup(ifi, g, second))
	send(t, s, "three", "fd00::1", g)
	send(t, s, "four", "fd00::2", g)
	hear()
	check(r.JoinSourceSpecificGroup(ifi, g, first))
	send(t, s, "five", "fd00::1", g)
	hear()
	check(r.LeaveGroup(ifi, g))
	fmt.Fprintln(&log, "left")
	send(t, s, "six", "fd00::1", g)
	send(t, s, "seven", "fd00::2", g)
	send(t, s, "over", "", at("::1", g.Port))
	hear()
	return log.String()
}
