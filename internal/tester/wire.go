package tester

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// Plug connects a device to a segment of a lab's own, which snoops nothing and
// shows hosts what their cards accept. The lab closes the device. record, if not
// nil, is given the device's port and returns the one to be used.
func Plug(n *lab.Lab, name string, net netip.Prefix, open func() (link.Device, error), record func(link.Port) link.Port) (*lab.Switch, error) {
	dev, err := open()
	if err != nil {
		return nil, err
	}
	w, err := link.NewWire(n.World.Internal().Sched(), dev)
	if err != nil {
		dev.Close()
		return nil, err
	}
	n.OnClose(func() { w.Close() })
	c := lab.SwitchConfig{Subnet: net, BridgeConfig: link.BridgeConfig{NoSnooping: true, MTU: w.Props().MTU}}
	if net.Addr().Is6() {
		c.Subnet, c.Subnet6 = netip.Prefix{}, net
	}
	seg, err := n.AddSwitch(name, c)
	if err != nil {
		return nil, err
	}
	port := link.Port(w)
	if record != nil {
		port = record(port)
	}
	link.Join(seg.Bridge().AddPort(), port)
	return seg, nil
}

// buildWires puts receivers, senders and bystanders on their wires.
func (t *test) buildWires() error {
	seg, err := Plug(t.Lab, "wire", t.Net, t.Open, t.recorded)
	if err != nil {
		return err
	}
	t.wire = &edge{t: t}
	t.watch(seg)
	free, err := t.addresses(seg)
	if err != nil {
		return err
	}
	next := func() (a netip.Addr) { a, free = free[0], free[1:]; return a }
	if err := t.putSenders(next); err != nil {
		return err
	}
	for i := range t.Hosts {
		s, err := t.onWire(fmt.Sprintf("r%d", i), seg, next())
		if err != nil {
			return err
		}
		if err := t.addReceiver(s, t.wire); err != nil {
			return err
		}
		if err := t.built(i, t.Hosts, "building"); err != nil {
			return err
		}
	}
	return t.putBystanders(next)
}

// recorded puts the capture, if there is one, between the wire and its segment.
func (t *test) recorded(p link.Port) link.Port {
	if t.records == nil {
		return p
	}
	return t.records.Capture(p, link.CaptureOptions{Name: "wire"})
}

// watch shows the wire's edge every frame that comes from outside.
func (t *test) watch(seg *lab.Switch) {
	port := seg.Bridge().AddPort()
	port.SetAddr(t.World.Internal().NewMAC())
	port.SetPromisc(true)
	port.Attach(&onlooker{t.wire})
}

// onlooker listens at a port of a segment for an edge.
type onlooker struct{ edge *edge }

// Put implements netisr.Sink.
func (o *onlooker) Put(r *netisr.Runner, b *pkt.Buf) {
	if e, f := wire.ParseEther(b.Bytes()); f == wire.OK && e.Dst().IsMulticast() {
		if ip, f := wire.ParseIP(e.Payload()); f == wire.OK && ip.Proto() == wire.ProtoUDP {
			o.edge.saw(ip.Src(), ip.Dst())
		}
	}
	r.Cache.Free(b)
}

// Lend implements netisr.Lender.
func (o *onlooker) Lend(r *netisr.Runner, b *pkt.Buf) bool {
	o.Put(r, b)
	return true
}

// onWire adds a host to a segment.
func (t *test) onWire(name string, seg *lab.Switch, addr netip.Addr) (*station, error) {
	h, err := t.AddNode(name, lab.NodeConfig{})
	if err != nil {
		return nil, err
	}
	ifi, err := h.AddInterface("eth0", vimage.InterfaceConfig{
		Port: seg.Bridge().AddPort(), Addrs: []netip.Prefix{netip.PrefixFrom(addr, t.Net.Bits())},
	})
	if err != nil {
		return nil, err
	}
	return &station{Stack: h.Stack, ifi: ifi, addr: addr}, nil
}

// addresses returns those of all hosts on wires, of senders only where they are not
// given.
func (t *test) addresses(seg *lab.Switch) ([]netip.Addr, error) {
	n := t.Hosts + t.Bystanders
	if t.SendOpen != nil {
		n += t.Senders + 1
	}
	if t.six() {
		return t.addresses6(n), nil
	}
	return Probe(t.ctx, t.World, seg.Bridge(), t.Net, n, t.Sources, func(done, of int) { t.Progress("probing", done, of) })
}

// addresses6 returns addresses that nobody is likely to have: in 64 bits that the
// seed decides, two hosts do not meet.
//
// Deviation: RFC 4862 §5.4 has every address asked about first; these live for
// seconds.
func (t *test) addresses6(n int) (all []netip.Addr) {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64([]byte("tester"), t.Seed))
	b := t.Net.Masked().Addr().As16()
	low := h.Sum64() &^ 0x00ff_ffff // so that counting on stays within
	for i := range n {
		binary.BigEndian.PutUint64(b[8:], low+uint64(i)+1)
		all = append(all, netip.AddrFrom16(b))
	}
	return all
}

// putSenders puts senders, and an impostor, on a wire of their own; without one,
// others send.
func (t *test) putSenders(next func() netip.Addr) error {
	t.filter = newFilter(t.Mode, t.Sources)
	if t.SendOpen == nil {
		t.Senders = 0
		return nil
	}
	seg, err := Plug(t.Lab, "send", t.Net, t.SendOpen, nil)
	if err != nil {
		return err
	}
	given := t.Sources
	if len(given) > 0 && t.Mode == Include {
		t.Senders = len(given)
	}
	for i := range t.Senders + 1 {
		name, a := fmt.Sprintf("sender%d", i), next()
		switch {
		case i == t.Senders:
			name = "impostor"
			if len(given) > 0 && t.Mode == Exclude {
				a = given[0]
			}
		case len(given) > 0 && t.Mode == Include:
			a = given[i]
		}
		s, err := t.onWire(name, seg, a)
		if err != nil {
			return err
		}
		if i < t.Senders {
			err = t.addSender(s)
		} else {
			t.impostor, err = t.newSender(s, i)
		}
		if err != nil {
			return err
		}
	}
	t.filter = t.ownFilter()
	return context.Cause(t.ctx)
}

// ownFilter returns the filter that was given or, where none was, the one that
// our own senders suggest.
func (t *test) ownFilter() filter {
	given := t.Sources
	if len(given) == 0 {
		given = []netip.Addr{t.impostor.addr}
		if t.Mode == Include {
			given = t.senderAddrs()
		}
	}
	return newFilter(t.Mode, given)
}

// putBystanders puts the bystanders on their wire.
func (t *test) putBystanders(next func() netip.Addr) error {
	if t.AwayOpen == nil {
		return nil
	}
	seg, err := Plug(t.Lab, "away", t.Net, t.AwayOpen, nil)
	if err != nil {
		return err
	}
	for i := range t.Bystanders {
		s, err := t.onWire(fmt.Sprintf("bystander%d", i), seg, next())
		if err != nil {
			return err
		}
		if err := t.addBystander(s); err != nil {
			return err
		}
	}
	return nil
}

// addBystander has a station look at every frame.
func (t *test) addBystander(s *station) error {
	e := new(edge)
	t.bystanders = append(t.bystanders, e)
	return e.attach(t, s)
}
