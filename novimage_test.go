//go:build novimage

package vimage_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/vnet"
)

// TestOneStack: a program built with the tag novimage has room for vnet0, says so
// to who wants more, and once vnet0 is gone for another.
func TestOneStack(t *testing.T) {
	w := world(t, vimage.Config{})
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, vimage.ErrSecondStack) || !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := w.NewStack("a", vimage.StackConfig{})
	refused("a second stack", err)
	func() {
		defer func() {
			err, _ := recover().(error)
			refused("a second world", err)
		}()
		vimage.NewWorld(vimage.Config{})
	}()
	// A world that was made with nothing in it is refused its stack as well.
	if _, e := vnet.NewWorld(vnet.Config{}).MakeStack(vnet.StackConfig{Name: "b"}); e != syscall.EOPNOTSUPP {
		t.Errorf("another world's stack: %v", e)
	}
	s := w.Stack("vnet0")
	loopback(t, s)
	l := must(s.Listen("tcp", "127.0.0.1:80"))(t)
	defer l.Close()
	c := must(s.Dial("tcp", l.Addr().String()))(t)
	defer c.Close()
	if c.RemoteAddr().(*net.TCPAddr).Port != 80 {
		t.Errorf("connected to %v", c.RemoteAddr())
	}
	for _, n := range []int64{77, 78} {
		if err := s.SetSysctl("net.inet.ip.ttl", n); err != nil {
			t.Error(err)
		}
		if got := must(s.Sysctl("net.inet.ip.ttl"))(t); got != n {
			t.Errorf("TTL %d, want %d", got, n)
		}
	}
	w.Close()
	next := world(t, vimage.Config{})
	if got := must(next.Stack("vnet0").Sysctl("net.inet.ip.ttl"))(t); got != 64 {
		t.Errorf("the next stack starts with TTL %d", got)
	}
}
