package tester

import "time"

// Flow follows the numbers of what one source sends to one group, as one
// receiver sees them. Its memory of what has come reaches 64 numbers back: a
// datagram that is overtaken by more counts as lost, and as reordered.
type Flow struct {
	Expected   uint64 // in spells that have ended
	Delivered  uint64 // different ones
	Duplicates uint64
	Reordered  uint64 // came after a later one (RFC 4737 §3)
	Delay      Spread

	from uint64 // the next number when the spell began, 0 if nobody knew
	base uint64 // the first that came
	high uint64 // the highest that has come
	seen uint64 // bit i: high-i has come
	open bool   // one has come
}

// Spread is the least, the sum and the most of durations.
type Spread struct {
	Count    uint64
	Min, Max time.Duration
	Sum      time.Duration
}

func (s *Spread) add(d time.Duration) {
	if s.Count == 0 || d < s.Min {
		s.Min = d
	}
	if s.Count == 0 || d > s.Max {
		s.Max = d
	}
	s.Count++
	s.Sum += d
}

// merge adds what another has measured.
func (s *Spread) merge(o *Spread) {
	if o.Count == 0 {
		return
	}
	if s.Count == 0 || o.Min < s.Min {
		s.Min = o.Min
	}
	if s.Count == 0 || o.Max > s.Max {
		s.Max = o.Max
	}
	s.Count += o.Count
	s.Sum += o.Sum
}

// Mean returns the mean, 0 of nothing.
func (s *Spread) Mean() time.Duration {
	if s.Count == 0 {
		return 0
	}
	return s.Sum / time.Duration(s.Count)
}

// Arrive counts a datagram.
func (f *Flow) Arrive(seq uint64) {
	switch {
	case !f.open:
		f.open, f.base, f.high, f.seen = true, seq, seq, 1
	case seq > f.high:
		if gap := seq - f.high; gap < 64 {
			f.seen = f.seen<<gap | 1
		} else {
			f.seen = 1
		}
		f.high = seq
	default:
		f.late(seq)
		return
	}
	f.Delivered++
}

// late counts a datagram that does not have the highest number.
func (f *Flow) late(seq uint64) {
	back := f.high - seq
	switch {
	case seq < f.base:
		f.Reordered++ // sent before the first: it is not missed
		return
	case back >= 64:
		f.Reordered++
		return
	case f.seen&(1<<back) != 0:
		f.Duplicates++
		return
	}
	f.seen |= 1 << back
	f.Reordered++
	f.Delivered++
}

// Begin opens a spell. next is the number of the datagram that is sent next, 0 if
// nobody knows.
func (f *Flow) Begin(next uint64) { f.from, f.open = next, false }

// End closes the spell. last is the number of the last datagram that had to come,
// 0 if nobody knows. Datagrams are missed from the first that came on; where
// none did, from the beginning.
func (f *Flow) End(last uint64) {
	switch {
	case f.open:
		f.Expected += max(f.high, last) - f.base + 1
	case f.from != 0 && last >= f.from:
		f.Expected += last - f.from + 1
	}
	f.from, f.open = 0, false
}

// Lost returns what did not come, of spells that have ended.
func (f *Flow) Lost() uint64 {
	if f.Delivered > f.Expected {
		return 0
	}
	return f.Expected - f.Delivered
}
