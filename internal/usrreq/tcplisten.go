package usrreq

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// TCPListener waits for connections, for its user.
type TCPListener struct{ *vnet.TCPListener }

// ListenTCP waits for connections to local; port 0 means any. backlog is how
// many may wait to be accepted, 0 as many as the tunable says: when there are more,
// the peer's last segment of the handshake is ignored and comes again. The errors
// are EADDRNOTAVAIL, EADDRINUSE, EINVAL (no such table), ENOENT (no
// such congestion control), EAFNOSUPPORT, ENETDOWN.
func ListenTCP(st *vnet.Stack, local netip.AddrPort, backlog int, o *socket.TCPOptions) (TCPListener, syscall.Errno) {
	if o.CC != "" && !cc.Known(o.CC) {
		return TCPListener{}, syscall.ENOENT
	}
	most := int(st.View().V().Stream.Backlog)
	if backlog <= 0 || backlog > most {
		backlog = most
	}
	own := *o
	l := st.NewTCPListener(backlog, &own)
	if e := bindTCP(st, &l.TCPClaim, local, o); e != 0 {
		return TCPListener{}, e
	}
	if o.Limit.Over() { // its jail was removed meanwhile
		TCPListener{l}.Close()
		return TCPListener{}, syscall.ENETDOWN
	}
	return TCPListener{l}, 0
}

// LocalAddr returns the address and port the listener is bound to.
func (l TCPListener) LocalAddr() netip.AddrPort { return l.Local }

// Option changes what connections that are accepted from now on are made with.
// EINVAL where the table does not exist.
func (l TCPListener) Option(edit func(o *socket.TCPOptions)) syscall.Errno {
	for {
		old := l.Opts.Load()
		next := *old
		edit(&next)
		if int(next.FIB) >= l.Stack().FIBs() {
			return syscall.EINVAL
		}
		if l.Opts.CompareAndSwap(old, &next) {
			return 0
		}
	}
}

// Accept returns the next connection, waiting for it if wait. The errors are
// those of sockbuf.Stream.Take.
func (l TCPListener) Accept(wait bool) (TCPSock, error) {
	s, err := l.Queue.Take(wait)
	return TCPSock{s}, err
}

// Close stops listening. Connections that were not accepted are reset. It
// returns false where it was closed already.
func (l TCPListener) Close() bool {
	if !l.Queue.Close() {
		return false
	}
	l.Stack().TCPPorts().Unbind(&l.TCPClaim)
	l.Forget()
	for _, s := range l.Queue.Drain() {
		TCPSock{s}.Abort()
	}
	l.Queue.Wake()
	return true
}
