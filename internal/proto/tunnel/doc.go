// Package tunnel puts packets into packets and takes them out again: IP in IP (gif),
// in GRE, and Ethernet in GRE and in VXLAN.
//
// Obeyed: RFC 2003 and RFC 4213 §3 (IPv4 and IPv6 in IPv4), RFC 2473 (both in IPv6);
// RFC 2784 and RFC 2890 (GRE with checksum, key and sequence number); RFC 7348
// (VXLAN: learning of who is behind which end, flooding by a group, a source port of
// each flow); RFC 6040 (congestion marks, its normal mode, for frames that carry IP as
// well); RFC 6438 (a flow label of each flow).
//
// # How a stack uses it
//
// A Tunnel is one end; one caller at a time asks it. Encap looks at a packet or frame
// and says what goes in front of it, which Out.Put writes; Decap looks at a packet
// that came through the tunnel and says where in it the inner one is, and In.Mark
// gives that one the congestion mark it must have. Entries of learned addresses end
// when they are looked at after their time: there is no timer.
//
// The MTU of a tunnel is static (RFC 4213 §3.2.1): what is longer than the interface's
// the stack has refused or cut before it comes here, and outer packets of gif and GRE
// may be cut on their way. Those of VXLAN may not (RFC 7348 §4.3).
//
// # Not done
//
// The dynamic MTU of RFC 4213 §3.2.2, ICMP errors of the outer path passed to the
// inner sender (RFC 2473 §8), the tunnel encapsulation limit option (RFC 2473 §4.1.1;
// net.link.gif.max_nesting bounds nesting within one stack), the waiting queue that
// RFC 2890 §2.2 allows for packets out of order, the RFC 2473 §7.1 rule for IPv4
// fragments before the tunnel.
package tunnel
