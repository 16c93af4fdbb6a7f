package vnet

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// The tests configure stacks by package control, which imports this one: they
// are outside, and see of the inside what is here.

const LoIndex = ifnet.LoIndex

// LinkHeader is what the path puts before packets to a next hop, nil while it is
// not resolved.
func LinkHeader(n *ifnet.Neighbor) []byte {
	if n != nil {
		if h := n.Header.Load(); h != nil {
			return h[:]
		}
	}
	return nil
}

// Neighbor is what the path knows of a next hop, or nil.
func (st *Stack) Neighbor(index uint32, ip netip.Addr) *ifnet.Neighbor {
	return st.view.Load().Conf(index).Neighbor(ip)
}

// Sink is where an interface's link puts its frames.
func (st *Stack) Sink(index uint32) *receiver {
	return &receiver{st.view.Load().Conf(index).Iface, st}
}

// SinkOf is Sink for an interface that may be gone.
func (st *Stack) SinkOf(c *ifnet.Conf) *receiver { return &receiver{c.Iface, st} }

// LookupUDP finds the socket of a datagram.
func (st *Stack) LookupUDP(local, remote netip.AddrPort) *Sock {
	return st.udp.Lookup(st.world.seed, local, remote, 0)
}

// SendBy sends as if the sender had loaded v before others changed it.
func (s *Sock) SendBy(v *ifnet.View, data []byte, to netip.AddrPort) syscall.Errno {
	r := s.st.world.sched.Get()
	defer r.Done()
	b := r.Cache.Get(wire.IPv4Len + wire.UDPLen + len(data))
	copy(b.Extend(wire.UDPLen + len(data))[wire.UDPLen:], data)
	wire.PutUDP(b.Bytes(), s.LocalAddr().Port(), to.Port(), len(data))
	b.Sum = pkt.SumPartial
	return s.Output(r, v, b, &wire.IPHeader{TTL: 64, Proto: s.Protocol, Src: s.LocalAddr().Addr(), Dst: to.Addr()}, s.Opts.Load())
}

// Requeue puts n copies of a packet into the stack's own queue, as one batch.
func (st *Stack) Requeue(r *netisr.Runner, index uint32, packet []byte, n int) {
	p := pass{r: r}
	st.sh.lock(&p)
	for range n {
		b := r.Cache.Get(len(packet))
		copy(b.Extend(len(packet)), packet)
		st.sh.requeue(&p, b, pkt.Meta{IfIndex: index, IfGen: p.v.Conf(index).Gen}, pkt.WayInIP)
	}
	st.sh.unlock(&p)
}

// Check returns what is wrong with a stack between calls.
func (st *Stack) Check() error {
	v := st.view.Load()
	for _, snap := range st.groups.All(0) {
		if v.Conf(uint32(snap.At.IfIndex)) == nil {
			return fmt.Errorf("a membership on interface %d, which is not there", snap.At.IfIndex)
		}
	}
	for i, c := range v.Ifs {
		if c != nil && (c.Index != uint32(i+1)) {
			return fmt.Errorf("interface %d is %s, %d", i+1, c.Name, c.Index)
		}
	}
	for _, l := range v.Local {
		c := v.Conf(l.Index)
		found := c != nil && l.Broadcast
		for i := 0; c != nil && i < len(c.Addrs); i++ {
			found = found || c.Addrs[i].Addr() == l.Addr
		}
		if !found {
			return fmt.Errorf("%v is local without an interface", l.Addr)
		}
	}
	return nil
}
