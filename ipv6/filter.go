package ipv6

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/internal/xnet"
)

// FilterMode says how the sources of a filter are meant. The values are those
// of MCAST_INCLUDE and MCAST_EXCLUDE.
type FilterMode = vimage.FilterMode

// Modes of a source filter.
const (
	Include = vimage.Include // hear these sources only
	Exclude = vimage.Exclude // hear all but these
)

// SetSourceFilter replaces the filter of a membership as a whole, mode and
// sources: setsourcefilter of RFC 3678 §5.2.1, which x/net lacks. With no
// sources, Exclude hears all and Include none, and the membership stays. A nil
// interface is as in LeaveGroup.
// EINVAL: bad mode, or not a group. EADDRNOTAVAIL: not a member on ifi.
// EAFNOSUPPORT: a source that is not IPv6. ENOBUFS, ENOSPC: too many sources for
// the socket, for the interface. After an error the filter is what it was. A
// kernel socket refuses with ENOPROTOOPT.
func (c *dgramOpt) SetSourceFilter(ifi *net.Interface, group net.Addr, mode FilterMode, sources []net.Addr) error {
	if c.k != nil {
		return c.o.Set(errInvalidOption)
	}
	list := make([]netip.Addr, len(sources))
	for i, s := range sources {
		list[i] = addr6(s)
	}
	return c.set(func() syscall.Errno { return c.d.SetSourceFilter(ifi, addr6(group), mcast.Mode(mode), list) })
}

// SourceFilter returns the filter of a membership, its sources in ascending
// order: getsourcefilter of RFC 3678 §5.2.2. EINVAL: not a group or interface.
// EADDRNOTAVAIL: not a member on ifi. A kernel socket refuses with ENOPROTOOPT.
func (c *dgramOpt) SourceFilter(ifi *net.Interface, group net.Addr) (mode FilterMode, sources []net.Addr, err error) {
	if c.k != nil {
		return 0, nil, c.o.Get(errInvalidOption)
	}
	err = c.get(func() syscall.Errno {
		m, list, e := c.d.SourceFilter(ifi, addr6(group))
		mode, sources = FilterMode(m), list
		return e
	})
	if err != nil {
		return 0, nil, err
	}
	return mode, sources, nil
}

// Checksum tells whether the stack fills in a checksum in what a raw socket
// sends, and keeps from it what has a wrong one, and where in the payload that
// checksum is. It always does so for ICMPv6. ENOPROTOOPT: not a raw socket.
func (c *dgramOpt) Checksum() (on bool, offset int, err error) {
	if c.k != nil {
		return c.k.Checksum()
	}
	offset, err = c.getInt(func() (int, syscall.Errno) { return c.d.Sock.Checksum() })
	if err != nil || offset < 0 {
		return false, 0, err
	}
	return true, offset, nil
}

// SetChecksum has the stack fill in, and check, the checksum of a raw socket's
// packets (RFC 3542 §3.1). Where it is on, offset is where in the payload the
// checksum is: what is sent must be that long, or is refused with EINVAL. EINVAL:
// an odd offset, or another than its own for ICMPv6. ENOPROTOOPT: not a raw socket.
func (c *dgramOpt) SetChecksum(on bool, offset int) error {
	if c.k != nil {
		return c.k.SetChecksum(on, offset)
	}
	switch {
	case !on:
		offset = -1
	case offset < 0:
		return c.set(func() syscall.Errno { return syscall.EINVAL })
	}
	return c.set(func() syscall.Errno { return c.d.Sock.SetChecksum(offset) })
}

// ICMPFilter returns the filter of a raw ICMPv6 socket.
func (c *dgramOpt) ICMPFilter() (*ICMPFilter, error) {
	if c.k != nil {
		return c.k.ICMPFilter()
	}
	f := new(ICMPFilter)
	err := c.get(func() syscall.Errno {
		e := c.filters()
		if e == 0 {
			allow := c.d.Sock.ICMPFilter()
			for typ := range 256 {
				if allow[typ/32]>>(typ%32)&1 == 0 {
					f.Block(ICMPType(typ))
				} else {
					f.Accept(ICMPType(typ))
				}
			}
		}
		return e
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// SetICMPFilter lets a raw ICMPv6 socket receive only what the filter accepts
// (RFC 3542 §3.2). ENOPROTOOPT: not a raw ICMPv6 socket, or a machine on which
// x/net's ICMPFilter holds nothing.
func (c *dgramOpt) SetICMPFilter(f *ICMPFilter) error {
	if c.k != nil {
		return c.k.SetICMPFilter(f)
	}
	return c.set(func() syscall.Errno {
		if f == nil {
			return syscall.EFAULT
		}
		if e := c.filters(); e != 0 {
			return e
		}
		var allow [8]uint32
		for typ := range 256 {
			if !f.WillBlock(ICMPType(typ)) {
				allow[typ/32] |= 1 << (typ % 32)
			}
		}
		c.d.Sock.SetICMPFilter(allow)
		return 0
	})
}

// filters returns ENOPROTOOPT where there can be no ICMP filter.
func (c *dgramOpt) filters() syscall.Errno {
	var probe ICMPFilter
	probe.Block(ICMPTypeEchoRequest)
	proto, raw := c.d.Sock.Proto()
	if !raw || proto != wire.ProtoICMPv6 || !probe.WillBlock(ICMPTypeEchoRequest) {
		return errInvalidOption
	}
	return 0
}

// SetBPF returns ENOPROTOOPT on a vimage socket: there are no packet filter
// programs in the stack.
func (c *dgramOpt) SetBPF(filter []bpf.RawInstruction) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetBPF(filter)
	}
	local := c.o.Conn.LocalAddr()
	return &net.OpError{Op: "set", Net: local.Network(), Source: local,
		Err: fmt.Errorf("a vimage socket takes no BPF program: %w", errInvalidOption)}
}
