package vimage

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// SocketInfo is a socket of a stack, as netstat -a shows it; or a connection that has
// none, being opened by a peer or waiting for its last segments to die out.
type SocketInfo struct {
	Protocol string // "tcp", "udp", or "ip" for raw sockets
	Number   int    // of the IP protocol; of a raw socket 0 means all
	IPv4     bool   // which families it speaks
	IPv6     bool
	Local    netip.AddrPort // the address may be unspecified, and link-local ones have a zone
	Remote   netip.AddrPort // invalid unless connected
	State    string         // of TCP, as RFC 9293 §3.3.2 names it: "LISTEN", "ESTABLISHED", …
	RecvQ    int            // bytes that have come and were not read
	SendQ    int            // bytes that were written and not acknowledged (TCP)
	Waiting  int            // connections to be accepted, of a listener
	Backlog  int            // how many may wait
	FIB      int            // routing table of what it sends
	Jail     int            // number of the jail whose addresses it is limited to; 0: it may use all of the stack's
}

// Sockets returns the sockets of the stack: TCP first, then UDP, then raw ones, each by
// local port and address. In a jail that shares the stack of its parent it returns those
// of that jail.
func (s *Stack) Sockets() []SocketInfo {
	var all []SocketInfo
	for _, l := range s.st.TCPPorts().Listeners() {
		o := l.Opts.Load()
		local := s.zonedPort(l.Local, l.Scope)
		all = append(all, SocketInfo{
			Protocol: "tcp", Number: 6, IPv4: local.Addr().Is4() || spans(local, l.V6Only), IPv6: local.Addr().Is6(), Local: local,
			State: "LISTEN", Waiting: l.Queue.Len(), Backlog: l.Queue.Limit(), FIB: int(o.FIB), Jail: int(o.Jail()),
		})
	}
	limit := s.cred.Limit()
	for e := range s.st.TCPEntries() {
		i := SocketInfo{
			Protocol: "tcp", Number: 6, IPv4: e.Local.Addr().Is4(), IPv6: e.Local.Addr().Is6(),
			Local: s.zonedPort(e.Local, e.Scope), Remote: s.zonedPort(e.Remote, e.Scope),
			State: e.State.String(), RecvQ: e.RecvQ, SendQ: e.SendQ, FIB: int(e.FIB),
		}
		switch {
		case e.Sock != nil:
			i.Jail = int(e.Sock.Jail)
		case limit != nil && limit.Allows(e.Local.Addr()): // whose it is was not kept
			i.Jail = int(limit.Jail)
		}
		all = append(all, i)
	}
	for _, d := range s.st.Socks() {
		all = append(all, s.datagram(&d.Datagram))
	}
	if limit != nil {
		all = slices.DeleteFunc(all, func(i SocketInfo) bool { return i.Jail != int(limit.Jail) })
	}
	slices.SortStableFunc(all, SocketInfo.compare)
	return all
}

// datagram describes a socket of UDP or a raw one.
func (s *Stack) datagram(d *socket.Datagram) SocketInfo {
	a, o := d.Addrs.Load(), d.Opts.Load()
	i := SocketInfo{
		Protocol: "udp", Number: int(d.Protocol), IPv4: !d.Is6 || spans(a.Local, o.V6Only), IPv6: d.Is6,
		Local: s.zonedPort(a.Local, a.Scope), Remote: s.zonedPort(a.Remote, a.Scope), RecvQ: d.Queue.Bytes(), FIB: int(o.FIB),
	}
	if d.Raw {
		i.Protocol = "ip"
	}
	if o.Limit != nil {
		i.Jail = int(o.Limit.Jail)
	}
	return i
}

// spans tells whether what is bound there hears both families.
func spans(a netip.AddrPort, v6only bool) bool { return a.Addr() == netip.IPv6Unspecified() && !v6only }

// zonedPort adds to an address the zone that it has for users.
func (s *Stack) zonedPort(a netip.AddrPort, scope uint32) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(usrreq.Zoned(s.st.View(), a.Addr(), scope), a.Port())
}

func (i SocketInfo) compare(o SocketInfo) int {
	order := func(p string) int { return slices.Index([]string{"tcp", "udp", "ip"}, p) }
	return cmp.Or(
		cmp.Compare(order(i.Protocol), order(o.Protocol)), cmp.Compare(i.Local.Port(), o.Local.Port()),
		i.Local.Addr().Compare(o.Local.Addr()), cmp.Compare(i.Number, o.Number),
		i.Remote.Addr().Compare(o.Remote.Addr()), cmp.Compare(i.Remote.Port(), o.Remote.Port()),
	)
}

// QueueInfo is where packets wait for one part of a stack: see StackConfig.Shards. A
// flow always takes the same.
type QueueInfo struct {
	Shard     int
	Len       int    // packets that wait now
	Watermark int    // most that ever did
	Limit     int    // how many may; a large packet counts as four
	Direct    uint64 // packets that the sender had processed at once, without a queue
	Queued    uint64 // packets that waited, if only for the sender to let go of his lock
	Drops     uint64 // packets for which there was no room
}

// Handled returns how many packets were processed.
func (q *QueueInfo) Handled() uint64 { return q.Direct + q.Queued - uint64(q.Len) }

// Queues returns the queues of the stack, by shard. Who works them off is what the sysctl
// net.isr.dispatch says.
func (s *Stack) Queues() []QueueInfo {
	var all []QueueInfo
	for i, q := range s.st.Queues() {
		all = append(all, QueueInfo{i, q.Len, int(q.Watermark), q.Limit, q.Lent, q.Queued, q.Drops})
	}
	return all
}
