package mcast

import (
	"math/bits"
	"net/netip"

	"github.com/seed88948545/vimage/internal/table"
)

// sourceIndex finds an address in a long list of sources: a hash table of places.
// A search of the sorted list costs more than the copy of a datagram that it decides
// about.
type sourceIndex struct {
	places []uint16 // in the list, +1; 0: none. A power of two, half full at most
}

// indexOf returns the index of a list, nil for one that is as quickly compared one
// by one.
func indexOf(sources []netip.Addr) *sourceIndex {
	if len(sources) <= linear {
		return nil
	}
	x := &sourceIndex{make([]uint16, 1<<bits.Len(uint(2*len(sources)-1)))}
	for i, a := range sources {
		at := x.start(a)
		for x.places[at] != 0 {
			at = x.next(at)
		}
		x.places[at] = uint16(i + 1)
	}
	return x
}

// start and next are where an address may be.
func (x *sourceIndex) start(a netip.Addr) uint32 {
	return table.Seed{}.Addr(a, 0) & uint32(len(x.places)-1)
}

func (x *sourceIndex) next(at uint32) uint32 { return (at + 1) & uint32(len(x.places)-1) }

func (x *sourceIndex) lists(sources []netip.Addr, a netip.Addr) bool {
	for at := x.start(a); x.places[at] != 0; at = x.next(at) {
		if sources[x.places[at]-1] == a {
			return true
		}
	}
	return false
}
