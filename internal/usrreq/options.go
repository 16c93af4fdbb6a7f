package usrreq

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/socket"
)

// SetFIB changes the routing table the socket uses (SO_SETFIB). EINVAL where
// there is no such table.
func (s Sock) SetFIB(n int) syscall.Errno {
	if n < 0 || n >= s.Stack().FIBs() {
		return syscall.EINVAL
	}
	s.Option(func(o *socket.Options) { o.FIB = uint32(n) })
	return 0
}

// TTL returns the TTL of unicast packets.
func (s Sock) TTL() int {
	if n := s.Opts.Load().TTL; n >= 0 {
		return n
	}
	return int(s.Stack().View().V().IP.TTL)
}
