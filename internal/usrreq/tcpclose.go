package usrreq

import (
	"io"
	"syscall"

	"github.com/seed88948545/vimage/internal/vnet"
)

// Closed tells whether the user has closed the socket.
func (s TCPSock) Closed() bool { return s.Out().Closed() }

// Close closes the socket: what was written is still sent, the peer is told
// that nothing more comes. Calls that block fail with net.ErrClosed. It returns
// false where it was closed already.
func (s TCPSock) Close() bool {
	return s.close(func(c *vnet.TCPCall) { c.Conn.Close(c.Env, c.Now(), c.Event) })
}

// Abort closes the socket with a reset: what was written and not yet
// acknowledged may be lost.
func (s TCPSock) Abort() bool {
	return s.close(func(c *vnet.TCPCall) { c.Conn.Abort(c.Env, c.Now(), c.Event) })
}

func (s TCPSock) close(how func(c *vnet.TCPCall)) bool {
	if !s.In().Close() {
		return false
	}
	s.Out().Close()
	s.Update(how)
	s.In().Drop(s.Stack().World().Sched().Free)
	s.In().Wake()
	s.Out().Wake()
	return true
}

// CloseWrite says that nothing more will be written: the peer reads EOF after
// what was. It returns ENOTCONN where the connection is over.
func (s TCPSock) CloseWrite() syscall.Errno {
	ok := s.Update(func(c *vnet.TCPCall) {
		if s.Shut {
			return
		}
		s.Shut = true
		c.Conn.Shutdown()
	})
	if !ok {
		return syscall.ENOTCONN
	}
	if s.Out().End(syscall.EPIPE) {
		s.Out().Wake()
	}
	return 0
}

// CloseRead says that nothing more will be read: reads return EOF, and what came
// and what still comes is thrown away. It returns ENOTCONN where the connection is
// over.
func (s TCPSock) CloseRead() syscall.Errno {
	wake := false
	ok := s.Update(func(c *vnet.TCPCall) { wake = s.In().Discard(io.EOF, c.Cache.Free) })
	if wake {
		s.In().Wake()
	}
	if !ok {
		return syscall.ENOTCONN
	}
	return 0
}
