// Package mcast holds which multicast groups the sockets of one stack listen
// to, on which interface, and from which sources: RFC 3678 (the socket's view),
// RFC 3376 §3 and RFC 3810 §4 (filters, and how those of all sockets merge into
// the interface's).
//
// There is one truth, a table of groups per stack. A socket has a list of its
// memberships and nothing else. Every request is one transaction: it is checked,
// the interface's filter before and after is computed, and then the caller, who
// may have to tell IGMP or MLD first, commits it or rolls it back:
//
//	t, err := groups.Join(socket, group, ifIndex, &tun)
//	if err != nil { … }
//	if t.Changed() { host.Change(now, …, t.Old, t.New) }
//	t.Commit()
//
// Writers are serialised by their caller. The packet path reads without a lock:
// Lookup returns a Snapshot that never changes, only gets replaced.
//
// Family-blind: IPv4 and IPv6 addresses, both without zone; the scope is the
// interface index beside them.
//
// Not done here: choosing the interface of a join (the stack's routes decide;
// index 0 means that they found none, AnyIf whichever was joined first), byte layouts of socket options.
package mcast
