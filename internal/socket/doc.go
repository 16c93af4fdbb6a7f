// Package socket is the side of a datagram socket that its user sees: options,
// addresses, deadlines, and reading what has come. Package vnet embeds a
// Datagram in each of its sockets; it binds, connects and sends, because these
// need a stack.
//
// Nothing here takes a lock but that of the receive queue: options and addresses
// are values that are replaced, so that a sender reads them with one load.
package socket
