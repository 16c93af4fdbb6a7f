package tunnel

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/proto/tunnel"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Configure gives the tunnel whose interface has that index in st its outer side, or
// another one, in the same stack. An invalid Local is the address that suits the way
// to Remote.
//
// The errors are tunnel.Config.Check's, and EINVAL for another kind than the tunnel is
// of and an unknown table; ENXIO where the interface is gone; ENETUNREACH and
// EADDRNOTAVAIL where there is no Local; EADDRNOTAVAIL also where another tunnel has
// the same ends; of VXLAN those of bind and join: EADDRINUSE where the port is
// somebody's.
func (d *Device) Configure(st *vnet.Stack, index uint32, c Config) syscall.Errno {
	if c.FIB < 0 || c.FIB >= st.FIBs() || c.Kind.Ethernet() != d.ethr {
		return syscall.EINVAL
	}
	v := st.View()
	e := &end{st: st, fib: uint32(c.FIB), check: c.CheckSource}
	if errno := e.aim(v, &c); errno != 0 {
		return errno
	}
	if errno := c.Check(); errno != 0 {
		return errno
	}
	all := endsOf(st)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.to.Load() == nil {
		return syscall.ENXIO
	}
	d.unconfigure()
	if errno := e.hold(&c); errno != 0 {
		return errno
	}
	if !all.add(&c.Config, (*arrivals)(d)) {
		e.release()
		return syscall.EADDRNOTAVAIL
	}
	e.Tunnel = tunnel.New(c.Config, st.World().Seed(), st.Rand())
	d.Placed(st, index)
	d.end.Store(e)
	return 0
}

// aim finds the interface that leads to Remote where that is a group, and Local where
// it is not given.
func (e *end) aim(v *ifnet.View, c *Config) (errno syscall.Errno) {
	if c.Remote.IsMulticast() && c.Kind == tunnel.VXLAN {
		if e.out, errno = v.MemberIf(e.fib, ifnet.MemberAt{Index: c.Interface, Any: true}, c.Remote); errno != 0 {
			return errno
		}
		out := v.Conf(e.out)
		e.outGen = out.Gen
		if !c.Local.IsValid() {
			c.Local = v.Source(&ifnet.Hop{Out: out, Next: c.Remote}, c.Remote)
		}
		return 0
	}
	if c.Interface != 0 {
		return syscall.EINVAL
	}
	if !c.Local.IsValid() && c.Remote.IsValid() {
		o := socket.Defaults()
		o.FIB = e.fib
		c.Local, errno = v.SourceTo(&o, &ifnet.Flow{Dst: netip.AddrPortFrom(c.Remote, 0)})
	}
	return errno
}

// hold reserves the port of VXLAN for it and joins its group. Tunnels of one address
// share the port.
func (e *end) hold(c *Config) syscall.Errno {
	if c.Kind != tunnel.VXLAN {
		return 0
	}
	if errno := e.open(netip.AddrPortFrom(c.Local, c.Port)); errno != 0 {
		return errno
	}
	if !c.Remote.IsMulticast() {
		return 0
	}
	wild := netip.IPv4Unspecified()
	if c.Remote.Is6() {
		wild = netip.IPv6Unspecified()
	}
	errno := e.open(netip.AddrPortFrom(wild, 0))
	if errno == 0 {
		errno = e.holders[1].Mcast(usrreq.McastJoin, usrreq.McastIf{Index: e.out}, c.Remote, netip.Addr{})
	}
	if errno != 0 {
		e.release()
	}
	return errno
}

// open adds a socket to those that the tunnel holds. Nothing comes to it.
func (e *end) open(at netip.AddrPort) syscall.Errno {
	s, errno := usrreq.ListenUDP(e.st, at, e.fib, pcb.ReusePort)
	if errno == 0 {
		e.holders = append(e.holders, s)
	}
	return errno
}

func (e *end) release() {
	for _, s := range e.holders {
		s.Close() // has been, where the stack goes
	}
	e.holders = nil
}

// Unconfigure takes the outer side away: nothing goes through any more.
func (d *Device) Unconfigure() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unconfigure()
}

func (d *Device) unconfigure() {
	e := d.end.Swap(nil)
	if e == nil {
		return
	}
	if s, ok := e.st.View().Taken().Ends.(*ends); ok {
		s.remove(&e.Config)
	}
	e.release()
}

// MTU returns that of the interface of a tunnel where none is given. The errors are
// Configure's.
func MTU(st *vnet.Stack, c Config) (int, error) {
	if c.FIB < 0 || c.FIB >= st.FIBs() {
		return 0, syscall.EINVAL
	}
	e := &end{st: st, fib: uint32(c.FIB)}
	errno := e.aim(st.View(), &c)
	if errno == 0 {
		errno = c.Check()
	}
	if errno != 0 {
		return 0, errno
	}
	return c.Config.MTU(), nil
}
