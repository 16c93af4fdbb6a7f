package jail

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Tree is the jails of one world.
type Tree struct {
	w    *vnet.World
	root *Jail

	mu      sync.Mutex // control: taken before all others
	byName  map[string]*Jail
	byStack map[*vnet.Stack]*Jail // those with a stack of their own
	away    map[*ifnet.Iface]*clone
	some    atomic.Bool // there has been an entry of away
	ended   func(*vnet.Stack)
}

// NewTree returns the tree of a world whose first stack is st: jail 0, which owns it
// and may do everything. Whenever a stack has been removed, in whatever way, ended is
// called, without a lock.
func NewTree(w *vnet.World, st *vnet.Stack, ended func(*vnet.Stack)) *Tree {
	t := &Tree{w: w, ended: ended, byName: make(map[string]*Jail), byStack: make(map[*vnet.Stack]*Jail), away: make(map[*ifnet.Iface]*clone)}
	t.root = &Jail{t: t, name: "0", st: st, owns: true}
	t.root.cfg = Config{Name: "0", VNET: true, Persist: true, ChildrenMax: math.MaxInt32, Allow: Flags{true, true}}
	t.byStack[st] = t.root
	return t
}

// Root returns jail 0.
func (t *Tree) Root() *Jail { return t.root }

// number is that of the jail that owns a stack.
func numberOf(st *vnet.Stack) int { return int(*st.Number()) - 1 }

// Of returns the jail that owns a stack, nil where the stack has been removed.
func (t *Tree) Of(st *vnet.Stack) *Jail {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of(st)
}

func (t *Tree) of(st *vnet.Stack) *Jail {
	if j := t.byStack[st]; j != nil || st.Closed() || t.byName[st.Name()] != nil {
		return j // or its jail is still being made
	}
	j := &Jail{t: t, id: numberOf(st), name: st.Name(), parent: t.root, st: st, owns: true}
	j.cfg = Config{Name: j.name, VNET: true, Persist: true}
	j.derive()
	t.add(j)
	return j
}

// add puts a jail into the tree. The lock is held, as it is for all that follow.
func (t *Tree) add(j *Jail) {
	t.byName[j.name] = j
	if j.owns && j.st != nil {
		t.byStack[j.st] = j
	}
	p := j.parent
	at, _ := slices.BinarySearchFunc(p.children, j.id, func(c *Jail, id int) int { return c.id - id })
	p.children = slices.Insert(p.children, at, j)
}

// drop takes a jail out of the tree.
func (t *Tree) drop(j *Jail) {
	j.gone.Store(true)
	delete(t.byName, j.name)
	if j.owns {
		delete(t.byStack, j.st)
	}
	if p := j.parent; p != nil {
		p.children = slices.DeleteFunc(p.children, func(c *Jail) bool { return c == j })
	}
}

// NewStack makes a stack as control.NewStack does: it is a child of jail 0, and so
// must not have the name of a jail.
func (t *Tree) NewStack(c vnet.StackConfig) (*vnet.Stack, syscall.Errno) {
	t.mu.Lock()
	taken := t.byName[c.Name] != nil
	t.mu.Unlock()
	if taken {
		return nil, syscall.EEXIST
	}
	return control.NewStack(t.w, c)
}

// Children returns the jails right below j, by number.
func (j *Jail) Children() []*Jail {
	t := j.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if j == t.root {
		for _, st := range t.w.Stacks() {
			t.of(st)
		}
	}
	return slices.DeleteFunc(slices.Clone(j.children), (*Jail).Gone)
}

// Find returns the jail below j that has a name, as it is called in j ("b.c"), or a
// number; nil where there is none. Nobody sees jails beside and above his own.
func (j *Jail) Find(name string) *Jail {
	t := j.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, err := strconv.Atoi(name); err == nil {
		return t.numbered(j, n)
	}
	whole := name
	if j != t.root {
		whole = j.name + "." + name
	}
	if f := t.byName[whole]; f != nil && !f.gone.Load() && f.below(j) { // a stack's name may have dots
		return f
	}
	if j != t.root {
		return nil
	}
	if st := t.w.Stack(name); st != nil && t.byStack[st] != t.root {
		return t.of(st)
	}
	return nil
}

// below tells whether j is in another jail, however deep.
func (j *Jail) below(top *Jail) bool {
	for j = j.parent; j != nil; j = j.parent {
		if j == top {
			return true
		}
	}
	return false
}

func (t *Tree) numbered(j *Jail, n int) *Jail {
	for _, c := range j.all(nil) {
		if c.id == n && !c.gone.Load() {
			return c
		}
	}
	if j != t.root {
		return nil
	}
	for _, st := range t.w.Stacks() {
		if numberOf(st) == n && st != t.root.st {
			return t.of(st)
		}
	}
	return nil
}

// Create makes a jail below j. The errors wrap ENXIO where j has been removed, EPERM
// where there may be no more below it, or what is asked for is not j's to give,
// EEXIST where the name is taken, EINVAL for parameters that do not fit, and what
// moving the interfaces comes to.
func (j *Jail) Create(c Config) (*Jail, error) {
	t := j.t
	t.mu.Lock()
	n, err := t.plan(j, &c)
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	st := j.st
	if c.VNET { // calls modules: without the lock
		var e syscall.Errno
		st, e = control.NewStack(t.w, vnet.StackConfig{Name: n.name, Shards: c.Shards, Number: uint64(n.id) + 1})
		if e != 0 {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.drop(n)
			return nil, e
		}
	}
	if !t.admit(n, st) {
		if c.VNET {
			control.Close(st)
		}
		return nil, fmt.Errorf("%w: jail %s has been removed", syscall.ENXIO, j.name)
	}
	if err := n.lend(c.Interfaces); err != nil {
		n.Remove()
		return nil, err
	}
	return n, nil
}

// plan returns a jail that is not visible yet, and has no stack, but its name and its
// place in the tree.
func (t *Tree) plan(in *Jail, c *Config) (*Jail, error) {
	if in.gone.Load() {
		return nil, fmt.Errorf("%w: jail %s has been removed", syscall.ENXIO, in.name)
	}
	for p := in; p != nil; p = p.parent {
		if p != t.root && len(p.all(nil)) >= p.cfg.ChildrenMax {
			return nil, fmt.Errorf("%w: children.max of jail %s is %d", syscall.EPERM, p.name, p.cfg.ChildrenMax)
		}
	}
	if err := c.check(c.VNET); err != nil {
		return nil, err
	}
	if err := in.mayGive(c); err != nil {
		return nil, err
	}
	j := &Jail{t: t, id: int(t.w.TakeNumber()) - 1, parent: in, owns: c.VNET}
	if err := t.name(j, c); err != nil {
		return nil, err
	}
	j.gone.Store(true)
	j.cfg = c.clone()
	t.add(j)
	return j, nil
}

// admit makes a planned jail visible; false where it has been removed since.
func (t *Tree) admit(j *Jail, st *vnet.Stack) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byName[j.name] != j || st.Closed() {
		return false
	}
	if j.st = st; j.owns {
		t.byStack[st] = j
	}
	j.derive()
	j.gone.Store(false)
	return true
}

// name gives a jail its name.
func (t *Tree) name(j *Jail, c *Config) error {
	switch n, err := strconv.Atoi(c.Name); {
	case c.Name == "":
		c.Name = strconv.Itoa(j.id)
	case strings.Contains(c.Name, "."):
		return fmt.Errorf("%w: a dot in the name %q: create it in jail %s", syscall.EINVAL, c.Name, c.Name[:strings.LastIndex(c.Name, ".")])
	case err == nil && n != j.id:
		return fmt.Errorf("%w: the name %q is a number: the jail gets %d", syscall.EINVAL, c.Name, j.id)
	}
	if j.name = c.Name; j.parent != t.root {
		j.name = j.parent.name + "." + c.Name
	}
	if t.byName[j.name] != nil || t.w.Stack(j.name) != nil {
		return fmt.Errorf("%w: there is a jail %s", syscall.EEXIST, j.name)
	}
	return nil
}

// Enter counts one more who is in the jail; Leave one less. Of a jail that does not
// persist the last one turns out the light. Enter returns false where the jail has
// been removed.
func (j *Jail) Enter() bool {
	j.t.mu.Lock()
	defer j.t.mu.Unlock()
	if j.gone.Load() {
		return false
	}
	j.procs++
	return true
}

// Leave undoes one Enter.
func (j *Jail) Leave() {
	j.t.mu.Lock()
	j.procs--
	last := j.procs == 0 && !j.cfg.Persist
	j.t.mu.Unlock()
	if last {
		j.Remove()
	}
}
