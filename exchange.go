package vimage

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/dns"
)

// errMisbehaving is package net's word for a server that cannot say.
var errMisbehaving = errors.New("server misbehaving")

// answerTimeout is how long a server may take where the Resolver does not say.
const answerTimeout = 5 * time.Second

// exchange is what is asked of servers about one name.
type exchange struct {
	*lookup
	open  []dns.Query // not answered yet
	found []netip.Addr
}

// with asks one server. It returns nil once nothing is left to be asked.
func (x *exchange) with(ctx context.Context, server netip.AddrPort) error {
	c, err := x.stack.dialUDP("udp", netip.AddrPortFrom(wildcard(server.Addr()), 0), server)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	for _, q := range x.open {
		if _, err := c.Write(q.Message()); err != nil {
			return err
		}
	}
	timeout := x.Timeout
	if timeout <= 0 {
		timeout = answerTimeout
	}
	ck := x.stack.clock()
	until := min(ck.Now().Add(timeout), x.by)
	return x.read(ctx, c, server, until)
}

// read reads answers until none is missing.
func (x *exchange) read(ctx context.Context, c *UDPConn, server netip.AddrPort, until clock.Time) error {
	ck := x.stack.clock()
	var failed error
	buf := make([]byte, dns.MaxUDP)
	for waiting := slices.Clone(x.open); len(waiting) > 0; {
		if err := c.SetReadDeadline(ck.Wall(until)); err != nil {
			return err
		}
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		i, verdict := x.answered(waiting, buf[:n])
		if verdict == dns.Stray {
			continue
		}
		q := waiting[i]
		if verdict == dns.Truncated {
			if verdict, err = x.overTCP(ctx, &q, server, until); err != nil {
				failed = err
			}
		}
		if verdict == dns.Failed && failed == nil {
			failed = errMisbehaving
		}
		waiting = slices.Delete(waiting, i, i+1)
		if verdict != dns.Failed { // else it is for another server
			x.open = slices.DeleteFunc(x.open, func(o dns.Query) bool { return o == q })
		}
		if x.settle > 0 && len(x.found) > 0 {
			until = min(until, ck.Now().Add(x.settle))
		}
	}
	return failed
}

// answered finds the query that a message answers.
func (x *exchange) answered(waiting []dns.Query, msg []byte) (int, dns.Verdict) {
	for i := range waiting {
		list, verdict := waiting[i].Answer(msg, x.found)
		if verdict != dns.Stray {
			x.found = list
			return i, verdict
		}
	}
	return 0, dns.Stray
}

// overTCP asks the same server again for what did not fit a datagram
// (RFC 7766 §5).
func (x *exchange) overTCP(ctx context.Context, q *dns.Query, server netip.AddrPort, until clock.Time) (dns.Verdict, error) {
	at := x.stack.clock().Wall(until)
	c, err := (&Dialer{Stack: x.stack, Deadline: at}).DialContext(ctx, "tcp", server.String())
	if err != nil {
		return dns.Failed, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	msg, err := converse(c, at, q.Message())
	if err != nil {
		return dns.Failed, err
	}
	list, verdict := q.Answer(msg, x.found)
	if verdict == dns.Stray || verdict == dns.Truncated {
		return dns.Failed, errMisbehaving
	}
	x.found = list
	return verdict, nil
}

// converse writes a message and reads the one that comes back, each behind its
// length (RFC 1035 §4.2.2).
func converse(c net.Conn, until time.Time, msg []byte) ([]byte, error) {
	if err := c.SetDeadline(until); err != nil {
		return nil, err
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)); err != nil {
		return nil, err
	}
	var n [2]byte
	if _, err := io.ReadFull(c, n[:]); err != nil {
		return nil, err
	}
	in := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(c, in)
	return in, err
}
