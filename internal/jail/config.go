package jail

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// Config is the parameters of a jail. The zero value shares its parent's stack with
// all of that one's addresses.
type Config struct {
	Name        string   // without those of the jails it is in; "": its number
	VNET        bool     // a stack of its own ("vnet=new"), with lo0 alone; else its parent's ("vnet=inherit")
	Shards      int      // of that stack; 0 means 1
	Persist     bool     // it stays when nobody is in it any more
	ChildrenMax int      // jails that there may be below it, however deep; 0: none
	Interfaces  []string // of its parent's stack, moved into its own; they go back when it is removed
	ExecFIB     int      // routing table of the commands that are run when it starts and stops
	Hostname    string
	IP4, IP6    Family // of a jail that shares its parent's stack
	Allow       Flags
}

// Flags is what is allowed in a jail and needs not be.
type Flags struct {
	RawSockets bool // raw sockets, in a jail that shares its parent's stack
	SocketAF   bool // sockets of other families than those of IP
}

// Family says which of its parent's addresses of a family a jail uses.
type Family struct {
	Mode  Mode
	Addrs []netip.Addr // with New: the first takes the place of the loopback address
}

// Mode is how a jail comes by something.
type Mode uint8

// Modes of a Family.
const (
	Inherit Mode = iota // all that its parent may use
	New                 // some of them
	Disable             // none
)

func (m Mode) String() string { return modes[m] }

var modes = [...]string{"inherit", "new", "disable"}

// Param is a parameter by its name in jail(8).
type Param struct{ Name, Value string }

// access is what may be done to a parameter.
type access uint8

const (
	writable   access = iota
	atCreation        // when the jail is made
	readOnly
)

// param is a parameter: how it is read from a Config, and written where it may be.
type param struct {
	name   string
	access access
	read   func(*Jail) string
	parse  func(c *Config, value string) error
}

var params = [...]param{
	{"jid", readOnly, func(j *Jail) string { return itoa(j.id) }, nil},
	{"name", atCreation, func(j *Jail) string { return j.name }, func(c *Config, v string) error { c.Name = v; return nil }},
	{"parent", readOnly, func(j *Jail) string { return itoa(j.parentID()) }, nil},
	{"dying", readOnly, func(j *Jail) string { return onOff(j.gone.Load()) }, nil},
	{"vnet", atCreation, func(j *Jail) string { return modes[boolMode(j.owns)] }, parseVNET},
	{"vnet.interface", atCreation, func(j *Jail) string { return strings.Join(j.cfg.Interfaces, ",") },
		func(c *Config, v string) error { c.Interfaces = list(v); return nil }},
	{"persist", writable, func(j *Jail) string { return onOff(j.cfg.Persist) }, boolean(func(c *Config) *bool { return &c.Persist })},
	{"children.max", writable, func(j *Jail) string { return itoa(j.cfg.ChildrenMax) }, number(func(c *Config) *int { return &c.ChildrenMax })},
	{"children.cur", readOnly, func(j *Jail) string { return itoa(len(j.all(nil))) }, nil},
	{"exec.fib", writable, func(j *Jail) string { return itoa(j.cfg.ExecFIB) }, number(func(c *Config) *int { return &c.ExecFIB })},
	{"host.hostname", writable, func(j *Jail) string { return j.cfg.Hostname }, func(c *Config, v string) error { c.Hostname = v; return nil }},
	{"ip4", writable, func(j *Jail) string { return j.cfg.IP4.Mode.String() }, mode(func(c *Config) *Family { return &c.IP4 })},
	{"ip4.addr", writable, func(j *Jail) string { return addrs(&j.cfg.IP4) }, family(func(c *Config) *Family { return &c.IP4 }, true)},
	{"ip6", writable, func(j *Jail) string { return j.cfg.IP6.Mode.String() }, mode(func(c *Config) *Family { return &c.IP6 })},
	{"ip6.addr", writable, func(j *Jail) string { return addrs(&j.cfg.IP6) }, family(func(c *Config) *Family { return &c.IP6 }, false)},
	{"allow.raw_sockets", writable, func(j *Jail) string { return onOff(j.cfg.Allow.RawSockets) }, boolean(func(c *Config) *bool { return &c.Allow.RawSockets })},
	{"allow.socket_af", writable, func(j *Jail) string { return onOff(j.cfg.Allow.SocketAF) }, boolean(func(c *Config) *bool { return &c.Allow.SocketAF })},
}

func paramOf(name string) (param, error) {
	for _, p := range params {
		if p.name == name {
			return p, nil
		}
	}
	return param{}, fmt.Errorf("%w: there is no parameter %q", syscall.ENOENT, name)
}

// Parse returns a Config made of the parameters of a jail that is to be created. What
// is not named has its default. ENOENT: there is no such parameter; EPERM: it cannot
// be set; EINVAL: not to that.
func Parse(ps []Param) (c Config, err error) {
	for _, p := range ps {
		if err = c.set(p, atCreation); err != nil {
			return Config{}, err
		}
	}
	return c, nil
}

// set sets a parameter that may be set now.
func (c *Config) set(p Param, now access) error {
	d, err := paramOf(p.Name)
	switch {
	case err != nil:
		return err
	case d.access == readOnly:
		return fmt.Errorf("%w: %s is read-only", syscall.EPERM, p.Name)
	case d.access > now:
		return fmt.Errorf("%w: %s is set when the jail is created", syscall.EPERM, p.Name)
	}
	if err := d.parse(c, p.Value); err != nil {
		return fmt.Errorf("%w: %s cannot be %q: %v", syscall.EINVAL, p.Name, p.Value, err)
	}
	return nil
}

// check tells whether the parameters fit each other.
func (c *Config) check(vnet bool) error {
	switch {
	case c.ChildrenMax < 0:
		return fmt.Errorf("%w: children.max is %d", syscall.EINVAL, c.ChildrenMax)
	case c.ExecFIB < 0 || c.ExecFIB > 65535:
		return fmt.Errorf("%w: exec.fib is %d: tables have numbers from 0 to 65535", syscall.EINVAL, c.ExecFIB)
	case vnet && (c.IP4.Mode != Inherit || c.IP6.Mode != Inherit):
		return fmt.Errorf("%w: with vnet=new a jail has all addresses of its stack: ip4 and ip6 are for those that share one", syscall.EINVAL)
	case !vnet && len(c.Interfaces) > 0:
		return fmt.Errorf("%w: vnet.interface needs vnet=new", syscall.EINVAL)
	case !vnet && c.Shards != 0:
		return fmt.Errorf("%w: shards are those of a stack of the jail's own: that needs vnet=new", syscall.EINVAL)
	}
	if err := c.IP4.check(netip.Addr.Is4, "ip4"); err != nil {
		return err
	}
	return c.IP6.check(func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() && a.Zone() == "" }, "ip6")
}

func (f *Family) check(is func(netip.Addr) bool, name string) error {
	if f.Mode > Disable || f.Mode != New && len(f.Addrs) > 0 {
		return fmt.Errorf("%w: %s.addr goes with %s=new", syscall.EINVAL, name, name)
	}
	for i, a := range f.Addrs {
		if !is(a) || a.IsUnspecified() || a.IsMulticast() || slices.Contains(f.Addrs[:i], a) {
			return fmt.Errorf("%w: %s.addr has %v", syscall.EINVAL, name, a)
		}
	}
	return nil
}
