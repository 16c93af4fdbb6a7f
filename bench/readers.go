package main

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

const (
	readersName   = "readers8"
	readers       = 8
	readerRoutes  = 10_000
	readerTurn    = 100 * time.Millisecond
	changeEvery   = time.Millisecond
	changesAtOnce = 50 // to catch up with, where the machine was busy
)

// readersCase measures who looks up addresses and routes while these change.
func readersCase(f family) Case {
	return Case{
		Name: readersName,
		Rows: []Row{
			{Name: readersName, Unit: "reads/µs CPU", Higher: true},
			{Name: readersName + ".still", Unit: "reads/µs CPU", Higher: true},
			{Name: readersName + ".kept", Unit: "% of .still", Higher: true},
			{Name: readersName + ".changes", Unit: "changes/s", Higher: true},
			{Name: readersName + ".waits", Unit: "records of readers"},
		},
		Note: fmt.Sprintf("%d goroutines, each on a thread of its own, whose processor time counts, look up one of the stack's addresses and one of %d routes with the source address to its destination, by a view loaded for each; meanwhile another adds and deletes an address, with its subnet's route, and a route, in turn; .still: without that; in turn, %v each; .kept: the median of the turns' ratios; .waits: how many records of the mutex and the block profile they are in, taken of another turn", readers, readerRoutes, readerTurn),
		prepare: func(p Peer) (measure, error) {
			v, ok := p.(vimagePeer)
			if !ok {
				return nil, absence("its addresses and routes cannot be asked alone")
			}
			c, err := v.newChurned(f)
			if err != nil {
				return nil, err
			}
			return c.measure, nil
		},
	}
}

// churned is a stack whose addresses and routes are read and changed.
type churned struct {
	inner *vnet.Stack
	stack *vimage.Stack
	iface *vimage.Interface
	own   netip.Addr
	far   []netip.Addr // their number is a power of two
	addr  netip.Prefix // that comes and goes
	route vimage.Route // likewise
	done  int          // changes
}

func (p vimagePeer) newChurned(f family) (*churned, error) {
	w := vimage.NewWorld(vimage.Config{})
	c := &churned{own: f.addrA().Addr(), addr: f.in(f.pick("10.77.0.1", "2001:db8:77::1"))}
	var err error
	if c.stack, c.iface, err = vmHost(w, "read", link.NewEpair(wireMTU).A(), f.addrA()); err != nil {
		return nil, err
	}
	c.inner = c.stack.Internal()
	var prefixes []netip.Prefix
	prefixes, c.far = f.internet(readerRoutes, hotAddrs)
	c.route = vimage.Route{Dst: netip.PrefixFrom(f.pick("10.88.0.0", "2001:db8:88::"), f.addrA().Bits()), Gateway: f.addrB().Addr()}
	return c, addRoutes(c.stack, 0, prefixes, vimage.Route{Gateway: f.addrB().Addr()})
}

// change makes the next change.
func (c *churned) change() error {
	c.done++
	switch c.done % 4 {
	case 1:
		return c.iface.AddAddr(c.addr)
	case 2:
		return c.stack.AddRoute(c.route)
	case 3:
		return c.iface.DelAddr(c.addr.Addr())
	}
	return c.stack.DelRoute(c.route.Dst)
}

// changeUntil makes changes at their rate until stop is set and returns how many.
func (c *churned) changeUntil(stop *atomic.Bool) (made int, err error) {
	for due := time.Now(); !stop.Load(); {
		due = due.Add(changeEvery)
		late := time.Since(due)
		if late < 0 {
			time.Sleep(-late) // the pace is what is measured
		} else if late > changesAtOnce*changeEvery {
			due = time.Now()
		}
		if err := c.change(); err != nil {
			return made, err
		}
		made++
	}
	for c.done%4 != 0 {
		if err := c.change(); err != nil {
			return made, err
		}
	}
	return made, nil
}

// readUntil reads until stop is set and returns how often it did.
//
//go:noinline
func (c *churned) readUntil(stop *atomic.Bool) (reads int, err error) {
	for ; !stop.Load(); reads++ {
		v := c.inner.View()
		if !v.IfWithAddr(c.own, 0).OK() {
			return reads, errors.New("the address that stays is not there")
		}
		far := c.far[reads&(len(c.far)-1)]
		var h ifnet.Hop
		if v.Route(0, far, 0, nil, &h) != pkt.NoReason || !v.Source(&h, far).IsValid() {
			return reads, fmt.Errorf("no way to %v", far)
		}
	}
	return reads, nil
}

// turn has the readers read for a time, with changes or without, and returns how
// often in a second of their processor time, and the changes in a second.
func (c *churned) turn(changes bool) (rate, changed float64, err error) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	var mu sync.Mutex
	reads, cpu := 0, time.Duration(0)
	for range readers {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			begun, e1 := threadTime()
			n, e2 := c.readUntil(&stop)
			ended, e3 := threadTime()
			mu.Lock()
			defer mu.Unlock()
			reads, cpu = reads+n, cpu+ended-begun
			err = errors.Join(err, e1, e2, e3)
		})
	}
	if changes {
		wg.Go(func() {
			begun := time.Now()
			n, e := c.changeUntil(&stop)
			changed = float64(n) / time.Since(begun).Seconds()
			mu.Lock()
			defer mu.Unlock()
			err = errors.Join(err, e)
		})
	}
	time.Sleep(readerTurn) // a turn lasts so long, whatever is read in it
	stop.Store(true)
	wg.Wait()
	return float64(reads) / cpu.Seconds(), changed, err
}

// measure takes the turns. With a processor of Go's for everybody it is the system
// that shares out the machine's, and the changes come when they are due.
func (c *churned) measure(budget time.Duration) (Result, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(readers + 2))
	var still, moved, kept, changes []float64
	_, err := repeat(4*budget, func() error {
		var rates [2]float64 // still, changing
		for i := range rates {
			k := (i + len(kept)) % 2 // who is first is so every other time
			rate, n, err := c.turn(k == 1)
			if err != nil {
				return err
			}
			rates[k] = rate
			if k == 1 {
				changes = append(changes, n)
			}
		}
		still, moved = append(still, rates[0]/1e6), append(moved, rates[1]/1e6)
		kept = append(kept, 100*rates[1]/rates[0])
		return nil
	})
	if err != nil {
		return nil, err
	}
	waits, err := c.waits()
	return Result{
		readersName: {Value: *middle(moved)}, readersName + ".still": {Value: *middle(still)}, readersName + ".kept": {Value: *middle(kept)},
		readersName + ".changes": {Value: *middle(changes)}, readersName + ".waits": {Value: float64(waits)},
	}, err
}

// waits returns in how many records of the profiles of locks readers are after a
// turn with changes.
func (c *churned) waits() (int, error) {
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	runtime.SetBlockProfileRate(1)
	defer runtime.SetBlockProfileRate(0)
	if _, _, err := c.turn(true); err != nil {
		return 0, err
	}
	return waitsIn(").readUntil"), nil
}

// waitsIn returns in how many records of waiting for locks, and of keeping others
// waiting, functions are whose names end so.
func waitsIn(suffix string) (found int) {
	for _, profile := range []func([]runtime.BlockProfileRecord) (int, bool){runtime.MutexProfile, runtime.BlockProfile} {
		all := make([]runtime.BlockProfileRecord, 64)
		n, ok := profile(all)
		for !ok {
			all = make([]runtime.BlockProfileRecord, 2*n)
			n, ok = profile(all)
		}
		for _, rec := range all[:n] {
			if calls(rec.Stack(), suffix) {
				found++
			}
		}
	}
	return found
}

// calls tells whether one of the callers' names ends so.
func calls(stack []uintptr, suffix string) bool {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "runtime.unlock") {
			return false // the run-time system's own, whoever it worked for
		}
		if strings.HasSuffix(f.Function, suffix) {
			return true
		}
		if !more {
			return false
		}
	}
}
