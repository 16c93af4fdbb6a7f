package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Figure is one measured number, with what else was seen while measuring it.
type Figure struct {
	Value  float64  // in the unit of its row
	Wall   *float64 // the same in wall time, where the row is in CPU time
	Allocs *float64 // heap objects allocated per operation by the process
}

// Result holds the figures of one measurement by row name. A row of the case
// that is not in it does not exist for this peer.
type Result map[string]Figure

// measure runs one round of a prepared case for about the given time.
type measure func(budget time.Duration) (Result, error)

// Row is one line of the table.
type Row struct {
	Name   string
	Unit   string
	Higher bool // more is better
}

// Case is one thing measured of every peer.
type Case struct {
	Name    string
	Rows    []Row
	Note    string
	Family  family
	Fresh   bool // each round needs a process of its own
	Rounds  int  // at most; 0 for the usual number
	prepare func(p Peer) (measure, error)
}

const (
	chunk = 64 // datagrams or frames between two looks at the clock
	burst = 32 // multicasts sent before the members read them
)

// cases returns what is measured, in order: all over IPv4, then all again over
// IPv6, and then what has no counterpart.
func cases() []Case {
	all := casesOf(ip4)
	for _, c := range casesOf(ip6) {
		all = append(all, c.over6())
	}
	return append(all, crowdCase(), controlCase())
}

func casesOf(f family) []Case {
	all := []Case{
		udpCase(),
		forwardCase(f, "forward10", 10),
		forwardCase(f, "forward100k", 100_000),
		fanoutCase(1), fanoutCase(100), fanoutCase(1000),
		filterCase(), joinCase(f), membershipCase(f), membershipHeapCase(f),
		queryCase("query10k", 10_000), receiversCase("receivers10k", 10_000),
		createCase(f, "create1k", 1000),
		createCase(f, "create10k", 10_000),
		createDestroyCase(),
	}
	if hasThreadTime {
		all = append(all, readersCase(f))
	}
	all = append(all, pathCases(f)...)
	all = append(all, fibCases(f)...)
	all = append(all, tcpCases()...)
	for i := range all {
		all[i].Family = f
	}
	return all
}

// over6 returns the case with the names it has over IPv6.
func (c Case) over6() Case {
	prepare := c.prepare
	c.Name = prefix6 + c.Name
	c.Rows = slices.Clone(c.Rows)
	for i := range c.Rows {
		c.Rows[i].Name = prefix6 + c.Rows[i].Name
	}
	c.prepare = func(p Peer) (measure, error) {
		m, err := prepare(p)
		return func(budget time.Duration) (Result, error) {
			r, err := m(budget)
			renamed := Result{}
			for name, f := range r {
				renamed[prefix6+name] = f
			}
			return renamed, err
		}, err
	}
	return c
}

func udpCase() Case {
	return Case{
		Name: "udp64",
		Rows: []Row{{Name: "udp64", Unit: "µs CPU/datagram"}},
		Note: "64 B payload, one goroutine: write to a connected socket, read from the socket behind the wire",
		prepare: func(p Peer) (measure, error) {
			exchange, err := p.UDP64()
			if err != nil {
				return nil, err
			}
			return loop("udp64", func() error { return exchange(chunk) }), nil
		},
	}
}

// loop returns the measurement of a step that does chunk operations, in µs
// per operation. A quarter of the time goes to warming up.
func loop(row string, step func() error) measure {
	return func(budget time.Duration) (Result, error) {
		if _, err := repeat(budget/4, step); err != nil {
			return nil, err
		}
		var w stopwatch
		var steps int
		before := mallocs()
		err := w.time(func() (err error) {
			steps, err = repeat(budget, step)
			return err
		})
		if err != nil {
			return nil, err
		}
		f := w.figure(steps*chunk, time.Microsecond)
		allocs := float64(mallocs()-before) / float64(steps*chunk)
		f.Allocs = &allocs
		return Result{row: f}, nil
	}
}

func forwardCase(f family, name string, routes int) Case {
	lengths := "/16 to /28, 64"
	if f.is6() {
		lengths = "/29 to /64, half of them /48, 64"
	}
	return Case{
		Name: name,
		Rows: []Row{{Name: name, Unit: "µs CPU/packet"}},
		Note: fmt.Sprintf("%d routes "+lengths+" B frames to %d addresses drawn from them, batches of %d; every frame is seen to leave", routes, frameCount, chunk),
		prepare: func(p Peer) (measure, error) {
			feed, delivered, err := p.Forward(newTraffic(f, routes))
			if err != nil {
				return nil, err
			}
			sent := 0
			timed := loop(name, func() error {
				sent += chunk
				return feed(chunk)
			})
			return func(budget time.Duration) (Result, error) {
				r, err := timed(budget)
				if err != nil {
					return nil, err
				}
				return r, allArrived(f, uint64(sent), delivered)
			}, nil
		},
	}
}

// allArrived waits up to a second for the last packets to be counted. An IPv6
// router may say something of its own meanwhile (RFC 3810, RFC 4861).
func allArrived(f family, sent uint64, delivered func() (uint64, error)) error {
	most := sent
	if f.is6() {
		most += 20
	}
	for try := 0; ; try++ {
		got, err := delivered()
		if err != nil || got >= sent && got <= most {
			return err
		}
		if try == 100 || got > most {
			return fmt.Errorf("%d frames fed, %d left the router", sent, got)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func fanoutCase(members int) Case {
	name := fmt.Sprintf("fanout%d", members)
	return Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "ns CPU/copy"},
			{Name: name + ".read", Unit: "ns CPU/copy"},
		},
		Note: fmt.Sprintf("one multicast datagram of 64 B to %d sockets of the neighbouring stack, bursts of %d: sending it up to the last receive queue; .read: and reading every copy", members, burst),
		prepare: func(p Peer) (measure, error) {
			send, drain, err := p.Fanout(members)
			if err != nil {
				return nil, err
			}
			return fanout(name, members, send, drain), nil
		},
	}
}

func fanout(name string, members int, send, drain func(n int) error) measure {
	return func(budget time.Duration) (Result, error) {
		var sending, all stopwatch
		step := func() error {
			if err := sending.time(func() error { return send(burst) }); err != nil {
				return err
			}
			return drain(burst)
		}
		if _, err := repeat(budget/4, step); err != nil {
			return nil, err
		}
		sending = stopwatch{}
		var steps int
		before := mallocs()
		err := all.time(func() (err error) {
			steps, err = repeat(budget, step)
			return err
		})
		if err != nil {
			return nil, err
		}
		copies := steps * burst * members
		allocs := float64(mallocs()-before) / float64(copies)
		read := all.figure(copies, time.Nanosecond)
		read.Allocs = &allocs
		return Result{name: sending.figure(copies, time.Nanosecond), name + ".read": read}, nil
	}
}

func createCase(f family, name string, n int) Case {
	addresses := "one address"
	if f.is6() {
		addresses = "three addresses, of IPv4, link-local and global,"
	}
	c := Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "µs CPU/stack"},
			{Name: name + ".heap", Unit: "B heap/stack"},
			{Name: name + ".goroutines", Unit: "goroutines/stack"},
		},
		Note:    fmt.Sprintf("%d idle stacks with one interface and %s each, in a process of its own; heap and RSS after garbage collection", n, addresses),
		Fresh:   true,
		prepare: func(p Peer) (measure, error) { return create(p, f, name, n) },
	}
	if hasRSS {
		c.Rows = append(c.Rows, Row{Name: name + ".rss", Unit: "B RSS/stack"})
	}
	if n > 1000 {
		c.Rounds = 2
	}
	return c
}

// fewer is a Peer that cannot make as many stacks as asked for in reasonable
// time or memory.
type fewer interface{ MostStacks() int }

func create(p Peer, f family, name string, n int) (measure, error) {
	add, err := p.Create()
	if err != nil {
		return nil, err
	}
	if f, ok := p.(fewer); ok {
		n = min(n, f.MostStacks())
	}
	return func(time.Duration) (Result, error) {
		before, err := takeFootprint(p)
		if err != nil {
			return nil, err
		}
		objects := mallocs()
		var w stopwatch
		err = w.time(func() error {
			for i := range n {
				if err := add(f.idleHost(i)); err != nil {
					return fmt.Errorf("stack %d: %w", i, err)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		took := w.figure(n, time.Microsecond)
		allocs := float64(mallocs()-objects) / float64(n)
		took.Allocs = &allocs
		after, err := takeFootprint(p)
		if err != nil {
			return nil, err
		}
		runtime.KeepAlive(add)
		r := after.perStack(before, name, n)
		r[name] = took
		return r, nil
	}, nil
}
