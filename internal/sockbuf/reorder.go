package sockbuf

import (
	"slices"

	"github.com/seed88948545/vimage/internal/pkt"
)

// Reorder keeps the pieces of a stream that came before those in front of them.
// It belongs to one goroutine at a time. The zero value is empty.
type Reorder struct {
	pieces []Piece // by offset; they do not overlap
	mem    int
}

// Mem returns how many bytes of memory the pieces keep.
func (r *Reorder) Mem() int { return r.mem }

// Len returns the number of pieces.
func (r *Reorder) Len() int { return len(r.pieces) }

// Put keeps a piece, which it takes; what others have already of it is cut off
// or, where it covers them, replaces them. free frees what is not needed.
func (r *Reorder) Put(p Piece, free func(*pkt.Buf)) {
	i := len(r.pieces)
	for i > 0 && r.pieces[i-1].At > p.At { // newer ones mostly go last
		i--
	}
	if i > 0 {
		if q := &r.pieces[i-1]; !p.cutFront(q.end()) {
			free(p.Buf)
			return
		} else if q.end() == p.At && p.N <= worthCopying && q.merge(&p) {
			free(p.Buf)
			r.swallow(i, q.end(), free)
			if i < len(r.pieces) {
				r.pieces[i].cutFront(q.end())
			}
			return
		}
	}
	r.swallow(i, p.end(), free)
	if i < len(r.pieces) && r.pieces[i].At < p.end() {
		p.N = uint32(r.pieces[i].At - p.At)
	}
	r.mem += p.Buf.Mem()
	r.pieces = slices.Insert(r.pieces, i, p)
}

// swallow removes the pieces from i on that end by offset end.
func (r *Reorder) swallow(i int, end uint64, free func(*pkt.Buf)) {
	j := i
	for j < len(r.pieces) && r.pieces[j].end() <= end {
		r.mem -= r.pieces[j].Buf.Mem()
		free(r.pieces[j].Buf)
		j++
	}
	r.pieces = slices.Delete(r.pieces, i, j)
}

func (p *Piece) end() uint64 { return p.At + uint64(p.N) }

// cutFront takes away what lies before offset at and tells whether something
// is left.
func (p *Piece) cutFront(at uint64) bool {
	if p.At >= at {
		return p.N > 0
	}
	n := at - p.At
	if n >= uint64(p.N) {
		return false
	}
	p.At, p.Off, p.N = at, p.Off+uint32(n), p.N-uint32(n)
	return true
}

// Pop takes out the first piece if it begins at or before offset at, cut to begin
// there.
func (r *Reorder) Pop(at uint64, free func(*pkt.Buf)) (Piece, bool) {
	for len(r.pieces) > 0 && r.pieces[0].At <= at {
		p := r.pieces[0]
		r.mem -= p.Buf.Mem()
		r.pieces = slices.Delete(r.pieces, 0, 1)
		if len(r.pieces) == 0 {
			r.pieces = nil
		}
		if p.cutFront(at) {
			return p, true
		}
		free(p.Buf)
	}
	return Piece{}, false
}

// Clear frees everything.
func (r *Reorder) Clear(free func(*pkt.Buf)) {
	for _, p := range r.pieces {
		free(p.Buf)
	}
	*r = Reorder{}
}
