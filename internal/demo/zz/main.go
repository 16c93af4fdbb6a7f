package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func main() {
	n := flag.Int("n", 20000, "")
	sockets := flag.Bool("sockets", false, "")
	prof := flag.String("prof", "", "")
	gc := flag.Bool("gcoff", false, "")
	flag.Parse()
	if *prof != "" {
		runtime.MemProfileRate = 1
	}
	if *gc {
		debug.SetGCPercent(-1)
	}
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	c := w.Clock().(*clock.Sim)
	br := link.NewBridge(w.Sched(), w.Seed(), link.BridgeConfig{})
	h0 := heap()
	last := h0
	step := func(what string, t time.Time) {
		h := heap()
		fmt.Printf("%-10s %6d B each  %.2f us\n", what, (int64(h)-int64(last))/int64(*n), time.Since(t).Seconds()*1e6/float64(*n))
		last = heap()
	}
	all := make([]*vnet.Stack, *n)
	last = heap()
	t := time.Now()
	for i := range *n {
		st, e := control.NewStack(w, vnet.StackConfig{Name: "h" + strconv.Itoa(i)})
		if e != 0 {
			panic(e)
		}
		all[i] = st
	}
	step("stack", t)
	t = time.Now()
	for i, st := range all {
		a := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).Next(), 8)
		_, e := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: br.AddPort(), Addrs: []netip.Prefix{a}})
		if e != 0 {
			panic(e)
		}
	}
	step("iface", t)
	t = time.Now()
	at := netip.MustParseAddrPort("0.0.0.0:5000")
	g := netip.MustParseAddr("239.1.1.1")
	_ = at
	if *sockets {
	socks := make([]usrreq.Sock, *n)
	for i, st := range all {
		s, e := usrreq.ListenUDP(st, at, 0, 0)
		if e != 0 {
			panic(e)
		}
		socks[i] = s
	}
	step("socket", t)
	t = time.Now()
	for i := range all {
		if e := socks[i].Mcast(usrreq.McastJoin, usrreq.McastIf{Index: 2}, g, netip.Addr{}); e != 0 {
			panic(e)
		}
	}
	step("join", t)
	runtime.KeepAlive(socks)
	} else {
	for i := range all {
		if e := control.Listen(all[i], 2, g, mcast.Filter{Mode: mcast.Exclude}); e != 0 {
			panic(e)
		}
	}
	step("listen", t)
	}
	t = time.Now()
	c.RunUntil(c.Now().Add(20 * time.Second))
	step("settle", t)
	fmt.Println("total", (last-h0)/uint64(*n), "armed", c.Armed(), br.Stats())
	if *prof != "" {
		f, _ := os.Create(*prof)
		pprof.Lookup("heap").WriteTo(f, 0)
		f.Close()
	}
	b, _ := os.ReadFile("/proc/self/status")
	fmt.Println(string(b[len(b)*0:][:0]))
	runtime.KeepAlive(all)
	runtime.KeepAlive(w)
	runtime.KeepAlive(br)
}
