//go:build !linux

package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
)

// linuxPeer is absent everywhere else.
type linuxPeer struct{}

func newLinux(bool, family) Peer { return linuxPeer{} }

func isolations(string, string) []func(*exec.Cmd) {
	return []func(*exec.Cmd){func(*exec.Cmd) {}}
}

func denied(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }

func (linuxPeer) absent() error { return absence("this is " + runtime.GOOS) }

func (p linuxPeer) UDP64() (func(int) error, error) { return nil, p.absent() }

func (p linuxPeer) Forward(Traffic) (func(int) error, func() (uint64, error), error) {
	return nil, nil, p.absent()
}

func (p linuxPeer) Fanout(int) (func(int) error, func(int) error, error) {
	return nil, nil, p.absent()
}

func (p linuxPeer) Create() (func([]netip.Prefix) error, error) { return nil, p.absent() }

func (p linuxPeer) CreateDestroy() (func(int, bool) error, error) { return nil, p.absent() }

func (p linuxPeer) Filtered(int, []netip.Addr) (func(int) error, func(int) error, error) {
	return nil, nil, p.absent()
}

func (p linuxPeer) Joins(int) (Members, error) { return Members{}, p.absent() }

func (p linuxPeer) TCP(TCPLink) (TCPHosts, error) { return TCPHosts{}, p.absent() }

func (linuxPeer) Includes(string) string { return "" }
