package socket

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/wire"
)

// Datagram is what UDP and raw IP sockets have in common. Init must be called
// before use.
type Datagram struct {
	sched    *netisr.Sched
	Protocol uint8 // wire.ProtoUDP, or a raw socket's protocol
	Raw      bool
	Is6      bool // for IPv6, and for IPv4 beside it unless V6Only; set before it is bound
	Opts     atomic.Pointer[Options]
	Addrs    atomic.Pointer[Addrs]
	writeBy  atomic.Int64 // clock.Time after which writes fail; 0 means never

	Queue sockbuf.Queue
}

// Addrs is what the sender of a socket needs to know of its binding.
type Addrs struct {
	Local, Remote netip.AddrPort
	Scope         uint32 // index of the interface on which link-local ones are meant
	Label         uint32 // IPv6 flow label of a connected UDP socket's packets
	Closed        bool
}

// Init makes a socket that has options it shares with others.
func (s *Datagram) Init(sched *netisr.Sched, protocol uint8, o *Options) {
	s.sched, s.Protocol = sched, protocol
	s.Queue.Init(sched.Clock())
	s.Opts.Store(o)
	s.Addrs.Store(new(Addrs))
}

// Proto returns the IP protocol of the socket, and whether it is a raw one.
func (s *Datagram) Proto() (proto uint8, raw bool) { return s.Protocol, s.Raw }

// Closed tells whether the socket has been closed.
func (s *Datagram) Closed() bool { return s.Addrs.Load().Closed }

// LocalAddr returns the socket's own address and port.
func (s *Datagram) LocalAddr() netip.AddrPort { return s.Addrs.Load().Local }

// RemoteAddr returns the address and port the socket is connected to, invalid
// if none.
func (s *Datagram) RemoteAddr() netip.AddrPort { return s.Addrs.Load().Remote }

// SetReady has f called, with no lock held, whenever packets have come to an
// empty queue, and once when the socket is closed. f may read and write the
// socket. It must not block.
func (s *Datagram) SetReady(f func()) { s.Queue.SetReady(f) }

// SetReadDeadline makes reads after t fail; the zero Time means never.
func (s *Datagram) SetReadDeadline(t time.Time) error { return s.Queue.SetDeadline(t) }

// SetWriteDeadline makes writes after t fail, though they never wait; the zero
// Time means never.
func (s *Datagram) SetWriteDeadline(t time.Time) error {
	if s.Closed() {
		return net.ErrClosed
	}
	var at clock.Time
	if !t.IsZero() {
		if at = s.sched.Clock().At(t); at <= 0 {
			at = -1 // before the world began
		}
	}
	s.writeBy.Store(int64(at))
	return nil
}

// MayWrite returns the error of a write that cannot be: the socket is closed,
// as a says, or its deadline has passed.
func (s *Datagram) MayWrite(a *Addrs) error {
	if a.Closed {
		return net.ErrClosed
	}
	if by := s.writeBy.Load(); by != 0 && int64(s.sched.Clock().Now()) >= by {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Takes tells whether a raw socket gets a packet that came in by the interface with
// index scope: by protocol, addresses and filter.
func (s *Datagram) Takes(ip wire.Packet, scope uint32) bool {
	if s.Protocol != 0 && s.Protocol != ip.Proto() {
		return false
	}
	a, o := s.Addrs.Load(), s.Opts.Load()
	if l := a.Local.Addr(); l.Is6() != ip.Is6() || !l.IsUnspecified() && l != ip.Dst() || a.Scope != 0 && a.Scope != scope {
		return false
	}
	if a.Remote.IsValid() && a.Remote.Addr() != ip.Src() {
		return false
	}
	if o.Limit != nil && !ip.Dst().IsMulticast() && !o.Limit.Allows(ip.Dst()) {
		return false
	}
	if o.ICMPFilter && (ip.Proto() == wire.ProtoICMP || ip.Proto() == wire.ProtoICMPv6) {
		m := ip.Payload()
		return len(m) > 0 && o.ICMPAllow[m[0]/32]>>(m[0]%32)&1 != 0
	}
	return true
}
