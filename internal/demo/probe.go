package demo

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/wire"
)

const (
	// probeTimes and probeGap are how often and how far apart an address is
	// asked for.
	//
	// Deviation: RFC 5227 §2.1.1 asks three times, one to two seconds apart, for
	// hosts that keep an address for good; these keep it for seconds, and
	// nothing else on the wire chooses addresses by itself meanwhile.
	probeTimes = 3
	probeGap   = 150 * time.Millisecond
)

// prober listens at a port of the wire for who has an address.
type prober struct {
	mu    sync.Mutex // a leaf
	taken map[netip.Addr]bool
}

// Put implements netisr.Sink.
func (p *prober) Put(r *netisr.Runner, b *pkt.Buf) {
	if e, f := wire.ParseEther(b.Bytes()); f == wire.OK && e.Type() == wire.EtherTypeARP {
		if a, f := wire.ParseARP(e.Payload()); f == wire.OK && !a.SenderIP().IsUnspecified() {
			p.mu.Lock()
			p.taken[a.SenderIP()] = true
			p.mu.Unlock()
		}
	}
	r.Cache.Free(b)
}

// Lend implements netisr.Lender.
func (p *prober) Lend(r *netisr.Runner, b *pkt.Buf) bool {
	p.Put(r, b)
	return true
}

func (p *prober) has(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken[a]
}

// probe returns as many free addresses as there are receivers: from .2 upwards,
// without the source and any that answers an ARP probe.
func (n *wireRun) probe() ([]netip.Addr, error) {
	p := &prober{taken: map[netip.Addr]bool{n.Source: true}}
	port := n.seg.Bridge().AddPort()
	mac := n.World.Internal().NewMAC()
	port.SetAddr(mac)
	port.Attach(p)
	defer port.Detach()
	var free []netip.Addr
	next := n.Net.Masked().Addr().Next()
	for len(free) < n.Receivers {
		var ask []netip.Addr
		for range n.Receivers - len(free) {
			if next = next.Next(); !n.Net.Contains(next.Next()) { // the last is the broadcast address
				break
			}
			ask = append(ask, next)
		}
		if len(ask) == 0 {
			return nil, fmt.Errorf("net %v: only %d of %d addresses are free: give a larger --net", n.Net, len(free), n.Receivers)
		}
		if err := n.ask(port, mac, ask); err != nil {
			return nil, err
		}
		for _, a := range ask {
			if !p.has(a) {
				free = append(free, a)
			}
		}
		n.Progress("probing", len(free), n.Receivers)
	}
	return free, nil
}

// ask sends the probes and waits for answers.
func (n *wireRun) ask(port netisr.Sink, mac wire.MAC, addrs []netip.Addr) error {
	sched := n.World.Internal().Sched()
	for range probeTimes {
		for _, a := range addrs {
			r := sched.Get()
			b := r.Cache.Get(arp.MessageLen)
			m := arp.Message{Dst: wire.BroadcastMAC(), Op: wire.ARPRequest, SenderMAC: mac, SenderIP: netip.IPv4Unspecified(), TargetIP: a}
			m.Put(b.Extend(arp.MessageLen), mac)
			b.Sum = pkt.SumValid
			port.Put(r, b)
			r.Done()
		}
		select {
		case <-n.ctx.Done():
			return context.Cause(n.ctx)
		case <-time.After(probeGap):
		}
	}
	return nil
}
