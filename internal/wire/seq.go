package wire

// Seq is a sequence number of a byte stream: it orders and subtracts modulo
// 2^32 (RFC 9293 §3.4). Two of them compare meaningfully while they are less
// than 2^31 apart.
type Seq uint32

// Add returns s+n.
func (s Seq) Add(n int) Seq { return s + Seq(uint32(n)) }

// Sub returns how far s is past t, negative where it is before it.
func (s Seq) Sub(t Seq) int { return int(int32(s - t)) }

// Less tells whether s comes before t.
func (s Seq) Less(t Seq) bool { return int32(s-t) < 0 }

// AtMost tells whether s comes before t or is t.
func (s Seq) AtMost(t Seq) bool { return int32(s-t) <= 0 }

// In tells whether s is in the window of n bytes from first, which is empty
// where n is not positive.
func (s Seq) In(first Seq, n int) bool { return int64(uint32(s-first)) < int64(n) }

// MaxSeq returns the later of two numbers.
func MaxSeq(a, b Seq) Seq {
	if a.Less(b) {
		return b
	}
	return a
}

// MinSeq returns the earlier of two numbers.
func MinSeq(a, b Seq) Seq {
	if b.Less(a) {
		return b
	}
	return a
}
