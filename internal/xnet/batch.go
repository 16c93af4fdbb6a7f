package xnet

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv6"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// ReadBatch reads packets into ms: it waits for one and takes as many more as
// there are. put writes what is said of each, beside its bytes, into oob.
func (d *Dgram) ReadBatch(ms []ipv6.Message, flags int, put func(oob []byte, info *socket.Recv) int) (int, error) {
	if flags != 0 {
		return 0, d.IO("read", nil, syscall.EOPNOTSUPP)
	}
	how := socket.ReadWait
	for i := range ms {
		m := &ms[i]
		var info socket.Recv
		n, err := d.Sock.ReadMsg(m.Buffers, &info, how)
		if err != nil && i > 0 {
			return i, nil // whatever it is, the next read meets it
		}
		if err != nil {
			return 0, d.IO("read", nil, err)
		}
		m.N, m.Addr, m.Flags = n, d.From(&info), 0
		if info.Truncated {
			m.Flags = MsgTrunc
		}
		m.NN = put(m.OOB, &info)
		how = socket.ReadQueued
	}
	return len(ms), nil
}

// WriteBatch sends packets and returns how many were sent. addr returns the
// address in a destination, how reads the control messages of a packet.
func (d *Dgram) WriteBatch(ms []ipv6.Message, flags int, addr func(net.Addr) netip.Addr, how func(oob []byte, to netip.Addr) (*socket.Send, error)) (int, error) {
	if flags != 0 {
		return 0, d.IO("write", nil, syscall.EOPNOTSUPP)
	}
	var gathered []byte
	for i := range ms {
		m := &ms[i]
		data := gathered[:0]
		if len(m.Buffers) == 1 {
			data = m.Buffers[0]
		} else {
			for _, b := range m.Buffers {
				data = append(data, b...)
			}
			gathered = data
		}
		var by *socket.Send
		dst, err := Destination(m.Addr, addr)
		if err == nil {
			by, err = how(m.OOB, dst.Addr())
		}
		if err == nil {
			m.N, err = d.Sock.WriteTo(data, dst, by)
		}
		if err != nil && i > 0 {
			return i, nil
		}
		if err != nil {
			return 0, d.IO("write", m.Addr, err)
		}
	}
	return len(ms), nil
}

// From returns the source of a received packet, a link-local one with its zone.
func (d *Dgram) From(info *socket.Recv) net.Addr {
	a := usrreq.Zoned(d.Sock.Stack().View(), info.From.Addr(), info.IfIndex)
	if d.Raw() {
		return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, info.From.Port()))
}

// Destination returns the address in dst, invalid if dst is nil. addr returns
// the one in it that suits.
func Destination(dst net.Addr, addr func(net.Addr) netip.Addr) (netip.AddrPort, error) {
	a, port := addr(dst), 0
	if u, ok := dst.(*net.UDPAddr); ok && u != nil {
		port = u.Port
	}
	switch {
	case dst == nil:
		return netip.AddrPort{}, nil
	case !a.IsValid():
		return netip.AddrPort{}, ErrMissingAddress
	case port < 0 || port > 65535:
		return netip.AddrPort{}, syscall.EINVAL
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}

// Addr returns the address in a, with its zone, invalid where there is none.
func Addr(a net.Addr) netip.Addr {
	var ip net.IP
	var zone string
	switch a := a.(type) {
	case *net.UDPAddr:
		if a != nil {
			ip, zone = a.IP, a.Zone
		}
	case *net.IPAddr:
		if a != nil {
			ip, zone = a.IP, a.Zone
		}
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap().WithZone(zone)
}
