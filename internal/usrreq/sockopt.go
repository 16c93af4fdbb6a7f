package usrreq

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// The socket options of multicast as C programs set and read them: FreeBSD's
// numbers and layouts on a 64-bit little-endian machine (behaviour 6.2), decoded
// into the requests beside. Names are those of C. All of IPv4's are also options of
// a socket for IPv6 that speaks IPv4 too.

// Levels.
const (
	IPPROTO_IP   = 0
	IPPROTO_IPV6 = 41
)

// Options of level IPPROTO_IP.
const (
	IP_MULTICAST_IF           = 9
	IP_MULTICAST_TTL          = 10
	IP_MULTICAST_LOOP         = 11
	IP_ADD_MEMBERSHIP         = 12
	IP_DROP_MEMBERSHIP        = 13
	IP_MULTICAST_VIF          = 14
	IP_ADD_SOURCE_MEMBERSHIP  = 70
	IP_DROP_SOURCE_MEMBERSHIP = 71
	IP_BLOCK_SOURCE           = 72
	IP_UNBLOCK_SOURCE         = 73
	IP_MSFILTER               = 74
)

// Options of level IPPROTO_IPV6.
const (
	IPV6_MULTICAST_IF   = 9
	IPV6_MULTICAST_HOPS = 10
	IPV6_MULTICAST_LOOP = 11
	IPV6_JOIN_GROUP     = 12
	IPV6_LEAVE_GROUP    = 13
	IPV6_MSFILTER       = 74
)

// Options of either level (RFC 3678 §5.1).
const (
	MCAST_JOIN_GROUP         = 80
	MCAST_LEAVE_GROUP        = 81
	MCAST_JOIN_SOURCE_GROUP  = 82
	MCAST_LEAVE_SOURCE_GROUP = 83
	MCAST_BLOCK_SOURCE       = 84
	MCAST_UNBLOCK_SOURCE     = 85
)

// Layouts.
const (
	AF_INET  = 2
	AF_INET6 = 28

	inAddrLen         = 4
	intLen            = 4
	mreqLen           = 8  // group, address of the interface
	mreqnLen          = 12 // group, address, index
	mreqSourceLen     = 12 // group, source, address: BSD's order
	mreq6Len          = 20 // group, index
	sockaddrLen       = 16
	sockaddr6Len      = 28
	storageLen        = 128
	groupReqLen       = 8 + storageLen // index, padding, group
	groupSourceReqLen = groupReqLen + storageLen
	// FilterReqLen is the length of struct __msfilterreq without its last
	// member: index, mode, number of sources, padding, group. Where C has a
	// pointer to the sources, here they follow, a sockaddr_storage each.
	FilterReqLen = 16 + storageLen
)

// option is how one option is set and read; nil: it cannot be.
type option struct {
	name int
	set  func(s Sock, b []byte) syscall.Errno
	get  func(s Sock, b []byte) (int, syscall.Errno)
}

// Setsockopt is setsockopt(2). EOPNOTSUPP: no such option. EINVAL: no level of the
// socket's, a value that is too short, and what behaviour tables 6.3 and 6.5 say.
func (s Sock) Setsockopt(level, name int, value []byte) syscall.Errno {
	o, e := s.option(level, name)
	switch {
	case e != 0:
		return e
	case o.set == nil:
		return syscall.EOPNOTSUPP
	}
	return o.set(s, value)
}

// Getsockopt is getsockopt(2): it fills in value, whose length counts where an
// option has several forms, and returns how much of it. ENOPROTOOPT: no such
// option, or none that can be read.
func (s Sock) Getsockopt(level, name int, value []byte) (int, syscall.Errno) {
	o, e := s.option(level, name)
	switch {
	case e != 0:
		return 0, e
	case o.get == nil:
		return 0, syscall.ENOPROTOOPT
	}
	return o.get(s, value)
}

func (s Sock) option(level, name int) (option, syscall.Errno) {
	is6 := level == IPPROTO_IPV6
	if !is6 && level != IPPROTO_IP || !s.Speaks(is6) {
		return option{}, syscall.EINVAL
	}
	return find(is6, name), 0
}

func find(is6 bool, name int) option {
	if is6 {
		for _, o := range options6 {
			if o.name == name {
				return o
			}
		}
		return option{}
	}
	for _, o := range options4 {
		if o.name == name {
			return o
		}
	}
	return option{}
}

// Setsockopt refuses: a stream has no multicast options (behaviour 6.2).
func (s TCPSock) Setsockopt(level, name int, value []byte) syscall.Errno { return syscall.EOPNOTSUPP }

// Getsockopt refuses, as Setsockopt does, the options there are; ENOPROTOOPT: the
// others.
func (s TCPSock) Getsockopt(level, name int, value []byte) (int, syscall.Errno) {
	if find(level == IPPROTO_IPV6, name).name != name || level != IPPROTO_IP && level != IPPROTO_IPV6 {
		return 0, syscall.ENOPROTOOPT
	}
	return 0, syscall.EOPNOTSUPP
}

// membership is a membership as an option's value names it.
type membership struct {
	at            McastIf
	group, source netip.Addr
}

// delta returns the option that does op to what decode finds in its value.
func delta(name int, op McastOp, decode func(b []byte) (membership, bool)) option {
	return option{name: name, set: func(s Sock, b []byte) syscall.Errno {
		m, ok := decode(b)
		if !ok {
			return syscall.EINVAL
		}
		return s.Mcast(op, m.at, m.group, m.source)
	}}
}

// groupReq decodes a struct group_req whose group is of a family.
func groupReq(b []byte, is6 bool) (m membership, ok bool) {
	if len(b) < groupReqLen {
		return m, false
	}
	var scope uint32
	m.group, scope, ok = sockaddr(b[8:], is6)
	if m.at.Index = word(b); m.at.Index == 0 {
		m.at.Index = scope
	}
	return m, ok
}

// groupSourceReq decodes a struct group_source_req.
func groupSourceReq(b []byte, is6 bool) (m membership, ok bool) {
	if len(b) < groupSourceReqLen {
		return m, false
	}
	if m, ok = groupReq(b, is6); ok {
		m.source, _, ok = sockaddr(b[groupReqLen:], is6)
	}
	return m, ok
}

// sockaddr decodes the address, of one family, in a struct sockaddr_storage, and the
// index of the interface on which it is meant.
func sockaddr(b []byte, is6 bool) (a netip.Addr, scope uint32, ok bool) {
	switch {
	case is6 && b[0] == sockaddr6Len && b[1] == AF_INET6:
		return netip.AddrFrom16([16]byte(b[8:24])), word(b[24:]), true
	case !is6 && b[0] == sockaddrLen && b[1] == AF_INET:
		return inAddr(b[4:]), 0, true
	}
	return a, 0, false
}

// setFilter sets a filter (setsourcefilter).
func setFilter(s Sock, b []byte, is6 bool) syscall.Errno {
	if len(b) < FilterReqLen {
		return syscall.EINVAL
	}
	mode := mcast.Undefined // refused
	if n := word(b[4:]); n == uint32(mcast.Include) || n == uint32(mcast.Exclude) {
		mode = mcast.Mode(n)
	}
	group, _, _ := sockaddr(b[16:], is6) // if it is none, it is refused as no group
	sources, bad := filterSources(b[FilterReqLen:], word(b[8:]), is6)
	e := s.SetSourceFilter(McastIf{Index: word(b)}, group, mode, sources)
	if e == syscall.EAFNOSUPPORT {
		return bad
	}
	return e
}

// filterSources decodes n sources. One that is none is invalid, and with it all
// that follow; bad says why, for when its turn comes.
func filterSources(b []byte, n uint32, is6 bool) (list []netip.Addr, bad syscall.Errno) {
	list = make([]netip.Addr, min(n, 1<<16)) // more than any limit
	for i := range list {
		ok := false
		switch {
		case len(b) < storageLen:
			return list, syscall.EFAULT
		case !is6 && b[1] != AF_INET, is6 && b[1] != AF_INET6:
			return list, syscall.EAFNOSUPPORT
		}
		if list[i], _, ok = sockaddr(b, is6); !ok {
			return list, syscall.EINVAL
		}
		b = b[storageLen:]
	}
	return list, 0
}

// getFilter reads a filter (getsourcefilter): its mode, as many of its sources as
// the value says it has room for, and how many there are.
func getFilter(s Sock, b []byte, is6 bool) (int, syscall.Errno) {
	if len(b) < FilterReqLen {
		return 0, syscall.EINVAL
	}
	group, _, _ := sockaddr(b[16:], is6)
	f, e := s.sourceFilter(is6, McastIf{Index: word(b)}, group)
	if e != 0 {
		return 0, e
	}
	room := int(min(word(b[8:]), uint32(len(f.Sources))))
	n := FilterReqLen + room*storageLen
	if len(b) < n {
		return 0, syscall.EFAULT
	}
	putWord(b[4:], uint32(f.Mode))
	putWord(b[8:], uint32(len(f.Sources)))
	for i, a := range f.Sources[:room] {
		putSockaddr(b[FilterReqLen+i*storageLen:][:storageLen], a)
	}
	return n, 0
}

func putSockaddr(b []byte, a netip.Addr) {
	clear(b)
	if a.Is4() {
		b[0], b[1] = sockaddrLen, AF_INET
		copy(b[4:], a.AsSlice())
		return
	}
	b[0], b[1] = sockaddr6Len, AF_INET6
	copy(b[8:], a.AsSlice())
}

// word reads an int or unsigned int.
func word(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

func putWord(b []byte, n uint32) { binary.LittleEndian.PutUint32(b, n) }

// getWord fills in an int, or as much of it as the value has room for.
func getWord(b []byte, n uint32) (int, syscall.Errno) {
	var v [intLen]byte
	putWord(v[:], n)
	return copy(b, v[:]), 0
}

func inAddr(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

func flag(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}
