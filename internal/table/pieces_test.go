package table

import "testing"

func TestPieces(t *testing.T) {
	var p Pieces[int]
	if p.Len() != 0 {
		t.Fatalf("%d elements at first", p.Len())
	}
	*p.Need(3) = 30
	if p.Len() != 4 || *p.At(0) != 0 {
		t.Fatalf("%d elements, the first %d", p.Len(), *p.At(0))
	}
	const n = 3*pieceLen + 5
	for i := range int32(n) {
		*p.Need(i) = int(i)
	}
	full := p.At(pieceLen)
	p.Need(5 * pieceLen)
	if p.Len() != 5*pieceLen+1 || full != p.At(pieceLen) {
		t.Errorf("%d elements; or one has moved", p.Len())
	}
	for i := range int32(n) {
		if *p.At(i) != int(i) {
			t.Fatalf("element %d is %d", i, *p.At(i))
		}
	}
}
