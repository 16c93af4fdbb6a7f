package tester

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

// test is a test while it runs.
type test struct {
	Receive
	*lab.Lab
	ctx        context.Context
	receivers  []*receiver
	near       []*station // members of (impostor, G) behind the same hub as a receiver
	bystanders []*edge
	senders    []*sender
	impostor   *sender // nil on a wire
	filter     filter
	lan        *lab.Switch // that hosts are added to; nil on a wire
	place      *Place      // nil unless the network was there
	wire       *edge       // the receivers' wire as a whole; nil in a lab
	records    *link.Recorder
	pcap       *pcapng.Writer

	clock     uint32
	bufs      sync.Pool
	began     time.Time // by the wall
	start     time.Time // of the schedule, by the world
	ran       time.Duration
	quiet     atomic.Bool // senders have stopped: every number they sent must come
	driver    driver
	tally     tally
	target    int64         // joins that allJoined waits for
	settled   atomic.Int64  // of them, how many have had a datagram
	joinedS   atomic.Int64  // wall time when all had, in ns since began
	joinedRSS atomic.Uint64 // the most memory until then
	found     *Capacity
}

// station is a host: a stack with one interface to the network.
type station struct {
	*vimage.Stack
	ifi  *vimage.Interface
	addr netip.Addr
}

func newTest(ctx context.Context, c Receive) (t *test, err error) {
	t = &test{Receive: c, ctx: ctx, began: time.Now(), clock: ClockOf(c.Virtual, c.Seed)}
	config := lab.Config{Seed: c.Seed, Simulated: c.Virtual}
	if c.Network == nil {
		t.Lab = lab.Open(config)
	} else {
		if t.place, err = c.Network(config); err != nil {
			return nil, err
		}
		t.Lab, t.lan = t.place.Lab, t.place.Switch
	}
	t.bufs.New = func() any { return new([MaxPayload + 1]byte) }
	t.tally.oneWay = new(Histogram)
	return t, nil
}

// build makes the network and all hosts.
func (t *test) build() error {
	if t.Open != nil {
		return t.buildWires()
	}
	return t.buildLab()
}

// six tells whether the test is of IPv6.
func (t *test) six() bool { return t.Groups.First.Is6() }

// network returns "udp4" or "udp6".
func (t *test) network() string {
	if t.six() {
		return "udp6"
	}
	return "udp4"
}

// listen opens a socket of a station.
func (t *test) listen(s *station, port int) (*vimage.UDPConn, error) {
	pc, err := s.ListenPacket(t.network(), fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, err
	}
	return pc.(*vimage.UDPConn), nil
}

// pause lets simulated time pass; in real time everything has happened when the
// world is at rest.
func (t *test) pause(d time.Duration) {
	if t.Virtual {
		t.Run(d)
		return
	}
	t.World.Settle()
}

// wait lets time pass, of either kind, and returns the cause when ctx ends.
func (t *test) wait(d time.Duration) error {
	if t.Virtual {
		t.Run(d)
		return context.Cause(t.ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	case <-timer.C:
		return nil
	}
}

// capture records every link of a lab, or the receivers' wire.
func (t *test) capture(w io.Writer) {
	if t.Open == nil {
		t.CaptureAll(w)
		return
	}
	t.pcap = pcapng.NewWriter(w, pcapng.Section{Application: "vimage"})
	t.records = link.NewRecorder(t.World.Internal().Sched(), t.pcap, 0)
}

func (t *test) endCapture() error {
	if t.Open == nil {
		return t.EndCapture()
	}
	if err := t.records.Close(); err != nil {
		return err
	}
	return t.pcap.Close()
}
