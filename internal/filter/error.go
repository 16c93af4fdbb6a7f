package filter

import "strconv"

// Error says which word of an expression is wrong, and what would be right.
type Error struct {
	Pos  int    // byte offset of the word in the expression
	Word string // the word; empty at the end of the expression
	Why  string // what is wrong with it, and what could stand there
}

func (e *Error) Error() string {
	s := "filter: at " + strconv.Itoa(e.Pos) + ": "
	if e.Word == "" {
		return s + e.Why
	}
	return s + strconv.Quote(e.Word) + ": " + e.Why
}

// fail ends a compilation; Compile returns the error.
type fail struct{ err *Error }

func refuse(t token, why string) {
	panic(fail{&Error{Pos: t.pos, Word: t.text, Why: why}})
}
