package ipv4

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/mcast"
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
// interface means the membership that began first.
// EINVAL: bad mode, or not a group. EADDRNOTAVAIL: not a member on ifi.
// EAFNOSUPPORT: a source that is not IPv4. ENOBUFS, ENOSPC: too many sources for
// the socket, for the interface. After an error the filter is what it was. A
// kernel socket refuses with ENOPROTOOPT.
func (c *dgramOpt) SetSourceFilter(ifi *net.Interface, group net.Addr, mode FilterMode, sources []net.Addr) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.o.Set(errInvalidOption)
	}
	list := make([]netip.Addr, len(sources))
	for i, s := range sources {
		list[i] = addrOf(s)
	}
	return c.o.Set(c.d.SetSourceFilter(ifi, addrOf(group), mcast.Mode(mode), list))
}

// SourceFilter returns the filter of a membership, its sources in ascending
// order: getsourcefilter of RFC 3678 §5.2.2. EINVAL: not a group or interface.
// EADDRNOTAVAIL: not a member on ifi. A kernel socket refuses with ENOPROTOOPT.
func (c *dgramOpt) SourceFilter(ifi *net.Interface, group net.Addr) (FilterMode, []net.Addr, error) {
	switch {
	case !c.valid():
		return 0, nil, xnet.ErrInvalidConn
	case c.k != nil:
		return 0, nil, c.o.Get(errInvalidOption)
	}
	m, sources, e := c.d.SourceFilter(ifi, addrOf(group))
	if err := c.o.Get(e); err != nil {
		return 0, nil, err
	}
	return FilterMode(m), sources, nil
}

// filterTypes is how many types an ICMPFilter knows: it has 32 bits, and lets
// all further types pass.
const filterTypes = 32

// ICMPFilter returns the filter of a raw ICMP socket.
func (c *dgramOpt) ICMPFilter() (*ICMPFilter, error) {
	switch {
	case !c.valid():
		return nil, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.ICMPFilter()
	}
	if err := c.o.Get(c.filters()); err != nil {
		return nil, err
	}
	f := new(ICMPFilter)
	allow := c.d.Sock.ICMPFilter()
	for typ := range filterTypes {
		if allow[0]>>typ&1 == 0 {
			f.Block(ICMPType(typ))
		}
	}
	return f, nil
}

// SetICMPFilter lets a raw ICMP socket receive only what the filter accepts.
// ENOPROTOOPT: not a raw ICMP socket, or a machine on which x/net's ICMPFilter
// holds nothing, as on all but Linux.
func (c *dgramOpt) SetICMPFilter(f *ICMPFilter) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetICMPFilter(f)
	case f == nil:
		return c.o.Set(syscall.EFAULT)
	}
	if e := c.filters(); e != 0 {
		return c.o.Set(e)
	}
	var allow [8]uint32
	for i := range allow {
		allow[i] = 1<<32 - 1
	}
	for typ := range filterTypes {
		if f.WillBlock(ICMPType(typ)) {
			allow[0] &^= 1 << typ
		}
	}
	c.d.Sock.SetICMPFilter(allow)
	return c.o.Set(0)
}

// filters returns ENOPROTOOPT where there can be no ICMP filter.
func (c *dgramOpt) filters() syscall.Errno {
	var probe ICMPFilter
	probe.Block(ICMPTypeEcho)
	proto, raw := c.d.Sock.Proto()
	if !raw || proto != 1 || !probe.WillBlock(ICMPTypeEcho) {
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
