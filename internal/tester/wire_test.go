//go:build !novimage

package tester

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// pipe is an end of a wire within the process.
type pipe struct {
	in, out chan []byte
	once    *sync.Once
	closed  chan struct{}
}

// newPipe returns both ends; closing one closes both.
func newPipe() (a, b *pipe) {
	x, y, closed, once := make(chan []byte, 1024), make(chan []byte, 1024), make(chan struct{}), new(sync.Once)
	return &pipe{x, y, once, closed}, &pipe{y, x, once, closed}
}

func (p *pipe) Info() link.Info { return link.Info{Name: "pipe", MTU: 1500, MaxFrame: 1600} }

func (p *pipe) Read(frames [][]byte, meta []link.Meta) (int, error) {
	select {
	case f := <-p.in:
		meta[0] = link.Meta{Len: copy(frames[0], f)}
		return 1, nil
	case <-p.closed:
		return 0, net.ErrClosed
	}
}

func (p *pipe) Write(frames [][]byte, meta []link.Meta) (int, error) {
	for i, f := range frames {
		select {
		case p.out <- append([]byte(nil), f[:meta[i].Len]...):
		case <-p.closed:
			return i, net.ErrClosed
		}
	}
	return len(frames), nil
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// outside is a switch with a querier in another world, and wires to it.
type outside struct {
	t *testing.T
	n *lab.Lab
	s *lab.Switch
}

func newOutside(t *testing.T, c link.BridgeConfig) *outside {
	n := lab.New(t)
	s := n.Switch("dut", lab.SwitchConfig{Subnet: netip.MustParsePrefix("10.9.0.0/16"), BridgeConfig: c})
	q := n.Host("querier")
	n.Link(q, s)
	if err := q.Eth(0).SetQuerier(true); err != nil {
		t.Fatal(err)
	}
	return &outside{t, n, s}
}

// open returns what opens a wire to a port of its own.
func (o *outside) open() func() (link.Device, error) {
	here, there := newPipe()
	w, err := link.NewWire(o.n.World.Internal().Sched(), there)
	if err != nil {
		o.t.Fatal(err)
	}
	o.n.OnClose(func() { w.Close() })
	link.Join(o.s.Bridge().AddPort(), w)
	return func() (link.Device, error) { return here, nil }
}

func onWires(o *outside) Receive {
	return Receive{
		Hosts: 20, Groups: MustGroups("239.1.1.1+3"), Net: netip.MustParsePrefix("10.9.0.0/16"), Bystanders: 2,
		Traffic: Traffic{Senders: 2, Rate: 50}, Seed: 5, Schedule: Schedule{{Do: Join}, {Do: Leave, At: 300 * time.Millisecond}},
		For:  500 * time.Millisecond,
		Open: o.open(), SendOpen: o.open(), AwayOpen: o.open(),
	}
}

// TestWires: receivers, senders and bystanders each on a wire of their own, and a
// switch between them.
func TestWires(t *testing.T) {
	for _, mode := range []Mode{Include, Exclude} {
		c := onWires(newOutside(t, link.BridgeConfig{FastLeave: true}))
		c.Mode = mode
		r := run(t, c)
		if r.Verdict != Pass || r.Joins != 60 || r.Joined != 60 || r.Where != "wire" || r.LeaveDelay.Count != 3 || r.OneWay.Count == 0 {
			t.Errorf("%v: %+v", mode, r)
		}
		if r.WrongSource != 0 || r.Leaked != 0 {
			t.Errorf("%v: %+v", mode, r)
		}
	}
}

// TestWiresFail: a switch that does not snoop shows on the bystanders' wire.
func TestWiresFail(t *testing.T) {
	r := run(t, onWires(newOutside(t, link.BridgeConfig{NoSnooping: true})))
	if r.Verdict != Fail || r.Leaked == 0 || r.Joined != 60 {
		t.Errorf("%+v", r)
	}
}

// TestCapacityOfWires: groups are added until the switch between the wires takes no
// more.
func TestCapacityOfWires(t *testing.T) {
	for limit, want := range map[int]int{20: 20, 0: 40} {
		c := onWires(newOutside(t, link.BridgeConfig{MaxGroups: limit}))
		c.FindCapacity, c.Hosts, c.Groups, c.Senders = true, 2, MustGroups("232.1.1.1+40"), 1
		r := run(t, c)
		if r.Capacity.Groups != want || (r.Capacity.Reason == "") != (limit == 0) || r.Verdict != Pass {
			t.Errorf("limit %d: %+v %+v", limit, r.Capacity, r.Checks)
		}
	}
}

// TestSendToReceive: what one test sends on its wire another one receives on its
// own, and ends early once it has enough.
func TestSendToReceive(t *testing.T) {
	o := newOutside(t, link.BridgeConfig{})
	source := netip.MustParseAddr("10.9.255.1")
	send := Send{
		Groups: MustGroups("232.1.1.1+2"), Net: netip.MustParsePrefix("10.9.0.0/16"), Source: source, Seed: 9,
		Traffic: Traffic{Senders: 2, Rate: 100, Size: 200}, For: time.Minute, Open: o.open(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := RunSend(ctx, send)
		done <- err
	}()
	r := run(t, Receive{
		Hosts: 10, Groups: send.Groups, Net: send.Net, Sources: []netip.Addr{source, source.Next()}, Seed: 6,
		Schedule: Schedule{{Do: Join}}, For: time.Minute, Packets: 20, Open: o.open(),
	})
	cancel()
	if err := <-done; err == nil {
		t.Error("a send that was cancelled ended well")
	}
	if r.Verdict != Pass || r.Joined != 20 || r.Foreign != 0 || !r.Numbered || len(r.Flows) != 4 || r.Ran > 50 {
		t.Errorf("%+v", r)
	}
}

// TestSendCounts: so many, to each group from each source, and then it ends.
func TestSendCounts(t *testing.T) {
	o := newOutside(t, link.BridgeConfig{})
	s, err := RunSend(context.Background(), Send{
		Groups: MustGroups("232.1.1.1+3"), Net: netip.MustParsePrefix("10.9.0.0/16"), Seed: 9,
		Traffic: Traffic{Senders: 2, Rate: 1000, Count: 5}, Open: o.open(),
	})
	if err != nil || s.Sent != 30 || s.Verdict != Pass || s.Sources[0] != (SentRow{"10.9.255.253", 15}) {
		t.Errorf("%+v, %v", s, err)
	}
}
