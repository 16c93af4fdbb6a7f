package table

// Pieces is a list by number whose length may reach millions: beyond a first piece
// it grows without copying what it has, and takes no more than that needs. The zero
// value is empty.
type Pieces[T any] struct {
	pieces [][]T // all but the last are full
}

const pieceLen = 1024

// Len returns how many elements there are.
func (p *Pieces[T]) Len() int {
	last := len(p.pieces) - 1
	if last < 0 {
		return 0
	}
	return last*pieceLen + len(p.pieces[last])
}

// At returns an element, from 0 on: valid until the list grows.
func (p *Pieces[T]) At(i int32) *T { return &p.pieces[uint32(i)/pieceLen][uint32(i)%pieceLen] }

// Need returns the element with a number, before which all are made that are not
// there: they are zero.
func (p *Pieces[T]) Need(i int32) *T {
	for int(i) >= p.Len() {
		p.grow()
	}
	return p.At(i)
}

func (p *Pieces[T]) grow() {
	last := len(p.pieces) - 1
	switch {
	case last < 0:
		p.pieces = make([][]T, 1)
		last = 0
	case len(p.pieces[last]) == pieceLen:
		p.pieces = append(p.pieces, make([]T, 0, pieceLen))
		last++
	}
	var zero T
	p.pieces[last] = append(p.pieces[last], zero)
}
