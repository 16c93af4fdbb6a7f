//go:build race

package netisr

import "sync"

// runners keeps Runners at rest. The race detector's sync.Pool forgets a
// quarter of what it is given, and every Runner's buffers with it.
type runners struct {
	mu   sync.Mutex // a leaf
	idle []*Runner
}

func (f *runners) get() *Runner {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.idle)
	if n == 0 {
		return nil
	}
	r := f.idle[n-1]
	f.idle = f.idle[:n-1]
	return r
}

func (f *runners) put(r *Runner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, r)
}
