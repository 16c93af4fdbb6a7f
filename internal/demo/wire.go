package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/tester"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// WireSSM says how the receivers of the demonstration are put on a real wire:
// switch, querier and source are whatever is out there.
type WireSSM struct {
	Receivers int
	Packets   int           // datagrams that every receiver is to have from the source
	Source    netip.Addr    // who sends
	Group     netip.Addr    // to which group
	Port      int           // and port
	Net       netip.Prefix  // receivers take its addresses from .2 upwards
	For       time.Duration // after which the run ends anyhow
	Seed      uint64
	Open      func() (link.Device, error) // the wire
	Progress  func(stage string, done, of int)
}

// Check returns what is wrong with the options, or nil.
func (c *WireSSM) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Receivers < 1 || c.Receivers > 100_000 {
		bad("receivers %d: must be 1 to 100000", c.Receivers)
	}
	if c.Packets < 1 {
		bad("packets %d: must be 1 or more", c.Packets)
	}
	if !c.Source.Is4() || c.Source.IsMulticast() || c.Source.IsUnspecified() {
		bad("source %v: must be the IPv4 address of the host that sends", c.Source)
	}
	if !c.Group.Is4() || !c.Group.IsMulticast() {
		bad("group %v: must be an IPv4 multicast address, such as 232.1.1.1", c.Group)
	}
	if c.Port < 1 || c.Port > 65535 {
		bad("port %d: must be 1 to 65535", c.Port)
	}
	if !c.Net.IsValid() || !c.Net.Addr().Is4() || c.Net.Bits() > 30 {
		bad("net %v: must be an IPv4 prefix of at most 30 bits, such as 10.9.0.0/16", c.Net)
	} else if room := 1<<(32-c.Net.Bits()) - 3; c.Receivers > room {
		bad("net %v: has room for %d receivers, not %d", c.Net, room, c.Receivers)
	}
	if c.For <= 0 {
		bad("for %v: must be longer than 0", c.For)
	}
	return errors.Join(errs...)
}

// wireRun is the demonstration on a wire while it runs.
type wireRun struct {
	WireSSM
	*lab.Lab
	ctx       context.Context
	seg       *lab.Switch // the wire: it snoops nothing and shows hosts what their cards accept
	receivers []*receiver
}

// RunWireSSM puts the receivers on the wire, waits until all have had their
// datagrams or time is up, lets them leave, and returns what was measured. It
// opens and closes the device. Where ctx ends first it returns the cause; the receivers
// have left then, too.
func RunWireSSM(ctx context.Context, c WireSSM) (*Result, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	began := time.Now()
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	n := &wireRun{WireSSM: c, ctx: ctx, Lab: lab.Open(lab.Config{Seed: c.Seed})}
	defer n.Close()
	if err := n.plug(); err != nil {
		return nil, err
	}
	free, err := tester.Probe(ctx, n.World, n.seg.Bridge(), n.Net, n.Receivers, []netip.Addr{n.Source}, func(done, of int) { n.Progress("probing", done, of) })
	if err != nil {
		return nil, err
	}
	for i, a := range free {
		if err := n.add(i, a); err != nil {
			return nil, err
		}
		if i%joinBatch == joinBatch-1 || i == len(free)-1 {
			n.Progress("joining", i+1, len(free))
		}
	}
	err = n.wait()
	r := n.result()
	n.leave()
	r.Elapsed = time.Since(began).Seconds()
	r.MaxRSS = tester.MaxRSS()
	if err != nil {
		return nil, err
	}
	return r, nil
}

// plug connects the device to a segment of our own.
func (n *wireRun) plug() (err error) {
	n.seg, err = tester.Plug(n.Lab, "wire", n.Net, n.Open, nil)
	return err
}

// add makes one receiver and lets it join.
func (n *wireRun) add(i int, a netip.Addr) error {
	h, err := n.AddNode(fmt.Sprintf("r%d", i), lab.NodeConfig{})
	if err != nil {
		return err
	}
	if _, err := n.AddLink(h, n.seg, lab.LinkConfig{A: netip.PrefixFrom(a, n.Net.Bits())}); err != nil {
		return err
	}
	pc, err := h.ListenPacket("udp4", fmt.Sprintf(":%d", n.Port))
	if err != nil {
		return err
	}
	r := &receiver{node: h, conn: pc.(*vimage.UDPConn), world: n.World, group: n.Group, source: n.Source, anyPayload: true}
	r.asked = n.World.Now()
	r.conn.OnReadable(r.read)
	n.receivers = append(n.receivers, r)
	return join(r.conn, h, n.Source, n.Group)
}

// wait returns when every receiver has had its datagrams, when time is up, or
// with the cause when ctx ends.
func (n *wireRun) wait() error {
	end := time.NewTimer(n.For)
	defer end.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return context.Cause(n.ctx)
		case <-end.C:
			return nil
		case <-look.C:
			done := 0
			for _, r := range n.receivers {
				if r.got.Load() >= uint64(n.Packets) {
					done++
				}
			}
			n.Progress("receiving", done, len(n.receivers))
			if done == len(n.receivers) {
				return nil
			}
		}
	}
}

// leave lets all receivers leave and waits until their reports, which are
// repeated, have been sent.
func (n *wireRun) leave() {
	for _, r := range n.receivers {
		r.conn.Close()
	}
	for _, r := range n.receivers {
		for control.ReportsPending(r.node.Internal(), uint32(r.node.Eth(0).Index())) {
			<-time.After(10 * time.Millisecond)
		}
	}
	n.World.Settle()
}

func (n *wireRun) result() *Result {
	r := &Result{Receivers: n.Receivers, Expected: uint64(n.Receivers) * uint64(n.Packets)}
	var delays []int64
	for _, rc := range n.receivers {
		r.Delivered += min(rc.got.Load(), uint64(n.Packets))
		r.WrongSource += rc.wrong.Load()
		c := rc.node.Counters()
		r.Reports += c["igmp.sent"]
		if c["igmp.sent"] > 0 {
			r.Joined++
		}
		r.Stopped.Socket += c["udp.filtermcast"]
		r.Stopped.Interface += c["ip.notmember"]
		if d := rc.delay.Load(); d != 0 {
			delays = append(delays, d)
		}
	}
	r.JoinDelay = percentiles(delays)
	r.judge()
	return r
}
