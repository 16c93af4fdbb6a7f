// Package stacktest makes stacks for tests, in programs with many and in programs
// with one.
package stacktest

import (
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
)

// New is control.NewStack. Built with -tags novimage it skips a test that needs a
// second stack, and closes the stack when the test is over.
func New(t testing.TB, w *vnet.World, c vnet.StackConfig) (*vnet.Stack, syscall.Errno) {
	t.Helper()
	st, e := control.NewStack(w, c)
	if e == syscall.EOPNOTSUPP {
		Several(t)
	}
	if ifnet.OneStack && e == 0 {
		t.Cleanup(func() { control.Close(st) })
	}
	return st, e
}

// Several skips a test that needs several stacks where there can be but one.
func Several(t testing.TB) {
	t.Helper()
	if ifnet.OneStack {
		t.Skip("needs several stacks: the tag novimage leaves room for one")
	}
}
