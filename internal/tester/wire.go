package tester

import (
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
