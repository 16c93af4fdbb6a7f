package vimage

import (
	"context"
	"net"
	"strings"

	"github.com/seed88948545/vimage/internal/jail"
)

// Network is what code under test needs of a network: a *Stack is one, OS
// returns another.
type Network interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
	Interfaces() ([]net.Interface, error)
	InterfaceByName(name string) (*net.Interface, error)
}

var _ Network = (*Stack)(nil)

// unknown is the error for the name of a network that is none of the stack's: those in
// a jail may not even ask for other families, unless it allows them.
func (s *Stack) unknown(network string) error {
	kind := strings.TrimRight(network, "46")
	if !s.cred.Allows(jail.SocketAF) && kind != "tcp" && kind != "udp" && !strings.HasPrefix(kind, "ip") {
		return jail.SocketAF.Errno()
	}
	return net.UnknownNetworkError(network)
}

// OS returns the operating system's network: package net.
func OS() Network { return osNetwork{} }

type osNetwork struct{}

// DialContext implements Network.
func (osNetwork) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// Listen implements Network.
func (osNetwork) Listen(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}

// ListenPacket implements Network.
func (osNetwork) ListenPacket(network, address string) (net.PacketConn, error) {
	return net.ListenPacket(network, address)
}

// Interfaces implements Network.
func (osNetwork) Interfaces() ([]net.Interface, error) { return net.Interfaces() }

// InterfaceByName implements Network.
func (osNetwork) InterfaceByName(name string) (*net.Interface, error) {
	return net.InterfaceByName(name)
}
