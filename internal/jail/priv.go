package jail

import "syscall"

// Priv is something that a credential may or may not do.
type Priv uint8

// Privileges (the table of behaviour 1.2).
const (
	NetConfig Priv = iota // interfaces with their flags, addresses and tables; routes; neighbours
	SetIfVnet             // move interfaces to jails below
	Multicast             // have an interface hear a group that no socket has joined
	Mroute                // routes for groups, queriers, proxies
	BPF                   // see and send frames
	Firewall              // filter, divert, pipes
	CARP                  // share an address with other hosts
	Sysctl                // write a tunable of the stack
	RawSocket             // open a raw socket
	SocketAF              // open a socket of a family other than those of IP
	Module                // load and unload modules
	StackMake             // make and remove stacks that are no jail's
	NumPrivs
)

// grant is who has a privilege beside jail 0, who has them all.
type grant struct {
	vnet  bool              // jails with a stack of their own
	flag  func(*Flags) bool // jails that have this
	errno syscall.Errno     // of others; 0: EPERM
}

var grants = [NumPrivs]grant{
	NetConfig: {vnet: true},
	SetIfVnet: {vnet: true},
	Multicast: {vnet: true},
	Mroute:    {vnet: true},
	BPF:       {vnet: true},
	Firewall:  {vnet: true},
	CARP:      {vnet: true},
	Sysctl:    {vnet: true},
	RawSocket: {vnet: true, flag: func(f *Flags) bool { return f.RawSockets }},
	SocketAF:  {flag: func(f *Flags) bool { return f.SocketAF }, errno: syscall.EPROTONOSUPPORT},
}

// Errno returns what is said to those without the privilege.
func (p Priv) Errno() syscall.Errno {
	if e := grants[p].errno; e != 0 {
		return e
	}
	return syscall.EPERM
}

// denied returns the privileges that a jail does not have, a bit for each.
func denied(vnet bool, f *Flags) (deny uint32) {
	for p, g := range grants {
		if !(vnet && g.vnet || g.flag != nil && g.flag(f)) {
			deny |= 1 << p
		}
	}
	return deny
}
