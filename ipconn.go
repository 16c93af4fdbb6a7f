package vimage

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// IPConn is a raw IP socket of a stack: it receives a copy of every packet of
// its protocol, and sends payloads, or whole packets after SetHeaderIncluded.
type IPConn struct{ packetConn }

var (
	_ net.Conn       = (*IPConn)(nil)
	_ net.PacketConn = (*IPConn)(nil)
)

// ReadFrom implements net.PacketConn: as with a kernel's raw IPv4 socket in
// package net, the packet comes without its IPv4 header. See ReadPacket.
func (c *IPConn) ReadFrom(b []byte) (int, net.Addr, error) {
	var info socket.Recv
	n, err := c.s.ReadMsg([][]byte{b}, &info, socket.ReadWait|socket.ReadPayload)
	if err != nil {
		return 0, nil, c.err("read", err)
	}
	return n, c.addr(info.From), nil
}

// Read implements net.Conn, as ReadFrom.
func (c *IPConn) Read(b []byte) (int, error) {
	n, err := c.s.ReadMsg([][]byte{b}, nil, socket.ReadWait|socket.ReadPayload)
	if err != nil {
		return 0, c.err("read", err)
	}
	return n, nil
}

// ReadPacket reads a packet with its IPv4 header.
func (c *IPConn) ReadPacket(b []byte) (int, error) {
	n, err := c.s.ReadFrom(b, nil, true)
	if err != nil {
		return 0, c.err("read", err)
	}
	return n, nil
}

// WriteTo sends a payload to addr, a *net.IPAddr. After SetHeaderIncluded it
// sends a packet that begins with its header, whose destination counts.
func (c *IPConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.IPAddr)
	if !ok {
		return 0, opError("write", c.net, c.LocalAddr(), addr, syscall.EINVAL)
	}
	var ip netip.Addr
	if a != nil {
		ip, _ = netip.AddrFromSlice(a.IP)
	}
	return c.sendTo(b, netip.AddrPortFrom(ip.Unmap(), 0))
}

// SetHeaderIncluded says that what is written begins with an IPv4 header
// (IP_HDRINCL). The stack fills in total length, checksum, and identification
// and source where they are zero.
func (c *IPConn) SetHeaderIncluded(on bool) { c.s.SetHeaderIncluded(on) }

// listenIP opens a raw socket; network is "ip4:protocol".
func (s *Stack) listenIP(network string, local netip.Addr) (*IPConn, error) {
	proto, err := protocolOf(network)
	if err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	if !s.cred.Allows(jail.RawSocket) {
		return nil, opError("listen", network, nil, nil, syscall.EPERM)
	}
	sock, e := usrreq.ListenRaw(s.st, proto, local, uint32(s.fib))
	if e != 0 {
		return nil, opError("listen", network, nil, &net.IPAddr{IP: local.AsSlice()}, e)
	}
	sock.SetBroadcast(true) // as package net does
	return &IPConn{packetConn{s: sock, net: network, raw: true}}, nil
}

// protocolOf returns the protocol number in "ip4:89" or "ip:icmp".
func protocolOf(network string) (uint8, error) {
	family, name, ok := strings.Cut(network, ":")
	if !ok || family != "ip4" && family != "ip" {
		return 0, net.UnknownNetworkError(network)
	}
	switch name {
	case "icmp":
		return 1, nil
	case "igmp":
		return 2, nil
	case "tcp":
		return 6, nil
	case "udp":
		return 17, nil
	}
	n, err := strconv.ParseUint(name, 10, 8)
	if err != nil {
		return 0, net.UnknownNetworkError(network)
	}
	return uint8(n), nil
}
