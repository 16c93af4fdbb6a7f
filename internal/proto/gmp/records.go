package gmp

import "time"

// Query is what a query asks.
type Query[A Address] struct {
	Group      A          // zero in a general query
	Sources    Sources[A] // nil in versions 1 and 2
	MaxResp    time.Duration
	Interval   time.Duration // between the querier's general queries; version 3 only
	Robustness uint8         // the querier's, 0 if it does not say; version 3 only
	Version    uint8         // 1 to 3
	Suppress   bool          // the S flag: routers do not change their timers (RFC 3376 §4.1.5)
}

// IsGeneral reports whether the query asks about all groups.
func (q *Query[A]) IsGeneral() bool { return q.Group == *new(A) }

// Record is one group's part of a report of any version.
type Record[A Address] struct {
	Sources Sources[A]
	Group   A
	Type    uint8 // wire.IGMPIsIn to IGMPBlock, whose numbers MLD shares
	Version uint8 // of the host that reported: 1, 2, 3; 0 for a leave
}
