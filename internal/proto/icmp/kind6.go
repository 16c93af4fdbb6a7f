package icmp

import "github.com/seed88948545/vimage/internal/wire"

// code6SourceRoute is the code of destination unreachable for a source route
// that cannot be followed (RFC 6550 §20.12).
const code6SourceRoute uint8 = 7

// of6 is the ICMPv6 form in which a kind is sent. ParamProblem takes its code
// from the Cause. An unknown protocol is a parameter problem (RFC 8200 §4).
var of6 = [kinds]struct{ typ, code uint8 }{
	NetUnreachable:     {wire.ICMP6Unreachable, wire.ICMP6CodeNoRoute},
	HostUnreachable:    {wire.ICMP6Unreachable, wire.ICMP6CodeAddress},
	ProtoUnreachable:   {wire.ICMP6ParamProblem, wire.ICMP6CodeNextHeader},
	PortUnreachable:    {wire.ICMP6Unreachable, wire.ICMP6CodePort},
	PacketTooBig:       {wire.ICMP6TooBig, 0},
	SourceRouteFailed:  {wire.ICMP6Unreachable, code6SourceRoute},
	Prohibited:         {wire.ICMP6Unreachable, wire.ICMP6CodeAdminProhib},
	TTLExceeded:        {wire.ICMP6TimeExceeded, wire.ICMP6CodeHopLimit},
	ReassemblyExceeded: {wire.ICMP6TimeExceeded, wire.ICMP6CodeReassembly},
	ParamProblem:       {wire.ICMP6ParamProblem, 0},
	NoRoute:            {wire.ICMP6Unreachable, wire.ICMP6CodeNoRoute},
	BeyondScope:        {wire.ICMP6Unreachable, wire.ICMP6CodeBeyondScope},
	SourcePolicy:       {wire.ICMP6Unreachable, wire.ICMP6CodeSourcePolicy},
	RejectRoute:        {wire.ICMP6Unreachable, wire.ICMP6CodeRejectRoute},
	HeadersTooLong:     {wire.ICMP6Unreachable, wire.ICMP6CodeHeadersTooLong},
	Unknown:            {wire.ICMP6Unreachable, wire.ICMP6CodeAddress},
}

// unreachable6 is what the codes of ICMPv6's destination unreachable mean.
var unreachable6 = [...]Kind{
	wire.ICMP6CodeNoRoute:        NoRoute,
	wire.ICMP6CodeAdminProhib:    Prohibited,
	wire.ICMP6CodeBeyondScope:    BeyondScope,
	wire.ICMP6CodeAddress:        HostUnreachable,
	wire.ICMP6CodePort:           PortUnreachable,
	wire.ICMP6CodeSourcePolicy:   SourcePolicy,
	wire.ICMP6CodeRejectRoute:    RejectRoute,
	code6SourceRoute:             SourceRouteFailed,
	wire.ICMP6CodeHeadersTooLong: HeadersTooLong,
}

// kind6 says what an ICMPv6 error means; false if its code is not defined.
func kind6(typ, code uint8) (Kind, bool) {
	switch {
	case typ == wire.ICMP6Unreachable && int(code) < len(unreachable6):
		return unreachable6[code], true
	case typ == wire.ICMP6TooBig:
		return PacketTooBig, true // RFC 4443 §3.2: the code is ignored
	case typ == wire.ICMP6TimeExceeded && code == wire.ICMP6CodeHopLimit:
		return TTLExceeded, true
	case typ == wire.ICMP6TimeExceeded && code == wire.ICMP6CodeReassembly:
		return ReassemblyExceeded, true
	case typ == wire.ICMP6ParamProblem && code == wire.ICMP6CodeNextHeader:
		return ProtoUnreachable, true
	case typ == wire.ICMP6ParamProblem && code <= wire.ICMP6CodeOptionTooBig:
		return ParamProblem, true
	case typ > wire.ICMP6ParamProblem || typ == 0:
		return Unknown, true // RFC 4443 §2.4 (a): passed up all the same
	}
	return 0, false
}
