package usrreq_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

func nthGroup(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{239, byte(i >> 16), byte(i >> 8), byte(i)})
}

// TestMembershipMemory measures what a membership costs in all, in the table of
// groups, in IGMP, and at a switch: of 10,000 groups, which takes three sockets.
func TestMembershipMemory(t *testing.T) {
	const n, most = 10000, 256
	for _, c := range []struct {
		what   string
		op     usrreq.McastOp
		source netip.Addr
	}{{"any source", usrreq.McastJoin, netip.Addr{}}, {"one source", usrreq.McastJoinSource, addr("10.0.0.9")}} {
		sim := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: sim, Seed: 1})
		st := newStack(t, w, "a")
		on := usrreq.McastIf{Index: plug(t, st, "e0", link.NewEpair(0).A(), "10.0.0.1/24")}
		var socks [3]usrreq.Sock
		for i := range socks {
			socks[i] = listen(t, st, "0.0.0.0:5000")
		}
		all := func(op usrreq.McastOp) {
			for i := range n {
				must(t, socks[i*len(socks)/n].Mcast(op, on, nthGroup(i), c.source))
			}
			sim.RunUntil(sim.Now() + clock.Time(time.Minute)) // all is reported
		}
		all(c.op) // the buffers of reports are not what is asked about
		all(usrreq.McastLeave)
		per := 1 << 20
		for range 3 { // whatever else happens to be allocated meanwhile only adds
			before := heap()
			all(c.op)
			per = min(per, int(heap()-before)/n)
			all(usrreq.McastLeave)
		}
		t.Logf("%s: %d bytes", c.what, per)
		if per > most && !raceOn && !c.source.IsValid() {
			t.Errorf("a membership takes %d bytes, want %d at most", per, most)
		}
		for _, s := range socks {
			s.Close()
		}
		runtime.KeepAlive(w)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkJoinLeave joins and leaves groups on one interface that reports them,
// 1,000 at a time, by ten sockets.
func BenchmarkJoinLeave(b *testing.B) {
	st := newStack(b, vnet.NewWorld(vnet.Config{Clock: clock.NewReal(), Seed: 1}), "a")
	on := usrreq.McastIf{Index: plug(b, st, "e0", link.NewEpair(0).A(), "10.0.0.1/24")}
	var socks [10]usrreq.Sock
	for i := range socks {
		socks[i] = listen(b, st, "0.0.0.0:5000")
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += 1000 {
		for _, op := range []usrreq.McastOp{usrreq.McastJoin, usrreq.McastLeave} {
			for k := range 1000 {
				if e := socks[k%len(socks)].Mcast(op, on, nthGroup(k), netip.Addr{}); e != 0 {
					b.Fatal(e)
				}
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "joins/s")
}

// BenchmarkFanoutFiltered sends a datagram to 1,000 sockets, with and without
// filters of 128 sources that let it pass: the time is that of one copy, read.
func BenchmarkFanoutFiltered(b *testing.B) {
	const socks = 1000
	for _, n := range []int{0, 1, 8, 128} {
		b.Run(fmt.Sprintf("sources=%d", n), func(b *testing.B) {
			w := newWorld()
			cable := link.NewEpair(0)
			a, r := newStack(b, w, "a"), newStack(b, w, "b")
			plug(b, a, "e0", cable.A(), "10.0.0.1/24")
			on := usrreq.McastIf{Index: plug(b, r, "e0", cable.B(), "10.0.0.2/24")}
			group := addr("232.1.1.1")
			sources := []netip.Addr{addr("10.0.0.1")}
			for i := 1; i < n; i++ {
				sources = append(sources, netip.AddrFrom4([4]byte{10, byte(i * 7), byte(i * 13), byte(i)}))
			}
			all := make([]usrreq.Sock, socks)
			for i := range all {
				all[i] = listen(b, r, "0.0.0.0:5000")
				must(b, all[i].Mcast(usrreq.McastJoin, on, group, netip.Addr{}))
				if n > 0 {
					must(b, all[i].SetSourceFilter(on, group, 1, sources))
				}
			}
			s := listen(b, a, "0.0.0.0:9")
			how, to := &socket.Send{IfIndex: 2}, netip.AddrPortFrom(group, 5000)
			data, buf := make([]byte, 64), make([]byte, 64)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += socks {
				if _, err := s.WriteTo(data, to, how); err != nil {
					b.Fatal(err)
				}
				for _, r := range all {
					if _, err := r.ReadFrom(buf, nil, false); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
