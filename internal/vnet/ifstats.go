package vnet

// IfaceStats is what an interface has counted.
type IfaceStats struct {
	InPackets, OutPackets uint64
	InBytes, OutBytes     uint64
	InMcast, OutMcast     uint64
	InDrops               uint64
}

// IfaceStats returns the counters of an interface, summed over shards; false
// where there is none with the index.
func (st *Stack) IfaceStats(index uint32) (IfaceStats, bool) {
	c := st.view.Load().conf(index)
	if c == nil {
		return IfaceStats{}, false
	}
	var s IfaceStats
	for i := range c.count {
		sh := st.shardAt(i)
		sh.mu.Lock()
		n := c.count[i]
		sh.release()
		s.InPackets += n.InPackets
		s.OutPackets += n.OutPackets
		s.InBytes += n.InBytes
		s.OutBytes += n.OutBytes
		s.InMcast += n.InMcast
		s.OutMcast += n.OutMcast
		s.InDrops += n.InDrops
	}
	return s, true
}
