//go:build !race

package netisr

import "sync"

// runners keeps Runners at rest.
type runners struct{ pool sync.Pool }

func (f *runners) get() *Runner {
	r, _ := f.pool.Get().(*Runner)
	return r
}

func (f *runners) put(r *Runner) { f.pool.Put(r) }
