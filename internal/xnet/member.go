package xnet

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// Dgram is a datagram socket of a stack. Sock is nil for the kernel's.
type Dgram struct {
	Opt
	Sock usrreq.Sock
}

// DgramOf returns the datagram socket under a connection.
func DgramOf(c net.PacketConn) Dgram {
	d := Dgram{Opt: Opt{Conn: c}}
	if v, ok := c.(interface{ Internal() usrreq.Sock }); ok {
		d.Sock = v.Internal()
		d.Header = d.Sock
	}
	return d
}

// Raw tells whether it is a raw socket.
func (d *Dgram) Raw() bool {
	_, raw := d.Sock.Proto()
	return raw
}

// Member makes a request about a membership.
func (d *Dgram) Member(op usrreq.McastOp, ifi *net.Interface, group, source netip.Addr) syscall.Errno {
	at, e := d.at(ifi, group)
	if e != 0 {
		return e
	}
	return d.Sock.Mcast(op, at, group.WithZone(""), source.WithZone(""))
}

// at returns which interface is meant: ifi, else that of the group's zone, else
// whichever suits.
func (d *Dgram) at(ifi *net.Interface, group netip.Addr) (usrreq.McastIf, syscall.Errno) {
	if ifi != nil {
		return usrreq.McastIf{Index: uint32(ifi.Index)}, 0
	}
	_, scope, e := usrreq.Scoped(d.Sock.Stack().View(), group)
	if e != 0 {
		e = syscall.EADDRNOTAVAIL
	}
	return usrreq.McastIf{Index: scope, Any: true}, e
}

// Interface returns the interface with the index, nil where there is none.
func (d *Dgram) Interface(index uint32) *net.Interface {
	for i := range d.Sock.Stack().Interfaces() {
		if i.Index == index {
			ifi := control.Net(i)
			return &ifi
		}
	}
	return nil
}

// SetSourceFilter replaces the filter of a membership.
func (d *Dgram) SetSourceFilter(ifi *net.Interface, group netip.Addr, mode mcast.Mode, sources []netip.Addr) syscall.Errno {
	at, e := d.at(ifi, group)
	if e != 0 {
		return e
	}
	for i := range sources {
		sources[i] = sources[i].WithZone("")
	}
	return d.Sock.SetSourceFilter(at, group.WithZone(""), mode, sources)
}

// SourceFilter returns the filter of a membership, link-local sources with their
// zone.
func (d *Dgram) SourceFilter(ifi *net.Interface, group netip.Addr) (mcast.Mode, []net.Addr, syscall.Errno) {
	at, e := d.at(ifi, group)
	if e != 0 {
		return 0, nil, e
	}
	f, e := d.Sock.SourceFilter(at, group.WithZone(""))
	sources := make([]net.Addr, len(f.Sources))
	for i, s := range f.Sources {
		s = usrreq.Zoned(d.Sock.Stack().View(), s, at.Index)
		sources[i] = &net.IPAddr{IP: s.AsSlice(), Zone: s.Zone()}
	}
	return f.Mode, sources, e
}
