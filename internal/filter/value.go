package filter

import "golang.org/x/net/bpf"

// value is an arithmetic expression.
type value struct {
	kind valueKind
	op   bpf.ALUOp
	k    uint32
	fld  field
	a, b *value // operands; a is the index of a field, nil if that is constant
}

type valueKind uint8

const (
	valConst valueKind = iota
	valField           // also the frame's length
	valOp
	valNeg
)

func constant(k uint32) *value { return &value{k: k} }

// operate joins two values, with what can be known of the result. t is the
// operator.
func operate(t token, op bpf.ALUOp, a, b *value) *value {
	if b.kind == valConst {
		switch {
		case b.k == 0 && (op == bpf.ALUOpDiv || op == bpf.ALUOpMod):
			refuse(t, "division by zero")
		case b.k > 31 && (op == bpf.ALUOpShiftLeft || op == bpf.ALUOpShiftRight):
			refuse(t, "a value has 32 bits: it can be shifted by at most 31")
		case a.kind == valConst:
			return constant(apply(op, a.k, b.k))
		case b.k == 0:
			if op == bpf.ALUOpMul || op == bpf.ALUOpAnd {
				return constant(0)
			}
			return a
		}
	}
	if a.kind == valConst && a.k == 0 {
		switch op {
		case bpf.ALUOpAdd, bpf.ALUOpOr, bpf.ALUOpXor:
			return b
		case bpf.ALUOpSub:
		default:
			return constant(0)
		}
	}
	return &value{kind: valOp, op: op, a: a, b: b}
}

// apply computes what a BPF machine would.
func apply(op bpf.ALUOp, a, b uint32) uint32 {
	switch op {
	case bpf.ALUOpAdd:
		return a + b
	case bpf.ALUOpSub:
		return a - b
	case bpf.ALUOpMul:
		return a * b
	case bpf.ALUOpDiv:
		return a / b
	case bpf.ALUOpMod:
		return a % b
	case bpf.ALUOpOr:
		return a | b
	case bpf.ALUOpAnd:
		return a & b
	case bpf.ALUOpXor:
		return a ^ b
	case bpf.ALUOpShiftLeft:
		return a << b
	default: // bpf.ALUOpShiftRight
		return a >> b
	}
}

// negate returns -a, which BPF programs here compute as 0 - a.
func negate(a *value) *value {
	if a.kind == valConst {
		return constant(-a.k)
	}
	return &value{kind: valNeg, a: a}
}

// at returns the field at an index behind f's place.
func at(f field, index *value) *value {
	if index.kind == valConst {
		f.off += index.k
		return &value{kind: valField, fld: f}
	}
	return &value{kind: valField, fld: f, a: index}
}

// relation compares two values. t is the operator.
func (c *compiler) relation(t token, a, b *value) *cond {
	op, turned := cmpEQ, false
	switch t.text {
	case ">":
		op = cmpGT
	case ">=":
		op = cmpGE
	case "<":
		op, turned = cmpGE, true
	case "<=":
		op, turned = cmpGT, true
	case "!=":
		turned = true
	}
	if op == cmpEQ && a.kind == valConst {
		a, b = b, a
	}
	r := c.related(t, op, a, b)
	if turned {
		r = not(r)
	}
	return r
}

func (c *compiler) related(t token, op cmp, a, b *value) *cond {
	if b.kind != valConst {
		code := c.pair(t, a, b, 0)
		return &cond{kind: condTest, test: test{code: code, cmp: op, withX: true}}
	}
	if a.kind == valConst {
		return always(op == cmpEQ && a.k == b.k || op == cmpGT && a.k > b.k || op == cmpGE && a.k >= b.k)
	}
	if f, mask, ok := a.simple(); ok {
		return compare(f, mask, op, b.k)
	}
	switch {
	case op == cmpGE && b.k == 0:
		return always(true)
	case op == cmpGT && b.k == 0xffffffff:
		return always(false)
	}
	return &cond{kind: condTest, test: test{code: c.compute(t, a, 0), cmp: op, k: b.k}}
}

// simple tells whether v is a field under a mask.
func (v *value) simple() (f field, mask uint32, ok bool) {
	switch {
	case v.kind == valField && v.a == nil:
		return v.fld, 0xffffffff, true
	case v.kind == valOp && v.op == bpf.ALUOpAnd && v.b.kind == valConst:
		f, mask, ok = v.a.simple()
		return f, mask & v.b.k, ok
	}
	return field{}, 0, false
}

// cells is how many scratch cells v needs while it is computed.
func (v *value) cells() int {
	switch {
	case v == nil || v.kind == valConst:
		return 0
	case v.kind != valOp || v.b.kind == valConst:
		return v.a.cells()
	}
	a, b := v.a.cells(), v.b.cells()
	if a == b {
		return a + 1
	}
	return max(a, b, 1)
}

// compute leaves v in A; cells from free on may be used. t is for an error.
func (c *compiler) compute(t token, v *value, free int) []bpf.Instruction {
	switch v.kind {
	case valConst:
		return []bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegA, Val: v.k}}
	case valField:
		if v.a == nil {
			return v.fld.load()
		}
		return append(c.compute(t, v.a, free), v.fld.loadAt()...)
	case valNeg:
		code := append(c.compute(t, v.a, free), bpf.TAX{})
		return append(code, bpf.LoadConstant{Dst: bpf.RegA}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	}
	if v.b.kind == valConst {
		return append(c.compute(t, v.a, free), bpf.ALUOpConstant{Op: v.op, Val: v.b.k})
	}
	return append(c.pair(t, v.a, v.b, free), bpf.ALUOpX{Op: v.op})
}

// pair leaves a in A and b in X. The one that needs more cells comes first, so
// that few are needed.
func (c *compiler) pair(t token, a, b *value, free int) []bpf.Instruction {
	if b.kind == valConst {
		return append(c.compute(t, a, free), bpf.LoadConstant{Dst: bpf.RegX, Val: b.k})
	}
	if free >= c.cells {
		refuse(t, "the expression needs too many intermediate results: a BPF program has 16 cells for them")
	}
	if a.cells() > b.cells() {
		code := append(c.compute(t, a, free), bpf.StoreScratch{Src: bpf.RegA, N: free})
		code = append(code, c.compute(t, b, free+1)...)
		return append(code, bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: free})
	}
	code := append(c.compute(t, b, free), bpf.StoreScratch{Src: bpf.RegA, N: free})
	code = append(code, c.compute(t, a, free+1)...)
	return append(code, bpf.LoadScratch{Dst: bpf.RegX, N: free})
}

// load leaves the field in A.
func (f field) load() []bpf.Instruction {
	if f.length {
		return []bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}}
	}
	if f.reg == 0 && !f.ihl {
		return []bpf.Instruction{bpf.LoadAbsolute{Off: f.off, Size: int(f.size)}}
	}
	return append(f.base(), bpf.LoadIndirect{Off: f.off, Size: int(f.size)})
}

// base leaves what is added to f.off in X.
func (f field) base() []bpf.Instruction {
	switch {
	case f.reg == 0:
		return []bpf.Instruction{bpf.LoadMemShift{Off: f.ihlOff}}
	case !f.ihl:
		return []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegX, N: int(f.reg - 1)}}
	}
	return []bpf.Instruction{
		bpf.LoadScratch{Dst: bpf.RegX, N: int(f.reg - 1)},
		bpf.LoadIndirect{Off: f.ihlOff, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 15},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
	}
}

// loadAt leaves the field whose index is in A in A.
func (f field) loadAt() []bpf.Instruction {
	last := bpf.LoadIndirect{Off: f.off, Size: int(f.size)}
	switch {
	case f.reg == 0 && !f.ihl:
		return []bpf.Instruction{bpf.TAX{}, last}
	case f.reg == 0 || !f.ihl:
		return append(f.base(), bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{}, last)
	}
	// base needs A: cell 15 is kept free for the index.
	code := append([]bpf.Instruction{bpf.StoreScratch{Src: bpf.RegA, N: lastCell}}, f.base()...)
	return append(code, bpf.LoadScratch{Dst: bpf.RegA, N: lastCell}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{}, last)
}

const lastCell = 15
