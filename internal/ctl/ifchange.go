package ctl

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// changeInterface is a request to change an interface.
type changeInterface struct {
	AtInterface
	InFIB
	Body client.InterfaceChange
}

// ifChange is a change of an interface under way.
type ifChange struct {
	*tx
	s    *Server
	jail *vimage.Jail // whose stack has it
	at   string       // where the change is in the request: "body."
	i    *vimage.Interface
	was  vimage.InterfaceInfo
	want *client.InterfaceChange
}

// step does a part of the change, if it is asked for, and notes how it is undone.
func step[T any](c *ifChange, want *T, field string, do func(T) error, undo func()) error {
	if want == nil {
		return nil
	}
	if err := do(*want); err != nil {
		return blame(err, c.at+field, *want)
	}
	c.made(undo)
	return nil
}

// changeInterface changes what is asked for.
func (s *Server) changeInterface(t *tx, in *changeInterface) (client.Done, error) {
	j, err := in.of(s)
	if err != nil {
		return client.Done{}, err
	}
	st, err := InTable{in.InJail, in.InFIB}.stack(s) // tunnels are routed by the handle's table
	if err != nil {
		return client.Done{}, err
	}
	c := ifChange{tx: t, s: s, jail: j, at: "body.", want: &in.Body}
	if in.Body.Reclaim != nil {
		if err := c.reclaim(in.If); err != nil {
			return client.Done{}, err
		}
	}
	if c.i, err = st.Interface(in.If); err != nil {
		return client.Done{}, blame(err, "path.if", in.If)
	}
	return client.Done{}, c.make()
}

// reclaim takes it back from a jail in this one. Undone, it has the addresses again that
// it had there.
func (c *ifChange) reclaim(name string) error {
	field := c.at + "reclaim"
	from, err := child(c.jail, *c.want.Reclaim, field)
	if err != nil {
		return err
	}
	var had []vimage.Address
	if st := from.Stack(); st != nil {
		if i, err := st.Interface(name); err == nil {
			had = i.Addresses()
		}
	}
	here, err := from.Reclaim(name)
	if err != nil {
		return err
	}
	c.made(func() {
		i, err := here.MoveTo(from)
		for n := range had {
			if err == nil {
				_ = i.Configure(again(&had[n])) // it took it before
			}
		}
	})
	return nil
}

// make changes an interface in an order in which each part finds what it needs: tables
// and tunnels before addresses, the name late, the move last.
func (c *ifChange) make() (err error) {
	if c.was, err = c.i.Info(); err != nil {
		return err
	}
	for _, part := range []func(*ifChange) error{
		(*ifChange).link, (*ifChange).tunnel, (*ifChange).remove, (*ifChange).add, (*ifChange).last, (*ifChange).move,
	} {
		if err := part(c); err != nil {
			return err
		}
	}
	return nil
}

// move moves it into a jail.
func (c *ifChange) move() error {
	if c.want.VNET == nil {
		return nil
	}
	to := *c.want.VNET
	j, err := child(c.jail, to, c.at+"vnet")
	if err != nil {
		return err
	}
	moved, err := c.i.MoveTo(j)
	if err == nil {
		c.i = moved
	}
	return blame(err, c.at+"vnet", to)
}

// link changes what is about the interface itself.
func (c *ifChange) link() error {
	if err := step(c, c.want.FIB, "fib", c.i.SetFIB, func() { c.i.SetFIB(c.was.FIB) }); err != nil {
		return err
	}
	if err := step(c, c.want.MTU, "mtu", c.i.SetMTU, func() { c.i.SetMTU(c.was.MTU) }); err != nil {
		return err
	}
	mac := func(text string) error {
		m, err := parseMAC(text)
		if err != nil {
			return err
		}
		return c.i.SetMAC(m)
	}
	if err := step(c, c.want.Ether, "ether", mac, func() { c.i.SetMAC(c.was.MAC) }); err != nil {
		return err
	}
	if err := step(c, c.want.Promiscuous, "promiscuous", c.i.SetPromiscuous, func() { c.i.SetPromiscuous(c.was.Promiscuous) }); err != nil {
		return err
	}
	if err := step(c, c.want.Carrier, "carrier", c.i.SetCarrier, func() { c.i.SetCarrier(c.was.Carrier) }); err != nil {
		return err
	}
	arp := func(mode string) error {
		return c.i.SetARP(vimage.ARPMode(slices.Index([]string{"on", "static", "off"}, mode)))
	}
	return step(c, c.want.ARP, "arp", arp, func() { c.i.SetARP(arpMode(&c.was)) })
}

func arpMode(c *vimage.InterfaceInfo) vimage.ARPMode {
	switch {
	case c.NoARP:
		return vimage.ARPOff
	case c.StaticARP:
		return vimage.ARPStatic
	}
	return vimage.ARPOn
}

// parseMAC reads a hardware address as BSD's tools do: digits may be left out.
func parseMAC(text string) (net.HardwareAddr, error) {
	m := make(net.HardwareAddr, 6)
	if n, err := fmt.Sscanf(text, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); n != 6 || err != nil {
		return nil, fmt.Errorf("%w: %q is no hardware address", syscall.EINVAL, text)
	}
	return m, nil
}

// tunnel changes the outer side of a tunnel.
func (c *ifChange) tunnel() error {
	if c.want.Tunnel == nil && c.want.TunnelFIB == nil && !c.want.NoTunnel {
		return nil
	}
	kind, ok := tunnelKinds()[c.was.Kind]
	if !ok {
		return blame(fmt.Errorf("%w: %s is no tunnel", syscall.EINVAL, c.was.Name), c.at+"tunnel", nil)
	}
	before, err := c.i.Tunnel()
	back := func() { c.i.DeleteTunnel() }
	if err == nil {
		back = func() {
			c.i.SetTunnel(before.TunnelConfig)
			c.i.SetTunnelFIB(before.FIB)
		}
	}
	if c.want.NoTunnel {
		if err := c.i.DeleteTunnel(); err != nil {
			return blame(err, c.at+"no-tunnel", true)
		}
		c.made(back)
	}
	aim := func(t client.Tunnel) error { return c.i.SetTunnel(tunnelConfig(kind, &t)) }
	if err := step(c, c.want.Tunnel, "tunnel", aim, back); err != nil {
		return err
	}
	return step(c, c.want.TunnelFIB, "tunnel-fib", c.i.SetTunnelFIB, back)
}

func tunnelConfig(k vimage.TunnelKind, t *client.Tunnel) vimage.TunnelConfig {
	c := vimage.TunnelConfig{
		Kind: k, Local: the(t.Local), Remote: t.Remote, TTL: t.TTL, Checksum: t.Checksum, Sequence: t.Sequence,
		VNI: t.VNI, Port: t.Port, Interface: t.Interface, NoLearning: t.NoLearning, HasKey: t.Key != nil,
	}
	if c.HasKey {
		c.Key = *t.Key
	}
	return c
}

// remove takes addresses away.
func (c *ifChange) remove() error {
	for n, a := range c.want.Delete {
		if err := c.drop(a, fmt.Sprintf("%sdelete[%d]", c.at, n)); err != nil {
			return err
		}
	}
	return nil
}

func (c *ifChange) drop(a netip.Addr, field string) error {
	all := c.i.Addresses()
	at := slices.IndexFunc(all, func(o vimage.Address) bool { return o.Prefix.Addr() == a.WithZone("") })
	if at < 0 {
		return blame(fmt.Errorf("%w: %s has no address %v", syscall.EADDRNOTAVAIL, c.was.Name, a), field, a.String())
	}
	if err := c.i.DelAddr(a); err != nil {
		return blame(err, field, a.String())
	}
	c.made(func() { c.i.Configure(again(&all[at])) })
	return nil
}

// again returns what gives an interface an address that it had.
func again(a *vimage.Address) vimage.AddrConfig {
	c := vimage.AddrConfig{Prefix: a.Prefix, Peer: a.Peer}
	if a.Prefix.Addr().Is4() && !a.Peer.IsValid() {
		c.Broadcast = a.Broadcast
	}
	if a.Anycast {
		c.Flags |= vimage.AddrAnycast
	}
	return c
}

// add gives it addresses.
func (c *ifChange) add() error {
	for n := range c.want.Add {
		a, field := &c.want.Add[n], fmt.Sprintf("%sadd[%d]", c.at, n)
		if a.Replace {
			if err := c.dropFirst(field); err != nil {
				return err
			}
		}
		cfg := vimage.AddrConfig{Addr: the(a.Addr), Peer: the(a.Peer), Broadcast: the(a.Broadcast)}
		if a.Prefix != nil {
			cfg.Prefix = *a.Prefix
		}
		if a.Anycast {
			cfg.Flags |= vimage.AddrAnycast
		}
		had := c.i.Addrs()
		if err := c.i.Configure(cfg); err != nil {
			return blame(err, field, nil)
		}
		for _, now := range c.i.Addrs() {
			if !slices.Contains(had, now) {
				c.made(func() { c.i.DelAddr(now.Addr()) })
			}
		}
	}
	return nil
}

// dropFirst takes the first address of IPv4 away, if there is one.
func (c *ifChange) dropFirst(field string) error {
	for _, p := range c.i.Addrs() {
		if p.Addr().Is4() {
			return c.drop(p.Addr(), field)
		}
	}
	return nil
}

// last changes what comes when the rest is as it should be.
func (c *ifChange) last() error {
	if err := step(c, c.want.Up, "up", c.i.SetUp, func() { c.i.SetUp(c.was.Up) }); err != nil {
		return err
	}
	return step(c, c.want.Name, "name", c.i.Rename, func() { c.i.Rename(c.was.Name) })
}
