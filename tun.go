package vimage

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/tunnel"
)

// Tun is an interface whose link is the program: Read returns the IP packets that
// the stack sends by it, and what is written comes in by it, routed by the table of
// the interface. Several goroutines may use it at once.
type Tun struct {
	*Interface
	t *tunnel.Tun
}

var _ io.ReadWriteCloser = (*Tun)(nil)

// AddTun makes such an interface, point-to-point, with c.MTU or 1,500 bytes. There is
// neither Port nor MAC. The subnets of c.Addrs are behind it; an IPv4 address that it
// is given later must have a peer (EDESTADDRREQ).
func (s *Stack) AddTun(name string, c InterfaceConfig) (*Tun, error) {
	if err := s.may(jail.NetConfig, "add tun", name); err != nil {
		return nil, err
	}
	if c.Port != nil || c.MAC != nil {
		return nil, &ConfigError{"add tun", name, errors.New("a tun has neither a Port nor a MAC")}
	}
	t, e := tunnel.NewTun(s.w.w.Sched(), c.MTU)
	if e != 0 {
		return nil, wrapConfig("add tun", name, e)
	}
	index, e := control.AddInterface(s.st, control.IfaceConfig{Name: name, Port: t, FIB: c.FIB, Down: c.Down, Addrs: c.Addrs})
	if e != 0 {
		return nil, wrapConfig("add tun", name, e)
	}
	t.Placed(s.st, index)
	return &Tun{&Interface{s: s, index: index, name: name}, t}, nil
}

func (t *Tun) err(op string, err error) error {
	return &net.OpError{Op: op, Net: "tun", Addr: tunAddr(t.name), Err: err}
}

// tunAddr is the name of a tun as a net.Addr.
type tunAddr string

// Network implements net.Addr.
func (tunAddr) Network() string { return "tun" }

// String implements net.Addr.
func (a tunAddr) String() string { return string(a) }

// Read waits for the next packet and copies it to b. Of one longer than b the rest
// is lost. Checksums are complete.
func (t *Tun) Read(b []byte) (int, error) {
	n, err := t.t.Read(b, true)
	if err != nil {
		return 0, t.err("read", err)
	}
	return n, nil
}

// TryRead is Read that does not wait: ok is false where there is nothing to read.
func (t *Tun) TryRead(b []byte) (n int, ok bool, err error) {
	n, err = t.t.Read(b, false)
	switch err {
	case nil:
		return n, true, nil
	case syscall.EAGAIN:
		return 0, false, nil
	}
	return 0, false, t.err("read", err)
}

// OnReadable has f called whenever packets have come and no read waits for them, in
// any kind of time: the way to receive in simulated time. f must not block; it reads
// with TryRead until that says no.
func (t *Tun) OnReadable(f func()) { t.t.SetReady(f) }

// Write has the interface receive one packet, of either family. It never waits. The
// errors are EINVAL for what is no IP packet, or not as long as it says, and EMSGSIZE
// for one longer than the MTU.
func (t *Tun) Write(b []byte) (int, error) {
	n, err := t.t.Write(b)
	if err != nil {
		return 0, t.err("write", err)
	}
	return n, nil
}

// SetDeadline sets both deadlines.
func (t *Tun) SetDeadline(at time.Time) error {
	if err := t.SetReadDeadline(at); err != nil {
		return err
	}
	return t.SetWriteDeadline(at)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded after at, by the
// world's time; the zero Time means never.
func (t *Tun) SetReadDeadline(at time.Time) error {
	if err := t.t.SetReadDeadline(at); err != nil {
		return t.err("set", err)
	}
	return nil
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded after at, though
// they never wait; the zero Time means never.
func (t *Tun) SetWriteDeadline(at time.Time) error {
	if err := t.t.SetWriteDeadline(at); err != nil {
		return t.err("set", err)
	}
	return nil
}

// Close removes the interface: a blocked read fails with net.ErrClosed.
func (t *Tun) Close() error { return t.Remove() }
