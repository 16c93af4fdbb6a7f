//go:build !novimage

package ifnet

import "github.com/seed88948545/vimage/internal/vars"

// page is where a stack's view has its tunables. With the build tag novimage
// another file takes this one's place.
type page struct{ tun *vars.Tunables }

// V returns what the stack may be told: FreeBSD's V_.
func (p *page) V() *vars.Tunables { return p.tun }

// SetV gives a view that is not yet published another page.
func (p *page) SetV(t *vars.Tunables) { p.tun = t }

// OneStack tells whether a process has one stack at most.
const OneStack = false

// TakePage is called for every new stack and tells whether there is a page for
// it; GivePage, when it is gone.
func TakePage() bool { return true }

// GivePage gives back what TakePage took.
func GivePage() {}
