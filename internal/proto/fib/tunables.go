package fib

// Tunables is what the tables of a stack may be told.
type Tunables struct {
	AddAddrAllFIBs int32 `sysctl:"net.add_addr_allfibs,min=0,max=1" desc:"routes of interfaces are in every FIB; 0: in the interface's only. What is installed stays where it is"`
	Multipath      int32 `sysctl:"net.route.multipath,min=0,max=1" desc:"a prefix may have several routes"`
}

// Defaults returns the tunables that a stack starts with.
//
// Deviation: since FreeBSD 12 the routes of interfaces are in one FIB; here they are in
// all, as they were at first.
func Defaults() Tunables { return Tunables{AddAddrAllFIBs: 1, Multipath: 1} }
