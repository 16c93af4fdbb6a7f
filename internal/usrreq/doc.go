// Package usrreq is what users of sockets ask for: to make, bind and connect
// them, to send datagrams, to join and leave groups, to set options, to close.
// It checks what is asked and says what it consists of; package vnet says how it
// is done while packets run, and knows nothing of who asks. BSD keeps the same
// things apart: udp_usrreq.c and tcp_usrreq.c lie beside tcp_input.c and
// ip_output.c.
//
// Sock, TCPSock and TCPListener are handles: one pointer to the socket in its
// stack, with the requests as methods. Reading and writing a TCP connection is
// not here: the two go with the window they change, in package vnet.
//
// Multicast is asked for by value (Mcast, SetSourceFilter, …) or by the bytes of the
// C API (Setsockopt, Getsockopt), which come to the same requests.
//
// Requests return what the system call of that name does, as errno.
package usrreq
