package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/seed88948545/vimage/internal/demo"
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
		Note: fmt.Sprintf("stacks as of create1k, made and destroyed until they are gone, by the wall clock, as Linux works in the background; %d made, then these destroyed; .one: one after another; .bare: %d with nothing but the loopback interface, up, with 127.0.0.1 and ::1 (gVisor: 127.0.0.1)", lifeBatch, lifeBatch),
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

// manyHosts is how many hosts the case of the crowd has.
const manyHosts = 100_000

// crowdCase is `vimage demo million` with fewer hosts.
func crowdCase() Case {
	const name = "million100k"
	return Case{
		Name: name, Family: ip4, Fresh: true, Rounds: 3,
		Rows: []Row{
			{Name: name, Unit: "stacks/s", Higher: true},
			{Name: name + ".cpu", Unit: "µs CPU/stack"},
			{Name: name + ".heap", Unit: "B heap/stack"},
			{Name: name + ".rss", Unit: "B of the most RSS/stack"},
			{Name: name + ".pings", Unit: "of 1000 pings in 1 ms", Higher: true},
		},
		Note: fmt.Sprintf("vimage demo million --n %d: idle hosts with an interface, an address and a group each on one switch, made on %d CPUs by the wall clock", manyHosts, runtime.GOMAXPROCS(0)),
		prepare: func(p Peer) (measure, error) {
			if _, ok := p.(vimagePeer); !ok {
				return nil, absence("see create10k")
			}
			return func(time.Duration) (Result, error) {
				r, err := demo.RunMillion(context.Background(), demo.Million{N: manyHosts, Pings: 1000, Seed: 1})
				if err != nil {
					return nil, err
				}
				return Result{
					name: {Value: manyHosts / r.Create}, name + ".cpu": {Value: r.CPU * 1e6 / manyHosts}, name + ".heap": {Value: float64(r.BytesEach)},
					name + ".rss": {Value: float64(r.MaxRSS) / manyHosts}, name + ".pings": {Value: float64(r.PingOK)},
				}, nil
			}, nil
		},
	}
}
