package main

import (
	"errors"
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

// enter makes a namespace, which the thread is in from now on.
func (p *linuxPeer) enter() (*netlink.Handle, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, denied("unshare", err)
	}
	fd, err := currentNamespace()
	if err != nil {
		return nil, err
	}
	p.made = append(p.made, fd)
	return netlink.NewHandle(unix.NETLINK_ROUTE)
}

// addBare makes a namespace whose loopback interface is up, which gives it its
// addresses.
func (p *linuxPeer) addBare() error {
	h, err := p.enter()
	if err != nil {
		return err
	}
	defer h.Close()
	return h.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1}})
}

func (p *linuxPeer) add(addrs []netip.Prefix) error {
	h, err := p.enter()
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

func (p *linuxPeer) CreateDestroy() (func(int, bool) error, error) {
	if _, err := p.Create(); err != nil {
		return nil, err
	}
	return func(n int, bare bool) error {
		for i := range n {
			enter := func() error { return p.add(p.idleHost(i)) }
			if bare {
				enter = p.addBare
			}
			if err := enter(); err != nil {
				return err
			}
		}
		if err := p.release(); err != nil || bare {
			return err
		}
		return p.awaitGone()
	}, nil
}

// release lets go of all namespaces but the hub.
func (p *linuxPeer) release() error {
	if err := unix.Setns(p.hub.fd, unix.CLONE_NEWNET); err != nil {
		return err
	}
	for _, fd := range p.made {
		unix.Close(fd)
	}
	p.made = p.made[:0]
	return nil
}

// awaitGone waits until the interfaces in the hub are gone whose other ends were in
// namespaces: the kernel takes these down late in a namespace's end, and of what
// comes after nobody hears.
func (p *linuxPeer) awaitGone() error {
	// The kernel tells nobody when it is done: look, rarely enough not to disturb it.
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		links, err := p.hub.handle.LinkList()
		switch {
		case errors.Is(err, netlink.ErrDumpInterrupted): // one went meanwhile
		case err != nil:
			return err
		case len(links) <= 1: // lo
			return nil
		}
	}
	return errors.New("namespaces did not go within a minute")
}

// Clean implements cleaner: the kernel takes namespaces down in the
// background, which must not slow the next measurement.
func (p *linuxPeer) Clean() {
	if len(p.made) == 0 {
		return
	}
	full, err := kernelMemory()
	if err != nil || full < p.before || p.release() != nil {
		return
	}
	rest := p.before + (full-p.before)/20 // the kernel keeps some for the next ones
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond) // the kernel frees namespaces in the background and tells nobody
		if now, err := kernelMemory(); err != nil || now <= rest {
			return
		}
	}
}
