package usrreq

import (
	"net/netip"
	"syscall"
)

// options6 is level IPPROTO_IPV6 (behaviour 6.5).
var options6 = [...]option{
	delta(IPV6_JOIN_GROUP, McastJoin, mreq6),
	delta(IPV6_LEAVE_GROUP, McastLeave, mreq6),
	delta(MCAST_JOIN_GROUP, McastJoin, groupReq6),
	delta(MCAST_LEAVE_GROUP, McastLeave, groupReq6),
	delta(MCAST_JOIN_SOURCE_GROUP, McastJoinSource, groupSourceReq6),
	delta(MCAST_LEAVE_SOURCE_GROUP, McastLeaveSource, groupSourceReq6),
	delta(MCAST_BLOCK_SOURCE, McastBlock, groupSourceReq6),
	delta(MCAST_UNBLOCK_SOURCE, McastUnblock, groupSourceReq6),
	{IPV6_MULTICAST_IF, setIf6, func(s Sock, b []byte) (int, syscall.Errno) { return getWord(b, s.MulticastIf6()) }},
	{IPV6_MULTICAST_HOPS, setHops6, func(s Sock, b []byte) (int, syscall.Errno) { return getWord(b, uint32(s.MulticastHops())) }},
	{IPV6_MULTICAST_LOOP, setLoop6, func(s Sock, b []byte) (int, syscall.Errno) { return getWord(b, flag(s.MulticastLoop6())) }},
	{IPV6_MSFILTER, func(s Sock, b []byte) syscall.Errno { return setFilter(s, b, true) },
		func(s Sock, b []byte) (int, syscall.Errno) { return getFilter(s, b, true) }},
}

// mreq6 decodes a struct ipv6_mreq.
func mreq6(b []byte) (m membership, ok bool) {
	if len(b) < mreq6Len {
		return m, false
	}
	return membership{group: netip.AddrFrom16([16]byte(b)), at: McastIf{Index: word(b[16:])}}, true
}

func groupReq6(b []byte) (membership, bool)       { return groupReq(b, true) }
func groupSourceReq6(b []byte) (membership, bool) { return groupSourceReq(b, true) }

func setIf6(s Sock, b []byte) syscall.Errno {
	if len(b) != intLen {
		return syscall.EINVAL
	}
	return s.SetMulticastIf6(word(b))
}

func setHops6(s Sock, b []byte) syscall.Errno {
	if len(b) != intLen {
		return syscall.EINVAL
	}
	return s.SetMulticastHops(int(int32(word(b))))
}

func setLoop6(s Sock, b []byte) syscall.Errno {
	if len(b) != intLen || word(b) > 1 {
		return syscall.EINVAL
	}
	s.SetMulticastLoop6(word(b) != 0)
	return 0
}
