package vimage_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage"
)

// Resets are limited as ICMP errors are (net.inet.icmp.icmplim): a scan cannot
// make a stack answer without bound.
func TestTCPRefusalsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := tcpHosts(t)
		d := vimage.Dialer{Stack: a.Stack}
		refused := func() (n int) {
			for port := range 300 {
				c, err := d.Start("tcp", fmt.Sprintf("%v:%d", b.Addr(), 1000+port))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Connected(); errors.Is(err, syscall.ECONNREFUSED) {
					n++
				}
				c.Close()
			}
			return n
		}
		if n := refused(); n != 200 {
			t.Errorf("%d of 300 connections were refused at once, want 200", n)
		}
		if n := b.Counters()["icmp.ratelimited"]; n != 100 {
			t.Errorf("%d resets were held back, want 100", n)
		}
		b.SetSysctl("net.inet.icmp.icmplim", 0)
		if n := refused(); n != 300 {
			t.Errorf("without a limit %d of 300 were refused", n)
		}
	})
}
