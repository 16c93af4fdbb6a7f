package main

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// Sharded implements sharded.
func (vimagePeer) Sharded() {}

// TCP implements Peer.
func (p vimagePeer) TCP(l TCPLink) (TCPHosts, error) {
	w := vimage.NewWorld(vimage.Config{})
	wire := link.NewEpair(wireMTU)
	ports := [2]link.Port{wire.A(), wire.B()}
	addrs := [2]netip.Prefix{p.addrA(), p.addrB()}
	var hosts [2]*vimage.Stack
	for i, port := range ports {
		s, err := w.NewStack(strconv.Itoa(i), vimage.StackConfig{Shards: l.Shards})
		if err != nil {
			return TCPHosts{}, err
		}
		if l.Plain {
			if err := s.SetSysctl("net.inet.tcp.tso", 0); err != nil {
				return TCPHosts{}, err
			}
		}
		if _, err := vmInterface(s, "eth0", port, nil, addrs[i]); err != nil {
			return TCPHosts{}, err
		}
		hosts[i] = s
	}
	h := TCPHosts{}
	var err error
	if h.Open, err = p.vmOpener(hosts[0], hosts[1]); err != nil {
		return h, err
	}
	if l.Flood {
		h.Flood, err = p.vmFlood(w, hosts[1])
	}
	return h, err
}

// vmFlood gives a host a second interface and returns what hands it frames there.
func (f family) vmFlood(w *vimage.World, s *vimage.Stack) (func(n int) error, error) {
	in := &vmPort{family: f}
	if _, err := vmInterface(s, "eth1", in, routerInMAC(), f.routerOut()); err != nil {
		return nil, err
	}
	if err := s.AddRoute(vimage.Route{Dst: f.synSources(), Gateway: f.gateway()}); err != nil {
		return nil, err
	}
	frames := f.synFlood(routerInMAC(), f.routerOut().Addr())
	sched := w.Internal().Sched()
	next := 0
	return func(n int) error {
		r := sched.Get()
		for range n {
			in.receive(r, frames[next%len(frames)])
			next++
		}
		r.Done()
		return nil
	}, nil
}

// vmOpener has one host listen and returns what connects the other to it.
func (f family) vmOpener(a, b *vimage.Stack) (func() (Stream, Stream, error), error) {
	var listeners []net.Listener
	for i := range tcpPorts {
		l, err := b.Listen(f.network("tcp"), ":"+strconv.Itoa(tcpPort+i))
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return inTurn(func(i int) (Stream, error) { return f.vmDial(a, i) }, func(i int) (Stream, error) { return listeners[i].Accept() }), nil
}

// vmDial connects to the i-th port of addrB.
func (f family) vmDial(s *vimage.Stack, i int) (Stream, error) {
	return s.Dial(f.network("tcp"), netip.AddrPortFrom(f.addrB().Addr(), uint16(tcpPort+i)).String())
}
