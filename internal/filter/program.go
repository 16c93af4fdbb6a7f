package filter

import (
	"strconv"

	"golang.org/x/net/bpf"
)

// Program is a compiled filter. It is not changed after Compile: any number of
// goroutines may use it at once.
type Program struct {
	code []bpf.Instruction
	ops  []op
}

// DefaultSnaplen is how much of a frame is kept unless somebody wants less.
const DefaultSnaplen = 262144

// maxExpression bounds the work that an expression can cause, in bytes.
const maxExpression = 64 << 10

// Compile translates an expression for frames of a link type. Of a frame it
// accepts, snaplen bytes are kept (0 is DefaultSnaplen). The empty expression
// accepts every frame. The error is an *Error.
func Compile(expression string, link LinkType, snaplen int) (p *Program, err error) {
	if link != Ethernet && link != Raw {
		return nil, &Error{Why: "there are filters for Ethernet (1) and bare IP (101) only, not for link type " + strconv.Itoa(int(link))}
	}
	if len(expression) > maxExpression {
		return nil, &Error{Pos: maxExpression, Why: "filters have at most " + strconv.Itoa(maxExpression) + " bytes"}
	}
	if snaplen <= 0 || snaplen > DefaultSnaplen {
		snaplen = DefaultSnaplen
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(fail)
			if !ok {
				panic(r)
			}
			p, err = nil, f.err
		}
	}()
	c := &compiler{toks: tokens(expression), layers: layersOf(link), cells: lastCell}
	c.close = brackets(c.toks)
	blocks, first := graph(c.expression())
	first = shorten(blocks, unite(blocks, shorten(blocks, first)))
	code, ok := assemble(blocks, first, uint32(snaplen))
	if !ok {
		return nil, &Error{Pos: len(expression), Why: "the program would have more than " + strconv.Itoa(maxInstructions) + " instructions"}
	}
	return &Program{code: code, ops: translate(code)}, nil
}

// brackets finds the right bracket of each left one; a left one without one
// has 0.
func brackets(toks []token) []int {
	match := make([]int, len(toks))
	var open []int
	for i := range toks {
		switch t := &toks[i]; {
		case t.is("("):
			open = append(open, i)
		case t.is(")") && len(open) > 0:
			match[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
	}
	return match
}

// Instructions returns the program for a BPF machine of somebody else.
func (p *Program) Instructions() []bpf.Instruction {
	return append([]bpf.Instruction(nil), p.code...)
}
