package tcp

// Conn is one end of a connection. The zero value is closed: Connect or Accept
// comes first. Its owner serialises all calls. After every call but Info and
// the limits, Next may have segments, and Deadline may have changed.
type Conn struct {
	state State
}
