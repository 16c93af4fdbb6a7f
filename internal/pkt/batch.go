package pkt

// Batch is a chain of packets, owned by whoever holds it. The zero value is
// empty. A Buf is in at most one Batch.
type Batch struct {
	head, tail *Buf
	n          int
}

// Next returns the packet behind b in the Batch that holds it, or nil.
func (b *Buf) Next() *Buf { return b.next }

// Len returns the number of packets.
func (q *Batch) Len() int { return q.n }

// First returns the first packet, which stays where it is, or nil.
func (q *Batch) First() *Buf { return q.head }

// Push takes b and appends it.
func (q *Batch) Push(b *Buf) {
	b.next = nil
	if q.tail != nil {
		q.tail.next = b
	} else {
		q.head = b
	}
	q.tail = b
	q.n++
}

// Pop removes and returns the first packet, or nil.
func (q *Batch) Pop() *Buf {
	b := q.head
	if b == nil {
		return nil
	}
	q.head = b.next
	if q.head == nil {
		q.tail = nil
	}
	b.next = nil
	q.n--
	return b
}

// Move appends up to limit packets from the front of from.
func (q *Batch) Move(from *Batch, limit int) {
	if from.n <= limit {
		if from.n == 0 {
			return
		}
		if q.tail != nil {
			q.tail.next = from.head
		} else {
			q.head = from.head
		}
		q.tail = from.tail
		q.n += from.n
		*from = Batch{}
		return
	}
	for range limit {
		q.Push(from.Pop())
	}
}
