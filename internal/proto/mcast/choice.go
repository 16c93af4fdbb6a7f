package mcast

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/table"
)

// Choices is what a reader remembers of the sources that it saw last: which
// members hear them. A list of sources is compared when the first datagram of a
// source comes to a group, and not again until somebody's membership changes: a
// search would cost more than the copy of a datagram that it decides about.
type Choices[S comparable] [8]choice[S]

type choice[S comparable] struct {
	snap  *Snapshot[S]
	src   netip.Addr
	hears Hearers
}

// Hearers says which members of a snapshot hear a source.
type Hearers []uint64

// Hears tells about the member with that index.
func (h Hearers) Hears(i int) bool { return h[i>>6]>>(i&63)&1 != 0 }

// Hearers returns which members of s hear the source. It is valid until the next
// call.
func (c *Choices[S]) Hearers(s *Snapshot[S], src netip.Addr) Hearers {
	k := &c[table.Seed{}.Addr(src, 0)%uint32(len(c))]
	if k.snap == s && k.src == src {
		return k.hears
	}
	k.snap, k.src = s, src
	n := (len(s.Members) + 63) / 64
	if cap(k.hears) < n {
		k.hears = make(Hearers, n)
	}
	k.hears = k.hears[:n]
	clear(k.hears)
	for i := range s.Members {
		if s.Members[i].Match(src) {
			k.hears[i>>6] |= 1 << (i & 63)
		}
	}
	return k.hears
}
