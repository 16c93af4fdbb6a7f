// Package socket is the side of a socket that its user sees and that needs no
// stack: options, addresses, deadlines, reading what has come, and who has bound
// which port. Package vnet embeds a Datagram in each of its datagram sockets;
// package usrreq binds, connects and sends, because these need a stack.
//
// A Datagram takes no lock but that of its receive queue: options and addresses
// are values that are replaced, so that a sender reads them with one load.
package socket
