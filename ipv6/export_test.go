package ipv6

// What the parser and the writer of control messages do, for tests.
var (
	PutControl = putControl
	GetControl = getControl
)
