// Package jail says who owns which stack, and who may do what: the jails of a world
// are a tree, of which each node has a stack of its own (vnet=new) or shares that of
// the node above it with some of its addresses (vnet=inherit). A credential names the
// jail that somebody is in; every privileged call at the front door asks it (Cred,
// Priv: the table of behaviour 1.2).
//
// A jail costs nothing until somebody asks for it: a stack that a world makes is a
// child of jail 0, but has a Jail only once one is wanted (Tree.Of). Numbers come from
// the counter that numbers stacks, so that jail and stack have the same.
//
// Interfaces move between stacks (Tree.Move). Where one came from is remembered as
// long as it is away: it goes back there when the stack it was lent to is removed. The
// ends of a cable that NewEpair makes live and die together, wherever they are.
//
// What a jail is called, which stack it has and which jail it is in never changes.
// FreeBSD's jails can be renamed; these cannot. There are no file systems, processes
// or host identifiers: a process is whoever holds on to a jail (Tree.Enter).
package jail
