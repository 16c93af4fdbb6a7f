// Package filter compiles tcpdump's filter language, as pcap-filter(7) describes
// it, to BPF programs, and runs them.
//
// A filter is compiled for Ethernet or for bare IP packets. Its verdicts are
// those of tcpdump 4.99 with libpcap 1.10, whose programs the tests run beside
// ours; so are its oddities:
//
//   - and and or bind alike, from the left; % and ^ take all that stands behind
//     them as their right side. Use brackets.
//   - vlan, mpls, pppoes and geneve move all that stands behind them in the text
//     into what these carry, even behind or.
//   - tcp[…], udp[…] and their like look at IPv4 only, and at the first fragment;
//     a port is found behind IPv4 options but behind no IPv6 extension header.
//   - Of an arithmetic expression only the leftmost protocol is checked: say
//     ip and 0 - ip[8] > 3.
//   - A look beyond the frame's end rejects the frame, even behind not.
//
// What differs:
//
//   - Names of hosts, networks and gateways are refused: nothing is looked up.
//     Services and protocols are known from a table of IANA's names.
//   - protochain follows at most eight headers, and steps over an authentication
//     header where tcpdump 4.99 goes astray.
//   - inbound, outbound, ifindex, decnet addresses, byte, and words of
//     other link layers and of pf are refused; so are offsets before the frame,
//     geneve inside mpls, and shifts by 32 and more.
//   - A filter that accepts nothing is not refused.
//   - tcpdump's optimizer changes the order of tests. Of a frame that ends before
//     some byte a filter asks for, it can so give a verdict that its own program
//     without the optimizer, and ours, do not give.
//
// Compile reads words (lex.go, names.go), from left to right (parse.go, arith.go)
// into conditions (cond.go, prim.go, layer.go, shift.go), makes a graph of tests
// in which none is made twice (graph.go), and writes that as a program
// (assemble.go). Match runs it without allocating (run.go).
package filter
