package bridge

import (
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// filter is an address that a port accepts beside its own. Filters refer to each
// other by number, from 1 on.
type filter struct {
	mac        wire.MAC
	port       int32
	next, prev int32 // of the same port; of a free one, next is the next free
	place      int32 // in the list of the address, -1: not listed
	refs       int32
}

// filters is where they lie.
type filters struct {
	list table.Pieces[filter]
	used int32 // numbers given out so far
	free int32 // a chain of those given back
}

func (s *filters) at(i int32) *filter { return s.list.At(i) }

// take returns the number of a filter that nobody uses.
func (s *filters) take() int32 {
	if i := s.free; i != 0 {
		s.free = s.at(i).next
		return i
	}
	s.used++
	s.list.Need(s.used)
	return s.used
}

// give takes a number back.
func (s *filters) give(i int32) {
	*s.at(i) = filter{next: s.free}
	s.free = i
}

// owners finds ports by their own address: numbers of ports, by open addressing.
// Several may have the same.
type owners struct {
	slots []int32 // 1 + port
	n     int
}

func (o *owners) start(t *FilterTable, a wire.MAC) int {
	return int(t.Seed.Word(word(a))) & (len(o.slots) - 1)
}

// add lets a port be found.
func (o *owners) add(t *FilterTable, port int32) {
	if o.n++; o.n*4 > len(o.slots)*3 {
		old := o.slots
		o.slots = make([]int32, max(4, 2*len(old)))
		for _, s := range old {
			if s != 0 {
				o.put(t, s-1)
			}
		}
	}
	o.put(t, port)
}

func (o *owners) put(t *FilterTable, port int32) {
	i := o.start(t, t.ports.At(port).own)
	for o.slots[i] != 0 {
		i = (i + 1) & (len(o.slots) - 1)
	}
	o.slots[i] = port + 1
}

// remove lets a port not be found any more. Those behind it that would be missed
// move up.
func (o *owners) remove(t *FilterTable, port int32) {
	mask := len(o.slots) - 1
	i := o.start(t, t.ports.At(port).own)
	for o.slots[i] != port+1 {
		i = (i + 1) & mask
	}
	o.n--
	for j := (i + 1) & mask; o.slots[j] != 0; j = (j + 1) & mask {
		if home := o.start(t, t.ports.At(o.slots[j]-1).own); (j-home)&mask >= (j-i)&mask {
			o.slots[i] = o.slots[j]
			i = j
		}
	}
	o.slots[i] = 0
}

// each shows the ports that have the address.
func (o *owners) each(t *FilterTable, a wire.MAC, see func(port int32)) {
	if len(o.slots) == 0 {
		return
	}
	for i := o.start(t, a); o.slots[i] != 0; i = (i + 1) & (len(o.slots) - 1) {
		if n := o.slots[i] - 1; t.ports.At(n).own == a {
			see(n)
		}
	}
}
