package table

import (
	"slices"
	"testing"
)

// TestList: who goes through a list sees it as it was when he began.
func TestList(t *testing.T) {
	var l List[int]
	if l.All() != nil {
		t.Error("a new list has values")
	}
	for i := range 5 {
		l.Add(i)
	}
	seen := l.All()
	l.Remove(1)
	l.Remove(1)
	l.Add(7)
	l.Remove(0)
	if want := []int{0, 1, 2, 3, 4}; !slices.Equal(seen, want) {
		t.Errorf("a list somebody goes through became %v", seen)
	}
	if want := []int{2, 3, 4, 7}; !slices.Equal(l.All(), want) {
		t.Errorf("%v, want %v", l.All(), want)
	}
	for _, x := range l.All() {
		l.Remove(x)
	}
	if l.All() != nil {
		t.Error("an empty list keeps memory")
	}
}
