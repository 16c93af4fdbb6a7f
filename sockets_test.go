package vimage_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage"
)

func socketLines(s *vimage.Stack) string {
	var b strings.Builder
	for _, i := range s.Sockets() {
		fmt.Fprintf(&b, "%s/%d %v %v %s %s %s %d/%d %d/%d fib%d jail%d\n", i.Protocol, i.Number, i.IPv4, i.IPv6, i.Local, i.Remote, i.State,
			i.RecvQ, i.SendQ, i.Waiting, i.Backlog, i.FIB, min(i.Jail, 1))
	}
	return b.String()
}

// TestSockets lists sockets of all kinds, bytes that wait, connections without a
// socket, and what a jail sees that shares the stack.
func TestSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharing(t)
		defer s.w.Close()
		must(s.host.ListenPacket("udp", "[::]:53"))(t)
		must(s.host.ListenPacket("ip4:89", "10.0.0.1"))(t)
		must(s.one.ListenPacket("udp", ":5353"))(t)
		one := must(s.one.Listen("tcp", ":80"))(t)
		listen := must(s.host.Listen("tcp4", "10.0.0.1:80"))(t)

		must(s.peer.Dial("tcp", "10.0.0.2:80"))(t) // is not accepted
		out := must(s.peer.DialTCP("tcp4", &net.TCPAddr{Port: 2000}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80}))(t)
		in := must(listen.Accept())(t)
		must(out.Write(make([]byte, 100)))(t)
		synctest.Wait()
		if got, want := socketLines(s.host), `tcp/6 true false 10.0.0.1:80 invalid AddrPort LISTEN 0/0 0/4096 fib0 jail0
tcp/6 true false 10.0.0.1:80 10.0.0.9:2000 ESTABLISHED 100/0 0/0 fib0 jail0
`; !strings.Contains(got, want) {
			t.Errorf("the host has\n%swant among them\n%s", got, want)
		}
		if got, want := socketLines(s.host), `udp/17 true true [::]:53 invalid AddrPort  0/0 0/0 fib0 jail0
udp/17 true true [::]:5353 invalid AddrPort  0/0 0/0 fib0 jail1
ip/89 true false 10.0.0.1:0 invalid AddrPort  0/0 0/0 fib0 jail0
`; !strings.HasSuffix(got, want) {
			t.Errorf("the host has\n%swant at the end\n%s", got, want)
		}
		for _, i := range s.one.Sockets() {
			if i.Jail == 0 || i.Protocol == "ip" {
				t.Errorf("the jail sees %+v", i)
			}
		}
		if got := socketLines(s.one); strings.Count(got, "\n") != 3 || !strings.Contains(got, "LISTEN 0/0 1/4096") {
			t.Errorf("the jail has\n%swant three, one connection to be accepted", got)
		}

		// Who closes first waits for the last segments to die out.
		must(in.Read(make([]byte, 100)))(t)
		out.Close()
		in.Close()
		one.Close()
		synctest.Wait()
		if got, want := socketLines(s.peer), "10.0.0.9:2000 10.0.0.1:80 TIME-WAIT 0/0 0/0 fib0 jail0"; !strings.Contains(got, want) {
			t.Errorf("the peer has\n%swant among them\n%s", got, want)
		}
	})
}

// TestQueues counts what the shards of a stack have processed.
func TestQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := vimage.NewWorld(vimage.Config{})
		defer w.Close()
		a, b := pair(t, w)
		listen := must(b.ListenPacket("udp4", ":9"))(t)
		out := must(a.Dial("udp4", "10.0.0.2:9"))(t)
		for range 10 {
			must(out.Write([]byte("x")))(t)
		}
		synctest.Wait()
		defer listen.Close()
		q := b.Queues()
		if len(q) != 1 || q[0].Handled() < 10 || q[0].Len != 0 || q[0].Limit != 4096 || q[0].Drops != 0 || q[0].Handled() != q[0].Direct+q[0].Queued {
			t.Errorf("the queues of who was sent 10 packets: %+v", q)
		}
	})
}

// TestResetCounters makes the counters of one protocol zero, then all.
func TestResetCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := vimage.NewWorld(vimage.Config{})
		defer w.Close()
		a, _ := pair(t, w)
		out := must(a.Dial("udp4", "10.0.0.2:9"))(t)
		must(out.Write([]byte("x")))(t)
		synctest.Wait()
		if err := a.ResetCounters("ud"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("a protocol that there is not: %v", err)
		}
		if err := a.ResetCounters("udp"); err != nil {
			t.Fatal(err)
		}
		if c := a.Counters(); c["udp.sent"] != 0 || c["ip.sent"] == 0 {
			t.Errorf("after those of udp were made zero: %v", c)
		}
		if err := a.ResetCounters(""); err != nil {
			t.Fatal(err)
		}
		for name, n := range a.Counters() {
			if n != 0 && !strings.HasPrefix(name, "drop.") {
				t.Errorf("%s is %d after all were made zero", name, n)
			}
		}
		names := vimage.CounterNames()
		for name := range a.Counters() {
			if !slices.Contains(names, name) {
				t.Errorf("CounterNames knows no %s", name)
			}
		}
	})
}
