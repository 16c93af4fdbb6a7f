package clock

import "math/bits"

// A wheel is a priority queue of timers in which arming and disarming cost a
// few list operations whatever it holds. It is tickless: it is asked when to
// look again, and looks only then.
//
// A timer lies at the level of the highest 6-bit digit in which its moment
// differs from cur, in the slot of that digit. Level 0 therefore holds exact
// moments; a slot of a higher level is spread over the levels below when cur
// reaches its base. Timers for the same moment always share a slot and keep
// their order in it, so they fire in the order they were armed.
type wheel struct {
	cur   Time // everything before it has fired
	n     int
	used  [levels]uint64 // bit per slot that holds a timer
	slots [levels][slotsPerLevel]list
}

const (
	digit         = 6
	slotsPerLevel = 1 << digit
	levels        = (63 + digit - 1) / digit
)

// list is a doubly linked list of timers; tail.next and head.prev are nil.
type list struct{ head, tail *Timer }

// arm puts t, which must be disarmed, into the wheel.
func (w *wheel) arm(t *Timer, at Time) {
	t.when = at
	w.place(t)
	w.n++
}

func (w *wheel) place(t *Timer) {
	key := max(t.when, w.cur)
	level := 0
	if d := uint64(key ^ w.cur); d != 0 {
		level = (63 - bits.LeadingZeros64(d)) / digit
	}
	i := int(key>>(level*digit)) & (slotsPerLevel - 1)
	l := &w.slots[level][i]
	t.slot = int16(1 + level*slotsPerLevel + i)
	t.next, t.prev = nil, l.tail
	if l.tail != nil {
		l.tail.next = t
	} else {
		l.head = t
		w.used[level] |= 1 << i
	}
	l.tail = t
}

// disarm takes t out and tells whether it was in.
func (w *wheel) disarm(t *Timer) bool {
	if t.slot == 0 {
		return false
	}
	s := int(t.slot - 1)
	level, i := s/slotsPerLevel, s%slotsPerLevel
	l := &w.slots[level][i]
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.tail = t.prev
	}
	if l.head == nil {
		w.used[level] &^= 1 << i
	}
	t.slot, t.next, t.prev = 0, nil, nil
	w.n--
	return true
}

// lowest returns the first slot in time and the moment at which it begins.
func (w *wheel) lowest() (level, i int, base Time) {
	for level = range levels {
		if u := w.used[level]; u != 0 {
			i = bits.TrailingZeros64(u)
			shift := level * digit
			base = w.cur>>(shift+digit)<<(shift+digit) | Time(i)<<shift
			return level, i, max(base, w.cur)
		}
	}
	return -1, 0, Never
}

// next returns a moment no later than the first timer's and later than any
// that has fired: when to call pop again. Never if the wheel is empty.
func (w *wheel) next() Time {
	_, _, base := w.lowest()
	return base
}

// pop takes out the first timer due at or before now, or returns nil and has
// then moved on to now.
func (w *wheel) pop(now Time) *Timer {
	for {
		level, i, base := w.lowest()
		if level < 0 || base > now {
			w.cur = max(w.cur, now)
			return nil
		}
		w.cur = base
		l := &w.slots[level][i]
		if level == 0 {
			t := l.head
			w.disarm(t)
			return t
		}
		t := l.head
		*l = list{}
		w.used[level] &^= 1 << i
		for t != nil {
			next := t.next
			w.place(t)
			t = next
		}
	}
}
