package demo

import (
	"context"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/tester"
	"github.com/seed88948545/vimage/lab"
)

// pause lets simulated time pass; in real time everything has happened when the
// world is at rest.
func (n *network) pause(d time.Duration) {
	if n.Virtual {
		n.Run(d)
		return
	}
	n.World.Settle()
}

// join lets the hosts near receivers join the impostor's channel, then the
// receivers theirs, a batch at a time; after each batch all senders send a
// beacon, whose arrival shows that a join has taken effect.
func (n *network) join() error {
	for i, h := range n.near {
		if err := n.joinNear(h, i); err != nil {
			return err
		}
	}
	for i, r := range n.receivers {
		r.asked = n.World.Now()
		if err := join(r.conn, r.node, r.source, r.group); err != nil {
			return err
		}
		if n.Virtual {
			n.Run(100 * time.Microsecond)
		}
		if err := context.Cause(n.ctx); err != nil {
			return err
		}
		if i%joinBatch == joinBatch-1 || i == len(n.receivers)-1 {
			n.beacon()
			n.Progress("joining", i+1, len(n.receivers))
		}
	}
	n.pause(3 * time.Second) // retransmitted reports
	n.beacon()
	return nil
}

func (n *network) joinNear(h *lab.Node, i int) error {
	pc, err := h.ListenPacket("udp4", ":5000")
	if err != nil {
		return err
	}
	c := pc.(*vimage.UDPConn)
	c.OnReadable(func() {
		var b [tester.PayloadLen]byte
		for _, _, ok, err := c.TryReadFrom(b[:]); ok && err == nil; _, _, ok, err = c.TryReadFrom(b[:]) {
		}
	})
	return join(c, h, n.impostor.node.Addr(), n.group(i*bystander))
}

func (n *network) beacon() {
	for _, s := range n.sources {
		s.send(n, 0)
		n.pause(time.Millisecond)
	}
	n.impostor.send(n, 0)
	n.pause(time.Millisecond)
}

// send has every source, and the impostor, send the numbered datagrams.
func (n *network) send() error {
	step := max(n.Packets/20, 1)
	for seq := 1; seq <= n.Packets; seq++ {
		for _, s := range n.sources {
			s.send(n, uint64(seq))
			n.pause(time.Millisecond)
		}
		n.impostor.send(n, uint64(seq))
		n.pause(time.Millisecond)
		if err := context.Cause(n.ctx); err != nil {
			return err
		}
		if seq%step == 0 || seq == n.Packets {
			n.Progress("sending", seq, n.Packets)
		}
	}
	n.pause(time.Second)
	return nil
}

// result adds up what everybody has counted.
func (n *network) result() *Result {
	r := &Result{Receivers: n.Receivers, Expected: uint64(n.Receivers) * uint64(n.Packets)}
	var delays []int64
	for _, rc := range n.receivers {
		r.Delivered += rc.got.Load()
		r.WrongSource += rc.wrong.Load()
		c := rc.node.Counters()
		r.Stopped.Socket += c["udp.filtermcast"]
		r.Stopped.Interface += c["ip.notmember"]
		if d := rc.delay.Load(); d != 0 {
			delays = append(delays, d)
		}
	}
	for _, h := range n.near {
		c := h.Counters()
		r.Stopped.Socket += c["udp.filtermcast"]
		r.Stopped.Interface += c["ip.notmember"]
	}
	for _, h := range n.away {
		leaked := h.Counters()["ip.notmember"]
		r.Leaked += leaked
		r.Stopped.Interface += leaked
	}
	r.Stopped.Switch = n.lan.Bridge().Stats().KeptBack
	r.Reports = n.querier.Counters()["igmp.router.reports"]
	r.Joined = len(delays)
	r.JoinDelay = percentiles(delays)
	r.judge()
	return r
}

func percentiles(ns []int64) Delays {
	d := tester.Percentiles(ns)
	return Delays{P50: d.P50, P99: d.P99, Max: d.Max}
}
