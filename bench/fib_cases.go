package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/gaissmai/bart"
	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
)

const (
	manyRoutes = 1_000_000
	manyFIBs   = 16
	hotAddrs   = 1 << 10
	coldAddrs  = 1 << 20
	lookups    = 1 << 14 // of one table before it is the other's turn
)

// fibCases returns what is measured of routing tables alone, and of forwarding by
// many: of vimage only.
func fibCases(f family) []Case {
	return []Case{
		forwardManyCase(f),
		lookupCase(f, "lookup10", 10, hotAddrs), lookupCase(f, "lookup1mhot", manyRoutes, hotAddrs),
		lookupCase(f, "lookup1mrandom", manyRoutes, coldAddrs), changeCase(f),
	}
}

// internet returns n different prefixes outside 10/8 and 127/8, of lengths about as
// in the Internet's table, those of IPv6 24 bits longer, and so many addresses drawn
// from them.
func (f family) internet(n, addrs int) ([]netip.Prefix, []netip.Addr) {
	lengths := []int{24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 18, 16, 14, 11}
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var all []netip.Prefix
	seen := make(map[netip.Prefix]bool, n)
	for len(all) < n {
		bits := lengths[rng.IntN(len(lengths))]
		p := netip.PrefixFrom(toAddr(1<<24+rng.Uint32N(223<<24)), bits).Masked()
		if f.is6() {
			p = f.randomPrefix(rng, 24+bits)
		}
		if first := p.Addr().AsSlice()[0]; !seen[p] && first != 10 && first != 127 {
			seen[p] = true
			all = append(all, p)
		}
	}
	var dst []netip.Addr
	for range addrs {
		dst = append(dst, randomHost(rng, all[rng.IntN(n)]))
	}
	return all, dst
}

type route = fib.Route[*int]

// newSet returns a set whose FIB 0 has these routes, three of them shared.
func newSet(prefixes []netip.Prefix) (*fib.Set[*int], error) {
	s := new(fib.Set[*int])
	own, err := s.Writable(0)
	if err != nil {
		return nil, err
	}
	for i, t := range []*fib.Table[*int]{s.Shared(), own} {
		mine := prefixes[:3]
		if i == 1 {
			mine = prefixes[3:]
		}
		t.Update(func(tx *fib.Txn[*int]) {
			for _, p := range mine {
				if e := tx.Insert(route{Prefix: p}); e != nil {
					err = e
				}
			}
		})
	}
	return s, err
}

func lookupCase(f family, name string, n, addrs int) Case {
	return Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "ns CPU/look-up"},
			{Name: name + ".batch", Unit: "ns CPU/look-up"},
			{Name: name + ".bart", Unit: "ns CPU/look-up"},
			{Name: name + ".times", Unit: "× bart's speed", Higher: true},
		},
		Note: fmt.Sprintf("%d routes of the Internet's lengths, %d addresses drawn from them; three routes shared by all FIBs, the others FIB 0's own; .batch: 64 at a time; .bart: package bart alone; in turn, %d look-ups each; .times: the median of the turns' ratios", n, addrs, lookups),
		prepare: func(p Peer) (measure, error) {
			if _, ok := p.(vimagePeer); !ok {
				return nil, absence("its table cannot be asked alone")
			}
			prefixes, dst := f.internet(n, addrs)
			set, err := newSet(prefixes)
			if err != nil {
				return nil, err
			}
			plain := new(bart.Table[*route])
			for _, p := range prefixes {
				plain.Insert(p, &route{Prefix: p})
			}
			runtime.GC()
			return turns(name, set, plain, dst), nil
		},
	}
}

// turns measures look-ups in both tables in turn.
func turns(name string, set *fib.Set[*int], plain *bart.Table[*route], dst []netip.Addr) measure {
	var found *route
	routes := make([]*route, chunk)
	next := 0
	some := func() []netip.Addr {
		from := next & (len(dst) - 1)
		next += chunk
		return dst[from : from+chunk]
	}
	kinds := []struct {
		row  string
		look func([]netip.Addr)
	}{
		{name, func(dst []netip.Addr) {
			for _, a := range dst {
				found = set.Lookup(0, a)
			}
		}},
		{name + ".batch", func(dst []netip.Addr) { set.LookupBatch(0, dst, routes) }},
		{name + ".bart", func(dst []netip.Addr) {
			for _, a := range dst {
				found, _ = plain.Lookup(a)
			}
		}},
	}
	return func(budget time.Duration) (Result, error) {
		took := map[string][]float64{}
		_, err := repeat(budget, func() error {
			for _, k := range kinds {
				begun := cpuTime()
				for range lookups / chunk {
					k.look(some())
				}
				took[k.row] = append(took[k.row], float64((cpuTime()-begun).Nanoseconds())/lookups)
			}
			took[name+".times"] = append(took[name+".times"], last(took[name+".bart"])/last(took[name]))
			return nil
		})
		runtime.KeepAlive(found)
		r := Result{}
		for row, all := range took {
			r[row] = Figure{Value: *middle(all)}
		}
		return r, err
	}
}

func last(all []float64) float64 { return all[len(all)-1] }

func changeCase(f family) Case {
	const name, tries = "route1m", 5
	return Case{
		Name: name,
		Rows: []Row{
			{Name: name, Unit: "µs/change"},
			{Name: name + ".worst", Unit: "µs/change"},
			{Name: name + ".8", Unit: "µs/change"},
			{Name: name + ".1", Unit: "µs/change"},
			{Name: name + ".load", Unit: "µs/route"},
		},
		Note: "one route of 1,000,000 deleted or inserted again, drawn evenly, from the call to when readers find it; .worst: of 1,000 such, each the best of 5 tries, which leaves out what other processes did; .8, .1: a /8 and a /1; .load: all of them in one transaction",
		prepare: func(p Peer) (measure, error) {
			if _, ok := p.(vimagePeer); !ok {
				return nil, absence("its table cannot be asked alone")
			}
			prefixes, _ := f.internet(manyRoutes, 0)
			begun := time.Now()
			set, err := newSet(prefixes)
			if err != nil {
				return nil, err
			}
			load := float64(time.Since(begun).Nanoseconds()) / 1e3 / manyRoutes
			own, err := set.Writable(0)
			if err != nil {
				return nil, err
			}
			rng := rand.New(rand.NewPCG(1, 1))
			return func(time.Duration) (Result, error) {
				var all []float64
				for range 500 {
					deleted, inserted := flap(own, prefixes[3+rng.IntN(len(prefixes)-3)], tries)
					all = append(all, deleted, inserted)
				}
				_, eight := flap(own, netip.PrefixFrom(f.pick("99.0.0.0", "2400::"), 8), tries)
				_, one := flap(own, netip.PrefixFrom(f.pick("0.0.0.0", "::"), 1), tries)
				return Result{
					name: {Value: *middle(all)}, name + ".worst": {Value: slices.Max(all)},
					name + ".8": {Value: eight}, name + ".1": {Value: one}, name + ".load": {Value: load},
				}, nil
			}, nil
		},
	}
}

// flap deletes a route, if it is there, and inserts it, so many times, and returns
// the least time each took, in µs.
func flap(t *fib.Table[*int], p netip.Prefix, times int) (deleted, inserted float64) {
	deleted, inserted = 1e9, 1e9
	for range times {
		begun := time.Now()
		t.Delete(p)
		between := time.Now()
		t.Insert(route{Prefix: p})
		deleted = min(deleted, float64(between.Sub(begun).Nanoseconds())/1e3)
		inserted = min(inserted, float64(time.Since(between).Nanoseconds())/1e3)
	}
	return deleted, inserted
}

// forwardManyCase is forwardCase with many routes, shared out among many FIBs, each
// with an interface whose packets it routes.
func forwardManyCase(f family) Case {
	const name = "forward1m16"
	return Case{
		Name: name,
		Rows: []Row{{Name: name, Unit: "µs CPU/packet"}},
		Note: fmt.Sprintf("as forward10, with %d routes in %d FIBs, one interface each; the batches come by the interfaces in turn", manyRoutes, manyFIBs),
		prepare: func(p Peer) (measure, error) {
			v, ok := p.(vimagePeer)
			if !ok {
				return nil, absence("has no FIBs, or takes too long to fill them")
			}
			routes, _ := f.internet(manyRoutes, 0)
			feed, delivered, err := v.forwardFIBs(routes)
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

// forwardFIBs is Forward with the routes dealt out to FIBs, and frames to addresses
// drawn from them.
func (p vimagePeer) forwardFIBs(routes []netip.Prefix) (func(int) error, func() (uint64, error), error) {
	w := vimage.NewWorld(vimage.Config{})
	s, err := w.NewStack("router", vimage.StackConfig{FIBs: manyFIBs})
	if err != nil {
		return nil, nil, err
	}
	out := &vmPort{family: p.family}
	if _, err := vmInterface(s, "out", out, routerOutMAC(), p.routerOut()); err != nil {
		return nil, nil, err
	}
	if err := p.forwards(s); err != nil {
		return nil, nil, err
	}
	var ins []*vmPort
	var frames [][][]byte
	rng := rand.New(rand.NewPCG(1, manyFIBs))
	for i := range manyFIBs {
		in := &vmPort{family: p.family}
		if _, err := s.AddInterface("in"+strconv.Itoa(i), vimage.InterfaceConfig{Port: in, MAC: routerInMAC(), FIB: i}); err != nil {
			return nil, nil, err
		}
		table, err := s.FIB(i)
		if err != nil {
			return nil, nil, err
		}
		var mine []netip.Prefix
		for j := i; j < len(routes); j += manyFIBs {
			mine = append(mine, routes[j])
		}
		if err := addRoutes(table, i, mine, vimage.Route{Gateway: p.gateway(), Interface: "out"}); err != nil {
			return nil, nil, err
		}
		var some [][]byte
		for range frameCount / manyFIBs {
			some = append(some, p.udpFrame(randomHost(rng, mine[rng.IntN(len(mine))])))
		}
		ins, frames = append(ins, in), append(frames, some)
	}
	next := 0
	sched := w.Internal().Sched()
	feed := func(n int) error {
		r := sched.Get()
		i := next / n % manyFIBs
		for range n {
			ins[i].receive(r, frames[i][next/(n*manyFIBs)*n%len(frames[i])+next%n])
			next++
		}
		r.Done()
		return nil
	}
	if err := feed(1); err != nil { // see Forward
		return nil, nil, err
	}
	next = 0
	before := out.frames
	return feed, func() (uint64, error) { return out.frames - before, nil }, nil
}

// addRoutes adds the routes of a FIB at once: the first as anybody would, the others
// by copies of that.
func addRoutes(s *vimage.Stack, n int, prefixes []netip.Prefix, r vimage.Route) error {
	r.Dst = prefixes[0]
	if err := s.AddRoute(r); err != nil {
		return err
	}
	st := s.Internal()
	st.Lock()
	defer st.Unlock()
	t, err := st.Tables().Writable(n)
	if err != nil {
		return err
	}
	first := *t.Get(r.Dst)
	t.Update(func(tx *fib.Txn[*ifnet.Neighbor]) {
		for _, p := range prefixes[1:] {
			first.Prefix = p
			if e := tx.Insert(first); e != nil {
				err = e
			}
		}
	})
	return err
}
