package icmp

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/wire"
)

// Kind is what an error message says, in either family.
type Kind uint8

// The kinds.
const (
	NetUnreachable     Kind = iota // no route to the network
	HostUnreachable                // the last router does not reach the host
	ProtoUnreachable               // the host does not speak the protocol
	PortUnreachable                // nobody listens
	PacketTooBig                   // longer than the next hop's MTU and not to be fragmented
	SourceRouteFailed              // a source route could not be followed
	Prohibited                     // a filter or policy is against it
	TTLExceeded                    // TTL or hop limit ran out on the way
	ReassemblyExceeded             // fragments did not all arrive in time
	ParamProblem                   // a header field is wrong
	NoRoute                        // a router has no route
	BeyondScope                    // the source's scope ends before the destination
	SourcePolicy                   // a policy is against the source
	RejectRoute                    // the route is one that rejects
	HeadersTooLong                 // the headers are longer than a router can read
	Unknown                        // an error that was not defined when this was written; only heard
	kinds
)

// of4 is the ICMPv4 form in which a kind is sent. The kinds that only ICMPv6 has
// take the form that a translator gives them (RFC 7915 §5.2), or the nearest.
var of4 = [kinds]struct{ typ, code uint8 }{
	NetUnreachable:     {wire.ICMP4Unreachable, wire.ICMP4CodeNet},
	HostUnreachable:    {wire.ICMP4Unreachable, wire.ICMP4CodeHost},
	ProtoUnreachable:   {wire.ICMP4Unreachable, wire.ICMP4CodeProto},
	PortUnreachable:    {wire.ICMP4Unreachable, wire.ICMP4CodePort},
	PacketTooBig:       {wire.ICMP4Unreachable, wire.ICMP4CodeFragNeeded},
	SourceRouteFailed:  {wire.ICMP4Unreachable, wire.ICMP4CodeSourceRoute},
	Prohibited:         {wire.ICMP4Unreachable, wire.ICMP4CodeFilterProhib},
	TTLExceeded:        {wire.ICMP4TimeExceeded, wire.ICMP4CodeTTL},
	ReassemblyExceeded: {wire.ICMP4TimeExceeded, wire.ICMP4CodeReassembly},
	ParamProblem:       {wire.ICMP4ParamProblem, wire.ICMP4CodePointer},
	NoRoute:            {wire.ICMP4Unreachable, wire.ICMP4CodeHost}, // as FreeBSD
	BeyondScope:        {wire.ICMP4Unreachable, wire.ICMP4CodeHost},
	SourcePolicy:       {wire.ICMP4Unreachable, wire.ICMP4CodeFilterProhib},
	RejectRoute:        {wire.ICMP4Unreachable, wire.ICMP4CodeHost},
	HeadersTooLong:     {wire.ICMP4Unreachable, wire.ICMP4CodeHost},
	Unknown:            {wire.ICMP4Unreachable, wire.ICMP4CodeHost},
}

// unreachable4 is what the codes of ICMPv4's destination unreachable mean.
var unreachable4 = [...]Kind{
	wire.ICMP4CodeNet:          NetUnreachable,
	wire.ICMP4CodeHost:         HostUnreachable,
	wire.ICMP4CodeProto:        ProtoUnreachable,
	wire.ICMP4CodePort:         PortUnreachable,
	wire.ICMP4CodeFragNeeded:   PacketTooBig,
	wire.ICMP4CodeSourceRoute:  SourceRouteFailed,
	wire.ICMP4CodeNetUnknown:   NetUnreachable,
	wire.ICMP4CodeHostUnknown:  HostUnreachable,
	wire.ICMP4CodeIsolated:     HostUnreachable,
	wire.ICMP4CodeNetProhib:    Prohibited,
	wire.ICMP4CodeHostProhib:   Prohibited,
	wire.ICMP4CodeNetTOS:       NetUnreachable,
	wire.ICMP4CodeHostTOS:      HostUnreachable,
	wire.ICMP4CodeFilterProhib: Prohibited,
	wire.ICMP4CodePrecedence:   HostUnreachable,
	wire.ICMP4CodePrecCutoff:   HostUnreachable,
}

// kind4 says what an ICMPv4 error means; false if it is no error or its code is
// not defined.
func kind4(typ, code uint8) (Kind, bool) {
	switch {
	case typ == wire.ICMP4Unreachable && int(code) < len(unreachable4):
		return unreachable4[code], true
	case typ == wire.ICMP4TimeExceeded && code == wire.ICMP4CodeTTL:
		return TTLExceeded, true
	case typ == wire.ICMP4TimeExceeded && code == wire.ICMP4CodeReassembly:
		return ReassemblyExceeded, true
	case typ == wire.ICMP4ParamProblem && code <= 2: // RFC 1108: 2 was bad length
		return ParamProblem, true
	}
	return 0, false
}

var errnos = [kinds]syscall.Errno{
	NetUnreachable:    syscall.EHOSTUNREACH,
	HostUnreachable:   syscall.EHOSTUNREACH,
	ProtoUnreachable:  syscall.ECONNREFUSED,
	PortUnreachable:   syscall.ECONNREFUSED,
	PacketTooBig:      syscall.EMSGSIZE,
	SourceRouteFailed: syscall.EHOSTUNREACH,
	Prohibited:        syscall.ECONNREFUSED,
	TTLExceeded:       syscall.EHOSTUNREACH,
	ParamProblem:      syscall.ENOPROTOOPT,
	NoRoute:           syscall.EHOSTUNREACH,
	BeyondScope:       syscall.ENOPROTOOPT,
	SourcePolicy:      syscall.ECONNREFUSED, // a kind of Prohibited (RFC 4443 §3.1)
	RejectRoute:       syscall.ECONNREFUSED,
	HeadersTooLong:    syscall.EHOSTUNREACH,
}

// Errno returns what a socket is told, as FreeBSD tells it; 0 for
// ReassemblyExceeded and Unknown, of which it is told nothing.
func (k Kind) Errno() syscall.Errno { return errnos[k] }

// Hard reports whether the error, from ICMPv4, is one at which a connection that
// is being set up should be given up (RFC 1122 §4.2.3.9: protocol, port, and
// fragmentation needed; the last is soft for whoever discovers the path's MTU,
// RFC 1191 §6.4). The rest may pass. Report.Hard knows both families.
func (k Kind) Hard() bool {
	return k == ProtoUnreachable || k == PortUnreachable || k == PacketTooBig
}

var kindNames = [kinds]string{
	"net unreachable", "host unreachable", "protocol unreachable", "port unreachable", "packet too big",
	"source route failed", "prohibited", "ttl exceeded", "reassembly time exceeded", "parameter problem",
	"no route", "beyond scope", "source against policy", "reject route", "headers too long", "unknown error",
}

// String names the kind.
func (k Kind) String() string { return kindNames[k] }
