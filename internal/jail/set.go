package jail

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/socket"
)

// mayGive tells whether a jail below j may have these parameters.
func (j *Jail) mayGive(c *Config) error {
	if c.ChildrenMax > j.cfg.ChildrenMax {
		return fmt.Errorf("%w: children.max of jail %s is %d", syscall.EPERM, j.name, j.cfg.ChildrenMax)
	}
	have := j.allowed()
	if c.Allow.RawSockets && !have.RawSockets && !c.VNET {
		return fmt.Errorf("%w: jail %s has no allow.raw_sockets itself", syscall.EPERM, j.name)
	}
	if c.Allow.SocketAF && !have.SocketAF {
		return fmt.Errorf("%w: jail %s has no allow.socket_af itself", syscall.EPERM, j.name)
	}
	l := j.limit.Load()
	if l == nil || c.VNET {
		return nil
	}
	for _, a := range slices.Concat(c.IP4.Addrs, c.IP6.Addrs) {
		if !l.Allows(a) {
			return fmt.Errorf("%w: %v is no address of jail %s", syscall.EPERM, a, j.name)
		}
	}
	return nil
}

// allowed returns the flags that count: those of a jail and of all it is in.
func (j *Jail) allowed() Flags {
	f := j.cfg.Allow
	if j.parent == nil {
		return f
	}
	up := j.parent.allowed()
	return Flags{f.RawSockets && (up.RawSockets || j.parent.owns), f.SocketAF && up.SocketAF}
}

// derive says what the jail's credential is worth, and that of those below it.
func (j *Jail) derive() {
	f := j.allowed()
	j.deny.Store(denied(j.owns, &f))
	if !j.owns {
		l := &socket.Limit{Jail: int32(j.id), Gone: &j.gone, Four: socket.Allowed{All: true}, Six: socket.Allowed{All: true}}
		if up := j.parent.limit.Load(); up != nil {
			l.Four, l.Six = up.Four, up.Six
		}
		l.Four = j.cfg.IP4.of(l.Four)
		l.Six = j.cfg.IP6.of(l.Six)
		j.limit.Store(l)
	}
	for _, c := range j.children {
		c.derive()
	}
}

// of returns what is left of the addresses of the jail above.
func (f *Family) of(up socket.Allowed) socket.Allowed {
	switch {
	case f.Mode == Inherit:
		return up
	case f.Mode == Disable:
		return socket.Allowed{}
	case up.All:
		return socket.Allowed{Addrs: f.Addrs}
	}
	return socket.Allowed{Addrs: slices.DeleteFunc(slices.Clone(f.Addrs), func(a netip.Addr) bool { return !slices.Contains(up.Addrs, a) })}
}

// Set changes parameters, all of them or, where there is an error, none. A jail in
// which nobody is vanishes when it does no longer persist. What a parameter says of
// addresses counts for sockets that are made from then on. The errors wrap ENXIO where
// the jail has been removed, ENOENT for an unknown parameter, EPERM for one that cannot
// be set any more, or to more than the jail above has, EINVAL for a bad value.
func (j *Jail) Set(ps ...Param) error {
	t := j.t
	t.mu.Lock()
	err := j.set(ps)
	last := err == nil && !j.cfg.Persist && j.procs == 0
	t.mu.Unlock()
	if last {
		j.Remove()
	}
	return err
}

func (j *Jail) set(ps []Param) error {
	switch {
	case j.gone.Load():
		return fmt.Errorf("%w: jail %s has been removed", syscall.ENXIO, j.name)
	case j.parent == nil:
		return fmt.Errorf("%w: the parameters of jail 0 are what they are", syscall.EPERM)
	}
	c := j.cfg
	for _, p := range ps {
		if err := c.set(p, writable); err != nil {
			return err
		}
	}
	if err := c.check(j.owns); err != nil {
		return err
	}
	if err := j.parent.mayGive(&c); err != nil {
		return err
	}
	j.cfg = c
	for _, o := range j.all(nil) { // who is below has no more
		o.cfg.ChildrenMax = min(o.cfg.ChildrenMax, c.ChildrenMax)
	}
	j.derive()
	return nil
}

// Get returns a parameter. The error wraps ENOENT where there is none of that name.
func (j *Jail) Get(name string) (string, error) {
	p, err := paramOf(name)
	if err != nil {
		return "", err
	}
	j.t.mu.Lock()
	defer j.t.mu.Unlock()
	return p.read(j), nil
}

// Params returns all parameters.
func (j *Jail) Params() []Param {
	j.t.mu.Lock()
	defer j.t.mu.Unlock()
	all := make([]Param, len(params))
	for i, p := range params {
		all[i] = Param{p.name, p.read(j)}
	}
	return all
}

// Config returns the parameters as they would be given to Create.
func (j *Jail) Config() Config {
	j.t.mu.Lock()
	defer j.t.mu.Unlock()
	return j.cfg.clone()
}

func (c *Config) clone() Config {
	n := *c
	n.IP4.Addrs, n.IP6.Addrs, n.Interfaces = slices.Clone(c.IP4.Addrs), slices.Clone(c.IP6.Addrs), slices.Clone(c.Interfaces)
	return n
}

func (j *Jail) parentID() int {
	if j.parent == nil {
		return 0
	}
	return j.parent.id
}
