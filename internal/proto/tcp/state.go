package tcp

// State is a state of RFC 9293 §3.3.2. TIME-WAIT is there for Info only: a Conn
// that reaches it is to be handed over.
type State uint8

// The states, in the order of FreeBSD's and in effect of RFC 9293: those from
// ESTABLISHED on are synchronized, those from CLOSE-WAIT on know that the user
// or the peer has closed.
const (
	CLOSED State = iota
	LISTEN
	SYNSENT
	SYNRCVD
	ESTABLISHED
	CLOSEWAIT
	FINWAIT1
	CLOSING
	LASTACK
	FINWAIT2
	TIMEWAIT
)

// String returns the name that RFC 9293 and netstat give it.
func (s State) String() string {
	return [...]string{"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT",
		"FIN-WAIT-1", "CLOSING", "LAST-ACK", "FIN-WAIT-2", "TIME-WAIT"}[s]
}
