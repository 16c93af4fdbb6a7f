package filter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// op is an instruction as Match runs it: decoded, and a load together with the
// conditional jump behind it. It stands at its instruction's index, so that
// jumps into the middle of such a pair find the second half where it was.
type op struct {
	code opcode
	cond opcode // of a pair: the comparison
	size uint8
	off  uint32 // also a cell, or an ALUOp
	k    uint32
	mask uint32
	yes  int32
	no   int32
}

type opcode uint8

const (
	opNone opcode = iota
	opReturn
	opJump
	opIfEQ
	opIfGT
	opIfGE
	opIfSet
	opIfXEQ
	opIfXGT
	opIfXGE
	opIfXSet
	opLoad    // A = frame[off:size]
	opLoadX   // A = frame[X+off:size]
	opByteIs  // a pair: load one byte, and jump if equal
	opHalfIs  // the same with two
	opWordIs  // the same with four
	opLoadIf  // a pair: any other load at a constant place
	opLoadXIf // a pair: a load at X
	opIHL     // X = 4*(frame[off]&15)
	opLen
	opConstA
	opConstX
	opCellA
	opCellX
	opSaveA
	opSaveX
	opTAX
	opTXA
	opMath
	opMathX
)

// translate decodes a program that assemble wrote.
func translate(code []bpf.Instruction) []op {
	ops := make([]op, len(code))
	for i, ins := range code {
		ops[i] = decode(ins, int32(i))
	}
	for i := range ops[:len(ops)-1] {
		pair(&ops[i], ops[i+1:])
	}
	return ops
}

func decode(ins bpf.Instruction, i int32) op {
	switch ins := ins.(type) {
	case bpf.RetConstant:
		return op{code: opReturn, k: ins.Val}
	case bpf.Jump:
		return op{code: opJump, yes: i + 1 + int32(ins.Skip)}
	case bpf.JumpIf:
		return op{code: ifOp(ins.Cond), k: ins.Val, yes: i + 1 + int32(ins.SkipTrue), no: i + 1 + int32(ins.SkipFalse)}
	case bpf.JumpIfX:
		return op{code: ifOp(ins.Cond) - opIfEQ + opIfXEQ, yes: i + 1 + int32(ins.SkipTrue), no: i + 1 + int32(ins.SkipFalse)}
	case bpf.LoadAbsolute:
		return op{code: opLoad, off: ins.Off, size: uint8(ins.Size), mask: 0xffffffff}
	case bpf.LoadIndirect:
		return op{code: opLoadX, off: ins.Off, size: uint8(ins.Size), mask: 0xffffffff}
	case bpf.LoadMemShift:
		return op{code: opIHL, off: ins.Off}
	case bpf.LoadExtension:
		return op{code: opLen}
	case bpf.LoadConstant:
		if ins.Dst == bpf.RegX {
			return op{code: opConstX, k: ins.Val}
		}
		return op{code: opConstA, k: ins.Val}
	case bpf.LoadScratch:
		if ins.Dst == bpf.RegX {
			return op{code: opCellX, off: uint32(ins.N)}
		}
		return op{code: opCellA, off: uint32(ins.N)}
	case bpf.StoreScratch:
		if ins.Src == bpf.RegX {
			return op{code: opSaveX, off: uint32(ins.N)}
		}
		return op{code: opSaveA, off: uint32(ins.N)}
	case bpf.TAX:
		return op{code: opTAX}
	case bpf.TXA:
		return op{code: opTXA}
	case bpf.ALUOpConstant:
		return op{code: opMath, off: uint32(ins.Op), k: ins.Val}
	case bpf.ALUOpX:
		return op{code: opMathX, off: uint32(ins.Op)}
	}
	panic("filter: an instruction that assemble does not write")
}

func ifOp(c bpf.JumpTest) opcode {
	switch c {
	case bpf.JumpGreaterThan:
		return opIfGT
	case bpf.JumpGreaterOrEqual:
		return opIfGE
	case bpf.JumpBitsSet:
		return opIfSet
	}
	return opIfEQ
}

// pair joins a load with the comparison behind it, over a mask between them.
func pair(load *op, rest []op) {
	if load.code != opLoad && load.code != opLoadX {
		return
	}
	mask, then := uint32(0xffffffff), rest[0]
	if then.code == opMath && bpf.ALUOp(then.off) == bpf.ALUOpAnd {
		mask, then = then.k, rest[1]
	}
	if then.code < opIfEQ || then.code > opIfSet {
		return
	}
	load.cond, load.mask, load.k, load.yes, load.no = then.code, mask, then.k, then.yes, then.no
	plain := then.code == opIfEQ && mask == 0xffffffff
	switch {
	case load.code == opLoadX:
		load.code = opLoadXIf
	case plain && load.size == 1:
		load.code = opByteIs
	case plain && load.size == 2:
		load.code = opHalfIs
	case plain:
		load.code = opWordIs
	default:
		load.code = opLoadIf
	}
}

// Match returns how many bytes of a frame are to be kept: 0 if the filter
// rejects it, the snaplen of Compile if not (which may be more than there are).
// frame is what is there of it, wireLen how long it was where it was seen. It
// does what a BPF machine does with Instructions.
//
// Most filters need no other instructions than those here; the first other goes
// to finish, so that those need no scratch cells.
func (p *Program) Match(frame []byte, wireLen int) int {
	var a, x uint32
	have := uint64(len(frame))
	for i := int32(0); ; {
		o := &p.ops[i]
		i++
		yes := false
		switch o.code {
		case opByteIs:
			if uint64(o.off)+1 > have {
				return 0
			}
			a = uint32(frame[o.off])
			yes = a == o.k
		case opHalfIs:
			if uint64(o.off)+2 > have {
				return 0
			}
			a = uint32(binary.BigEndian.Uint16(frame[o.off:]))
			yes = a == o.k
		case opWordIs:
			if uint64(o.off)+4 > have {
				return 0
			}
			a = binary.BigEndian.Uint32(frame[o.off:])
			yes = a == o.k
		case opIfEQ:
			yes = a == o.k
		case opReturn:
			return int(o.k)
		case opLoadIf, opLoadXIf:
			at := uint64(o.off)
			if o.code == opLoadXIf {
				at += uint64(x)
			}
			if at+uint64(o.size) > have {
				return 0
			}
			a = read(frame[at:], o.size) & o.mask
			yes = compares(o.cond, a, o.k)
		case opIHL:
			if uint64(o.off) >= have {
				return 0
			}
			x = uint32(frame[o.off]&15) * 4
			continue
		case opIfGT, opIfGE, opIfSet:
			yes = compares(o.code, a, o.k)
		case opLen:
			a = uint32(wireLen)
			continue
		case opJump:
			i = o.yes
			continue
		default:
			return p.finish(frame, wireLen, i-1, &machine{a: a, x: x})
		}
		if i = o.no; yes {
			i = o.yes
		}
	}
}

// machine is the state of a run.
type machine struct {
	a, x  uint32
	cells [lastCell + 1]uint32
}

// finish runs a program from an instruction on.
func (p *Program) finish(frame []byte, wireLen int, i int32, m *machine) int {
	for {
		o := &p.ops[i]
		i++
		jumps, yes := false, false
		switch o.code {
		case opReturn:
			return int(o.k)
		case opJump:
			jumps, yes = true, true
		case opIfEQ, opIfGT, opIfGE, opIfSet:
			jumps, yes = true, compares(o.code, m.a, o.k)
		case opIfXEQ, opIfXGT, opIfXGE, opIfXSet:
			jumps, yes = true, compares(o.code-opIfXEQ+opIfEQ, m.a, m.x)
		case opByteIs, opHalfIs, opWordIs, opLoadIf, opLoadXIf, opLoad, opLoadX:
			at := uint64(o.off)
			if o.code == opLoadX || o.code == opLoadXIf {
				at += uint64(m.x)
			}
			if at+uint64(o.size) > uint64(len(frame)) {
				return 0
			}
			m.a = read(frame[at:], o.size) & o.mask
			if jumps = o.cond != opNone; jumps {
				yes = compares(o.cond, m.a, o.k)
			}
		case opIHL:
			if uint64(o.off) >= uint64(len(frame)) {
				return 0
			}
			m.x = uint32(frame[o.off]&15) * 4
		case opLen:
			m.a = uint32(wireLen)
		default:
			if !m.step(o) {
				return 0
			}
		}
		switch {
		case jumps && yes:
			i = o.yes
		case jumps:
			i = o.no
		}
	}
}

func read(b []byte, size uint8) uint32 {
	switch size {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.BigEndian.Uint16(b))
	}
	return binary.BigEndian.Uint32(b)
}

func compares(cond opcode, a, k uint32) bool {
	switch cond {
	case opIfEQ:
		return a == k
	case opIfGT:
		return a > k
	case opIfGE:
		return a >= k
	}
	return a&k != 0
}

// step runs an instruction that is seldom met and never jumps. It returns false
// for a division by zero, which rejects the frame.
func (m *machine) step(o *op) bool {
	switch o.code {
	case opConstA:
		m.a = o.k
	case opConstX:
		m.x = o.k
	case opCellA:
		m.a = m.cells[o.off]
	case opCellX:
		m.x = m.cells[o.off]
	case opSaveA:
		m.cells[o.off] = m.a
	case opSaveX:
		m.cells[o.off] = m.x
	case opTAX:
		m.x = m.a
	case opTXA:
		m.a = m.x
	case opMath:
		m.a = apply(bpf.ALUOp(o.off), m.a, o.k)
	case opMathX:
		if m.x == 0 && (bpf.ALUOp(o.off) == bpf.ALUOpDiv || bpf.ALUOp(o.off) == bpf.ALUOpMod) {
			return false
		}
		m.a = apply(bpf.ALUOp(o.off), m.a, m.x)
	}
	return true
}
