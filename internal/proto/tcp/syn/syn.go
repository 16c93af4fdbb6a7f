package syn

import (
	"iter"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// Cache holds the connection requests of one shard. L is what the hall calls a
// listener. It takes a few hundred bytes while there is no request, and about
// 250 for each.
type Cache[L comparable] struct {
	secret         *Secret
	seed           table.Seed
	index          table.Table[Key, entry[L], *entry[L]]
	oldest, newest *entry[L]
	timers         [levels]fifo[L]
	free           *entry[L] // linked by newer
	spare          int       // how many are free
	out            []Out[L]  // to send, from head on
	head           int
	cookies        clock.Time // until then a cookie may come back
}

// New returns a cache without entries. It keeps the secret, which must not
// change.
func New[L comparable](s *Secret, seed table.Seed) *Cache[L] {
	return &Cache[L]{secret: s, seed: seed}
}

// Input takes a segment with n bytes of payload that no connection and no
// TIME-WAIT entry is for, and whose destination port l listens on. Only with
// the verdict Accepted is hs filled in. Whatever the verdict, Next may have
// something to send.
//
// The checksum has been verified, and neither address is a broadcast address;
// multicast is refused here (RFC 9293 §3.9.2.3).
func (c *Cache[L]) Input(e *Env, now clock.Time, key Key, l L, p *Listen, h *wire.TCPHeader, n int, hs *Handshake) Verdict {
	if r := c.find(key); r != nil {
		return c.received(e, now, r, p, h, n, hs)
	}
	switch { // RFC 9293 §3.10.7.2: LISTEN
	case h.Flags.Has(wire.RST) || !unicast(key):
		return Dropped
	case h.Flags.Has(wire.SYN | wire.ACK):
		return c.reset(e, key, p.PacketFIB, h)
	case h.Flags.Has(wire.ACK):
		return c.returned(e, now, key, l, p, h, hs)
	case h.Flags.Has(wire.SYN):
		return c.request(e, now, key, l, p, h, hs)
	}
	return Dropped
}

// request takes a SYN for which there is no entry.
func (c *Cache[L]) request(e *Env, now clock.Time, key Key, l L, p *Listen, h *wire.TCPHeader, hs *Handshake) Verdict {
	a := agree(key, p, h)
	if e.T.FastOpen != 0 && p.FastLimit > 0 && h.Options.HasFastOpen {
		if c.fastOpen(e, now, key, p, h, hs, &a) {
			return Accepted
		}
	}
	full := c.index.Len() >= int(e.T.CacheLimit)
	if e.T.Cookies != 0 && (full || e.T.CookiesOnly != 0) && !p.HasFloor { // a cookie cannot choose its number
		return c.answerByCookie(e, now, key, l, p, h, a)
	}
	r := c.insert(e, now, key)
	r.listener, r.fib = l, p.FIB
	r.agreed = a
	r.irs = h.Seq
	r.iss, r.tsOffset = c.secret.Pair(now, key.Local, key.Remote)
	if p.HasFloor {
		r.iss = Above(r.iss, p.Floor)
	}
	r.tsRecent = h.Options.TSVal
	r.window, r.offeredMSS = offered(p), p.MSS
	return c.synAck(e, now, r, false)
}

// offered returns the window field of a SYN-ACK, which is never scaled (RFC
// 7323 §2.2).
func offered(p *Listen) uint16 { return uint16(min(max(p.Window, 0), 65535)) }

// Unreachable takes an ICMP error that says a segment of ours with sequence
// number seq did not arrive. Only when the SYN-ACK has been sent again, and a
// second error comes, is it believed (RFC 5927 §5).
func (c *Cache[L]) Unreachable(e *Env, key Key, seq wire.Seq) {
	r := c.find(key)
	if r == nil || r.iss != seq {
		return
	}
	if r.level == 0 || !r.agreed.traits.has(unreached) {
		r.agreed.traits |= unreached
		return
	}
	e.S.Unreach++
	c.remove(r)
}

// Next gives out the next segment to send, also those whose time has come, and
// forgets requests whose peers are silent. It returns false when there is none.
func (c *Cache[L]) Next(e *Env, now clock.Time, out *Out[L]) bool {
	for {
		if c.head < len(c.out) {
			c.pop(out)
			return true
		}
		r := c.next()
		if r == nil || r.due > now {
			return false
		}
		if int(r.level) >= min(int(e.T.RexmitLimit), levels-1) {
			e.S.Stale++
			c.remove(r)
			continue
		}
		c.timers[r.level].remove(r)
		r.level++
		c.wait(now, r)
		e.S.Retransmitted++
		c.synAck(e, now, r, true)
	}
}

// Deadline returns when Next will have something to do, clock.Never if not
// before the next Input.
func (c *Cache[L]) Deadline() clock.Time {
	if c.head < len(c.out) {
		return 0
	}
	if r := c.next(); r != nil {
		return r.due
	}
	return clock.Never
}

// Has tells whether there is a request with these ends.
func (c *Cache[L]) Has(key Key) bool { return c.find(key) != nil }

// Drop forgets the requests to a listener, which closes. O(requests).
func (c *Cache[L]) Drop(l L) {
	for r := c.oldest; r != nil; {
		next := r.newer
		if r.listener == l {
			c.remove(r)
		}
		r = next
	}
}

// Len returns the number of requests.
func (c *Cache[L]) Len() int { return c.index.Len() }

// Request is what is shown of a request.
type Request[L comparable] struct {
	Key      Key
	Listener L
	FIB      uint32
	Rexmits  int
}

// All ranges over the requests, the oldest first. The loop must not change the
// cache.
func (c *Cache[L]) All() iter.Seq[Request[L]] {
	return func(yield func(Request[L]) bool) {
		for r := c.oldest; r != nil; r = r.newer {
			if !yield(Request[L]{r.key, r.listener, r.fib, int(r.level)}) {
				return
			}
		}
	}
}
