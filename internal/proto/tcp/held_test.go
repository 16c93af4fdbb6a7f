package tcp

import (
	"math/rand/v2"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestHeldModel compares held with a table of single bytes.
func TestHeldModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		const size = 200
		base := wire.Seq(rng.Uint32())
		var q held
		var have [size]bool
		next := 0
		for range 60 {
			from := next + rng.IntN(size-next)
			to := from + 1 + rng.IntN(min(30, size-from))
			first, last, n := q.overlap(base.Add(from), base.Add(to))
			was := 0
			for i := from; i < to; i++ {
				if have[i] {
					was++
				}
			}
			if n != was {
				t.Fatalf("overlap of %d:%d is %d, want %d: %v", from, to, n, was, q.spans)
			}
			for i := from; i < to; i++ {
				have[i] = true
			}
			if from == next {
				next = q.advance(base.Add(to)).Sub(base)
				if next < size && have[next] || next > 0 && !have[next-1] {
					t.Fatalf("in order up to %d of %v", next, have)
				}
			} else {
				q.add(base.Add(from), base.Add(to), first, last, n)
				checkBlocks(t, &q, base, from, to, have[:])
			}
			sum := 0
			for i := next; i < size; i++ {
				if have[i] {
					sum++
				}
			}
			if q.bytes != sum {
				t.Fatalf("%d bytes held, want %d", q.bytes, sum)
			}
			if next == size {
				break
			}
		}
	}
}

// checkBlocks looks at what a SACK option says after [from, to) has arrived:
// the stretch around it first, every block true and whole, none twice (RFC 2018
// §4).
func checkBlocks(t *testing.T, q *held, base wire.Seq, from, to int, have []bool) {
	var o wire.TCPOptions
	q.blocks(&o, 4)
	if want := min(4, len(q.spans)); int(o.NSACK) != want {
		t.Fatalf("%d blocks of %v", o.NSACK, q.spans)
	}
	seen := map[wire.SACKBlock]bool{}
	for i, b := range o.SACK[:o.NSACK] {
		x, y := b.Start.Sub(base), b.End.Sub(base)
		if i == 0 && (from < x || y < to) {
			t.Fatalf("%d:%d arrived, the first block is %d:%d", from, to, x, y)
		}
		if seen[b] || have[x-1] || y < len(have) && have[y] {
			t.Fatalf("block %d:%d", x, y)
		}
		for k := x; k < y; k++ {
			if !have[k] {
				t.Fatalf("block %d:%d says that %d is there", x, y, k)
			}
		}
		seen[b] = true
	}
}
