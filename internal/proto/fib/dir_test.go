package fib

import (
	"math/rand"
	"net/netip"
	"testing"
)

// words returns every word of the dir, in its place: that of a chunk that is not
// there is 0.
func (d *dir[A]) words() (all []uint32) {
	none := new(chunk)
	lows := *d.lows.Load()
	for i := range d.short {
		all = append(all, d.short[i].Load())
		h := d.long[i].Load()
		if h == nil {
			h = new(half)
		}
		for j := range h.words {
			all = append(all, h.words[j].Load())
			if c := h.chunks[j].Load(); c != nil {
				all = append(all, c[:]...)
			} else if i == 10 {
				all = append(all, none[:]...)
			}
		}
	}
	for i := range lows {
		all = append(all, lows[i].word.Load())
		if c := lows[i].chunk.Load(); c != nil {
			all = append(all, c[:]...)
		}
	}
	return all
}

// No change writes more than the 256 words of a level, however much is below, and
// one for the way to it.
func TestChangeIsBounded(t *testing.T) {
	var tab Table[int]
	rnd := rand.New(rand.NewSource(1))
	tab.Update(func(tx *Txn[int]) {
		for i := range 5000 {
			tx.Insert(Route[int]{Prefix: netip.PrefixFrom(addr4(0x0a000000|rnd.Uint32()>>8), 9+rnd.Intn(24)), Adj: i})
		}
	})
	d := tab.v4.Load().dir
	for _, s := range []string{"0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "10.0.0.0/9", "10.64.0.0/10", "10.3.0.0/16", "10.3.0.0/17", "10.3.3.0/24"} {
		p := netip.MustParsePrefix(s)
		tab.Delete(p)
		before := d.words()
		if err := tab.Insert(Route[int]{Prefix: p}); err != nil {
			t.Fatal(err)
		}
		after := d.words()
		if len(before) != len(after) {
			t.Fatalf("%v: %d words, then %d", p, len(before), len(after))
		}
		n := 0
		for i := range before {
			if before[i] != after[i] {
				n++
			}
		}
		if n > 257 {
			t.Errorf("%v rewrote %d words", p, n)
		}
	}
}
