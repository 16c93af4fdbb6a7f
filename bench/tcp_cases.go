package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	manyConns  = 64      // connections of the case tcpshards
	idleConns  = 50_000  // pairs of ends of the case tcpidle
	idleQuick  = 2_000   // of a quick run
	floodRate  = 100_000 // SYNs a second of the case tcpflood
	floodBurst = time.Millisecond
)

// tapName is the case where a peer's host has the kernel at the other end of a
// TAP device.
const tapName = "tcptap"

// tcpCases returns what is measured of TCP, in order. A quick run does one
// round of each.
func tcpCases() []Case {
	cases := []Case{
		bulkCase("tcpbulk", TCPLink{}, "super-segments where the peer has them"),
		bulkCase("tcpplain", TCPLink{Plain: true}, "no super-segments: gVisor without GSO, Linux with TSO, GSO and GRO off, vimage with net.inet.tcp.tso off"),
		roundTripCase(),
		connectCase(),
		shardCase(),
		floodCase(),
		idleCase(idleConns),
	}
	return append(cases, tapCases()...)
}

func bulkCase(name string, l TCPLink, what string) Case {
	return Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "CPU-s/GB"},
			{Name: name + ".rate", Unit: "Gbit/s", Higher: true},
			{Name: name + ".ring", Unit: "× a bare ring's CPU"},
		},
		Note: "one connection between two hosts, MTU 1500, 256 KiB a write and a read, one goroutine each; " + what +
			"; .ring: in relation to four blocks of 64 KiB between the same two goroutines, each byte copied in and out, measured in the same process just before",
		Rounds: 5,
		prepare: func(p Peer) (measure, error) {
			h, err := p.TCP(l)
			if err != nil {
				return nil, err
			}
			a, b, err := h.Open()
			if err != nil {
				return nil, err
			}
			return onGoroutine(func(budget time.Duration) (Result, error) {
				r := newRing()
				limit, err := transfer(nil, r, r, budget/4)
				if err != nil {
					return nil, err
				}
				got, err := transfer(p, a, b, budget)
				if err != nil {
					return nil, err
				}
				return Result{name: got.figure(), name + ".rate": got.rate(), name + ".ring": {Value: got.cpuPerGB() / limit.cpuPerGB()}}, nil
			}), nil
		},
	}
}

func roundTripCase() Case {
	return Case{
		Name: "tcprtt",
		Rows: []Row{
			{Name: "tcprtt", Unit: "µs wall/round trip"},
			{Name: "tcprtt.cpu", Unit: "µs CPU/round trip"},
		},
		Note:   "1 byte there and back, two goroutines that block in Read; Linux: two threads on one processor, as one wakes the other at once there",
		Rounds: 5,
		prepare: func(p Peer) (measure, error) {
			h, err := p.TCP(TCPLink{})
			if err != nil {
				return nil, err
			}
			a, b, err := h.Open()
			if err != nil {
				return nil, err
			}
			return onGoroutine(func(budget time.Duration) (r Result, err error) {
				done := make(chan error, 1)
				go func() { done <- h.near(func() error { return echo(b) }) }()
				err = h.near(func() error {
					r, err = loop("tcprtt.cpu", func() error { return pingPong(a, chunk) })(budget)
					return errors.Join(err, endEcho(a))
				})
				if err := errors.Join(err, <-done); err != nil {
					return nil, err
				}
				r["tcprtt"] = Figure{Value: *r["tcprtt.cpu"].Wall}
				return r, nil
			}), nil
		},
	}
}

func connectCase() Case {
	return Case{
		Name: "tcpconn",
		Rows: []Row{
			{Name: "tcpconn", Unit: "connections/s", Higher: true},
			{Name: "tcpconn.cpu", Unit: "µs CPU/connection"},
		},
		Note:   "one goroutine: connect, accept, the callee closes, the caller reads the end and closes; by wall time",
		Rounds: 5,
		prepare: func(p Peer) (measure, error) {
			h, err := p.TCP(TCPLink{})
			if err != nil {
				return nil, err
			}
			return onGoroutine(func(budget time.Duration) (Result, error) {
				r, err := loop("tcpconn.cpu", func() error {
					for range chunk {
						if err := connection(h); err != nil {
							return err
						}
					}
					return nil
				})(budget)
				if err != nil {
					return nil, err
				}
				r["tcpconn"] = Figure{Value: 1e6 / *r["tcpconn.cpu"].Wall}
				return r, nil
			}), nil
		},
	}
}

// sharded is a Peer whose hosts can be made to work in parallel.
type sharded interface{ Sharded() }

func shardCase() Case {
	return Case{
		Name: "tcpshards",
		Rows: []Row{
			{Name: "tcpshards", Unit: "× bulk rate of 1 shard", Higher: true},
			{Name: "tcpshards.rtt", Unit: "× round trips of 1 shard", Higher: true},
			{Name: "tcpshards.lock", Unit: "% of CPU time waited for the worst lock"},
			{Name: "tcpshards.share", Unit: "% of the mutex profile that is its"},
		},
		Note:   fmt.Sprintf("%d connections between two hosts, all at once: with 2 shards a host over with 1; locks as runtime's mutex profile of the bulk with 2 shards has them, named on stderr", manyConns),
		Rounds: 5,
		prepare: func(p Peer) (measure, error) {
			if _, ok := p.(sharded); !ok {
				return nil, absence("hosts have no shards")
			}
			one, err := openMany(p, 1)
			if err != nil {
				return nil, err
			}
			two, err := openMany(p, 2)
			if err != nil {
				return nil, err
			}
			return onGoroutine(func(budget time.Duration) (Result, error) {
				return compareShards(p, one, two, budget/4)
			}), nil
		},
	}
}

// openMany makes two hosts and manyConns connections between them.
func openMany(p Peer, shards int) (all [][2]Stream, err error) {
	h, err := p.TCP(TCPLink{Shards: shards})
	if err != nil {
		return nil, err
	}
	for range manyConns {
		a, b, err := h.Open()
		if err != nil {
			return nil, err
		}
		all = append(all, [2]Stream{a, b})
	}
	return all, nil
}

func compareShards(p Peer, one, two [][2]Stream, budget time.Duration) (Result, error) {
	single, err := allBulk(p, one, budget)
	if err != nil {
		return nil, err
	}
	locks := startLockProfile()
	double, err := allBulk(p, two, budget)
	worst := locks.stop()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "[worst lock: %s] ", worst.site)
	r1, err := allRoundTrips(one, budget)
	if err != nil {
		return nil, err
	}
	r2, err := allRoundTrips(two, budget)
	if err != nil {
		return nil, err
	}
	return Result{
		"tcpshards":       {Value: double.rate().Value / single.rate().Value},
		"tcpshards.rtt":   {Value: r2 / r1},
		"tcpshards.lock":  {Value: 100 * worst.waited.Seconds() / double.wall.Seconds() / float64(runtime.GOMAXPROCS(0))},
		"tcpshards.share": {Value: 100 * worst.share},
	}, nil
}

// allBulk has every connection move bytes at once.
func allBulk(p Peer, all [][2]Stream, budget time.Duration) (bulk, error) {
	var flows []*flow
	for _, c := range all {
		flows = append(flows, startFlow(c[0], c[1]))
	}
	b, err := watch(p, budget, flows...)
	if err != nil {
		return b, err
	}
	for _, f := range flows {
		f.stop.Store(true)
	}
	for _, f := range flows {
		if err := f.end(); err != nil {
			return b, err
		}
	}
	return b, nil
}

// allRoundTrips has every connection send a byte there and back all the time,
// and returns how many round trips there were a second.
func allRoundTrips(all [][2]Stream, budget time.Duration) (float64, error) {
	begin := time.Now()
	var trips atomic.Int64
	done := make(chan error, 2*len(all))
	for _, c := range all {
		go func() { done <- echo(c[1]) }()
		go func() {
			for time.Since(begin) < budget {
				if err := pingPong(c[0], chunk); err != nil {
					done <- err
					return
				}
				trips.Add(chunk)
			}
			done <- endEcho(c[0])
		}()
	}
	for range 2 * len(all) {
		if err := <-done; err != nil {
			return 0, err
		}
	}
	return float64(trips.Load()) / time.Since(begin).Seconds(), nil
}

func floodCase() Case {
	return Case{
		Name: "tcpflood",
		Rows: []Row{
			{Name: "tcpflood", Unit: "CPU-s/GB under flood"},
			{Name: "tcpflood.kept", Unit: "% of goodput per CPU-s kept", Higher: true},
			{Name: "tcpflood.syn", Unit: "SYN/s", Higher: true},
		},
		Note: fmt.Sprintf("tcpbulk while %d SYNs a second from as many addresses come to a listening port by another interface, from this process: their making is in the figures; .kept is to the same without flood just before, .syn what was really sent", floodRate),
		// The second round begins with what the first one left behind.
		Rounds: 5,
		prepare: func(p Peer) (measure, error) {
			h, err := p.TCP(TCPLink{Flood: true})
			if err != nil {
				return nil, err
			}
			a, b, err := h.Open()
			if err != nil {
				return nil, err
			}
			return onGoroutine(func(budget time.Duration) (Result, error) {
				return underFlood(p, h, a, b, budget/2)
			}), nil
		},
	}
}

func underFlood(p Peer, h TCPHosts, a, b Stream, budget time.Duration) (Result, error) {
	calm, err := transfer(p, a, b, budget)
	if err != nil {
		return nil, err
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	var sent int
	begin := time.Now()
	go func() { done <- flood(h, stop, &sent) }()
	storm, err := transfer(p, a, b, budget)
	close(stop)
	if err := errors.Join(err, <-done); err != nil {
		return nil, err
	}
	rate := float64(sent) / time.Since(begin).Seconds()
	return Result{
		"tcpflood":      storm.figure(),
		"tcpflood.kept": {Value: 100 * calm.cpuPerGB() / storm.cpuPerGB()},
		"tcpflood.syn":  {Value: rate},
	}, nil
}

// flood sends floodRate SYNs a second until it is stopped. What it is late with
// it makes up for, a little.
func flood(h TCPHosts, stop <-chan struct{}, sent *int) error {
	t := time.NewTicker(floodBurst)
	defer t.Stop()
	const most = 10 // bursts at once
	last := time.Now()
	for {
		select {
		case <-stop:
			return nil
		case now := <-t.C:
			n := int(now.Sub(last).Seconds() * floodRate)
			last = now
			n = min(n, most*int(floodBurst.Seconds()*floodRate))
			if err := h.Flood(n); err != nil {
				return fmt.Errorf("flood: %w", err)
			}
			*sent += n
		}
	}
}

func idleCase(pairs int) Case {
	c := Case{
		Name: "tcpidle",
		Rows: []Row{
			{Name: "tcpidle", Unit: "µs CPU/connection"},
			{Name: "tcpidle.heap", Unit: "B heap/end"},
			{Name: "tcpidle.goroutines", Unit: "goroutines/end"},
		},
		Note:    fmt.Sprintf("%d established connections that have never carried a byte, both ends in the process (%d in a quick run); heap and RSS after garbage collection, and per end", pairs, idleQuick),
		Fresh:   true,
		Rounds:  2,
		prepare: func(p Peer) (measure, error) { return idle(p, pairs) },
	}
	if hasRSS {
		c.Rows = append(c.Rows, Row{Name: "tcpidle.rss", Unit: "B RSS/end"})
	}
	return c
}

func idle(p Peer, pairs int) (measure, error) {
	if _, ok := p.(outsider); ok {
		return nil, absence("its sockets are not in this process")
	}
	h, err := p.TCP(TCPLink{})
	if err != nil {
		return nil, err
	}
	return onGoroutine(func(budget time.Duration) (Result, error) {
		if budget < time.Second {
			pairs = min(pairs, idleQuick)
		}
		keep := make([][2]Stream, 0, pairs)
		before, err := takeFootprint(p)
		if err != nil {
			return nil, err
		}
		var w stopwatch
		err = w.time(func() error {
			for i := range pairs {
				a, b, err := h.Open()
				if err != nil {
					return fmt.Errorf("connection %d: %w", i, err)
				}
				keep = append(keep, [2]Stream{a, b})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		after, err := takeFootprint(p)
		if err != nil {
			return nil, err
		}
		r := after.perStack(before, "tcpidle", 2*pairs)
		runtime.KeepAlive(keep)
		r["tcpidle"] = w.figure(pairs, time.Microsecond)
		return r, nil
	}), nil
}
