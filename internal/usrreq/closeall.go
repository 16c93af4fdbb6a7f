package usrreq

import "github.com/seed88948545/vimage/internal/vnet"

// CloseAll closes every socket of a stack that goes, but TCP connections, which end
// with the stack.
func CloseAll(st *vnet.Stack) {
	for _, l := range st.TCPPorts().Listeners() {
		TCPListener{l}.Close()
	}
	for _, s := range st.Socks() {
		Sock{s}.Close()
	}
}

// CloseJail closes every socket of a jail that goes and that shares the stack with
// others. Connections are reset.
func CloseJail(st *vnet.Stack, jail int32) {
	for _, l := range st.TCPPorts().Listeners() {
		if l.Opts.Load().Jail() == jail {
			TCPListener{l}.Close()
		}
	}
	for _, s := range st.Socks() {
		if l := s.Opts.Load().Limit; l != nil && l.Jail == jail {
			Sock{s}.Close()
		}
	}
	for e := range st.TCPEntries() {
		if e.Sock != nil && e.Sock.Jail == jail {
			TCPSock{e.Sock}.Abort()
		}
	}
}
