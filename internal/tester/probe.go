package tester

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
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
	ctx   context.Context
	world *vimage.World
	port  link.Port
	mac   wire.MAC

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

// Probe returns n free addresses of a net of IPv4: from the second on, without
// those that are kept and any that answers an ARP probe on the segment.
func Probe(ctx context.Context, w *vimage.World, seg *link.Bridge, net netip.Prefix, n int, kept []netip.Addr, progress func(done, of int)) ([]netip.Addr, error) {
	p := &prober{ctx: ctx, world: w, mac: w.Internal().NewMAC(), port: seg.AddPort(), taken: map[netip.Addr]bool{}}
	for _, a := range kept {
		p.taken[a] = true
	}
	p.port.SetAddr(p.mac)
	p.port.Attach(p)
	defer p.port.Detach()
	var free []netip.Addr
	next := net.Masked().Addr().Next()
	for len(free) < n {
		var ask []netip.Addr
		for range n - len(free) {
			if next = next.Next(); !net.Contains(next.Next()) { // the last is the broadcast address
				break
			}
			ask = append(ask, next)
		}
		if len(ask) == 0 {
			return nil, fmt.Errorf("net %v: only %d of %d addresses are free: give a larger --net", net, len(free), n)
		}
		if err := p.ask(ask); err != nil {
			return nil, err
		}
		for _, a := range ask {
			if !p.has(a) {
				free = append(free, a)
			}
		}
		progress(len(free), n)
	}
	return free, nil
}

// ask sends the probes and waits for answers.
func (p *prober) ask(addrs []netip.Addr) error {
	sched := p.world.Internal().Sched()
	for range probeTimes {
		for _, a := range addrs {
			r := sched.Get()
			b := r.Cache.Get(arp.MessageLen)
			m := arp.Message{Dst: wire.BroadcastMAC(), Op: wire.ARPRequest, SenderMAC: p.mac, SenderIP: netip.IPv4Unspecified(), TargetIP: a}
			m.Put(b.Extend(arp.MessageLen), p.mac)
			b.Sum = pkt.SumValid
			p.port.Put(r, b)
			r.Done()
		}
		select {
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		case <-time.After(probeGap):
		}
	}
	return nil
}
