package jail

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Remove removes the jail and all below it, those first. Its sockets are closed. Of a
// stack of its own the interfaces that were lent go back to where they were made, if
// that is still there, and the others are removed. The error wraps ENXIO where the jail
// has been removed before, EPERM for jail 0.
func (j *Jail) Remove() error {
	t := j.t
	if j.parent == nil {
		return fmt.Errorf("%w: jail 0 is the world's", syscall.EPERM)
	}
	t.mu.Lock()
	if j.gone.Load() {
		t.mu.Unlock()
		return fmt.Errorf("%w: jail %s has been removed", syscall.ENXIO, j.name)
	}
	doomed := append(j.all(nil), j)
	for _, o := range doomed {
		t.drop(o)
	}
	t.mu.Unlock()
	for _, o := range doomed { // calls users: without the lock
		switch {
		case o.st == nil: // it is still being made
		case o.owns:
			t.end(o.st)
		default:
			usrreq.CloseJail(o.st, int32(o.id))
		}
	}
	return nil
}

// CloseStack removes a stack, and the jail that owns it with all below it. Of jail 0
// only those go that share its stack.
func (t *Tree) CloseStack(st *vnet.Stack) {
	t.mu.Lock()
	j := t.byStack[st]
	t.mu.Unlock()
	if j != nil && j.parent != nil && j.Remove() == nil {
		return
	}
	if j == t.root {
		for _, c := range t.sharing() {
			c.Remove()
		}
	}
	t.end(st)
}

// sharing returns the jails right below jail 0 that share its stack.
func (t *Tree) sharing() []*Jail {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.root.children), func(c *Jail) bool { return c.owns })
}

// end removes a stack.
func (t *Tree) end(st *vnet.Stack) {
	if !control.Shut(st) {
		return
	}
	if t.some.Load() {
		t.giveBack(st)
	}
	t.mu.Lock()
	j := t.byStack[st]
	t.mu.Unlock()
	if j != nil && j.parent != nil { // somebody has asked for it since
		j.Remove()
	}
	control.Destroy(st)
	t.ended(st)
}

// giveBack returns what was lent to a stack that is being removed, removes pairs one
// end of which is left, and forgets that anything was made in it. No lock is held.
func (t *Tree) giveBack(st *vnet.Stack) {
	for i := range st.Interfaces() {
		t.mu.Lock()
		c := t.known(st, i.Index)
		if c == nil {
			t.mu.Unlock()
			continue
		}
		if home := c.home; home != nil && !home.Closed() {
			t.mu.Unlock()
			control.Departs(st, i.Index)
			t.mu.Lock()
			if n, e := control.GiveBack(st, i.Index, home); e == 0 {
				t.moved(c, st, home, n)
				t.mu.Unlock()
				continue
			}
		}
		c.doom()
		t.mu.Unlock()
		t.destroy(c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, c := range t.away {
		if c.home == st {
			t.orphan(i, c)
		}
	}
}

// orphan forgets where an interface was made, which is gone: it stays where it is.
func (t *Tree) orphan(i *ifnet.Iface, c *clone) {
	if c.home = nil; c.peer == nil {
		delete(t.away, i)
	}
}

// Close removes all that is in the world.
func (t *Tree) Close() {
	t.mu.Lock()
	for _, j := range t.root.all(nil) {
		t.drop(j)
	}
	clear(t.away) // nothing goes back
	t.mu.Unlock()
	for _, st := range t.w.Stacks() {
		t.end(st)
	}
}
