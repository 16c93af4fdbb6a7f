package client

import (
	"context"
	"net/netip"
)

// Socket is a socket of a jail's stack, or a connection of TCP that has none.
type Socket struct {
	Protocol string         `json:"protocol" doc:"tcp, udp, or ip for raw sockets"`
	Number   int            `json:"number" doc:"Of the IP protocol; of a raw socket 0 means all"`
	IPv4     bool           `json:"ipv4" doc:"It speaks IPv4"`
	IPv6     bool           `json:"ipv6" doc:"It speaks IPv6"`
	Local    netip.AddrPort `json:"local" doc:"Address and port; the address may be unspecified"`
	Remote   netip.AddrPort `json:"remote,omitzero" doc:"None unless it is connected"`
	State    string         `json:"state,omitempty" doc:"Of tcp, as RFC 9293 names it" example:"ESTABLISHED"`
	RecvQ    int            `json:"receive-bytes-waiting" doc:"Bytes that have come and were not read"`
	SendQ    int            `json:"send-bytes-waiting" doc:"Bytes that were written and not acknowledged"`
	Waiting  int            `json:"waiting,omitempty" doc:"Connections to be accepted, of a listener"`
	Backlog  int            `json:"backlog,omitempty" doc:"How many may wait"`
	FIB      int            `json:"fib" doc:"Routing table of what it sends"`
	JID      int            `json:"jid,omitempty" doc:"Number of the jail whose addresses it is limited to"`
}

type socketList struct {
	Sockets []Socket `json:"sockets"`
}

// Sockets returns the sockets of a jail's stack: TCP first, then UDP, then raw ones,
// each by local port and address. Those of a jail that shares a stack are its own.
func (c *Client) Sockets(ctx context.Context, jail string) ([]Socket, error) {
	var l socketList
	return l.Sockets, c.Do(ctx, "GET", jailPath(jail, "sockets"), nil, nil, &l)
}

// JailSockets is the sockets of one stack.
type JailSockets struct {
	Jail    string   `json:"jail" doc:"Name of the jail that owns the stack"`
	JID     int      `json:"jid"`
	Sockets []Socket `json:"sockets"`
}

type allSockets struct {
	Jails []JailSockets `json:"jails"`
}

// AllSockets returns the sockets of all stacks of the lab that have some, by the number
// of the jail that owns them.
func (c *Client) AllSockets(ctx context.Context) ([]JailSockets, error) {
	var a allSockets
	return a.Jails, c.Do(ctx, "GET", "/v1/sockets", nil, nil, &a)
}
