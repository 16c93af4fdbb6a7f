package usrreq

import (
	"net/netip"
	"syscall"
)

// options4 is level IPPROTO_IP (behaviour 6.3).
var options4 = [...]option{
	delta(IP_ADD_MEMBERSHIP, McastJoin, mreqOrMreqn),
	delta(IP_DROP_MEMBERSHIP, McastLeave, mreq),
	delta(IP_ADD_SOURCE_MEMBERSHIP, McastJoinSource, mreqSource),
	delta(IP_DROP_SOURCE_MEMBERSHIP, McastLeaveSource, mreqSource),
	delta(IP_BLOCK_SOURCE, McastBlock, mreqSource),
	delta(IP_UNBLOCK_SOURCE, McastUnblock, mreqSource),
	delta(MCAST_JOIN_GROUP, McastJoin, groupReq4),
	delta(MCAST_LEAVE_GROUP, McastLeave, groupReq4),
	delta(MCAST_JOIN_SOURCE_GROUP, McastJoinSource, groupSourceReq4),
	delta(MCAST_LEAVE_SOURCE_GROUP, McastLeaveSource, groupSourceReq4),
	delta(MCAST_BLOCK_SOURCE, McastBlock, groupSourceReq4),
	delta(MCAST_UNBLOCK_SOURCE, McastUnblock, groupSourceReq4),
	{IP_MULTICAST_IF, setIf4, getIf4},
	{IP_MULTICAST_TTL, setTTL4, func(s Sock, b []byte) (int, syscall.Errno) { return getSmall(b, uint32(s.MulticastTTL())) }},
	{IP_MULTICAST_LOOP, setLoop4, func(s Sock, b []byte) (int, syscall.Errno) { return getSmall(b, flag(s.MulticastLoop())) }},
	// There are no virtual interfaces of a multicast router: none is chosen.
	{IP_MULTICAST_VIF, func(Sock, []byte) syscall.Errno { return syscall.EOPNOTSUPP },
		func(_ Sock, b []byte) (int, syscall.Errno) { return getWord(b, 1<<32-1) }},
	{IP_MSFILTER, func(s Sock, b []byte) syscall.Errno { return setFilter(s, b, false) },
		func(s Sock, b []byte) (int, syscall.Errno) { return getFilter(s, b, false) }},
}

// mreq decodes a struct ip_mreq.
func mreq(b []byte) (m membership, ok bool) {
	if len(b) < mreqLen {
		return m, false
	}
	return membership{group: inAddr(b), at: McastIf{Addr: inAddr(b[4:]), Any: true}}, true
}

// mreqOrMreqn decodes a struct ip_mreqn, which is told by its length, or a struct
// ip_mreq.
func mreqOrMreqn(b []byte) (membership, bool) {
	m, ok := mreq(b)
	if len(b) == mreqnLen {
		m.at.Index = word(b[8:])
	}
	return m, ok
}

// mreqSource decodes a struct ip_mreq_source.
func mreqSource(b []byte) (m membership, ok bool) {
	if len(b) < mreqSourceLen {
		return m, false
	}
	return membership{group: inAddr(b), source: inAddr(b[4:]), at: McastIf{Addr: inAddr(b[8:]), Any: true}}, true
}

func groupReq4(b []byte) (membership, bool)       { return groupReq(b, false) }
func groupSourceReq4(b []byte) (membership, bool) { return groupSourceReq(b, false) }

// setIf4 takes a struct ip_mreqn, of which only the index counts, or a struct
// in_addr.
func setIf4(s Sock, b []byte) syscall.Errno {
	switch {
	case len(b) == mreqnLen && int32(word(b[8:])) < 0:
		return syscall.EINVAL
	case len(b) == mreqnLen:
		return s.SetMulticastIf(word(b[8:]))
	case len(b) < inAddrLen:
		return syscall.EINVAL
	}
	return s.SetMulticastIfAddr(inAddr(b))
}

func getIf4(s Sock, b []byte) (int, syscall.Errno) {
	var v [mreqnLen]byte
	index, a := s.multicastIf()
	copy(v[4:], a.AsSlice())
	putWord(v[8:], index)
	if len(b) == mreqnLen {
		return copy(b, v[:]), 0
	}
	return copy(b, v[4:8]), 0
}

// multicastIf returns the interface that was chosen and its first address, which
// may be another than it was chosen by.
func (s Sock) multicastIf() (uint32, netip.Addr) {
	index := s.MulticastIf()
	if c := s.Stack().View().Conf(index); c != nil && c.Addrs.Has(false) {
		return index, c.Addrs.First()
	}
	return index, netip.IPv4Unspecified()
}

func setTTL4(s Sock, b []byte) syscall.Errno {
	n, ok := small(b)
	if !ok || n > 255 {
		return syscall.EINVAL
	}
	return s.SetMulticastTTL(int(n))
}

func setLoop4(s Sock, b []byte) syscall.Errno {
	n, ok := small(b)
	if !ok {
		return syscall.EINVAL
	}
	s.SetMulticastLoop(n != 0)
	return 0
}

// small reads an option that is an unsigned char or an int.
func small(b []byte) (uint32, bool) {
	switch len(b) {
	case 1:
		return uint32(b[0]), true
	case intLen:
		return word(b), true
	}
	return 0, false
}

// getSmall fills in such an option in the form that is asked for.
func getSmall(b []byte, n uint32) (int, syscall.Errno) {
	if len(b) == 1 {
		b[0] = byte(n)
		return 1, 0
	}
	return getWord(b, n)
}
