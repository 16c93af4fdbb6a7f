//go:build novimage

package ifnet

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/vars"
)

// one is the page of the one stack that a process can have: a variable of the
// process, as without VIMAGE every V_x is one of FreeBSD's kernel. It is an atomic
// word, so that a tunable may be written while it is read, as everywhere.
var one atomic.Pointer[vars.Tunables]

// taken tells whether there is a stack.
var taken atomic.Bool

// page is nothing where the page is the process's.
type page struct{}

// V returns what the stack may be told.
func (page) V() *vars.Tunables { return one.Load() }

// SetV gives the stack another page, at once.
func (page) SetV(t *vars.Tunables) { one.Store(t) }

// OneStack tells whether a process has one stack at most.
const OneStack = true

// TakePage is called for every new stack and tells whether there is a page for
// it; GivePage, when it is gone.
func TakePage() bool { return taken.CompareAndSwap(false, true) }

// GivePage gives back what TakePage took.
func GivePage() { taken.Store(false) }
