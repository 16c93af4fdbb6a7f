package vimage

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// IPConn is a raw IP socket of a stack: it receives a copy of every packet of
// its protocol, and sends payloads, or whole packets after SetHeaderIncluded.
type IPConn struct{ packetConn }

var (
	_ net.Conn       = (*IPConn)(nil)
	_ net.PacketConn = (*IPConn)(nil)
)

// ReadFrom implements net.PacketConn: as with a kernel's raw socket in package
// net, the packet comes without its IP header. See ReadPacket.
func (c *IPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	var info socket.Recv
	n, err := c.s.ReadMsg([][]byte{b}, &info, socket.ReadWait|socket.ReadPayload)
	if err != nil {
		return 0, nil, c.err("read", err)
	}
	return n, c.addr(c.from(&info)), nil
}

// Read implements net.Conn, as ReadFrom.
func (c *IPConn) Read(b []byte) (int, error) {
	n, err := c.s.ReadMsg([][]byte{b}, nil, socket.ReadWait|socket.ReadPayload)
	if err != nil {
		return 0, c.err("read", err)
	}
	return n, nil
}

// ReadPacket reads a packet with its IPv4 header. An IPv6 header never comes to
// a raw socket (RFC 3542 §3): there it is Read.
func (c *IPConn) ReadPacket(b []byte) (int, error) {
	n, err := c.s.ReadFrom(b, nil, true)
	if err != nil {
		return 0, c.err("read", err)
	}
	return n, nil
}

// WriteTo sends a payload to addr, a *net.IPAddr. After SetHeaderIncluded it
// sends a packet that begins with its header, whose destination counts. The
// stack fills in the checksum of ICMPv6 (RFC 3542 §3.1).
func (c *IPConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.IPAddr)
	if !ok {
		return 0, opError("write", c.net, c.LocalAddr(), addr, syscall.EINVAL)
	}
	return c.sendTo(b, netip.AddrPortFrom(fromIPAddr(a), 0))
}

// SetHeaderIncluded says that what is written begins with an IPv4 header
// (IP_HDRINCL). The stack fills in total length, checksum, and identification
// and source where they are zero.
func (c *IPConn) SetHeaderIncluded(on bool) { c.s.SetHeaderIncluded(on) }

// SetICMPTypes has a socket for ICMP or ICMPv6 receive messages of these types
// only, none of them meaning all (RFC 3542 §3.2).
func (c *IPConn) SetICMPTypes(types ...uint8) {
	var allow [8]uint32
	for _, t := range types {
		allow[t/32] |= 1 << (t % 32)
	}
	if len(types) == 0 {
		for i := range allow {
			allow[i] = 1<<32 - 1
		}
	}
	c.s.SetICMPFilter(allow)
}

// listenIP opens a raw socket; network is "ip4:protocol", "ip6:protocol" or
// "ip:protocol". A raw socket is of one family: with neither in its name, that
// of its address.
func (s *Stack) listenIP(network string, local netip.Addr) (*IPConn, error) {
	f, proto, err := protocolOf(network)
	if err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	if !s.cred.Allows(jail.RawSocket) {
		return nil, opError("listen", network, nil, nil, jail.RawSocket.Errno())
	}
	switch {
	case local.IsValid():
	case f == only6 || f == either && proto == wire.ProtoICMPv6:
		local = netip.IPv6Unspecified()
	default:
		local = netip.IPv4Unspecified()
	}
	if !f.allows(local) {
		return nil, opError("listen", network, nil, nil, unsuitable(local.String()))
	}
	sock, e := s.owner().ListenRaw(s.st, proto, local)
	if e != 0 {
		return nil, opError("listen", network, nil, ipAddr(local), e)
	}
	sock.SetBroadcast(true) // as package net does
	return &IPConn{packetConn{s: sock, stack: s, net: network, raw: true}}, nil
}

// protocolOf returns the family and the protocol number in "ip4:89" or
// "ip:icmp".
func protocolOf(network string) (family, uint8, error) {
	ip, name, named := strings.Cut(network, ":")
	f, ok := familyOf(ip, "ip")
	if !ok || !named {
		return 0, 0, net.UnknownNetworkError(network)
	}
	switch name {
	case "icmp":
		return f, wire.ProtoICMP, nil
	case "igmp":
		return f, wire.ProtoIGMP, nil
	case "tcp":
		return f, wire.ProtoTCP, nil
	case "udp":
		return f, wire.ProtoUDP, nil
	case "ipv6-icmp":
		return f, wire.ProtoICMPv6, nil
	}
	n, err := strconv.ParseUint(name, 10, 8)
	if err != nil {
		return 0, 0, net.UnknownNetworkError(network)
	}
	return f, uint8(n), nil
}
