package pkt

// Reason says why a packet was lost. Every lost packet is counted under one.
type Reason uint8

// Reasons, in the order in which a packet may meet them.
const (
	NoReason Reason = iota

	// On a link.
	NoPeer     // nothing is attached at the other end, or the link is closed
	QueueFull  // the receiver's queue is full
	LinkLoss   // the link was told to lose it
	LinkRate   // the link's rate leaves no room in its queue
	DeviceFull // the device did not take it
	TooBig     // longer than what the link carries

	// In the link layer of a stack.
	NoInterface     // the interface it came by or was to leave by is gone
	InterfaceDown   // the interface is not up
	BadEther        // no Ethernet header
	NotForUs        // unicast to another hardware address
	UnknownProtocol // neither a protocol of the stack nor of a module
	BadARP          // ARP header or sender that cannot be
	BadND           // neighbour discovery that cannot be, or that nobody asked for
	Unresolved      // the next hop did not answer for its address
	HoldFull        // pushed out by newer packets for an unresolved next hop

	// In the network layer.
	BadHeader     // header too short, wrong version or lengths
	BadChecksum   // header checksum
	BadOptions    // options that run past the header, or are refused
	BadSource     // source that no packet on this link may have
	BadDest       // destination that no packet on this link may have
	Filtered      // a filter said drop
	NoDivert      // diverted to a port nobody listens on
	NotForwarding // not ours, and the stack does not forward
	NoRoute       // no route, or a reject route to the host
	NetRejected   // a reject route to its network
	Blackhole     // the route says so
	TTLExceeded   // TTL ran out here
	NeedFrag      // longer than the next link's MTU and not to be fragmented
	NotMember     // multicast of a group nobody here has joined
	ReassOverlap  // fragments overlap
	ReassLimit    // too many fragments
	ReassTimeout  // fragments missing for too long
	BadFragment   // a fragment whose offset or length cannot be
	Nested        // went through too many tunnels
	BadTunnel     // tunnel header that cannot be, or that is no tunnel's here

	// In the transport layer.
	BadTransport    // transport header too short or lengths wrong
	BadTransportSum // transport checksum
	NoPort          // nobody listens on the port
	SourceFiltered  // the socket's source filter
	SocketFull      // the socket's receive queue
	NoProtocol      // nobody takes this IP protocol
	Refused         // a message its protocol engine refused
	NoMemory        // a table is full

	NumReasons
)

var reasonNames = [NumReasons]string{
	NoReason: "none",
	NoPeer:   "no peer", QueueFull: "queue full", LinkLoss: "link loss", LinkRate: "link rate",
	DeviceFull: "device full", TooBig: "too big",
	NoInterface: "no interface", InterfaceDown: "interface down", BadEther: "bad ethernet header", NotForUs: "not for us",
	UnknownProtocol: "unknown ethertype", BadARP: "bad arp", BadND: "bad neighbour discovery", Unresolved: "unresolved", HoldFull: "hold queue full",
	BadHeader: "bad header", BadChecksum: "bad header checksum", BadOptions: "bad options", BadSource: "bad source",
	BadDest: "bad destination", Filtered: "filtered", NoDivert: "no divert socket", NotForwarding: "not forwarding",
	NoRoute: "no route", NetRejected: "net rejected", Blackhole: "blackhole", TTLExceeded: "ttl exceeded", NeedFrag: "fragmentation needed",
	NotMember: "not a member", ReassOverlap: "overlapping fragments", ReassLimit: "too many fragments",
	ReassTimeout: "reassembly timeout", BadFragment: "bad fragment", Nested: "nested too deep", BadTunnel: "bad tunnel header",
	BadTransport: "bad transport header", BadTransportSum: "bad transport checksum", NoPort: "no port",
	SourceFiltered: "source filtered", SocketFull: "socket full", NoProtocol: "no protocol", Refused: "refused",
	NoMemory: "no memory",
}

// String names the reason as counters and captures show it.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "unknown reason"
}
