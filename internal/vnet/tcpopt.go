package vnet

import (
	"iter"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/proto/tcp"
)

// SetNoDelay turns Nagle's algorithm off or on (TCP_NODELAY).
func (s *TCPSock) SetNoDelay(on bool) syscall.Errno {
	return s.set(func(*pass) { s.conn.SetNoDelay(on) })
}

// SetKeepAlive turns keepalive on or off and sets its times, of which 0 leaves
// each as it is (SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT).
func (s *TCPSock) SetKeepAlive(on bool, idle, intvl time.Duration, count int) syscall.Errno {
	return s.set(func(p *pass) { s.conn.SetKeepAlive(p.r.Now(), &p.v.tun.TCP, on, idle, intvl, count) })
}

// SetUserTimeout sets how long data may stay unacknowledged (TCP_USER_TIMEOUT).
func (s *TCPSock) SetUserTimeout(d time.Duration) syscall.Errno {
	return s.set(func(*pass) { s.conn.SetUserTimeout(d) })
}

// SetRcvBuf fixes the size of the receive buffer in bytes (SO_RCVBUF).
func (s *TCPSock) SetRcvBuf(n int) syscall.Errno {
	return s.set(func(*pass) { s.conn.SetRcvBuf(n) })
}

// SetSndBuf fixes the size of the send buffer in bytes (SO_SNDBUF).
func (s *TCPSock) SetSndBuf(n int) syscall.Errno {
	return s.set(func(*pass) { s.conn.SetSndBuf(n) })
}

// SetCC changes the congestion control (TCP_CONGESTION); ENOENT where there is
// none of that name.
func (s *TCPSock) SetCC(name string) syscall.Errno {
	ok := false
	e := s.set(func(*pass) { ok = s.conn.SetCC(name) })
	if e == 0 && !ok {
		return syscall.ENOENT
	}
	return e
}

// SetTOS sets the type of service, without the ECN bits (IP_TOS).
func (s *TCPSock) SetTOS(tos uint8) syscall.Errno {
	return s.set(func(*pass) { s.tos = tos &^ 3 })
}

// SetTTL sets the TTL; 0 means the stack's (IP_TTL).
func (s *TCPSock) SetTTL(ttl uint8) syscall.Errno {
	return s.set(func(*pass) { s.ttl = ttl })
}

// SetFIB changes the table that routes what the connection sends (SO_SETFIB).
// EINVAL where there is none of that number.
func (s *TCPSock) SetFIB(n uint32) syscall.Errno {
	if int(n) >= s.st.fibs.Len() {
		return syscall.EINVAL
	}
	return s.set(func(*pass) { s.fib = n })
}

// set runs f for a connection that is not over: else EINVAL, as setsockopt(2)
// has it.
func (s *TCPSock) set(f func(p *pass)) syscall.Errno {
	e := syscall.EINVAL
	s.with(func(p *pass, _ *tcpRoom) {
		e = 0
		f(p)
		s.sh.touch(s)
	})
	return e
}

// SoftError returns and clears the last passing failure, 0 if there was none
// (RFC 9293 §3.9.2.2): what SO_ERROR tells of a connection that goes on.
func (s *TCPSock) SoftError() syscall.Errno {
	var e syscall.Errno
	s.with(func(*pass, *tcpRoom) { e, s.soft = s.soft, 0 })
	return e
}

// Info describes the connection; false where it is over.
func (s *TCPSock) Info(i *tcp.Info) bool {
	ok := false
	s.with(func(p *pass, _ *tcpRoom) {
		ok = true
		s.conn.Info(s.sh.tcpEnv(p), p.r.Now(), i)
	})
	return ok
}

// TCPEntry is one line of a listing of connections.
type TCPEntry struct {
	tcpKey
	State        tcp.State
	RecvQ, SendQ int // bytes not read, bytes not acknowledged; of a listener: waiting, limit
	FIB          uint32
}

// TCPEntries lists the stack's TCP sockets and what there is without one: of
// each shard, connections, those in the SYN cache, and those in TIME-WAIT.
func (st *Stack) TCPEntries() iter.Seq[TCPEntry] {
	return func(yield func(TCPEntry) bool) {
		for i := range 1 + len(st.more) {
			for _, e := range st.shardAt(i).tcpEntries() {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (sh *shard) tcpEntries() (all []TCPEntry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t := sh.rooms.tcp
	if t == nil {
		return nil
	}
	for s := range t.conns.All() {
		all = append(all, TCPEntry{s.tcpKey, s.conn.State(), s.in.Len(), s.out.Unacked(), s.fib})
	}
	for r := range t.syns.All() {
		all = append(all, TCPEntry{tcpKey: tcpKey(r.Key), State: tcp.SYNRCVD, FIB: r.FIB})
	}
	for w := range t.waits.All() {
		all = append(all, TCPEntry{tcpKey: tcpKey(w.Key), State: tcp.TIMEWAIT, FIB: w.FIB})
	}
	return all
}
