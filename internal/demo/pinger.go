package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// pinger is the host that pings the others.
type pinger struct {
	st    *vnet.Stack
	index uint32
	conn  *vimage.IPConn
	seq   uint16
	buf   [128]byte
}

func (n *crowd) newPinger() (*pinger, error) {
	h, err := n.world.NewStack("pinger", vimage.StackConfig{})
	if err != nil {
		return nil, err
	}
	addr := netip.PrefixFrom(lanAddr(-1), lanBits)
	i, err := h.AddInterface("eth0", vimage.InterfaceConfig{Port: n.lan.AddPort(), Addrs: []netip.Prefix{addr}})
	if err != nil {
		return nil, err
	}
	pc, err := h.ListenPacket("ip4:icmp", addr.Addr().String())
	if err != nil {
		return nil, err
	}
	c := pc.(*vimage.IPConn)
	c.SetICMPTypes(wire.ICMP4EchoReply)
	return &pinger{st: h.Internal(), index: uint32(i.Index()), conn: c}, nil
}

// ping pings hosts that are chosen at random, one after the other.
func (n *crowd) ping(r *MillionResult) error {
	random := rand.New(rand.NewPCG(n.Seed, 1))
	var all []int64
	for i := range n.Pings {
		which := random.IntN(n.N)
		for try := range pingTries {
			if try > 0 {
				r.PingAgain++
			}
			d, err := n.pinger.ping(n.inner.Stack(hostName(which)), lanAddr(which))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			if err != nil {
				return fmt.Errorf("ping host %d: %w", which, err)
			}
			all = append(all, int64(d))
			if d < pingLimit {
				r.PingOK++
				break
			}
		}
		if err := context.Cause(n.ctx); err != nil {
			return err
		}
		if i%100 == 99 {
			n.Progress("pinging", i+1, n.Pings)
		}
	}
	r.Ping = percentiles(all)
	return nil
}

// ping returns how long one host took to answer. It is asked for by ARP first, where
// it is: a broadcast would be shown to all the others, a million of them.
func (p *pinger) ping(host *vnet.Stack, addr netip.Addr) (time.Duration, error) {
	there, _ := host.Interface(p.index)
	if e := control.SetNeighbor(p.st, p.index, addr, there.MAC, false); e != 0 {
		return 0, e
	}
	defer control.DelNeighbor(p.st, p.index, addr)
	e := p.st.On(p.index, func(c *vnet.Call) syscall.Errno {
		c.SendARP(&arp.Message{
			Dst: there.MAC, Op: wire.ARPRequest, SenderMAC: c.MAC, SenderIP: lanAddr(-1), TargetIP: addr,
		})
		return 0
	})
	if e != 0 {
		return 0, e
	}
	p.seq++
	m := p.buf[:64]
	wire.PutICMP4(m, wire.ICMP4Echo, 0, uint32(p.seq), len(m)-wire.ICMP4Len)
	began := time.Now()
	if err := p.conn.SetReadDeadline(began.Add(time.Second)); err != nil {
		return 0, err
	}
	if _, err := p.conn.WriteTo(m, &net.IPAddr{IP: addr.AsSlice()}); err != nil {
		return 0, err
	}
	for {
		k, from, err := p.conn.ReadFrom(p.buf[:])
		if err != nil {
			return 0, err
		}
		a, f := wire.ParseICMP4(p.buf[:k])
		if ip, ok := from.(*net.IPAddr); ok && f == wire.OK && ip.IP.Equal(addr.AsSlice()) && a.Seq() == p.seq {
			return time.Since(began), nil
		}
	}
}
