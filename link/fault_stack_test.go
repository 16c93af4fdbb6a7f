package link_test

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// pair is two stacks in simulated time.
type pair struct {
	sim  *clock.Sim
	w    *vnet.World
	a, b *vnet.Stack
}

func newPair(t *testing.T) *pair {
	p := &pair{sim: clock.NewSim()}
	p.w = vnet.NewWorld(vnet.Config{Clock: p.sim, Seed: 1})
	for _, st := range []**vnet.Stack{&p.a, &p.b} {
		var e syscall.Errno
		name := "a"
		if st == &p.b {
			name = "b"
		}
		if *st, e = stacktest.New(t, p.w, vnet.StackConfig{Name: name}); e != 0 {
			t.Fatal(e)
		}
	}
	return p
}

// plug connects both stacks to a cable.
func (p *pair) plug(t *testing.T, a, b link.Port) {
	t.Helper()
	for _, c := range []struct {
		st   *vnet.Stack
		port link.Port
		addr string
	}{{p.a, a, "10.0.0.1/24"}, {p.b, b, "10.0.0.2/24"}} {
		i, e := control.AddInterface(c.st, control.IfaceConfig{Name: "e0", Port: c.port})
		if e == 0 {
			e = control.AddAddr(c.st, i, netip.MustParsePrefix(c.addr))
		}
		if e != 0 {
			t.Fatal(e)
		}
	}
}

func (p *pair) listen(t *testing.T, st *vnet.Stack, addr string) usrreq.Sock {
	t.Helper()
	s, e := usrreq.ListenUDP(st, netip.MustParseAddrPort(addr), 0, 0)
	if e != 0 {
		t.Fatal(e)
	}
	return s
}

// close ends everything and checks that nothing is left behind.
func (p *pair) close(t *testing.T) {
	t.Helper()
	control.Close(p.a)
	control.Close(p.b)
	if c := p.w.Sched().Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
		t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
	}
	if n := p.sim.Armed(); n != 0 {
		t.Errorf("%d timers armed", n)
	}
}

// drain reads what a socket has and returns when nothing is left.
func drain(t *testing.T, s usrreq.Sock, got func(data string)) {
	t.Helper()
	buf := make([]byte, 65535)
	for {
		n, err := s.ReadFrom(buf, nil, false)
		if err == syscall.EAGAIN {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got(string(buf[:n]))
	}
}

// TestStacksOverADelay sends a datagram that needs an ARP exchange first: three
// crossings of the cable.
func TestStacksOverADelay(t *testing.T) {
	p := newPair(t)
	slow := link.FaultConfig{Delay: 20 * time.Millisecond}
	f := link.NewFault(p.w.Sched(), 0, slow, slow)
	p.plug(t, f.A(), f.B())
	p.sim.RunUntil(clock.Time(10 * time.Second))
	from, to := p.listen(t, p.a, "0.0.0.0:0"), p.listen(t, p.b, "10.0.0.2:7")
	start := p.sim.Now()
	if _, err := from.WriteTo([]byte("hello"), netip.MustParseAddrPort("10.0.0.2:7"), nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	count := func(string) { n++ }
	p.sim.RunUntil(start.Add(60*time.Millisecond - 1))
	drain(t, to, count)
	if n != 0 {
		t.Error("came too early")
	}
	p.sim.RunUntil(start.Add(60 * time.Millisecond))
	drain(t, to, count)
	if n != 1 {
		t.Errorf("%d datagrams after three crossings", n)
	}
	f.Close()
	p.close(t)
}

// TestStacksNoticeEveryFlippedBit sends 3,000 datagrams, one bit of each
// flipped, to a stack that was told so only later: none arrives changed.
func TestStacksNoticeEveryFlippedBit(t *testing.T) {
	p := newPair(t)
	f := link.NewFault(p.w.Sched(), 0, link.FaultConfig{}, link.FaultConfig{})
	p.plug(t, f.A(), f.B())
	from, to := p.listen(t, p.a, "0.0.0.0:0"), p.listen(t, p.b, "10.0.0.2:7")
	const text = "all the bytes of this datagram are as they were"
	send := func() {
		if _, err := from.WriteTo([]byte(text), netip.MustParseAddrPort("10.0.0.2:7"), nil); err != nil {
			t.Fatal(err)
		}
	}
	n, wrong := 0, 0
	check := func(data string) {
		n++
		if data != text {
			wrong++
		}
	}
	send() // resolves the address
	drain(t, to, check)
	if n != 1 {
		t.Fatal("the cable does not work")
	}
	if err := f.Set(link.AtoB, link.FaultConfig{Seed: 5, Corrupt: 1}); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		send()
		drain(t, to, check)
	}
	if wrong != 0 {
		t.Errorf("%d of %d datagrams arrived changed", wrong, n)
	}
	// 6 of the 89 bytes of a frame, the sender's hardware address, are in no sum
	// and of no interest to the receiver.
	if n < 100 || n > 300 {
		t.Errorf("%d of 3,000 damaged frames were accepted", n)
	}
	if got := f.Stats(link.AtoB).Corrupted; got != 3000 {
		t.Errorf("%d frames damaged", got)
	}
	f.Close()
	p.close(t)
}
