package filter

import "golang.org/x/net/bpf"

// maxInstructions bounds a program. (Linux runs at most 4,096 in the kernel.)
const maxInstructions = 1 << 16

// piece is the code of a block, which ends with a jump.
type piece struct {
	code []bpf.Instruction // all but the jump
	b    *block
	at   int  // where its code begins
	long bool // its jumps are too far for a conditional one
}

// assemble writes the blocks one behind the other; none has to jump back. The
// last two instructions accept and reject.
func assemble(blocks []block, first int, snaplen uint32) ([]bpf.Instruction, bool) {
	if first < 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: verdict(first, snaplen)}}, true
	}
	pieces := make([]piece, len(blocks))
	for i := range blocks {
		if b := &blocks[i]; b.reached {
			pieces[i] = piece{code: b.body(), b: b}
		}
	}
	var end int
	for changed := true; changed; {
		if end = put(pieces); end > maxInstructions {
			return nil, false
		}
		changed = lengthen(pieces, end)
	}
	out := make([]bpf.Instruction, 0, end+2)
	for i := range pieces {
		if p := &pieces[i]; p.b != nil {
			out = append(out, p.code...)
			out = p.jump(out, pieces, end)
		}
	}
	return append(out, bpf.RetConstant{Val: snaplen}, bpf.RetConstant{}), true
}

func verdict(where int, snaplen uint32) uint32 {
	if where == accept {
		return snaplen
	}
	return 0
}

// put gives every piece its place, and returns where they end.
func put(pieces []piece) int {
	at := 0
	for i := range pieces {
		if p := &pieces[i]; p.b != nil {
			p.at = at
			at += len(p.code) + p.jumps()
		}
	}
	return at
}

// jumps is how many instructions the jump takes.
func (p *piece) jumps() int {
	switch {
	case p.long && p.b.yes != p.b.no:
		return 3
	default:
		return 1
	}
}

// lengthen finds jumps that are too far for the eight bits of a conditional one.
func lengthen(pieces []piece, end int) (changed bool) {
	for i := range pieces {
		p := &pieces[i]
		if p.b == nil || p.long {
			continue
		}
		from := p.at + len(p.code) + 1
		if target(pieces, p.b.yes, end)-from > 255 || target(pieces, p.b.no, end)-from > 255 {
			p.long, changed = true, true
		}
	}
	return changed
}

// target is where a block begins; accept and reject stand at the end.
func target(pieces []piece, i, end int) int {
	switch i {
	case accept:
		return end
	case reject:
		return end + 1
	}
	return pieces[i].at
}

// jump appends the jump of a piece.
func (p *piece) jump(out []bpf.Instruction, pieces []piece, end int) []bpf.Instruction {
	yes, no := target(pieces, p.b.yes, end), target(pieces, p.b.no, end)
	next := p.at + len(p.code) + 1
	if yes == no {
		return append(out, bpf.Jump{Skip: uint32(yes - next)})
	}
	if !p.long {
		return append(out, p.b.condition(uint8(yes-next), uint8(no-next)))
	}
	return append(out, p.b.condition(0, 1), bpf.Jump{Skip: uint32(yes - next - 1)}, bpf.Jump{Skip: uint32(no - next - 2)})
}

// body is what a block does before it jumps.
func (b *block) body() []bpf.Instruction {
	if !b.pure {
		return b.code
	}
	var code []bpf.Instruction
	switch {
	case b.keepA:
	case b.keepX:
		code = append(code, bpf.LoadIndirect{Off: b.fld.off, Size: int(b.fld.size)})
	default:
		code = b.fld.load()
	}
	if b.mask != 0xffffffff && b.yes != b.no {
		code = append(code, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: b.mask})
	}
	return code
}

func (t *test) condition(yes, no uint8) bpf.Instruction {
	cond := bpf.JumpEqual
	switch t.cmp {
	case cmpGT:
		cond = bpf.JumpGreaterThan
	case cmpGE:
		cond = bpf.JumpGreaterOrEqual
	case cmpSet:
		cond = bpf.JumpBitsSet
	}
	if t.withX {
		return bpf.JumpIfX{Cond: cond, SkipTrue: yes, SkipFalse: no}
	}
	return bpf.JumpIf{Cond: cond, Val: t.k, SkipTrue: yes, SkipFalse: no}
}
