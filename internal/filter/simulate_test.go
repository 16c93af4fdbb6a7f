package filter

import "golang.org/x/net/bpf"

// simulate runs a program. Beyond the frame's end it sees fill for ever; if that
// is negative, a look there rejects the frame, as it should.
func simulate(prog []bpf.Instruction, frame []byte, fill int) bool {
	s := simulator{frame: frame, fill: fill}
	for i := 0; ; i++ {
		skip, done, verdict := s.step(prog[i])
		if done || s.rejected {
			return verdict && !s.rejected
		}
		i += skip
	}
}

type simulator struct {
	frame    []byte
	fill     int
	a, x     uint32
	cells    [16]uint32
	rejected bool
}

func (s *simulator) load(at uint64, size int) (v uint32) {
	for i := range uint64(size) {
		b := byte(s.fill)
		if at+i < uint64(len(s.frame)) {
			b = s.frame[at+i]
		} else if s.fill < 0 {
			s.rejected = true
		}
		v = v<<8 | uint32(b)
	}
	return v
}

func (s *simulator) math(op bpf.ALUOp, v uint32) {
	if v == 0 && (op == bpf.ALUOpDiv || op == bpf.ALUOpMod) {
		s.rejected = true
		return
	}
	s.a = apply(op, s.a, v)
}

func (s *simulator) step(ins bpf.Instruction) (skip int, done, verdict bool) {
	to := func(r bpf.Register, v uint32) {
		if r == bpf.RegX {
			s.x = v
		} else {
			s.a = v
		}
	}
	switch ins := ins.(type) {
	case bpf.RetConstant:
		return 0, true, ins.Val > 0
	case bpf.Jump:
		return int(int32(ins.Skip)), false, false // tcpdump's protochain jumps back
	case bpf.JumpIf:
		return s.jump(ins.Cond, ins.Val, ins.SkipTrue, ins.SkipFalse), false, false
	case bpf.JumpIfX:
		return s.jump(ins.Cond, s.x, ins.SkipTrue, ins.SkipFalse), false, false
	case bpf.LoadAbsolute:
		s.a = s.load(uint64(ins.Off), ins.Size)
	case bpf.LoadIndirect:
		s.a = s.load(uint64(ins.Off)+uint64(s.x), ins.Size)
	case bpf.LoadMemShift:
		s.x = s.load(uint64(ins.Off), 1) & 15 * 4
	case bpf.LoadExtension:
		s.a = uint32(len(s.frame))
	case bpf.LoadConstant:
		to(ins.Dst, ins.Val)
	case bpf.LoadScratch:
		to(ins.Dst, s.cells[ins.N])
	case bpf.StoreScratch:
		s.cells[ins.N] = s.a
		if ins.Src == bpf.RegX {
			s.cells[ins.N] = s.x
		}
	case bpf.TAX:
		s.x = s.a
	case bpf.TXA:
		s.a = s.x
	case bpf.NegateA:
		s.a = -s.a
	case bpf.ALUOpConstant:
		s.math(ins.Op, ins.Val)
	case bpf.ALUOpX:
		s.math(ins.Op, s.x)
	default:
		panic(ins)
	}
	return 0, false, false
}

func (s *simulator) jump(cond bpf.JumpTest, v uint32, yes, no uint8) int {
	var is bool
	switch cond {
	case bpf.JumpEqual:
		is = s.a == v
	case bpf.JumpNotEqual:
		is = s.a != v
	case bpf.JumpGreaterThan:
		is = s.a > v
	case bpf.JumpLessThan:
		is = s.a < v
	case bpf.JumpGreaterOrEqual:
		is = s.a >= v
	case bpf.JumpLessOrEqual:
		is = s.a <= v
	case bpf.JumpBitsSet:
		is = s.a&v != 0
	case bpf.JumpBitsNotSet:
		is = s.a&v == 0
	}
	if is {
		return int(yes)
	}
	return int(no)
}
