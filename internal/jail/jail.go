package jail

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Jail is an owner in the tree: of a stack, or of a part of its parent's.
type Jail struct {
	t      *Tree
	id     int
	name   string // whole: "a.b"
	parent *Jail  // nil for jail 0
	st     *vnet.Stack
	owns   bool // st is its own

	deny  atomic.Uint32                // a bit per Priv
	limit atomic.Pointer[socket.Limit] // nil: all addresses of st
	gone  atomic.Bool

	// Under the tree's lock.
	cfg      Config
	children []*Jail // by number
	procs    int
}

// ID returns the jail's number.
func (j *Jail) ID() int { return j.id }

// Name returns the jail's name, with those of the jails it is in before it: "a.b".
// That of jail 0 is "0".
func (j *Jail) Name() string { return j.name }

// Stack returns the stack the jail uses, nil where that or the jail has been removed.
func (j *Jail) Stack() *vnet.Stack {
	if j.gone.Load() || j.st.Closed() {
		return nil
	}
	return j.st
}

// Place returns the stack the jail uses, or used before it was removed.
func (j *Jail) Place() *vnet.Stack { return j.st }

// Owns tells whether the jail's stack is its own (vnet=new).
func (j *Jail) Owns() bool { return j.owns }

// Gone tells whether the jail has been removed.
func (j *Jail) Gone() bool { return j.gone.Load() }

// under tells whether j is a jail below o.
func (j *Jail) under(o *Jail) bool {
	for p := j.parent; p != nil; p = p.parent {
		if p == o {
			return true
		}
	}
	return false
}

// all appends the jails below j, each after those below it.
func (j *Jail) all(to []*Jail) []*Jail {
	for _, c := range j.children {
		to = append(c.all(to), c)
	}
	return to
}
