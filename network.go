package vimage

import (
	"context"
	"net"
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
