package syn

import (
	"iter"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// Cache holds the connection requests of one shard. L is what the hall calls a
// listener. It takes a few hundred bytes while there is no request.
type Cache[L comparable] struct {
	secret *Secret
	seed   table.Seed
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
	return Dropped
}

// Unreachable takes an ICMP error that says a segment of ours with sequence
// number seq did not arrive. Only when the SYN-ACK has been sent again, and a
// second error comes, is it believed (RFC 5927 §5).
func (c *Cache[L]) Unreachable(e *Env, key Key, seq wire.Seq) {}

// Next gives out the next segment to send, also those whose time has come, and
// forgets requests whose peers are silent. It returns false when there is none.
func (c *Cache[L]) Next(e *Env, now clock.Time, out *Out[L]) bool { return false }

// Deadline returns when Next will have something to do, clock.Never if not
// before the next Input.
func (c *Cache[L]) Deadline() clock.Time { return clock.Never }

// Has tells whether there is a request with these ends.
func (c *Cache[L]) Has(key Key) bool { return false }

// Drop forgets the requests to a listener, which closes. O(requests).
func (c *Cache[L]) Drop(l L) {}

// Len returns the number of requests.
func (c *Cache[L]) Len() int { return 0 }

// Request is what is shown of a request.
type Request[L comparable] struct {
	Key      Key
	Listener L
	FIB      uint32
	Rexmits  int
}

// All ranges over the requests, the oldest first.
func (c *Cache[L]) All() iter.Seq[Request[L]] { return func(func(Request[L]) bool) {} }
