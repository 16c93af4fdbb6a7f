// Package ipv4 is golang.org/x/net/ipv4 for the sockets of a vimage stack and
// for the kernel's: IP-level socket options, source-specific multicast, control
// messages, batches and raw packets. Names, parameters and types are those of
// x/net, so a program that imports this package instead runs on both, and a
// *net.UDPConn is simply handed on to x/net.
//
// The interface parameters are the stack's, from Stack.Interfaces or
// Interface.Net, not the machine's.
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
// in the stack. ReadBatch and WriteBatch take no flags there. Of the methods of
// the *net.IPConn that x/net's RawConn embeds, RawConn has those of net.Conn
// and the buffer sizes.
package ipv4
