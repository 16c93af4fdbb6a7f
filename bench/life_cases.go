package main

import (
	"fmt"
	"time"
)

// lifeBatch is how many stacks are alive at once before they are destroyed: Linux
// destroys many for little more than one.
const lifeBatch = 64

// createDestroyCase measures whole lives of stacks.
func createDestroyCase() Case {
	const name = "createdestroy"
	return Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "µs wall/stack"},
			{Name: name + ".one", Unit: "µs wall/stack"},
			{Name: name + ".bare", Unit: "µs wall/stack"},
		},
		Note: fmt.Sprintf("stacks as of create1k, made and destroyed until they are gone, by the wall clock, as Linux works in the background; %d made, then these destroyed; .one: one after another; .bare: %d with nothing but the loopback interface, up", lifeBatch, lifeBatch),
		prepare: func(p Peer) (measure, error) {
			cycle, err := p.CreateDestroy()
			if err != nil {
				return nil, err
			}
			return func(budget time.Duration) (Result, error) {
				r := Result{}
				for _, k := range []struct {
					row  string
					n    int
					bare bool
				}{{name, lifeBatch, false}, {name + ".one", 1, false}, {name + ".bare", lifeBatch, true}} {
					f, err := lives(budget/3, k.n, func() error { return cycle(k.n, k.bare) })
					if err != nil {
						return nil, err
					}
					r[k.row] = f
				}
				return r, nil
			}, nil
		},
	}
}

// lives returns what one of the n operations of a step takes by the wall clock.
func lives(budget time.Duration, n int, step func() error) (Figure, error) {
	if err := step(); err != nil {
		return Figure{}, err
	}
	before, begun := mallocs(), time.Now()
	steps, err := repeat(budget, step)
	took := time.Since(begun)
	ops := float64(steps * n)
	allocs := float64(mallocs()-before) / ops
	return Figure{Value: float64(took.Microseconds()) / ops, Allocs: &allocs}, err
}
