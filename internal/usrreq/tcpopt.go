package usrreq

import (
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/vnet"
)

// SetNoDelay turns Nagle's algorithm off or on (TCP_NODELAY).
func (s TCPSock) SetNoDelay(on bool) syscall.Errno {
	return s.set(func(c *vnet.TCPCall) { c.Conn.SetNoDelay(on) })
}

// SetKeepAlive turns keepalive on or off and sets its times, of which 0 leaves
// each as it is (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT).
func (s TCPSock) SetKeepAlive(on bool, idle, intvl time.Duration, count int) syscall.Errno {
	return s.set(func(c *vnet.TCPCall) { c.Conn.SetKeepAlive(c.Now(), c.Env.T, on, idle, intvl, count) })
}

// SetUserTimeout sets how long data may stay unacknowledged (TCP_USER_TIMEOUT).
func (s TCPSock) SetUserTimeout(d time.Duration) syscall.Errno {
	return s.set(func(c *vnet.TCPCall) { c.Conn.SetUserTimeout(d) })
}

// SetRcvBuf fixes the size of the receive buffer in bytes (SO_RCVBUF).
func (s TCPSock) SetRcvBuf(n int) syscall.Errno {
	return s.set(func(c *vnet.TCPCall) { c.Conn.SetRcvBuf(n) })
}

// SetSndBuf fixes the size of the send buffer in bytes (SO_SNDBUF).
func (s TCPSock) SetSndBuf(n int) syscall.Errno {
	return s.set(func(c *vnet.TCPCall) { c.Conn.SetSndBuf(n) })
}

// SetCC changes the congestion control (TCP_CONGESTION); ENOENT where there is
// none of that name.
func (s TCPSock) SetCC(name string) syscall.Errno {
	ok := false
	e := s.set(func(c *vnet.TCPCall) { ok = c.Conn.SetCC(name) })
	if e == 0 && !ok {
		return syscall.ENOENT
	}
	return e
}

// SetTOS sets the type of service, without the ECN bits (IP_TOS).
func (s TCPSock) SetTOS(tos uint8) syscall.Errno {
	return s.set(func(*vnet.TCPCall) { s.TOS = tos &^ 3 })
}

// SetTTL sets the TTL; 0 means the stack's (IP_TTL).
func (s TCPSock) SetTTL(ttl uint8) syscall.Errno {
	return s.set(func(*vnet.TCPCall) { s.TTL = ttl })
}

// FIB returns the table that routes what the connection sends.
func (s TCPSock) FIB() (n uint32) {
	s.Inspect(func(*vnet.TCPCall) { n = s.TCPSock.FIB })
	return n
}

// SetFIB changes the table that routes what the connection sends (SO_SETFIB).
// EINVAL where there is none of that number.
func (s TCPSock) SetFIB(n uint32) syscall.Errno {
	if int(n) >= s.Stack().FIBs() {
		return syscall.EINVAL
	}
	return s.set(func(*vnet.TCPCall) { s.TCPSock.FIB = n })
}

// set runs f for a connection that is not over: else EINVAL, as setsockopt(2)
// has it.
func (s TCPSock) set(f func(c *vnet.TCPCall)) syscall.Errno {
	if !s.Update(f) {
		return syscall.EINVAL
	}
	return 0
}

// SoftError returns and clears the last passing failure, 0 if there was none
// (RFC 9293 §3.9.2.2): what SO_ERROR tells of a connection that goes on.
func (s TCPSock) SoftError() syscall.Errno {
	var e syscall.Errno
	s.Inspect(func(*vnet.TCPCall) { e, s.Soft = s.Soft, 0 })
	return e
}

// Info describes the connection; false where it is over.
func (s TCPSock) Info(i *tcp.Info) bool {
	return s.Inspect(func(c *vnet.TCPCall) { c.Conn.Info(c.Env, c.Now(), i) })
}
