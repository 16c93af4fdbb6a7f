package filter

import "slices"

// block is one test with where to go on. Blocks are a graph without circles;
// every block stands behind those that lead to it.
type block struct {
	test
	yes, no int // blocks, or accept or reject

	// What is known at its beginning, whichever way led there.
	reached bool
	known   []fact
	regs    regs
	keepA   bool // its value is in A already
	keepX   bool // the length of the IPv4 header is in X already
}

// regs is what is known of the machine's registers.
type regs struct {
	a field  // whose value is in A; size 0 and no length: nothing known
	x uint32 // 1 and the place of the IPv4 header whose length is in X; 0: nothing known
}

const (
	accept = -1
	reject = -2
)

// fact is the outcome of a test that has been made.
type fact struct {
	fld  field
	mask uint32
	cmp  cmp
	k    uint32
	is   bool
}

// These bound the time a compilation takes: what is remembered of a way, and how
// many tests a way is led past.
const (
	maxFacts = 24
	maxSteps = 256
)

// grapher makes blocks of conds, the last first.
type grapher struct{ blocks []block }

func graph(e *cond) ([]block, int) {
	var g grapher
	first := g.add(e, accept, reject)
	last := len(g.blocks) - 1
	turn := func(i int) int {
		if i < 0 {
			return i
		}
		return last - i
	}
	slices.Reverse(g.blocks)
	for i := range g.blocks {
		b := &g.blocks[i]
		b.yes, b.no = turn(b.yes), turn(b.no)
	}
	return g.blocks, turn(first)
}

// add returns where to begin to find out whether e is true.
func (g *grapher) add(e *cond, yes, no int) int {
	switch e.kind {
	case condTrue:
		return yes
	case condFalse:
		return no
	case condAnd:
		return g.add(e.a, g.add(e.b, yes, no), no)
	case condOr:
		return g.add(e.a, yes, g.add(e.b, yes, no))
	case condNot:
		return g.add(e.a, no, yes)
	}
	if e.test.cmp == cmpAlways {
		no = yes
	}
	g.blocks = append(g.blocks, block{test: e.test, yes: yes, no: no})
	return len(g.blocks) - 1
}

// shorten leads every way past tests whose outcome that way has settled, and
// finds which values are in a register already. A test it leaves out is one that
// was made before, of bytes that are there: so no frame's verdict changes. It
// returns where to begin.
func shorten(blocks []block, first int) int {
	for i := range blocks {
		b := &blocks[i]
		b.reached, b.known, b.regs = false, nil, regs{}
	}
	first = settle(blocks, first, nil)
	arrive(blocks, first, nil, regs{})
	for i := range blocks {
		b := &blocks[i]
		if !b.reached {
			continue
		}
		after := b.run()
		if !b.pure {
			arrive(blocks, b.yes, b.known, after)
			arrive(blocks, b.no, b.known, after)
			continue
		}
		f := fact{b.fld, b.mask, b.cmp, b.k, true}
		with := remember(b.known, f)
		b.yes = settle(blocks, b.yes, with)
		arrive(blocks, b.yes, with, after)
		f.is = false
		with = remember(b.known, f)
		b.no = settle(blocks, b.no, with)
		arrive(blocks, b.no, with, after)
	}
	return first
}

// run finds what the registers hold after a block, and what it need not load.
func (b *block) run() (after regs) {
	if !b.pure {
		return after
	}
	after.x = b.regs.x
	b.keepA = holds(b.regs.a) && b.regs.a == b.fld
	b.keepX = b.fld.ihl && b.fld.reg == 0 && b.regs.x == b.fld.ihlOff+1
	switch {
	case b.keepA:
	case b.fld.reg != 0:
		after.x = 0
	case b.fld.ihl:
		after.x = b.fld.ihlOff + 1
	}
	if b.mask == 0xffffffff || b.yes == b.no {
		after.a = b.fld
	}
	return after
}

// unite makes one of blocks that do the same.
func unite(blocks []block, first int) int {
	type deed struct {
		fact
		yes, no int
	}
	found := map[deed]int{}
	same := make([]int, len(blocks))
	to := func(i int) int {
		if i < 0 {
			return i
		}
		return same[i]
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		b := &blocks[i]
		b.yes, b.no = to(b.yes), to(b.no)
		same[i] = i
		if !b.pure {
			continue
		}
		d := deed{fact{b.fld, b.mask, b.cmp, b.k, false}, b.yes, b.no}
		if j, ok := found[d]; ok {
			same[i] = j
		} else {
			found[d] = i
		}
	}
	return to(first)
}

func holds(f field) bool { return f.size != 0 || f.length }

func remember(known []fact, f fact) []fact {
	if len(known) == maxFacts {
		known = known[1:]
	}
	return append(slices.Clone(known), f)
}

// settle follows a way as far as what is known decides.
func settle(blocks []block, i int, known []fact) int {
	for range maxSteps {
		if i < 0 {
			return i
		}
		b := &blocks[i]
		switch is, sure := decide(&b.test, known); {
		case sure && is:
			i = b.yes
		case sure:
			i = b.no
		case b.pure && b.yes == b.no && b.read(known):
			i = b.yes
		default:
			return i
		}
	}
	return i
}

// read tells whether the value has been looked at before.
func (t *test) read(known []fact) bool {
	return slices.ContainsFunc(known, func(f fact) bool { return f.fld == t.fld })
}

// arrive notes that a way leads to a block: what is known there is what all ways
// agree on.
func arrive(blocks []block, i int, known []fact, r regs) {
	if i < 0 {
		return
	}
	b := &blocks[i]
	if !b.reached {
		b.reached, b.known, b.regs = true, slices.Clone(known), r
		return
	}
	if b.regs.a != r.a {
		b.regs.a = field{}
	}
	if b.regs.x != r.x {
		b.regs.x = 0
	}
	b.known = slices.DeleteFunc(b.known, func(f fact) bool { return !slices.Contains(known, f) })
}

// decide tells whether a test's outcome follows from what is known.
func decide(t *test, known []fact) (is, sure bool) {
	if !t.pure {
		return false, false
	}
	for i := len(known) - 1; i >= 0; i-- {
		f := &known[i]
		if f.fld != t.fld {
			continue
		}
		if is, sure = f.decides(t); sure {
			return is, true
		}
	}
	return false, false
}

// decides tells what f says of a test of the same value.
func (f *fact) decides(t *test) (is, sure bool) {
	switch {
	case f.mask == t.mask && f.cmp == t.cmp && f.k == t.k:
		return f.is, true
	case f.cmp == cmpEQ && f.is && t.mask&^f.mask == 0:
		return t.holdsFor(f.k & t.mask), true
	case t.cmp == cmpEQ && f.mask == t.mask && (f.cmp == cmpGT || f.cmp == cmpGE):
		other := test{cmp: f.cmp, k: f.k}
		return false, other.holdsFor(t.k) != f.is
	}
	return false, false
}

// holdsFor tells a test's outcome for a value, masked already.
func (t *test) holdsFor(v uint32) bool {
	switch t.cmp {
	case cmpEQ:
		return v == t.k
	case cmpGT:
		return v > t.k
	case cmpGE:
		return v >= t.k
	case cmpSet:
		return v&t.k != 0
	}
	return true
}
