package main

import (
	"fmt"
	"net/netip"
	"runtime"
	"time"
)

const (
	joinGroups   = 1000
	joinsPerSock = 20 // Linux's default net.ipv4.igmp_max_memberships

	filterMembers = 1000
	filterSources = 128

	heapGroups  = 10_000
	heapPerSock = 100
)

// filterCase compares the copies of a fan-out with and without filters, burst by
// burst in turn.
func filterCase() Case {
	const name = "filter1000"
	return Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "ns CPU/copy"},
			{Name: name + ".open", Unit: "ns CPU/copy"},
			{Name: name + ".ratio", Unit: "filtered/open"},
		},
		Note: fmt.Sprintf("one multicast datagram of 64 B to %d sockets that each take %d sources, the sender one of them: sending it up to the last receive queue; .open: the same without filters, in the same process, bursts of %d in turn; .ratio: the median of the pairs", filterMembers, filterSources, burst),
		prepare: func(p Peer) (measure, error) {
			var send, drain [2]func(int) error
			var err error
			if send[0], drain[0], err = p.Fanout(filterMembers); err != nil {
				return nil, err
			}
			if send[1], drain[1], err = p.Filtered(filterMembers, filterList(p)); err != nil {
				return nil, err
			}
			return filterPairs(name, send, drain), nil
		},
	}
}

// speaker is a Peer that speaks one family.
type speaker interface{ addrA() netip.Prefix }

// filterList returns the sources, of which the sender is in the middle.
func filterList(p Peer) []netip.Addr {
	sender := p.(speaker).addrA().Addr()
	sources := []netip.Addr{sender}
	for i := 1; i < filterSources; i++ {
		sources = append(sources, plus(sender, (i-filterSources/2)*1000))
	}
	return sources
}

func filterPairs(name string, send, drain [2]func(int) error) measure {
	return func(budget time.Duration) (Result, error) {
		var sum [2]stopwatch
		var ratios []float64
		pair := func() error {
			var one [2]stopwatch
			for i := range one {
				if err := one[i].time(func() error { return send[i](burst) }); err != nil {
					return err
				}
				if err := drain[i](burst); err != nil {
					return err
				}
				sum[i].cpu += one[i].cpu
				sum[i].wall += one[i].wall
			}
			if one[0].cpu > 0 {
				ratios = append(ratios, float64(one[1].cpu)/float64(one[0].cpu))
			}
			return nil
		}
		if _, err := repeat(budget/4, pair); err != nil {
			return nil, err
		}
		sum, ratios = [2]stopwatch{}, nil
		n, err := repeat(budget, pair)
		if err != nil {
			return nil, err
		}
		copies := n * burst * filterMembers
		r := Result{name + ".open": sum[0].figure(copies, time.Nanosecond), name: sum[1].figure(copies, time.Nanosecond)}
		if m := middle(ratios); m != nil {
			r[name+".ratio"] = Figure{Value: *m}
		}
		return r, nil
	}
}

func joinCase(f family) Case {
	return Case{
		Name: "joins",
		Rows: []Row{
			{Name: "joins", Unit: "joins/s", Higher: true},
			{Name: "joins.cpu", Unit: "µs CPU/join"},
			{Name: "leaves", Unit: "leaves/s", Higher: true},
			{Name: "leaves.cpu", Unit: "µs CPU/leave"},
			{Name: "joinleave", Unit: "pairs/s", Higher: true},
			{Name: "joinleave.sent", Unit: "packets/pair"},
		},
		Note: fmt.Sprintf("%d distinct groups on one interface, IGMP or MLD on, %d groups a socket: all joined, then all left; per second of wall time; joinleave: both; .sent: reports that left the interface meanwhile, where stacks merge what waits", joinGroups, joinsPerSock),
		prepare: func(p Peer) (measure, error) {
			m, err := p.Joins(joinGroups / joinsPerSock)
			if err != nil {
				return nil, err
			}
			return joins(f, &m), nil
		},
	}
}

func joins(f family, m *Members) measure {
	return func(budget time.Duration) (Result, error) {
		var in, out stopwatch
		var objects uint64
		first, err := m.Sent()
		if err != nil {
			return nil, err
		}
		rounds, err := repeat(budget, func() error {
			before := mallocs()
			if err := in.time(func() error { return m.each(f, m.Join, joinGroups, joinsPerSock) }); err != nil {
				return err
			}
			objects += mallocs() - before
			return out.time(func() error { return m.each(f, m.Leave, joinGroups, joinsPerSock) })
		})
		if err != nil {
			return nil, err
		}
		last, err := m.Sent()
		n := rounds * joinGroups
		cpu := in.figure(n, time.Microsecond)
		allocs := float64(objects) / float64(n)
		cpu.Allocs = &allocs
		return Result{
			"joins": {Value: float64(n) / in.wall.Seconds()}, "joins.cpu": cpu,
			"leaves": {Value: float64(n) / out.wall.Seconds()}, "leaves.cpu": out.figure(n, time.Microsecond),
			"joinleave":      {Value: float64(n) / (in.wall + out.wall).Seconds()},
			"joinleave.sent": {Value: float64(last-first) / float64(n)},
		}, err
	}
}

// each does something with n groups, some for each socket.
func (m *Members) each(f family, do func(int, netip.Addr) error, n, perSock int) error {
	for i := range n {
		if err := do(i/perSock, plus(f.groups(), i)); err != nil {
			return fmt.Errorf("group %d: %w", i, err)
		}
	}
	return nil
}

// settle is how long after a change all has been reported twice, by who waits up
// to ten seconds for it (RFC 2710 §7.10); RFC 3376 has a second.
const settle = 3 * time.Second

// membershipCase has everything said that is to be said of a membership.
func membershipCase(f family) Case {
	const name = "membership"
	return Case{
		Name:   name,
		Rounds: 2,
		Rows: []Row{
			{Name: name, Unit: "µs CPU/membership"},
			{Name: name + ".sent", Unit: "packets/membership"},
		},
		Note: fmt.Sprintf("%d groups joined, %v later left, and %v more: processor time of the calls and of all reports; Linux sends its in timers, which are not counted", joinGroups, settle, settle),
		prepare: func(p Peer) (measure, error) {
			m, err := p.Joins(joinGroups / joinsPerSock)
			if err != nil {
				return nil, err
			}
			return func(time.Duration) (Result, error) {
				var w stopwatch
				before, err := m.Sent()
				if err != nil {
					return nil, err
				}
				err = w.time(func() error {
					if err := m.each(f, m.Join, joinGroups, joinsPerSock); err != nil {
						return err
					}
					time.Sleep(settle)
					err := m.each(f, m.Leave, joinGroups, joinsPerSock)
					time.Sleep(settle)
					return err
				})
				if err != nil {
					return nil, err
				}
				after, err := m.Sent()
				figure := w.figure(joinGroups, time.Microsecond)
				figure.Wall = nil
				return Result{name: figure, name + ".sent": {Value: float64(after-before) / joinGroups}}, err
			}, nil
		},
	}
}

// membershipHeapCase weighs memberships of which everything has been said.
func membershipHeapCase(f family) Case {
	const name = "membership.heap"
	return Case{
		Name:   name,
		Fresh:  true,
		Rounds: 3,
		Rows:   []Row{{Name: name, Unit: "B/membership"}},
		Note:   fmt.Sprintf("%d memberships, %d to a socket, %v after the last join: difference of the heap; of Linux, of the kernel's memory of these kinds, others' included", heapGroups, heapPerSock, settle),
		prepare: func(p Peer) (measure, error) {
			m, err := p.Joins(heapGroups / heapPerSock)
			if err != nil {
				return nil, err
			}
			return func(time.Duration) (Result, error) {
				before, err := takeFootprint(p)
				if err != nil {
					return nil, err
				}
				if err := m.each(f, m.Join, heapGroups, heapPerSock); err != nil {
					return nil, err
				}
				time.Sleep(settle)
				after, err := takeFootprint(p)
				runtime.KeepAlive(m)
				of := func(f footprint) float64 {
					if f.outside {
						return float64(f.resident)
					}
					return float64(f.heap)
				}
				return Result{name: {Value: (of(after) - of(before)) / heapGroups}}, err
			}, nil
		},
	}
}

// prober is a Peer whose time can be simulated.
type prober interface {
	// Query has a host with that many groups answer a general query while others
	// ask it for something every millisecond.
	Query(groups int) (answer, error)
	// Receivers makes hosts on one switch that listen to four channels each.
	Receivers(n int) (arrival, error)
}

// answer is how a host answered a query, in simulated time.
type answer struct {
	packets int           // reports
	atOnce  int           // at most, between two of the others' turns
	took    time.Duration // from the first to the last
	gap     time.Duration // in which the others got nothing, at most
}

// arrival is how receivers got what they asked for.
type arrival struct {
	joined   int
	wall     time.Duration // to make them, and for all to be known to the switch
	resident uint64
}

func notSimulated(Peer) error { return absence("only vimage simulates time and has a switch") }

func queryCase(name string, groups int) Case {
	return Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "reports at once"},
			{Name: name + ".reports", Unit: "reports"},
			{Name: name + ".gap", Unit: "ms for others"},
			{Name: name + ".took", Unit: "ms"},
		},
		Rounds: 1,
		Note:   fmt.Sprintf("a host with %d groups answers a general query while others ask it for an echo every millisecond, in simulated time: reports at most between two turns of others, all, the longest time others got no answer, and from the first report to the last", groups),
		prepare: func(p Peer) (measure, error) {
			q, ok := p.(prober)
			if !ok {
				return nil, notSimulated(p)
			}
			return func(time.Duration) (Result, error) {
				a, err := q.Query(groups)
				ms := func(d time.Duration) Figure { return Figure{Value: float64(d) / 1e6} }
				return Result{name: {Value: float64(a.atOnce)}, name + ".reports": {Value: float64(a.packets)},
					name + ".gap": ms(a.gap), name + ".took": ms(a.took)}, err
			}, nil
		},
	}
}

func receiversCase(name string, hosts int) Case {
	c := Case{
		Name: name, Fresh: true, Rounds: 2,
		Rows: []Row{{Name: name, Unit: "s until all joined"}},
		Note: fmt.Sprintf("%d hosts, one socket each, listen to four (S,G) on a switch that snoops: wall time from nothing until the switch knows of all, and what the process then takes", hosts),
		prepare: func(p Peer) (measure, error) {
			q, ok := p.(prober)
			if !ok {
				return nil, notSimulated(p)
			}
			return func(time.Duration) (Result, error) {
				a, err := q.Receivers(hosts)
				if err == nil && a.joined != 4*hosts {
					err = fmt.Errorf("the switch knows of %d memberships of %d", a.joined, 4*hosts)
				}
				r := Result{name: {Value: a.wall.Seconds()}}
				if hasRSS {
					r[name+".rss"] = Figure{Value: float64(a.resident) / (1 << 20)}
				}
				return r, err
			}, nil
		},
	}
	if hasRSS {
		c.Rows = append(c.Rows, Row{Name: name + ".rss", Unit: "MiB RSS"})
	}
	return c
}
