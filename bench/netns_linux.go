package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// isolations returns what to try, in order, to start the process of a peer's
// case: where Linux takes part it gets an anonymous network namespace, in a user
// namespace if need be.
func isolations(peer, name string) []func(*exec.Cmd) {
	if peer != "linux" && !strings.Contains(name, tapName) {
		return []func(*exec.Cmd){func(*exec.Cmd) {}}
	}
	asRoot := func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	}
	asUser := func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWNET | unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		}
	}
	if os.Geteuid() == 0 {
		return []func(*exec.Cmd){asRoot, asUser}
	}
	return []func(*exec.Cmd){asUser}
}

// namespace is an anonymous network namespace, which lives as long as fd.
type namespace struct {
	fd     int
	handle *netlink.Handle
}

// newNamespace makes one. The calling thread is left where it was.
func newNamespace() (*namespace, error) {
	n := new(namespace)
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return denied("unshare", err)
		}
		var err error
		if n.fd, err = currentNamespace(); err != nil {
			return err
		}
		n.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	return n, err
}

// denied makes an absence of an error that says that the machine does not
// permit it: no privilege, no more namespaces (ENOSPC), no such kind of device.
func denied(what string, err error) error {
	for _, e := range []syscall.Errno{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, e) {
			return absence(what + " is not to be had here: " + err.Error())
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func currentNamespace() (int, error) {
	return unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// onThread runs f on a thread that ends afterwards, as f may change it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// do runs f on a thread that is in the namespace.
func (n *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// sysctl sets a variable below /proc/sys/net.
func (n *namespace) sysctl(name string, value int) error {
	return n.do(func() error {
		return os.WriteFile("/proc/sys/net/"+name, []byte(strconv.Itoa(value)), 0)
	})
}

// quietIPv6 keeps interfaces made from now on from sending on their own.
func (n *namespace) quietIPv6(f family) error {
	if f.is6() {
		return n.sysctl("ipv6/conf/default/addr_gen_mode", 1) // no link-local address
	}
	err := n.sysctl("ipv6/conf/default/disable_ipv6", 1)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a kernel without IPv6
	}
	return err
}

// socket makes a socket in the namespace; its reads block.
func (n *namespace) socket(domain, typ, proto int) (fd int, err error) {
	err = n.do(func() error {
		fd, err = unix.Socket(domain, typ|unix.SOCK_CLOEXEC, proto)
		return err
	})
	return fd, err
}

// plug is one end of a veth pair.
type plug struct {
	ns   *namespace
	name string
	mac  []byte
	addr netip.Prefix // invalid: none
}

// connect joins two namespaces by a veth pair.
func connect(a, b plug) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a.name
	attrs.HardwareAddr = net.HardwareAddr(a.mac)
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: b.name, PeerNamespace: netlink.NsFd(b.ns.fd), PeerHardwareAddr: net.HardwareAddr(b.mac),
	}
	if err := a.ns.handle.LinkAdd(veth); err != nil {
		return denied("veth", err)
	}
	for _, p := range []plug{a, b} {
		l, err := p.link()
		if err != nil {
			return err
		}
		if p.addr.IsValid() {
			if err := p.ns.handle.AddrAdd(l, linuxAddr(p.addr)); err != nil {
				return fmt.Errorf("address %v: %w", p.addr, err)
			}
		}
		if err := p.ns.handle.LinkSetUp(l); err != nil {
			return fmt.Errorf("%s up: %w", p.name, err)
		}
	}
	return nil
}

func (p plug) link() (netlink.Link, error) { return p.ns.handle.LinkByName(p.name) }

// neighbor makes a static neighbour entry.
func (p plug) neighbor(a netip.Addr, mac []byte) error {
	l, err := p.link()
	if err != nil {
		return err
	}
	return p.ns.handle.NeighSet(&netlink.Neigh{
		LinkIndex: l.Attrs().Index, Family: familyOf(a).domain(), State: netlink.NUD_PERMANENT,
		IP: a.AsSlice(), HardwareAddr: net.HardwareAddr(mac),
	})
}

// routeTo adds a route by a gateway behind the interface.
func (p plug) routeTo(dst netip.Prefix, via netip.Addr) error {
	l, err := p.link()
	if err != nil {
		return err
	}
	return p.ns.handle.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(dst), Gw: via.AsSlice()})
}

// received returns how many frames the interface has got.
func (p plug) received() (uint64, error) {
	l, err := p.link()
	if err != nil {
		return 0, err
	}
	return l.Attrs().Statistics.RxPackets, nil
}

// linuxAddr is an address that may be used at once.
func linuxAddr(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// kernelMemory returns the bytes of kernel memory in use, of the kinds that a
// network namespace is made of.
func kernelMemory() (uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	var sum uint64
	for l := range strings.Lines(string(text)) {
		f := strings.Fields(l)
		if len(f) != 3 {
			continue
		}
		switch f[0] {
		case "Slab:", "Percpu:", "KernelStack:", "PageTables:", "VmallocUsed:":
			kb, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0, err
			}
			sum += kb << 10
		}
	}
	return sum, nil
}
