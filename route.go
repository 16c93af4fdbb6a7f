package vimage

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Route is a route of one table.
type Route struct {
	Dst       netip.Prefix
	Gateway   netip.Addr    // invalid where the destination is on the link; a link-local one may have a zone
	Interface string        // may be empty where there is a gateway and its zone, or a route, says which
	MTU       int           // 0: the interface's
	Metric    uint32        // of several routes to one destination those with the least share the traffic, flow by flow
	Expire    time.Duration // after which it goes by itself; 0: never
	Reject    bool          // refuse the packets
	Blackhole bool          // lose them

	// Flags is what netstat -r shows of a route that is there: U usable, G by a
	// gateway, H to one host, S set by hand, R reject, B blackhole, D made by a
	// redirect, 1 said by a router (behaviour 4.1). It is not asked for.
	Flags string
	Own   bool // it is an interface's own, and cannot be changed; it is not asked for either
}

// AddRoute adds a route to the handle's table. A destination may have several, which
// differ in gateway, interface or metric: packets of one flow take the same, as long as
// that is there. A route by an interface that is down takes no part.
//
// The error is around EEXIST where there is such a route, where it would be a second
// and the sysctl net.route.multipath is 0, and where the destination is the subnet of an
// interface; ENETUNREACH where the gateway is not on a link of that table; EINVAL for
// what cannot be.
func (s *Stack) AddRoute(r Route) error {
	return s.setRoute("add route", r, control.AddRoute)
}

// ChangeRoute puts a route in the place of the one to its destination; of several, of the
// one with its gateway and interface. The error is around ESRCH where there is none,
// EEXIST where that is an interface's own, and else AddRoute's.
func (s *Stack) ChangeRoute(r Route) error {
	return s.setRoute("change route", r, control.ChangeRoute)
}

func (s *Stack) setRoute(op string, r Route, set func(*vnet.Stack, int, control.Route) syscall.Errno) error {
	vr, err := s.innerRoute(op, &r)
	if err != nil {
		return err
	}
	return wrapConfig(op, r.Dst.String(), set(s.st, s.fib, vr))
}

// innerRoute checks the credential and turns names and times into what the stack knows.
func (s *Stack) innerRoute(op string, r *Route) (vr control.Route, err error) {
	if err = s.may(jail.NetConfig, op, r.Dst.String()); err != nil {
		return vr, err
	}
	vr = control.Route{Dst: r.Dst, Gateway: r.Gateway, MTU: r.MTU, Metric: r.Metric, Reject: r.Reject, Blackhole: r.Blackhole}
	if r.Expire < 0 {
		return vr, &ConfigError{op, r.Dst.String(), fmt.Errorf("%w: it expires %v ago", syscall.EINVAL, -r.Expire)}
	}
	if r.Expire > 0 {
		vr.Expire = s.clock().Now().Add(r.Expire)
	}
	if r.Interface != "" {
		i, err := s.Interface(r.Interface)
		if err != nil {
			return vr, err
		}
		vr.IfIndex = i.index
	}
	return vr, wrapConfig(op, r.Dst.String(), s.gateway(&vr))
}

// gateway takes the zone from a route's gateway; of a link-local one it says by
// which interface it is reached. EINVAL where the route has another.
func (s *Stack) gateway(r *control.Route) syscall.Errno {
	if !r.Gateway.IsValid() || r.Gateway.Is4() {
		return 0
	}
	v := s.st.View()
	gw, scope, e := usrreq.Scoped(v, r.Gateway)
	if e != 0 {
		return e
	}
	if scope == 0 && r.IfIndex == 0 && gw.IsLinkLocalUnicast() {
		scope = v.LinkOf(gw)
	}
	if scope != 0 && r.IfIndex != 0 && scope != r.IfIndex {
		return syscall.EINVAL
	}
	r.Gateway, r.IfIndex = gw, max(r.IfIndex, scope)
	return 0
}

// DelRoute removes the routes to a destination from the handle's table. The subnet of an
// interface, whose route all tables share, is then unknown in this one only, until the
// interface comes up the next time. The error is around ESRCH where there is none.
func (s *Stack) DelRoute(dst netip.Prefix) error {
	if err := s.may(jail.NetConfig, "delete route", dst.String()); err != nil {
		return err
	}
	return wrapConfig("delete route", dst.String(), control.DelRoute(s.st, s.fib, dst))
}

// DelRouteVia removes, of several routes to a destination, the one with the gateway and,
// if it says one, the interface of r. The error is around ESRCH where there is none.
func (s *Stack) DelRouteVia(r Route) error {
	vr, err := s.innerRoute("delete route", &r)
	if err != nil {
		return err
	}
	return wrapConfig("delete route", r.Dst.String(), control.DelRouteVia(s.st, s.fib, vr.Dst, vr.Gateway, vr.IfIndex))
}

// Routes returns the routes of the handle's table, sorted by destination; of several to
// one, that with the least metric first.
func (s *Stack) Routes() []Route {
	names := map[uint32]string{}
	for i := range s.st.Interfaces() {
		names[i.Index] = i.Name
	}
	var all []Route
	for _, r := range control.Routes(s.st, s.fib) {
		all = append(all, s.outerRoute(&r, names[r.IfIndex]))
	}
	return all
}

// GetRoute returns the route that packets to an address take in the handle's table, the
// first where there are several; to one of the stack's own, that by lo0. The error is
// around ESRCH where there is none.
func (s *Stack) GetRoute(dst netip.Addr) (Route, error) {
	ip, scope, e := usrreq.Scoped(s.st.View(), dst)
	if e != 0 {
		return Route{}, wrapConfig("get route", dst.String(), e)
	}
	if scope != 0 && ip.IsLinkLocalUnicast() { // it is in no table
		c, _ := s.st.Interface(scope)
		return Route{Dst: netip.PrefixFrom(ip, 64).Masked(), Interface: c.Name, Flags: fib.Up.String()}, nil
	}
	r, e := control.GetRoute(s.st, s.fib, ip)
	if e != 0 {
		return Route{}, wrapConfig("get route", dst.String(), e)
	}
	c, _ := s.st.Interface(r.IfIndex)
	return s.outerRoute(&r, c.Name), nil
}

// outerRoute is the inverse of innerRoute.
func (s *Stack) outerRoute(r *control.Route, ifname string) Route {
	o := Route{
		Dst: r.Dst, Gateway: usrreq.Zoned(s.st.View(), r.Gateway, r.IfIndex), Interface: ifname, MTU: r.MTU,
		Metric: r.Metric, Reject: r.Reject, Blackhole: r.Blackhole, Flags: r.Flags.String(), Own: r.Flags&fib.Pinned != 0,
	}
	if r.Expire != 0 {
		o.Expire = max(r.Expire.Sub(s.clock().Now()), 1)
	}
	return o
}

// SetFIB changes the table that routes what the interface receives. The routes of its
// subnets stay where they are: set it before addresses are added.
func (i *Interface) SetFIB(n int) error {
	if err := i.s.may(jail.NetConfig, "set fib", i.name); err != nil {
		return err
	}
	return wrapConfig("set fib", i.name, control.SetInterfaceFIB(i.s.st, i.index, n))
}

// FIB returns the table that routes what the interface receives.
func (i *Interface) FIB() int {
	c, _ := i.s.st.Interface(i.index)
	return c.FIB
}
