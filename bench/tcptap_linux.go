package main

import (
	"fmt"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// tapped is a Peer that can be that host.
type tapped interface {
	// TAP returns what opens connections to Linux, at addrB in a namespace.
	TAP(to *namespace) (TCPHosts, error)
}

func tapCases() []Case {
	return []Case{{
		Name: tapName,
		Rows: []Row{
			{Name: tapName + ".out", Unit: "Gbit/s to Linux", Higher: true},
			{Name: tapName + ".in", Unit: "Gbit/s from Linux", Higher: true},
			{Name: tapName + ".out.cpu", Unit: "CPU-s/GB to Linux"},
			{Name: tapName + ".in.cpu", Unit: "CPU-s/GB from Linux"},
		},
		Note:   "one connection between a host and Linux in a namespace over a TAP device, MTU 1500, 256 KiB a write and a read; with Linux's part, which is in the same process",
		Rounds: 5,
		prepare: func(p Peer) (measure, error) {
			host, ok := p.(tapped)
			if !ok {
				return nil, absence("it is what is at the other end")
			}
			n, err := newNamespace()
			if err != nil {
				return nil, err
			}
			h, err := host.TAP(n)
			if err != nil {
				return nil, err
			}
			ours, theirs, err := h.Open()
			if err != nil {
				return nil, err
			}
			return onGoroutine(func(budget time.Duration) (Result, error) {
				out, err := transfer(beside{p}, ours, theirs, budget)
				if err != nil {
					return nil, fmt.Errorf("to Linux: %w", err)
				}
				in, err := transfer(beside{p}, theirs, ours, budget)
				if err != nil {
					return nil, fmt.Errorf("from Linux: %w", err)
				}
				return Result{
					tapName + ".out": out.rate(), tapName + ".out.cpu": out.figure(),
					tapName + ".in": in.rate(), tapName + ".in.cpu": in.figure(),
				}, nil
			}), nil
		},
	}}
}

// beside is a peer that Linux works with.
type beside struct{ Peer }

// OutsideCPU implements helped.
func (beside) OutsideCPU() time.Duration { return (*linuxPeer)(nil).OutsideCPU() }

// linuxTAP makes a TAP in the namespace and up, with addrB, has open open it,
// and returns what accepts connections.
func (f family) linuxTAP(n *namespace, open func(name string) error) (accept func(i int) (Stream, error), err error) {
	p := plug{ns: n, name: "tap0", addr: f.addrB()}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.name
	dev := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP}
	if err := n.do(func() error { return netlink.LinkAdd(dev) }); err != nil {
		return nil, denied("TAP", err)
	}
	l, err := p.link()
	if err != nil {
		return nil, err
	}
	if err := n.handle.AddrAdd(l, linuxAddr(p.addr)); err != nil {
		return nil, fmt.Errorf("address %v: %w", p.addr, err)
	}
	if err := n.handle.LinkSetUp(l); err != nil {
		return nil, fmt.Errorf("%s up: %w", p.name, err)
	}
	if err := p.tuneTCP(); err != nil {
		return nil, err
	}
	if err := n.do(func() error { return open(p.name) }); err != nil {
		return nil, denied("opening the TAP", err)
	}
	listeners, err := f.listenTCP(n)
	return func(i int) (Stream, error) { return linuxAccept(listeners[i]) }, err
}

// TAP implements tapped.
func (p vimagePeer) TAP(n *namespace) (TCPHosts, error) {
	var dev *tap.Device
	accept, err := p.linuxTAP(n, func(name string) (err error) {
		dev, err = tap.Open(tap.Config{Name: name})
		return err
	})
	if err != nil {
		return TCPHosts{}, err
	}
	w := vimage.NewWorld(vimage.Config{})
	wire, err := link.NewWire(w.Internal().Sched(), dev)
	if err != nil {
		return TCPHosts{}, err
	}
	s, _, err := vmHost(w, "a", wire, p.addrA())
	if err != nil {
		return TCPHosts{}, err
	}
	return TCPHosts{Open: inTurn(func(i int) (Stream, error) { return p.vmDial(s, i) }, accept)}, nil
}

// TAP implements tapped: the endpoint that gVisor has for descriptors. It does
// super-segments on sockets only, not on a TAP.
func (p gvisorPeer) TAP(n *namespace) (TCPHosts, error) {
	var fd int
	accept, err := p.linuxTAP(n, func(name string) (err error) {
		fd, err = openTAP(name)
		return err
	})
	if err != nil {
		return TCPHosts{}, err
	}
	port, err := fdbased.New(&fdbased.Options{
		FDs: []int{fd}, MTU: wireMTU, EthernetHeader: true, Address: tcpip.LinkAddress(routerInMAC()),
		PacketDispatchMode: fdbased.Readv,
	})
	if err != nil {
		return TCPHosts{}, err
	}
	s := stack.New(p.gvProtocols())
	if err := gvAddNIC(s, 1, port, p.addrA()); err != nil {
		return TCPHosts{}, err
	}
	if err := gvTune(s, gvPlain, gvTAPIn); err != nil {
		return TCPHosts{}, err
	}
	return TCPHosts{Open: inTurn(func(i int) (Stream, error) { return p.gvDial(s, i) }, accept)}, nil
}

// openTAP opens a TAP whose reads return one frame, and fail where there is none.
func openTAP(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return -1, err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return -1, err
	}
	return fd, unix.SetNonblock(fd, true)
}
