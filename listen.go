package vimage

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/seed88948545/vimage/internal/proto/pcb"
)

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

// ListenPacket opens a socket as net.ListenPacket does. Networks: udp, udp4, udp6,
// ip:PROTOCOL, ip4:PROTOCOL, ip6:PROTOCOL. On udp, a host that is missing,
// 0.0.0.0 or :: means every address of both families. The result is a *UDPConn or
// *IPConn.
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	if strings.HasPrefix(network, "ip") {
		return lc.listenIP(network, address)
	}
	f, ok := familyOf(network, "udp")
	if !ok {
		return nil, opError("listen", network, nil, nil, lc.Stack.unknown(network))
	}
	a, err := f.listenAddr("udp", address)
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
	var a netip.Addr
	if address != "" {
		var err error
		if a, err = netip.ParseAddr(address); err != nil {
			return nil, opError("listen", network, nil, nil, &net.AddrError{Err: "no IP address", Addr: address})
		}
	}
	c, err := lc.Stack.listenIP(network, a.Unmap())
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ListenPacket opens a datagram or raw socket as net.ListenPacket does.
func (s *Stack) ListenPacket(network, address string) (net.PacketConn, error) {
	return (&ListenConfig{Stack: s}).ListenPacket(context.Background(), network, address)
}
