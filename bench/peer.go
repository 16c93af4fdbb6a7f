package main

import (
	"errors"
	"net/netip"
)

// Peer is one network stack under measurement. Each method prepares one case
// and returns the verb that is timed; the stopwatch is the same for all peers
// and stays outside of them. A method that cannot run on this machine returns
// an absence; any other error makes the row missing.
//
// A prepared case is used from one goroutine, and its process ends with it.
type Peer interface {
	// UDP64 joins two stacks by one wire, a connected UDP socket in each, and
	// returns exchange, which n times writes 64 bytes into one socket and reads
	// them from the other.
	UDP64() (exchange func(n int) error, err error)

	// Forward makes a router with t.Routes, all through one gateway whose
	// hardware address is known. feed hands it the next n of t.Frames;
	// delivered returns how many frames have left it since.
	Forward(t Traffic) (feed func(n int) error, delivered func() (uint64, error), err error)

	// Fanout joins two stacks by one wire, with members sockets in one group
	// on the second. send multicasts n datagrams of 64 bytes; drain reads n
	// datagrams from every member and fails if one is not there.
	Fanout(members int) (send, drain func(n int) error, err error)

	// Create returns add, which makes one more idle stack with one interface,
	// up, and its addresses, and keeps it.
	Create() (add func(addresses []netip.Prefix) error, err error)

	// CreateDestroy returns cycle, which makes n stacks as Create does, or bare ones
	// with the loopback interface only, and destroys them. It returns when they are
	// gone, as far as that can be seen.
	CreateDestroy() (cycle func(n int, bare bool) error, err error)

	// Filtered is Fanout where each member takes the datagrams of these sources
	// only, of which one is the sender.
	Filtered(members int, sources []netip.Addr) (send, drain func(n int) error, err error)

	// Joins makes one stack with one interface, IGMP or MLD on, and that many UDP
	// sockets.
	Joins(sockets int) (Members, error)

	// TCP joins two hosts by one link of MTU 1500 and returns what opens
	// connections from the first to the second.
	TCP(l TCPLink) (TCPHosts, error)

	// Includes says in a few words what the figures of the named case include
	// or were limited to for this peer; empty if there is nothing to say.
	Includes(name string) string
}

// Members are the sockets of one stack, which have no membership at first.
type Members struct {
	// Join makes socket i a member of group, Leave ends that.
	Join, Leave func(i int, group netip.Addr) error
	// Sent returns how many packets have left the interface.
	Sent func() (uint64, error)
}

// absence is the error of a peer or a figure that does not exist on this machine.
type absence string

func (a absence) Error() string { return string(a) }

// isAbsence reports whether err says that something is absent rather than broken.
func isAbsence(err error) (absence, bool) {
	var a absence
	ok := errors.As(err, &a)
	return a, ok
}

// payloadLen is the length in bytes of every datagram's payload.
const payloadLen = 64

// What the peers' stacks are called, the same for all.
const (
	udpPort = 7777
	wireMTU = 1500
	ethLen  = 14
)
