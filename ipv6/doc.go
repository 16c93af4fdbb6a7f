// Package ipv6 is golang.org/x/net/ipv6 for the sockets of a vimage stack and
// for the kernel's: IP-level socket options (RFC 3493), source-specific multicast
// (RFC 3678), control messages and raw packets (RFC 3542), batches. Names,
// parameters and types are those of x/net, so a program that imports this package
// instead runs on both, and a *net.UDPConn is simply handed on to x/net.
//
// The interface parameters are the stack's, from Stack.Interfaces or
// Interface.Net, not the machine's. Where one is nil, the zone of a group counts:
// JoinGroup(nil, &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Zone: "eth0"}) joins
// on eth0. Addresses that mean something on one link only are returned with
// their zone.
//
// # IPv4
//
// A UDP socket bound to :: hears IPv4 as well, unless its network is "udp6". Of a
// packet of IPv4 a control message says the destination and the interface only,
// and for one that is sent over IPv4 only the interface counts. Options of
// IPv6 on a socket that is for IPv4 fail with ENOPROTOOPT.
//
// # Errors
//
// Options of a vimage socket fail with a *net.OpError around an
// *os.SyscallError around a syscall.Errno, the errno being that which BSD
// systems return (RFC 3678 leaves it to them); on a closed socket with
// net.ErrClosed. errors.Is finds all of them, as it does in x/net's errors.
//
// # What is not done
//
// SetBPF returns ENOPROTOOPT on a vimage socket: packet filter programs are not
// in the stack. ReadBatch and WriteBatch take no flags there. The path MTU
// (FlagPathMTU) is told to connected sockets.
package ipv6
