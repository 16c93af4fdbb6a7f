package usrreq

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// McastOp is a request of the delta API of RFC 3678.
type McastOp uint8

// Requests.
const (
	McastJoin McastOp = iota
	McastLeave
	McastJoinSource
	McastLeaveSource
	McastBlock
	McastUnblock
)

// Mcast changes one membership of s. ifIndex 0 lets the stack choose: the
// interface of the route to the group in the socket's table, else the first
// multicast interface with an address. The errors are those of behaviour
// table 6.3.
func (s Sock) Mcast(op McastOp, ifIndex uint32, group, source netip.Addr) syscall.Errno {
	return s.member(ifIndex, group, op == McastLeave, func(g *vnet.Groups, m *vnet.Members, index int32, tun *mcast.Tunables) (mcast.Txn[*vnet.Sock], error) {
		switch op {
		case McastJoin:
			return g.Join(m, group, index, tun)
		case McastLeave:
			return g.Leave(m, group, index, tun)
		case McastJoinSource:
			return g.JoinSource(m, group, index, source, tun)
		case McastLeaveSource:
			return g.LeaveSource(m, group, index, source, tun)
		case McastBlock:
			return g.Block(m, group, index, source, tun)
		default:
			return g.Unblock(m, group, index, source, tun)
		}
	})
}

// SetSourceFilter replaces the whole filter of a membership (RFC 3678 §4.2).
func (s Sock) SetSourceFilter(ifIndex uint32, group netip.Addr, mode mcast.Mode, sources []netip.Addr) syscall.Errno {
	return s.member(ifIndex, group, true, func(g *vnet.Groups, m *vnet.Members, index int32, tun *mcast.Tunables) (mcast.Txn[*vnet.Sock], error) {
		return g.SetFilter(m, group, index, mode, sources, tun)
	})
}

// member makes one change of a membership. From then on the socket's own multicast
// options count.
func (s Sock) member(ifIndex uint32, group netip.Addr, given bool, request vnet.McastRequest) syscall.Errno {
	e := s.Member(ifIndex, group, given, request)
	if e == 0 {
		s.multicast(func(*socket.Options) {})
	}
	return e
}
