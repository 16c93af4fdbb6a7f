package roster

import (
	"cmp"
	"slices"
	"sync"
	"syscall"

	"github.com/seed88948545/vimage/internal/table"
)

// Stack is what is on a Roster: it has a name, which never changes, and a place
// where the roster writes down its number.
type Stack[S any] interface {
	table.Entry[string, S]
	Number() *uint64
}

// Roster lists the visible stacks of a world. It must not be copied.
type Roster[S any, P Stack[S]] struct {
	Random
	MACs
	seed table.Seed

	mu     sync.Mutex // a leaf: guards changes
	stacks table.Table[string, S, P]
	last   uint64 // number given out last
}

// HashBy keys the hashes of names. It is called before the first stack comes.
func (r *Roster[S, P]) HashBy(seed table.Seed) { r.seed = seed }

// Stack returns the visible stack of that name, or nil.
func (r *Roster[S, P]) Stack(name string) P { return r.stacks.Get(r.seed.String(name), name) }

// Stacks returns the visible stacks in order of creation.
func (r *Roster[S, P]) Stacks() []P {
	r.mu.Lock()
	all := make([]P, 0, r.stacks.Len())
	for s := range r.stacks.All() {
		all = append(all, s)
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b P) int { return cmp.Compare(*a.Number(), *b.Number()) })
	return all
}

// Publish makes a stack visible and gives it the next number, unless it has one
// already. It returns EEXIST where the name is taken.
func (r *Roster[S, P]) Publish(s P) syscall.Errno {
	hash := r.seed.String(s.Key())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stacks.Get(hash, s.Key()) != nil {
		return syscall.EEXIST
	}
	if n := s.Number(); *n == 0 {
		r.last++
		*n = r.last
	}
	r.stacks.Put(hash, s)
	return 0
}

// TakeNumber gives out the next number, to what is no stack, or one that is still to
// be made.
func (r *Roster[S, P]) TakeNumber() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return r.last
}

// Hide makes a stack invisible and tells whether it was visible.
func (r *Roster[S, P]) Hide(s P) bool {
	hash := r.seed.String(s.Key())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stacks.Get(hash, s.Key()) != s {
		return false
	}
	r.stacks.Delete(hash, s.Key())
	return true
}
