package demo

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/tester"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// sender is a host that sends to groups.
type sender struct {
	node *lab.Node
	conn *vimage.UDPConn
	buf  [tester.PayloadLen]byte
}

func (n *network) sender(name string) (*sender, error) {
	h, err := n.host(name, n.lan)
	if err != nil {
		return nil, err
	}
	pc, err := h.ListenPacket("udp4", ":0")
	if err != nil {
		return nil, err
	}
	s := &sender{node: h, conn: pc.(*vimage.UDPConn)}
	if err := s.conn.SetMulticastInterface(h.Eth(0)); err != nil {
		return nil, fmt.Errorf("%s: multicast interface: %w", name, err)
	}
	return s, nil
}

// send sends one datagram to every group.
func (s *sender) send(n *network, seq uint64) {
	tester.PutPayload(s.buf[:], tester.Payload{Seq: seq, Sent: n.World.Now().UnixNano()})
	for g := range n.Groups {
		s.conn.WriteToUDPAddrPort(s.buf[:], netip.AddrPortFrom(n.group(g), port))
	}
}

// receiver is a host that joins one source's channel.
type receiver struct {
	node          *lab.Node
	conn          *vimage.UDPConn
	world         *vimage.World
	group, source netip.Addr
	anyPayload    bool // datagrams are somebody else's program's
	asked         time.Time
	delay         atomic.Int64 // nanoseconds from the join to the first datagram, 0 if none came
	got           atomic.Uint64
	wrong         atomic.Uint64
}

func (n *network) receiver(i int, at *lab.Switch) (*receiver, error) {
	h, err := n.AddNode(fmt.Sprintf("r%d", i), lab.NodeConfig{})
	if err != nil {
		return nil, err
	}
	var lc lab.LinkConfig
	if n.Break == "link" && i%bystander == 1%n.Receivers {
		lc.FaultConfig = link.FaultConfig{Loss: 0.5}
	}
	if _, err := n.AddLink(h, at, lc); err != nil {
		return nil, err
	}
	pc, err := h.ListenPacket("udp4", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, err
	}
	r := &receiver{node: h, conn: pc.(*vimage.UDPConn), world: n.World, group: n.group(i), source: n.sources[i/n.Groups%n.Sources].node.Addr()}
	r.conn.OnReadable(r.read)
	if n.Break == "source-filter" {
		r.conn.Internal().SetIgnoreSourceFilters(true)
	}
	if n.Break == "report" && i%bystander == 1%n.Receivers {
		control.SetMute(h.Internal(), uint32(h.Eth(0).Index()), true)
	}
	return r, nil
}

// read takes everything that waits. Several calls may run at once.
func (r *receiver) read() {
	var buf [2 * tester.PayloadLen]byte
	for {
		m, from, ok, err := r.conn.TryReadFrom(buf[:])
		if !ok || err != nil {
			return
		}
		p, ours := tester.ParsePayload(buf[:m])
		switch {
		case !ours && !r.anyPayload || from.Addr() != r.source:
			r.wrong.Add(1)
			continue
		case p.Seq != 0 || r.anyPayload:
			r.got.Add(1)
		}
		if r.delay.Load() == 0 {
			r.delay.Store(max(int64(r.world.Now().Sub(r.asked)), 1))
		}
	}
}

// join makes the node's first interface a member of (source, group).
func join(c *vimage.UDPConn, h *lab.Node, source, group netip.Addr) error {
	if err := c.JoinSourceGroup(h.Eth(0), group, source); err != nil {
		return fmt.Errorf("%s: join (%v, %v): %w", h.Name(), source, group, err)
	}
	return nil
}
