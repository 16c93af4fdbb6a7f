package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/tester"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// Million says how the demonstration of many idle stacks is run.
type Million struct {
	N          int // hosts, each with one interface, one address and one group
	Pings      int // how many of them are pinged
	Sockets    bool
	NoSnooping bool
	Seed       uint64
	Progress   func(stage string, done, of int)
}

// MillionResult is what was measured, as --json prints it.
type MillionResult struct {
	Stacks     int     `json:"stacks"`
	Create     float64 `json:"create_s"`
	CPU        float64 `json:"create_cpu_s"`
	Settle     float64 `json:"settle_s"` // until all reports were repeated
	BytesEach  uint64  `json:"bytes_each"`
	MaxRSS     uint64  `json:"max_rss_bytes"` // when all was made, before any ping
	Heap       uint64  `json:"heap_bytes"`
	Pings      int     `json:"pings"`
	PingOK     int     `json:"ping_ok"` // answered in less than a millisecond
	Ping       Delays  `json:"ping_ms"`
	PingAgain  int     `json:"ping_again"` // pings that were repeated, see pingTries
	Reports    uint64  `json:"reports"`    // that the switch has had
	Timers     int     `json:"timers"`     // armed while all are idle, the switch's too
	Goroutines int     `json:"goroutines"` // likewise
	Sockets    bool    `json:"sockets"`
	Snooping   bool    `json:"snooping"`
	CPUs       int     `json:"cpus"`
	GOGC       int     `json:"gogc"` // -1: off
	MemLimit   int64   `json:"gomemlimit"`
	Verdict    string  `json:"verdict"`
}

// pingLimit is how long an answer may take.
const pingLimit = time.Millisecond

// pingTries is how often a host is pinged that did not answer in time: another
// process may have had the CPU.
const pingTries = 3

// maxHosts is how many addresses 10.0.0.0/8 has for them.
const maxHosts = 10_000_000

// Check returns what is wrong with the options, or nil.
func (c *Million) Check() error {
	var errs []error
	if c.N < 1 || c.N > maxHosts {
		errs = append(errs, fmt.Errorf("n %d: must be 1 to %d", c.N, maxHosts))
	}
	if c.Pings < 0 || c.Pings > 1_000_000 {
		errs = append(errs, fmt.Errorf("pings %d: must be 0 to 1000000", c.Pings))
	}
	return errors.Join(errs...)
}

// Lines is the result as text.
func (r *MillionResult) Lines() string {
	limit := "none"
	if r.MemLimit < 1<<62 {
		limit = megabytes(uint64(r.MemLimit))
	}
	return fmt.Sprintf(`%d stacks made in %.2f s on %d CPUs (%.2f us of CPU time each), at rest after another %.2f s: %d timers, %d goroutines
memory: %s resident at most by the kernel's count, %s of heap in use, %d bytes each (GOGC %d, GOMEMLIMIT %s)
pings: %d of %d answered in less than 1 ms, %d not the first time (p50 %.4f ms, p99 %.4f ms, max %.4f ms)   %s`,
		r.Stacks, r.Create, r.CPUs, r.CPU*1e6/float64(r.Stacks), r.Settle, r.Timers, r.Goroutines,
		megabytes(r.MaxRSS), megabytes(r.Heap), r.BytesEach, r.GOGC, limit,
		r.PingOK, r.Pings, r.PingAgain, r.Ping.P50, r.Ping.P99, r.Ping.Max, r.Verdict)
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// crowd is the demonstration while it runs.
type crowd struct {
	Million
	ctx    context.Context
	world  *vimage.World
	inner  *vnet.World
	lan    *link.Bridge
	pinger *pinger
	next   atomic.Int64 // hosts that somebody makes, or has made
	made   atomic.Int64
}

// RunMillion makes the hosts, waits until they are idle, pings some, and returns
// what was measured. Where ctx ends first it returns the cause.
func RunMillion(ctx context.Context, c Million) (*MillionResult, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	defer collectLate(c.N)()
	n := &crowd{Million: c, ctx: ctx, world: vimage.NewWorld(vimage.Config{Seed: c.Seed})}
	n.inner = n.world.Internal()
	n.lan = link.NewBridge(n.inner.Sched(), n.inner.Seed(), link.BridgeConfig{NoSnooping: c.NoSnooping})
	defer n.lan.Close()
	r := &MillionResult{Stacks: c.N, Pings: c.Pings, Sockets: c.Sockets, Snooping: !c.NoSnooping, CPUs: runtime.GOMAXPROCS(0)}
	r.GOGC, r.MemLimit = collector()
	before := heapInUse()
	for _, stage := range []func(r *MillionResult) error{n.create, n.settle} {
		if err := stage(r); err != nil {
			return nil, err
		}
	}
	r.MaxRSS = tester.MaxRSS()
	r.Heap = heapInUse()
	r.BytesEach = (r.Heap - min(before, r.Heap)) / uint64(c.N)
	if err := n.ping(r); err != nil {
		return nil, err
	}
	r.Verdict = Fail
	if r.PingOK == r.Pings {
		r.Verdict = Pass
	}
	return r, nil
}

// collectLate has the garbage collector allow for half as much garbage as there is
// in use, but no more than the memory that the hosts are meant to take, unless the
// environment says how it is to go about it, and returns what undoes that. Garbage
// that is collected early leaves fewer holes.
func collectLate(hosts int) (undo func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	limit := debug.SetMemoryLimit(int64(hosts)*bytesMeant + 64<<20)
	percent := debug.SetGCPercent(50)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// bytesMeant is what a host is meant to take.
const bytesMeant = 2000

// collector returns how the garbage collector goes about it.
func collector() (percent int, limit int64) {
	percent = debug.SetGCPercent(-1)
	debug.SetGCPercent(percent)
	return percent, debug.SetMemoryLimit(-1)
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what pools have let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// batch is how many hosts one goroutine makes before it looks whether to go on.
const batch = 500

// create makes the hosts on all CPUs.
func (n *crowd) create(r *MillionResult) error {
	p, err := n.newPinger()
	if err != nil {
		return err
	}
	n.pinger = p
	began, cpu := time.Now(), tester.CPU()
	var wg sync.WaitGroup
	failed := make([]error, r.CPUs)
	for w := range r.CPUs {
		wg.Go(func() {
			failed[w] = n.createSome(w == 0)
		})
	}
	wg.Wait()
	r.Create, r.CPU = time.Since(began).Seconds(), (tester.CPU() - cpu).Seconds()
	if err := errors.Join(append(failed, context.Cause(n.ctx))...); err != nil {
		return err
	}
	n.Progress("creating", n.N, n.N)
	return nil
}

func (n *crowd) createSome(tells bool) error {
	for n.ctx.Err() == nil {
		first := int(n.next.Add(batch)) - batch
		if first >= n.N {
			break
		}
		last := min(first+batch, n.N)
		for i := first; i < last; i++ {
			if err := n.host(i); err != nil {
				return err
			}
		}
		if done := int(n.made.Add(int64(last - first))); tells && done < n.N {
			n.Progress("creating", done, n.N)
		}
	}
	return nil
}

// lanBits is the length of the hosts' prefix.
const lanBits = 8

// lanGroup is the group that all hosts listen to.
func lanGroup() netip.Addr { return netip.AddrFrom4([4]byte{239, 1, 1, 1}) }

// lanAddr returns the address of a host, from 10.0.0.2 on; of the pinger, which is
// -1, 10.0.0.1.
func lanAddr(i int) netip.Addr {
	i += 2
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func hostName(i int) string { return strconv.Itoa(i) }

// host makes one host: by the calls that every other stack is made by.
func (n *crowd) host(i int) error {
	st, e := control.NewStack(n.inner, vnet.StackConfig{Name: hostName(i)})
	if e != 0 {
		return fmt.Errorf("host %d: %w", i, e)
	}
	addr := [1]netip.Prefix{netip.PrefixFrom(lanAddr(i), lanBits)}
	index, e := control.AddInterface(st, control.IfaceConfig{Name: "eth0", Port: n.lan.AddPort(), Addrs: addr[:]})
	if e != 0 {
		return fmt.Errorf("host %d: interface: %w", i, e)
	}
	if !n.Sockets {
		e = control.Listen(st, index, lanGroup(), mcast.Filter{Mode: mcast.Exclude})
	} else if s, e1 := usrreq.ListenUDP(st, netip.AddrPortFrom(netip.IPv4Unspecified(), port), 0, 0); e1 != 0 {
		e = e1
	} else {
		e = s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: index}, lanGroup(), netip.Addr{})
	}
	if e != 0 {
		return fmt.Errorf("host %d: join: %w", i, e)
	}
	return nil
}

// settle waits until every host has repeated its report and nothing is under way.
func (n *crowd) settle(r *MillionResult) error {
	began := time.Now()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for n.inner.Clock().Armed() > 1 { // the switch has one as long as it remembers anything
		select {
		case <-n.ctx.Done():
			return context.Cause(n.ctx)
		case <-look.C:
			n.Progress("settling", n.N-min(n.inner.Clock().Armed(), n.N), n.N)
		}
	}
	n.world.Settle()
	r.Settle = time.Since(began).Seconds()
	r.Timers, r.Goroutines = n.inner.Clock().Armed(), runtime.NumGoroutine()
	r.Reports = n.lan.Stats().Reports
	return nil
}
