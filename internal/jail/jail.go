// Package jail says who may do what: a credential belongs to a jail, and every
// privileged call at the front door asks it. So far there is one jail, number
// 0, which owns the first stack and may do everything; trees of jails have
// their place here.
package jail

// Priv is something that a credential may or may not do.
type Priv uint8

// Privileges (the table of behaviour 1.2).
const (
	NetConfig Priv = iota // interfaces, addresses, routes, FIBs
	Sysctl                // write a tunable
	RawSocket             // open a raw socket
	Multicast             // join and leave groups
	Firewall              // filter, divert
	Module                // load and unload modules
	StackMake             // make and remove stacks
	NumPrivs
)

// Cred is the credential that a stack handle carries and that what is made by
// it inherits. The zero value is jail 0's.
type Cred struct {
	Jail int32  // number of the jail
	deny uint32 // bit per Priv that the jail does not have
}

// Allows tells whether c may do p.
func (c Cred) Allows(p Priv) bool { return c.deny>>p&1 == 0 }

// Without returns c less some privileges: what a child jail may get.
func (c Cred) Without(ps ...Priv) Cred {
	for _, p := range ps {
		c.deny |= 1 << p
	}
	return c
}
