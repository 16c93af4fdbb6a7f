package vimage

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/seed88948545/vimage/internal/proto/pcb"
)

// Dialer has the fields of net.Dialer that mean something here, and the Stack
// to dial from.
type Dialer struct {
	Stack     *Stack
	Timeout   time.Duration
	Deadline  time.Time
	LocalAddr net.Addr

	// KeepAlive and KeepAliveConfig mean what they do in package net: by default
	// a TCP connection is probed after 15 seconds of silence.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig

	ReuseAddr  bool   // SO_REUSEADDR, where LocalAddr has a port
	Congestion string // "cubic", "newreno"; "": the stack's (net.inet.tcp.cc.algorithm)
	FastOpen   bool   // TCP Fast Open (RFC 7413), where the stack allows it
}

// Dial connects to an address as net.Dial does. Networks: tcp, tcp4, udp,
// udp4, ip4:PROTOCOL.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to an address as net.Dialer.DialContext does.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, err)
	}
	switch network {
	case "udp", "udp4":
	case "tcp", "tcp4":
		return d.dialTCP(ctx, network, address)
	default:
		if strings.HasPrefix(network, "ip") {
			return d.dialIP(ctx, network, address)
		}
		return nil, opError("dial", network, d.LocalAddr, nil, net.UnknownNetworkError(network))
	}
	remote, err := parseAddrPort("udp", address, false)
	if err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, err)
	}
	local := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if d.LocalAddr != nil {
		a, ok := d.LocalAddr.(*net.UDPAddr)
		if !ok {
			return nil, opError("dial", network, d.LocalAddr, nil, errors.New("mismatched local address type"))
		}
		local = unmapped(a.AddrPort())
	}
	c, err := d.Stack.dialUDP(network, local, remote)
	if err != nil {
		return nil, err
	}
	return closeOn(ctx, c)
}

func (d *Dialer) dialIP(ctx context.Context, network, address string) (net.Conn, error) {
	local := netip.IPv4Unspecified()
	if d.LocalAddr != nil {
		a, ok := d.LocalAddr.(*net.IPAddr)
		if !ok {
			return nil, opError("dial", network, d.LocalAddr, nil, errors.New("mismatched local address type"))
		}
		ip, _ := netip.AddrFromSlice(a.IP)
		local = ip.Unmap()
	}
	remote, err := netip.ParseAddr(address)
	if err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, &net.AddrError{Err: "no IP address (names are not looked up)", Addr: address})
	}
	c, err := d.Stack.listenIP(network, local)
	if err != nil {
		return nil, err
	}
	if e := c.s.Connect(netip.AddrPortFrom(remote.Unmap(), 0)); e != 0 {
		c.Close()
		return nil, opError("dial", network, d.LocalAddr, &net.IPAddr{IP: remote.AsSlice()}, e)
	}
	return closeOn(ctx, c)
}

// ListenConfig has the options that package net's Control function is used for
// most, and the Stack to listen on.
type ListenConfig struct {
	Stack     *Stack
	ReuseAddr bool // SO_REUSEADDR
	ReusePort bool // SO_REUSEPORT

	// KeepAlive and KeepAliveConfig mean what they do in package net.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig

	// Backlog is how many connections may wait to be accepted; 0: as many as
	// the sysctl kern.ipc.soacceptqueue allows.
	Backlog    int
	Congestion string // as in Dialer, of accepted connections
	FastOpen   bool   // accept TCP Fast Open (RFC 7413), where the stack allows it

	// BindGroup binds to a multicast address as it is, so that the socket
	// receives only what is sent to it. Without, as in package net, the
	// address stands for any address.
	BindGroup bool
}

func (lc *ListenConfig) reuse() pcb.Reuse {
	var r pcb.Reuse
	if lc.ReuseAddr {
		r |= pcb.ReuseAddr
	}
	if lc.ReusePort {
		r |= pcb.ReusePort
	}
	return r
}

// ListenPacket opens a socket as net.ListenPacket does. Networks: udp, udp4,
// ip4:PROTOCOL. The result is a *UDPConn or *IPConn.
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	if strings.HasPrefix(network, "ip") {
		return lc.listenIP(network, address)
	}
	if network != "udp" && network != "udp4" {
		return nil, opError("listen", network, nil, nil, net.UnknownNetworkError(network))
	}
	a, err := parseAddrPort("udp", address, true)
	if err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	c, err := lc.Stack.listenUDP(network, a, lc)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (lc *ListenConfig) listenIP(network, address string) (net.PacketConn, error) {
	a := netip.IPv4Unspecified()
	if address != "" {
		var err error
		if a, err = netip.ParseAddr(address); err != nil {
			return nil, opError("listen", network, nil, nil, &net.AddrError{Err: "no IP address", Addr: address})
		}
	}
	c, err := lc.Stack.listenIP(network, a)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// parseAddrPort reads "host:port" with literal addresses; the host may be
// missing where any will do.
func parseAddrPort(proto, s string, passive bool) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		host = "127.0.0.1"
		if passive {
			host = "0.0.0.0"
		}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "no IP address (names are not looked up)", Addr: host}
	}
	n, err := net.LookupPort(proto, port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

// Dial connects to an address as net.Dial does.
func (s *Stack) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

// DialContext connects to an address.
func (s *Stack) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return (&Dialer{Stack: s}).DialContext(ctx, network, address)
}

// ListenPacket opens a datagram or raw socket as net.ListenPacket does.
func (s *Stack) ListenPacket(network, address string) (net.PacketConn, error) {
	return (&ListenConfig{Stack: s}).ListenPacket(context.Background(), network, address)
}
