package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linuxPeer is the kernel's stack in network namespaces joined by veth pairs.
type linuxPeer struct {
	family
	quick     bool
	generator float64    // µs per frame of Forward's generator alone
	hub       *namespace // where the far ends of Create's interfaces are
	made      []int      // file descriptors that keep Create's namespaces
	before    uint64     // bytes of kernel memory when there were none
}

func newLinux(quick bool, f family) Peer { return &linuxPeer{quick: quick, family: f} }

// Includes implements Peer.
func (p *linuxPeer) Includes(name string) string {
	const calls = "namespaces joined by veth; plain write and read system calls"
	switch name {
	case "udp64", "fanout1", "fanout100", "fanout1000", "filter1000":
		return calls
	case "forward10", "forward100k":
		return fmt.Sprintf("includes the generator (AF_PACKET sendmmsg past the qdisc in one namespace, veth to the router; %.2f µs measured alone) and the receiving veth, where frames are counted and dropped as another host's", p.generator)
	case "tcpbulk", "tcpplain", "tcprtt", "tcpconn", "tcpflood":
		return calls + ", CUBIC; with what ksoftirqd uses meanwhile"
	case "joins", "membership", "membership.heap":
		return "IP_ADD_MEMBERSHIP on an interface that is a veth's end"
	case "create1k", "create10k":
		s := "namespace with one end of a veth whose other end is in a common namespace, made by netlink; RSS is kernel memory (slab, per-cpu, vmalloc) by /proc/meminfo"
		if p.quick && name == "create10k" {
			s += fmt.Sprintf("; %d namespaces only in a quick run", p.MostStacks())
		}
		return s
	case "createdestroy":
		return "the same namespaces; gone when their ends in the common namespace are, after which the kernel has still something to free; .bare: the end is asked for and not waited for, since nobody can see it"
	}
	return ""
}

// linuxWire returns two namespaces joined by a veth pair.
func (p family) linuxWire() (a, b plug, err error) {
	a = plug{name: "eth0", mac: routerInMAC(), addr: p.addrA()}
	b = plug{name: "eth0", mac: sourceMAC(), addr: p.addrB()}
	if a.ns, err = newNamespace(); err != nil {
		return a, b, err
	}
	if b.ns, err = newNamespace(); err != nil {
		return a, b, err
	}
	return a, b, connect(a, b)
}

// udpSocket returns a socket bound to udpPort.
func (p family) udpSocket(n *namespace) (int, error) {
	fd, err := n.socket(p.domain(), unix.SOCK_DGRAM, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, err
	}
	// A lost datagram is to be an error, not a hang.
	limit := unix.NsecToTimeval(int64(5 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return -1, err
	}
	return fd, unix.Bind(fd, p.sockaddr(netip.Addr{}, udpPort))
}

// domain is the family's address family.
func (f family) domain() int {
	if f.is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// sockaddr returns an address of the family; an invalid one is any address.
func (f family) sockaddr(a netip.Addr, port int) unix.Sockaddr {
	if f.is6() {
		to := &unix.SockaddrInet6{Port: port}
		copy(to.Addr[:], a.AsSlice())
		return to
	}
	to := &unix.SockaddrInet4{Port: port}
	copy(to.Addr[:], a.AsSlice())
	return to
}

func (p *linuxPeer) UDP64() (func(int) error, error) {
	a, b, err := p.linuxWire()
	if err != nil {
		return nil, err
	}
	from, err := p.udpSocket(a.ns)
	if err != nil {
		return nil, err
	}
	to, err := p.udpSocket(b.ns)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(from, p.sockaddr(p.addrB().Addr(), udpPort)); err != nil {
		return nil, err
	}
	if err := unix.Connect(to, p.sockaddr(p.addrA().Addr(), udpPort)); err != nil {
		return nil, err
	}
	return func(n int) error {
		for range n {
			if err := linuxWrite(from, 1); err != nil {
				return err
			}
			if err := linuxRead(to, 1); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// The calls that are timed are raw: telling the scheduler of each costs time
// that is Go's and not Linux's, and a second thread that looks for work.

func linuxWrite(fd, n int) error {
	var payload [payloadLen]byte
	for range n {
		_, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&payload)), payloadLen)
		if e != 0 {
			return fmt.Errorf("write: %w", e)
		}
	}
	return nil
}

func linuxRead(fd, n int) error {
	var b [payloadLen]byte
	for range n {
		got, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b)), payloadLen)
		for e == unix.EINTR {
			got, _, e = unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b)), payloadLen)
		}
		if e == unix.EAGAIN {
			return errors.New("read: a datagram is missing")
		}
		if e != 0 {
			return fmt.Errorf("read: %w", e)
		}
		if got != payloadLen {
			return fmt.Errorf("read %d bytes", got)
		}
	}
	return nil
}

func (p *linuxPeer) Forward(t Traffic) (func(int) error, func() (uint64, error), error) {
	in := plug{name: "in", mac: routerInMAC(), addr: p.routerIn()}
	gen := plug{name: "gen", mac: sourceMAC()}
	out := plug{name: "out", mac: routerOutMAC(), addr: p.routerOut()}
	sink := plug{name: "sink", mac: sourceMAC()} // not gatewayMAC: what arrives is another host's
	var err error
	for _, end := range []*plug{&in, &gen, &sink} {
		if end.ns, err = newNamespace(); err != nil {
			return nil, nil, err
		}
		if err := end.ns.quietIPv6(p.family); err != nil {
			return nil, nil, err
		}
	}
	out.ns = in.ns
	if err := connect(in, gen); err != nil {
		return nil, nil, err
	}
	if err := connect(out, sink); err != nil {
		return nil, nil, err
	}
	if err := p.route(in.ns, t.Routes, out); err != nil {
		return nil, nil, err
	}
	if p.generator, err = gen.alone(t.Frames); err != nil {
		return nil, nil, err
	}
	feed, err := gen.feeder(t.Frames)
	if err != nil {
		return nil, nil, err
	}
	before, err := sink.received()
	if err != nil {
		return nil, nil, err
	}
	delivered := func() (uint64, error) {
		n, err := sink.received()
		return n - before, err
	}
	return feed, delivered, nil
}

// route makes the namespace a router with all routes by the gateway behind out.
func (p family) route(n *namespace, routes []netip.Prefix, out plug) error {
	for name, value := range map[string]int{
		"ipv4/ip_forward": 1, "ipv4/conf/all/rp_filter": 0, "ipv4/conf/in/rp_filter": 0, "ipv6/conf/all/forwarding": int(p) - 4,
	} {
		if err := n.sysctl(name, value); err != nil {
			return err
		}
	}
	if err := out.neighbor(p.gateway(), gatewayMAC()); err != nil {
		return err
	}
	l, err := out.link()
	if err != nil {
		return err
	}
	for _, r := range routes {
		err := n.handle.RouteAdd(&netlink.Route{
			LinkIndex: l.Attrs().Index, Dst: ipNet(r), Gw: p.gateway().AsSlice(),
		})
		if err != nil {
			return fmt.Errorf("route %v: %w", r, err)
		}
	}
	return nil
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// alone returns how many µs of CPU a frame takes that the router does not
// forward because it is another host's.
func (p plug) alone(frames [][]byte) (float64, error) {
	var others [][]byte
	for _, f := range frames {
		f = slices.Clone(f)
		copy(f, gatewayMAC())
		others = append(others, f)
	}
	feed, err := p.feeder(others)
	if err != nil {
		return 0, err
	}
	var w stopwatch
	var steps int
	err = w.time(func() (err error) {
		steps, err = repeat(30*time.Millisecond, func() error { return feed(chunk) })
		return err
	})
	return w.figure(steps*chunk, time.Microsecond).Value, err
}

// feeder returns a function that sends the next n frames out of the
// interface, chunk at most in one call.
func (p plug) feeder(frames [][]byte) (func(n int) error, error) {
	l, err := p.link()
	if err != nil {
		return nil, err
	}
	// Protocol 0: it sends and receives nothing.
	fd, err := p.ns.socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return nil, err
	}
	vectors := make([]unix.Iovec, len(frames))
	messages := make([]mmsghdr, len(frames))
	for i, f := range frames {
		vectors[i].Base = &f[0]
		vectors[i].SetLen(len(f))
		messages[i].hdr.Iov = &vectors[i]
		messages[i].hdr.SetIovlen(1)
	}
	next := 0
	return func(n int) error {
		for n > 0 {
			some := messages[next:min(next+min(n, chunk), len(messages))]
			sent, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&some[0])), uintptr(len(some)), 0, 0, 0)
			if e != 0 {
				return fmt.Errorf("sendmmsg: %w", e)
			}
			n -= int(sent)
			next = (next + int(sent)) % len(messages)
		}
		return nil
	}, nil
}

func (p *linuxPeer) Fanout(members int) (func(int) error, func(int) error, error) {
	return p.Filtered(members, nil)
}

// Filtered implements Peer; without sources there is no filter.
func (p *linuxPeer) Filtered(members int, sources []netip.Addr) (func(int) error, func(int) error, error) {
	a, b, err := p.linuxWire()
	if err != nil {
		return nil, nil, err
	}
	if len(sources) > 0 {
		if p.is6() {
			return nil, nil, absence("net.ipv6.mld_max_msf is 64, and the whole machine's")
		}
		if err := b.ns.sysctl("ipv4/igmp_max_msf", len(sources)); err != nil {
			return nil, nil, denied("net.ipv4.igmp_max_msf", err)
		}
	}
	var sockets []int
	for range members {
		fd, err := p.udpSocket(b.ns)
		if err != nil {
			return nil, nil, err
		}
		if err := b.join(fd, p.fanoutGroup()); err != nil {
			return nil, nil, err
		}
		if len(sources) > 0 {
			if err := b.filter(fd, p.fanoutGroup(), sources); err != nil {
				return nil, nil, fmt.Errorf("IP_MSFILTER: %w", err)
			}
		}
		sockets = append(sockets, fd)
	}
	from, err := p.udpSocket(a.ns)
	if err != nil {
		return nil, nil, err
	}
	if err := p.sendBy(from, a); err != nil {
		return nil, nil, err
	}
	if err := unix.Connect(from, p.sockaddr(p.fanoutGroup(), udpPort)); err != nil {
		return nil, nil, err
	}
	send := func(n int) error { return linuxWrite(from, n) }
	drain := func(n int) error {
		for _, fd := range sockets {
			if err := linuxRead(fd, n); err != nil {
				return err
			}
		}
		return nil
	}
	return send, drain, nil
}

// join makes the socket a member of group on the interface with the plug's address.
func (p plug) join(fd int, group netip.Addr) error {
	return p.member(fd, group, unix.IP_ADD_MEMBERSHIP, unix.IPV6_JOIN_GROUP)
}

// member makes one of two requests, the family's.
func (p plug) member(fd int, group netip.Addr, request4, request6 int) error {
	if group.Is6() {
		l, err := p.link()
		if err != nil {
			return err
		}
		m := &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(l.Attrs().Index)}
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, request6, m)
	}
	m := &unix.IPMreq{Multiaddr: group.As4(), Interface: p.addr.Addr().As4()}
	return unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, request4, m)
}

// filter has a member take these sources only: struct ip_msfilter of ip(7).
func (p plug) filter(fd int, group netip.Addr, sources []netip.Addr) error {
	b := append(group.AsSlice(), p.addr.Addr().AsSlice()...)
	b = binary.NativeEndian.AppendUint32(b, unix.MCAST_INCLUDE)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(sources)))
	for _, s := range sources {
		b = append(b, s.AsSlice()...)
	}
	return unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_MSFILTER, string(b))
}

// sendBy has the socket's multicasts leave by the interface.
func (f family) sendBy(fd int, p plug) error {
	if f.is6() {
		l, err := p.link()
		if err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, l.Attrs().Index)
	}
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Address: p.addr.Addr().As4()})
}

func (p *linuxPeer) Joins(sockets int) (Members, error) {
	a, _, err := p.linuxWire()
	if err != nil {
		return Members{}, err
	}
	if err := a.ns.sysctl("ipv4/igmp_max_memberships", heapPerSock); err != nil {
		return Members{}, denied("net.ipv4.igmp_max_memberships", err)
	}
	var fds []int
	for range sockets {
		fd, err := p.udpSocket(a.ns)
		if err != nil {
			return Members{}, err
		}
		fds = append(fds, fd)
	}
	return Members{
		Join: func(i int, group netip.Addr) error { return a.join(fds[i], group) },
		Leave: func(i int, group netip.Addr) error {
			return a.member(fds[i], group, unix.IP_DROP_MEMBERSHIP, unix.IPV6_LEAVE_GROUP)
		},
		Sent: func() (uint64, error) {
			l, err := a.link()
			if err != nil {
				return 0, err
			}
			return l.Attrs().Statistics.TxPackets, nil
		},
	}, nil
}
