package vimage_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// RFC 7413: the second connection to a server takes its first bytes along with
// the SYN, so that they arrive a round trip earlier; and a server has only so many
// connections that have begun like that and not been confirmed.
func TestTCPFastOpen(t *testing.T) {
	const way = 50 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		a, b := tcpHosts(t, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: way}})
		if err := a.SetSysctl("net.inet.tcp.fastopen.client_enable", 1); err != nil {
			t.Fatal(err)
		}
		if err := b.SetSysctl("net.inet.tcp.fastopen.server_enable", 1); err != nil {
			t.Fatal(err)
		}
		lc := vimage.ListenConfig{Stack: b.Stack, FastOpen: true, Backlog: 2}
		l, err := lc.Listen(context.Background(), "tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		d := vimage.Dialer{Stack: a.Stack, FastOpen: true}
		arrives := func() time.Duration {
			began := time.Now()
			c, err := d.Dial("tcp", fmt.Sprintf("%v:80", b.Addr()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			buf := make([]byte, 8)
			if n, err := s.Read(buf); string(buf[:n]) != "hello" || err != nil {
				t.Fatalf("%q, %v", buf[:n], err)
			}
			return time.Since(began)
		}
		arrives() // resolves addresses and gets the cookie
		if took := arrives(); took != way {
			t.Errorf("the first bytes arrived after %v, want %v", took, way)
		}
		if n := b.Counters()["tcp.fastopen_accepted"]; n != 1 {
			t.Errorf("%d connections by Fast Open, want 1", n)
		}
		for range 6 { // none of them is confirmed before the next begins
			c, err := d.Start("tcp", fmt.Sprintf("%v:80", b.Addr()))
			if err != nil {
				t.Fatal(err)
			}
			c.TryWrite([]byte("x"))
			defer c.Close()
		}
		synctest.Wait()
		<-time.After(way + way/2)
		if n := b.Counters()["tcp.fastopen_overflow"]; n == 0 {
			t.Errorf("the limit of connections that are not confirmed was not enforced: %v", b.Counters())
		}
	})
}
