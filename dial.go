package vimage

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// Dialer has the fields of net.Dialer that mean something here, and the Stack
// to dial from.
type Dialer struct {
	Stack     *Stack
	Timeout   time.Duration // of the whole, names included
	Deadline  time.Time
	LocalAddr net.Addr

	// FallbackDelay is how long a TCP connection to one of the addresses of a name
	// may take before the next is tried beside it: the Connection Attempt Delay of
	// RFC 8305 §5. Zero means 250 ms; below zero, each is given up before the next
	// is tried, as package net has it.
	FallbackDelay time.Duration

	// Resolver looks up names; nil: as Stack.SetResolver says.
	Resolver *Resolver

	// KeepAlive and KeepAliveConfig mean what they do in package net: by default
	// a TCP connection is probed after 15 seconds of silence.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig

	ReuseAddr  bool   // SO_REUSEADDR, where LocalAddr has a port
	Congestion string // "cubic", "newreno"; "": the stack's (net.inet.tcp.cc.algorithm)
	FastOpen   bool   // TCP Fast Open (RFC 7413), where the stack allows it
}

// Dial connects to an address as net.Dial does. Networks: tcp, udp and
// ip:PROTOCOL, each also with a 4 or a 6 for one family (tcp6, ip4:icmp).
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to an address as net.Dialer.DialContext does. Where the
// host is a name, its addresses are tried in the order of RFC 6724 §6 with the
// families in turn (RFC 8305 §4), TCP's several at once: see FallbackDelay. The
// first connection that is made counts, the others are given up.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	call, err := d.call(network)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = call.resolve(ctx, address)
	}
	if err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, err)
	}
	if call.transport == "tcp" {
		c, err := call.race(ctx)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	c, err := call.datagram()
	if err != nil {
		return nil, err
	}
	return closeOn(ctx, c)
}

// call is one call of a Dialer's.
type call struct {
	*Dialer
	network   string
	transport string // "tcp", "udp" or "ip"
	family    family
	local     netip.AddrPort // invalid: any
	by        clock.Time     // when it is too late; clock.Never: it never is
	to        []netip.AddrPort
}

// call checks what does not depend on the address.
func (d *Dialer) call(network string) (*call, error) {
	c := &call{Dialer: d, network: network, by: d.deadline()}
	kind, _, raw := strings.Cut(network, ":")
	for _, c.transport = range []string{"tcp", "udp", "ip", ""} {
		var ok bool
		if c.family, ok = familyOf(kind, c.transport); ok && raw == (c.transport == "ip") {
			break
		}
	}
	if c.transport == "" {
		return nil, d.Stack.unknown(network)
	}
	ok := true
	switch a := d.LocalAddr.(type) {
	case nil:
	case *net.TCPAddr:
		c.local, ok = a.AddrPort(), c.transport == "tcp"
	case *net.UDPAddr:
		c.local, ok = a.AddrPort(), c.transport == "udp"
	case *net.IPAddr:
		c.local, ok = netip.AddrPortFrom(fromIPAddr(a), 0), c.transport == "ip"
	default:
		ok = false
	}
	if !ok {
		return nil, errors.New("mismatched local address type")
	}
	return c, nil
}

// deadline returns the earlier of the dialer's Deadline and the moment at which
// its Timeout is over.
func (d *Dialer) deadline() clock.Time {
	c, at := d.Stack.clock(), clock.Never
	if !d.Deadline.IsZero() {
		at = c.At(d.Deadline)
	}
	if d.Timeout > 0 {
		at = min(at, c.Now().Add(d.Timeout))
	}
	return at
}

// resolve finds the addresses that a text stands for, in the order in which to
// try them.
func (c *call) resolve(ctx context.Context, address string) error {
	host, port, err := address, uint16(0), error(nil)
	if c.transport != "ip" {
		if host, port, err = splitAddr(c.transport, address); err != nil {
			return err
		}
	}
	ips, err := c.literal(host)
	if err != nil {
		if ips, err = c.lookup(ctx, host); err != nil {
			return err
		}
	}
	for _, ip := range ips {
		if c.suits(ip) {
			c.to = append(c.to, netip.AddrPortFrom(ip, port))
		}
	}
	if len(c.to) == 0 {
		return unsuitable(host)
	}
	return nil
}

// literal returns the address that a host is the text of.
func (c *call) literal(host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{c.family.loopback()}, nil
	}
	ip, err := netip.ParseAddr(host)
	return []netip.Addr{ip.Unmap()}, err
}

// suits tells whether the network's name and the local address allow a
// connection to ip.
func (c *call) suits(ip netip.Addr) bool {
	l := c.local.Addr().Unmap()
	return c.family.allows(ip) && (!l.IsValid() || l.IsUnspecified() || l.Is4() == ip.Is4())
}

// datagram returns a socket connected to the first address for which there is a
// way.
func (c *call) datagram() (net.Conn, error) {
	var first error
	for _, to := range c.to {
		conn, err := c.connect(to)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (c *call) connect(to netip.AddrPort) (net.Conn, error) {
	if c.transport == "udp" {
		conn, err := c.Stack.dialUDP(c.network, source(c.local, to), to)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	conn, err := c.Stack.listenIP(c.network, source(c.local, to).Addr())
	if err != nil {
		return nil, err
	}
	if e := conn.s.Connect(to); e != 0 {
		conn.Close()
		return nil, opError("dial", c.network, c.LocalAddr, ipAddr(to.Addr()), e)
	}
	return conn, nil
}

// Dial connects to an address as net.Dial does.
func (s *Stack) Dial(network, address string) (net.Conn, error) {
	return s.DialContext(context.Background(), network, address)
}

// DialContext connects to an address.
func (s *Stack) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return (&Dialer{Stack: s}).DialContext(ctx, network, address)
}
