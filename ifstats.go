package vimage

import (
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
