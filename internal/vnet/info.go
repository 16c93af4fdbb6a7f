package vnet

import (
	"net"
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/wire"
)

// IfaceInfo describes an interface.
type IfaceInfo struct {
	Name  string
	Index uint32
	MTU   int
	FIB   int
	MAC   wire.MAC
	Flags Flags
	Addrs []netip.Prefix
}

// Net describes the interface as package net does.
func (i *IfaceInfo) Net() net.Interface {
	n := net.Interface{Index: int(i.Index), MTU: i.MTU, Name: i.Name}
	if !i.MAC.IsZero() {
		n.HardwareAddr = net.HardwareAddr(i.MAC[:])
	}
	for _, f := range []struct {
		flag Flags
		net  net.Flags
	}{
		{FlagUp, net.FlagUp | net.FlagRunning}, {FlagBroadcast, net.FlagBroadcast},
		{FlagLoopback, net.FlagLoopback}, {FlagMulticast, net.FlagMulticast},
	} {
		if i.Flags&f.flag != 0 {
			n.Flags |= f.net
		}
	}
	return n
}

// Interfaces returns a description of every interface, in order of index.
func (st *Stack) Interfaces() []IfaceInfo {
	var all []IfaceInfo
	for _, c := range st.view.Load().ifs {
		if c != nil {
			all = append(all, IfaceInfo{c.name, c.index, c.mtu, int(c.fib), c.mac, c.flags, slices.Clone(c.addrs)})
		}
	}
	return all
}

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
		sh.mu.Unlock()
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
