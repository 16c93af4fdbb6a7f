package roster

import (
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

type host struct {
	name string
	nth  uint64
}

func (h *host) Key() string     { return h.name }
func (h *host) Number() *uint64 { return &h.nth }

func newRoster() *Roster[host, *host] {
	r := new(Roster[host, *host])
	r.HashBy(table.NewSeed(7))
	return r
}

// TestNames: a name is one stack's at a time, and a stack is hidden once.
func TestNames(t *testing.T) {
	r := newRoster()
	a, b, c := &host{name: "a"}, &host{name: "b"}, &host{name: "a"}
	if r.Stack("a") != nil || r.Publish(a) != 0 || r.Publish(b) != 0 || r.Stack("a") != a {
		t.Fatal("a stack that was published is not found")
	}
	if e := r.Publish(c); e != syscall.EEXIST || r.Stack("a") != a {
		t.Errorf("a second stack of the name: %v", e)
	}
	if r.Hide(c) || !r.Hide(a) || r.Hide(a) || r.Stack("a") != nil {
		t.Error("hiding is not once for each")
	}
	if r.Publish(c) != 0 || a.nth != 1 || b.nth != 2 || c.nth != 3 {
		t.Errorf("numbers %d %d %d", a.nth, b.nth, c.nth)
	}
	if all := r.Stacks(); len(all) != 2 || all[0] != b || all[1] != c {
		t.Errorf("%d stacks, or out of order", len(all))
	}
}

// TestManyAtOnce: who comes while others come and go loses nothing, and no number,
// random number or hardware address is given out twice.
func TestManyAtOnce(t *testing.T) {
	const workers, each = 8, 2000
	r := newRoster()
	r.SetWorld([2]byte{0xaa, 0xbb})
	var wg sync.WaitGroup
	macs := make([][each]wire.MAC, workers)
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				h := &host{name: fmt.Sprint("h", w, "-", i)}
				if r.Publish(h) != 0 || r.Stack(h.name) != h {
					t.Error("lost")
				}
				macs[w][i] = r.NewMAC()
				if i%2 == 1 && !r.Hide(h) {
					t.Error("not to be hidden")
				}
			}
		})
	}
	wg.Wait()
	all, last, seen := r.Stacks(), uint64(0), map[wire.MAC]bool{}
	for _, h := range all {
		if h.nth <= last {
			t.Fatal("not in order of coming")
		}
		last = h.nth
	}
	for w := range macs {
		for _, m := range macs[w] {
			if seen[m] || m.IsMulticast() || m[1] != 0xaa || m[2] != 0xbb {
				t.Fatalf("address %v", m)
			}
			seen[m] = true
		}
	}
	if len(all) != workers*each/2 {
		t.Errorf("%d stacks", len(all))
	}
}

// TestRandom: the numbers are SplitMix64's (the reference values are those of its
// authors' program for the state 1234567).
func TestRandom(t *testing.T) {
	var r Random
	r.Seed(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423} {
		if got := r.Rand(); got != want {
			t.Errorf("number %d is %d, want %d", i, got, want)
		}
	}
}
