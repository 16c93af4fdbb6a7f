package usrreq_test

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// model is who listens to what, by the words of behaviour 6 and RFC 3376 §3.2: sets,
// looked through from end to end for every question.
type model struct {
	alive          map[uint32]netip.Addr // interfaces, with the IPv4 address of each
	socks          []*modelSock
	perSock, perIf int // limits of sources
}

type modelSock struct {
	v4, v6 bool // families it speaks
	closed bool
	own    map[bool]bool // by family: has multicast options
	list   []*modelMember
}

type modelMember struct {
	group   netip.Addr
	on      uint32
	mode    mcast.Mode
	sources map[netip.Addr]bool
}

func (m *modelMember) clone() *modelMember {
	c := *m
	c.sources = map[netip.Addr]bool{}
	for a := range m.sources {
		c.sources[a] = true
	}
	return &c
}

func (m *modelMember) passes(src netip.Addr) bool {
	return m.sources[src] == (m.mode == mcast.Include)
}

// members returns all memberships of a group on an interface.
func (m *model) members(group netip.Addr, on uint32) (all []*modelMember) {
	for _, s := range m.socks {
		for _, x := range s.list {
			if x.group == group && x.on == on {
				all = append(all, x)
			}
		}
	}
	return all
}

// merged is the interface's filter.
func (m *model) merged(group netip.Addr, on uint32) mcast.Filter {
	all := m.members(group, on)
	if len(all) == 0 {
		return mcast.Filter{}
	}
	f := mcast.Filter{Mode: mcast.Include}
	named := map[netip.Addr]bool{}
	for _, x := range all {
		if x.mode == mcast.Exclude {
			f.Mode = mcast.Exclude
		}
		for a := range x.sources {
			named[a] = true
		}
	}
	for a := range named {
		included, excludedByAll := false, true
		for _, x := range all {
			included = included || x.mode == mcast.Include && x.sources[a]
			excludedByAll = excludedByAll && (x.mode == mcast.Include || x.sources[a])
		}
		if f.Mode == mcast.Include || excludedByAll && !included {
			f.Sources = append(f.Sources, a)
		}
	}
	slices.SortFunc(f.Sources, netip.Addr.Compare)
	return f
}

// named counts the sources that anybody names.
func (m *model) named(group netip.Addr, on uint32) int {
	named := map[netip.Addr]bool{}
	for _, x := range m.members(group, on) {
		for a := range x.sources {
			named[a] = true
		}
	}
	return len(named)
}

// where answers which interface a request means: 0 none, any if it may be on any.
func (m *model) where(at usrreq.McastIf, join, hint bool) (on uint32, any bool) {
	switch {
	case at.Index != 0:
		if _, ok := m.alive[at.Index]; ok {
			return at.Index, false
		}
		return 0, false
	case at.Addr.IsValid() && !at.Addr.IsUnspecified():
		for i, a := range m.alive {
			if a == at.Addr {
				return i, false
			}
		}
		return 0, hint
	case !at.Any:
		return 0, false
	case !join:
		return 0, true
	}
	for i := uint32(2); i < 10; i++ { // lo0 never, and no route
		if _, ok := m.alive[i]; ok {
			return i, false
		}
	}
	return 0, false
}

// find returns the membership that a request means.
func (s *modelSock) find(group netip.Addr, on uint32, any bool) *modelMember {
	for _, x := range s.list {
		if x.group == group && (any || x.on == on) {
			return x
		}
	}
	return nil
}

// ask is one request.
type ask struct {
	op            usrreq.McastOp
	set           bool // SetSourceFilter
	at            usrreq.McastIf
	group, source netip.Addr
	mode          mcast.Mode
	list          []netip.Addr
}

// do makes a request, or says why not.
func (m *model) do(s *modelSock, q *ask) syscall.Errno {
	if s.closed {
		return syscall.EBADF
	}
	notGroup := !q.group.IsMulticast() || q.group.Is4() && !s.v4 || q.group.Is6() && !s.v6
	join := q.op == usrreq.McastJoin || q.op == usrreq.McastJoinSource
	switch {
	case q.set && len(q.list) > m.perSock:
		return syscall.ENOBUFS
	case q.set && q.mode != mcast.Include && q.mode != mcast.Exclude:
		return syscall.EINVAL
	case notGroup:
		return syscall.EINVAL
	case !q.set && q.op != usrreq.McastJoin && q.op != usrreq.McastLeave && (q.source.Is4() != q.group.Is4() || q.source.Is6() && q.source.IsMulticast()):
		return syscall.EINVAL
	}
	on, any := m.where(q.at, join && !q.set, !join && !q.set)
	if on == 0 && !any {
		return syscall.EADDRNOTAVAIL
	}
	old := s.find(q.group, on, any)
	var next *modelMember
	var e syscall.Errno
	if q.set {
		next, e = q.replace(old)
	} else {
		next, e = m.edit(q, old, on)
	}
	if e != 0 {
		return e
	}
	return m.commit(s, old, next)
}

func (q *ask) replace(old *modelMember) (*modelMember, syscall.Errno) {
	if old == nil {
		return nil, syscall.EADDRNOTAVAIL
	}
	next := &modelMember{group: old.group, on: old.on, mode: q.mode, sources: map[netip.Addr]bool{}}
	for _, a := range q.list {
		if a.Is4() != q.group.Is4() {
			return nil, syscall.EAFNOSUPPORT
		}
		next.sources[a] = true
	}
	return next, 0
}

// edit returns what the delta API makes of a membership.
func (m *model) edit(q *ask, old *modelMember, on uint32) (*modelMember, syscall.Errno) {
	if q.op == usrreq.McastJoin {
		switch {
		case old != nil && old.mode == mcast.Include && q.group.Is4():
			return nil, syscall.EINVAL
		case old != nil:
			return nil, syscall.EADDRINUSE
		}
		return &modelMember{group: q.group, on: on, mode: mcast.Exclude}, 0
	}
	if q.op == usrreq.McastJoinSource && old == nil {
		old = &modelMember{group: q.group, on: on, mode: mcast.Include}
	}
	if old == nil {
		return nil, syscall.EADDRNOTAVAIL
	}
	if q.op == usrreq.McastLeave {
		return nil, 0
	}
	next := old.clone()
	add := q.op == usrreq.McastJoinSource || q.op == usrreq.McastBlock
	mode := mcast.Include
	if q.op == usrreq.McastBlock || q.op == usrreq.McastUnblock {
		mode = mcast.Exclude
	}
	switch {
	case old.mode != mode && q.op == usrreq.McastLeaveSource:
		return nil, syscall.EADDRNOTAVAIL
	case old.mode != mode:
		return nil, syscall.EINVAL
	case next.sources[q.source] == add:
		return nil, syscall.EADDRNOTAVAIL
	case add && len(next.sources) >= m.perSock:
		return nil, syscall.ENOBUFS
	case add:
		next.sources[q.source] = true
	default:
		delete(next.sources, q.source)
	}
	return next, 0
}

// commit puts next in the place of old, either of which may be nil, unless the
// interface then had too many sources.
func (m *model) commit(s *modelSock, old, next *modelMember) syscall.Errno {
	at := next
	if at == nil {
		at = old
	}
	before, list := m.named(at.group, at.on), s.list
	s.list = slices.Clone(s.list)
	switch i := slices.Index(s.list, old); {
	case i < 0:
		s.list = append(s.list, next)
	case next == nil:
		s.list = slices.Delete(s.list, i, i+1)
	default:
		s.list[i] = next
	}
	if n := m.named(at.group, at.on); n > m.perIf && n > before {
		s.list = list
		return syscall.ENOSPC
	}
	s.own[at.group.Is6()] = true
	return 0
}

// gone is what the end of an interface does.
func (m *model) gone(on uint32) {
	delete(m.alive, on)
	for _, s := range m.socks {
		s.list = slices.DeleteFunc(s.list, func(x *modelMember) bool { return x.on == on })
	}
}

func (q ask) String() string {
	if q.set {
		return fmt.Sprintf("set %v %v %v %v", q.at, q.group, q.mode, q.list)
	}
	return fmt.Sprintf("op %d %v %v %v", q.op, q.at, q.group, q.source)
}
