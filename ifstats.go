package vimage

import (
	"iter"
	"syscall"
)

// InterfaceStats is what an interface has counted: packets or frames, bytes, those
// sent to many, and those lost that had come in by it or, of a tunnel, were to go
// through it. A super-segment counts as one.
type InterfaceStats struct {
	InPackets, OutPackets uint64
	InBytes, OutBytes     uint64
	InMcast, OutMcast     uint64
	InDrops               uint64
}

// Stats returns what the interface has counted. ENXIO where it is gone.
func (i *Interface) Stats() (InterfaceStats, error) {
	n, ok := i.s.st.IfaceStats(i.index)
	if !ok {
		return InterfaceStats{}, wrapConfig("stats", i.name, syscall.ENXIO)
	}
	return InterfaceStats(n), nil
}

// InterfaceStats returns what each interface has counted, in order of index.
func (s *Stack) InterfaceStats() iter.Seq2[*Interface, InterfaceStats] {
	return func(yield func(*Interface, InterfaceStats) bool) {
		for i := range s.st.Interfaces() {
			n, ok := s.st.IfaceStats(i.Index)
			if ok && !yield(&Interface{s: s, index: i.Index, name: i.Name}, InterfaceStats(n)) {
				return
			}
		}
	}
}
