package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// OutsideCPU implements helped: what arrives while softirqs are busy is
// processed by threads of the kernel, which serve the whole machine.
func (*linuxPeer) OutsideCPU() time.Duration {
	var sum time.Duration
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(comm, []byte("ksoftirqd/")) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(name), "schedstat"))
		if err != nil {
			continue
		}
		ns, _, _ := bytes.Cut(stat, []byte(" "))
		if n, err := strconv.ParseInt(string(ns), 10, 64); err == nil {
			sum += time.Duration(n)
		}
	}
	return sum
}

// TCP implements Peer.
func (p *linuxPeer) TCP(l TCPLink) (TCPHosts, error) {
	a, b, err := p.linuxWire()
	if err != nil {
		return TCPHosts{}, err
	}
	for _, p := range []plug{a, b} {
		if err := p.tuneTCP(); err != nil {
			return TCPHosts{}, err
		}
		if !l.Plain {
			continue
		}
		for _, cmd := range []uint32{unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO} {
			if err := p.ethtool(cmd, 0); err != nil {
				return TCPHosts{}, err
			}
		}
	}
	h := TCPHosts{Near: onOneCPU}
	if h.Open, err = p.linuxOpener(a.ns, b.ns); err != nil {
		return h, err
	}
	if l.Flood {
		h.Flood, err = p.linuxFlood(b.ns)
	}
	return h, err
}

// tuneTCP sets what the host may have inherited otherwise, and lets it use all
// ports. A namespace may choose only among the congestion controls that its
// maker may; a route of it may name any.
func (p plug) tuneTCP() error {
	err := p.ns.do(func() error {
		for name, value := range map[string]string{"ip_local_port_range": "10000 65535", "tcp_syncookies": "1"} {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
				return denied(name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l, err := p.link()
	if err != nil {
		return err
	}
	r := netlink.Route{
		LinkIndex: l.Attrs().Index, Dst: ipNet(p.addr.Masked()), Scope: netlink.SCOPE_LINK, Protocol: unix.RTPROT_KERNEL,
		Src: p.addr.Addr().AsSlice(), Congctl: "cubic",
	}
	if p.addr.Addr().Is6() {
		r.Scope, r.Src, r.Priority = netlink.SCOPE_UNIVERSE, nil, linuxPrefixMetric // else it would be another route, and a worse one
	}
	return p.ns.handle.RouteReplace(&r)
}

// onOneCPU ties the calling goroutine to a thread and that to the first
// processor the process may use, until the result is called.
func onOneCPU() (leave func()) {
	runtime.LockOSThread()
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) == nil {
		for cpu := range len(all) * 64 {
			if all.IsSet(cpu) {
				var one unix.CPUSet
				one.Set(cpu)
				unix.SchedSetaffinity(0, &one) // without it the wait is dearer, nothing else
				break
			}
		}
	}
	return func() {
		unix.SchedSetaffinity(0, &all)
		runtime.UnlockOSThread()
	}
}

// linuxPrefixMetric is the metric that Linux gives the routes to the prefixes of
// its IPv6 addresses.
const linuxPrefixMetric = 256

// ethtool sets a feature of the interface that has a value of its own.
func (p plug) ethtool(cmd, value uint32) error {
	fd, err := p.ns.socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	arg := struct{ cmd, data uint32 }{cmd, value}
	// struct ifreq: a name, and a union as large as a struct ifmap.
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&arg)}
	copy(req.name[:], p.name)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); e != 0 {
		return denied(fmt.Sprintf("ethtool command %#x", cmd), e)
	}
	return nil
}

// linuxFlood gives a host a second interface and returns what sends frames there.
func (p family) linuxFlood(n *namespace) (func(n int) error, error) {
	in := plug{ns: n, name: "in", mac: routerInMAC(), addr: p.routerOut()}
	gen := plug{name: "gen", mac: routerOutMAC()} // not gatewayMAC: what arrives there is another host's
	var err error
	if gen.ns, err = newNamespace(); err != nil {
		return nil, err
	}
	if err := gen.ns.quietIPv6(p); err != nil {
		return nil, err
	}
	if err := connect(in, gen); err != nil {
		return nil, err
	}
	if err := in.neighbor(p.gateway(), gatewayMAC()); err != nil {
		return nil, err
	}
	if err := in.routeTo(p.synSources(), p.gateway()); err != nil {
		return nil, err
	}
	return gen.feeder(p.synFlood(routerInMAC(), p.routerOut().Addr()))
}

// linuxOpener has one host listen and returns what connects the other to it.
func (p family) linuxOpener(a, b *namespace) (func() (Stream, Stream, error), error) {
	listeners, err := p.listenTCP(b)
	if err != nil {
		return nil, err
	}
	// Sockets belong to the namespace of the thread that makes them: a supply of
	// them is made at once, so that getting there does not count.
	var sockets []int
	dial := func(i int) (Stream, error) {
		if len(sockets) == 0 {
			if sockets, err = p.tcpSockets(a, 256); err != nil {
				return nil, err
			}
		}
		fd := sockets[0]
		sockets = sockets[1:]
		to := p.sockaddr(p.addrB().Addr(), tcpPort+i)
		return linuxStream(fd), again(func() error { return unix.Connect(fd, to) })
	}
	return inTurn(dial, func(i int) (Stream, error) { return linuxAccept(listeners[i]) }), nil
}

// tcpSockets returns n sockets.
func (p family) tcpSockets(n *namespace, count int) (all []int, err error) {
	err = n.do(func() error {
		for range count {
			fd, err := unix.Socket(p.domain(), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			all = append(all, fd)
		}
		return nil
	})
	return all, err
}

// linuxAccept waits for a connection.
func linuxAccept(listener int) (Stream, error) {
	var fd int
	err := again(func() (err error) { fd, _, err = unix.Accept4(listener, unix.SOCK_CLOEXEC); return err })
	return linuxStream(fd), err
}

// listenTCP returns a socket for each of tcpPorts.
func (p family) listenTCP(n *namespace) (all []int, err error) {
	for i := range tcpPorts {
		fd, err := n.socket(p.domain(), unix.SOCK_STREAM, 0)
		if err != nil {
			return nil, err
		}
		if err := unix.Bind(fd, p.sockaddr(netip.Addr{}, tcpPort+i)); err != nil {
			return nil, fmt.Errorf("bind: %w", err)
		}
		if err := unix.Listen(fd, tcpBacklog); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		all = append(all, fd)
	}
	return all, nil
}

// again repeats a system call that a signal of Go's scheduler interrupts.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// linuxStream is a socket whose calls block their thread.
type linuxStream int

// Read implements Stream.
func (s linuxStream) Read(b []byte) (n int, err error) {
	err = again(func() error { n, err = unix.Read(int(s), b); return err })
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

// Write implements Stream.
func (s linuxStream) Write(b []byte) (sent int, err error) {
	for sent < len(b) {
		var n int
		if err := again(func() error { n, err = unix.Write(int(s), b[sent:]); return err }); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// Close implements Stream.
func (s linuxStream) Close() error { return unix.Close(int(s)) }
