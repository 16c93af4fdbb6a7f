package main

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// MostStacks bounds Create: each namespace takes about a third of a megabyte
// and most of a millisecond, and as long again to go.
func (p *linuxPeer) MostStacks() int {
	if p.quick {
		return 1000
	}
	return 10_000
}

// Memory implements outsider.
func (*linuxPeer) Memory() (uint64, error) { return kernelMemory() }

// Create makes namespaces from one thread, which ends up in the last of them.
func (p *linuxPeer) Create() (func([]netip.Prefix) error, error) {
	hub, err := newNamespace()
	if err != nil {
		return nil, err
	}
	p.hub = hub
	if p.before, err = kernelMemory(); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	return p.add, nil
}

func (p *linuxPeer) add(addrs []netip.Prefix) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return denied("unshare", err)
	}
	fd, err := currentNamespace()
	if err != nil {
		return err
	}
	p.made = append(p.made, fd)
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	// The index is given so that nothing has to be looked up.
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index, attrs.Flags = "eth0", 2, net.FlagUp
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: fmt.Sprintf("port%d", len(p.made)), PeerNamespace: netlink.NsFd(p.hub.fd)}
	if err := h.LinkAdd(veth); err != nil {
		return fmt.Errorf("veth: %w", err)
	}
	for _, a := range addrs {
		if err := h.AddrAdd(veth, linuxAddr(a)); err != nil {
			return err
		}
	}
	return nil
}

// Clean implements cleaner: the kernel takes namespaces down in the
// background, which must not slow the next measurement.
func (p *linuxPeer) Clean() {
	if len(p.made) == 0 {
		return
	}
	if err := unix.Setns(p.hub.fd, unix.CLONE_NEWNET); err != nil {
		return
	}
	full, err := kernelMemory()
	if err != nil || full < p.before {
		return
	}
	for _, fd := range p.made {
		unix.Close(fd)
	}
	rest := p.before + (full-p.before)/20 // the kernel keeps some for the next ones
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond) // the kernel frees namespaces in the background and tells nobody
		if now, err := kernelMemory(); err != nil || now <= rest {
			return
		}
	}
}
