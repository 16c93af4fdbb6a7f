package nd

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// network is a link with hosts on it: what one sends, those hear that listen to
// its destination, after the link's latency.
type network struct {
	t       *testing.T
	now     clock.Time
	latency time.Duration
	loop    int // times that what is sent to a group comes back to its sender
	hosts   []*station
	flying  []flight
}

type station struct {
	*Table[int]
	mac   wire.MAC
	ready map[netip.Addr]bool
	lost  map[netip.Addr]bool
	got   int // packets
	freed int
}

type flight struct {
	at   clock.Time
	to   *station
	msg  *Received
	data bool
}

func (n *network) add(seed uint64, mac byte) *station {
	tun := Defaults()
	s := &station{Table: New[int](seed), mac: wire.MAC{2, 0, 0, 0, 0, mac}, ready: map[netip.Addr]bool{}, lost: map[netip.Addr]bool{}}
	s.Bind(&tun, new(Stats))
	n.hosts = append(n.hosts, s)
	return s
}

// send delivers to whoever has the hardware address. Everybody hears groups:
// Input sorts that out.
func (n *network) send(from *station, dst wire.MAC, msg *Received, data bool) {
	for _, to := range n.hosts {
		times := 0
		switch {
		case to == from && dst.IsMulticast():
			times = n.loop
		case to != from && (dst.IsMulticast() || to.mac == dst):
			times = 1
		}
		for i := range times {
			at := n.now.Add(n.latency * time.Duration(i+1))
			n.flying = append(n.flying, flight{at, to, msg, data})
		}
	}
}

func (n *network) pull(s *station) {
	var o Out[int]
	for s.Next(n.now, &o) {
		switch o.Kind {
		case SendMessage:
			n.send(s, o.Message.DstMAC, received(n.t, &o.Message, s.mac), false)
		case SendPacket:
			n.send(s, o.MAC, nil, true)
		case DropPacket:
			s.freed++
		case AddressReady:
			s.ready[o.IP] = true
		case AddressDuplicate:
			delete(s.ready, o.IP)
			s.lost[o.IP] = true
		}
	}
}

func (n *network) resolve(s *station, ip netip.Addr) {
	r := s.Resolve(n.now, ip, netip.Addr{}, 1, false)
	if r.Verdict == Send {
		n.send(s, r.MAC, nil, true)
	}
	n.pull(s)
}

// run lets time pass until end.
func (n *network) run(end clock.Time) {
	for steps := 0; ; steps++ {
		if steps > 100000 {
			n.t.Fatal("it does not end")
		}
		next, which := end.Add(1), -1
		for i, f := range n.flying {
			if f.at < next {
				next, which = f.at, i
			}
		}
		for _, s := range n.hosts {
			if at := s.Deadline(); at < next {
				next, which = at, -1
			}
		}
		if next > end {
			n.now = end
			return
		}
		n.now = max(n.now, next)
		if which >= 0 {
			f := n.flying[which]
			n.flying = slices.Delete(n.flying, which, which+1)
			n.arrive(f)
			continue
		}
		for _, s := range n.hosts {
			n.pull(s)
		}
	}
}

func (n *network) arrive(f flight) {
	if f.data {
		f.to.got++
		return
	}
	if a := f.to.Input(n.now, f.msg); a.Reply {
		n.send(f.to, a.Message.DstMAC, received(n.t, &a.Message, f.to.mac), false)
	}
	n.pull(f.to)
}

// TestTwoHostsOneAddress (RFC 4862 §5.4.3): hosts that come up at once, or one
// after the other, with the same tentative address, on links of any latency
// below RetransTimer: at most one keeps it, with and without a loop, and exactly
// one if they start further apart than the detection takes.
func TestTwoHostsOneAddress(t *testing.T) {
	ip := addr("2001:db8::1")
	kept := map[int]int{}
	for seed := range uint64(600) {
		r := rng(seed)
		n := &network{t: t, latency: r.within(400 * time.Millisecond)}
		if seed%3 == 0 {
			n.loop = 1
		}
		apart := time.Duration(0)
		if seed%2 == 0 {
			apart = r.within(5 * time.Second)
		}
		a, b := n.add(seed, 1), n.add(seed+1000, 2)
		flags := AddrFlags(0)
		if seed%5 == 0 {
			flags = OptimisticDAD
		}
		for i, s := range []*station{a, b} {
			n.run(clock.Time(0).Add(apart * time.Duration(i)))
			if seed%7 == 0 {
				s.tun.DADEnhanced = 0
			}
			s.SetLink(n.now, Link{MAC: s.mac, Up: true, Loops: n.loop > 0})
			s.AddAddress(n.now, ip, flags|Delayed)
			n.pull(s)
		}
		n.run(n.now.Add(20 * time.Second))
		keep := 0
		for _, s := range []*station{a, b} {
			if s.ready[ip] == s.lost[ip] && !(n.loop > 0) {
				t.Fatalf("seed %d: undecided", seed)
			}
			if s.ready[ip] {
				keep++
			}
		}
		kept[keep]++
		if keep > 1 {
			t.Fatalf("seed %d: both have it", seed)
		}
		if apart > 3*time.Second && keep != 1 && n.loop == 0 {
			t.Fatalf("seed %d: %d have it, %v apart", seed, keep, apart)
		}
	}
	t.Logf("nobody kept it %d times, one %d times", kept[0], kept[1])
	if kept[0] == 0 || kept[1] == 0 {
		t.Error("the test does not try both")
	}
}

// TestOneSeedTwoHosts: hosts that were given one seed by mistake still tell each
// other from themselves.
func TestOneSeedTwoHosts(t *testing.T) {
	ip := addr("2001:db8::1")
	n := &network{t: t, latency: time.Millisecond}
	a, b := n.add(1, 1), n.add(1, 2)
	for _, s := range n.hosts {
		s.SetLink(0, Link{MAC: s.mac, Up: true})
		s.AddAddress(0, ip, 0)
		n.pull(s)
	}
	n.run(clock.Time(0).Add(5 * time.Second))
	if !a.lost[ip] || !b.lost[ip] {
		t.Error("a duplicate was not seen")
	}
}

// TestOneHardwareAddress (RFC 4862 §5.4.5): two machines with the same hardware
// address, one after the other: the second one stops.
func TestOneHardwareAddress(t *testing.T) {
	ip := addr("fe80::ff:fe00:7")
	n := &network{t: t, latency: time.Millisecond}
	a, b := n.add(1, 7), n.add(2, 7)
	for i, s := range n.hosts {
		n.run(clock.Time(0).Add(time.Duration(i) * 3 * time.Second))
		s.SetLink(n.now, Link{MAC: s.mac, Up: true})
		s.AddAddress(n.now, ip, 0)
		n.pull(s)
	}
	n.run(clock.Time(0).Add(9 * time.Second))
	if !a.ready[ip] || !b.lost[ip] || !b.link.Disabled || a.link.Disabled {
		t.Errorf("first %v, second lost %v, disabled %v", a.ready[ip], b.lost[ip], b.link.Disabled)
	}
}

// TestLoopStaysTentative (RFC 7527 §4.2): on a link that loops for good the
// question is asked on and on; when the loop has gone the address is ours.
func TestLoopStaysTentative(t *testing.T) {
	ip := addr("2001:db8::1")
	n := &network{t: t, latency: 100 * time.Millisecond, loop: 2}
	a := n.add(1, 1)
	a.SetLink(0, Link{MAC: a.mac, Up: true})
	a.AddAddress(0, ip, 0)
	n.pull(a)
	n.run(clock.Time(0).Add(time.Minute))
	if s, _ := a.Address(ip); s != Tentative || a.stats.TxSolicits < 55 {
		t.Fatalf("%v after %d questions", s, a.stats.TxSolicits)
	}
	n.loop = 0
	n.run(n.now.Add(5 * time.Second))
	if !a.ready[ip] {
		t.Error("not ready though the loop has gone")
	}
}

// TestTalk: hosts that resolve each other, talk, fall silent and come back at
// another hardware address. Every packet arrives but those in flight when the
// neighbour went.
func TestTalk(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			n := &network{t: t, latency: time.Millisecond}
			a, b := n.add(seed, 1), n.add(seed+100, 2)
			ipA, ipB := addr("fe80::a"), addr("fe80::b")
			a.SetLink(0, Link{MAC: a.mac, Up: true})
			b.SetLink(0, Link{MAC: b.mac, Up: true})
			a.AddAddress(0, ipA, NoDAD)
			b.AddAddress(0, ipB, NoDAD)
			for range 200 { // past several lives of an entry
				n.resolve(a, ipB)
				n.run(n.now.Add(time.Second))
			}
			if b.got != 200 || a.freed != 0 {
				t.Fatalf("%d of 200 arrived, %d freed", b.got, a.freed)
			}
			if a.stats.TxSolicits < 3 || a.stats.TxSolicits > 20 {
				t.Errorf("%d solicitations in 200 s", a.stats.TxSolicits)
			}
			b.mac = wire.MAC{2, 0, 0, 0, 0, 9}
			b.SetLink(n.now, Link{MAC: b.mac, Up: true})
			n.pull(b)
			n.run(n.now.Add(10 * time.Second))
			n.resolve(a, ipB)
			n.run(n.now.Add(time.Second))
			if b.got != 201 {
				t.Error("the new hardware address was not learned")
			}
			b.SetLink(n.now, Link{MAC: b.mac})
			n.hosts = n.hosts[:1] // gone: within a minute the sender knows
			for range 60 {
				n.resolve(a, ipB)
				n.run(n.now.Add(time.Second))
			}
			if a.freed == 0 || a.stats.Lost != 1 {
				t.Errorf("%d freed, %d lost", a.freed, a.stats.Lost)
			}
		})
	}
}
