package ipv4

import (
	xipv4 "golang.org/x/net/ipv4"
)

// Types of golang.org/x/net/ipv4.
type (
	ControlFlags   = xipv4.ControlFlags
	ControlMessage = xipv4.ControlMessage
	Header         = xipv4.Header
	HeaderFlags    = xipv4.HeaderFlags
	ICMPFilter     = xipv4.ICMPFilter
	ICMPType       = xipv4.ICMPType
	Message        = xipv4.Message
)

// What a control message may say about a received packet.
const (
	FlagTTL       = xipv4.FlagTTL
	FlagSrc       = xipv4.FlagSrc
	FlagDst       = xipv4.FlagDst
	FlagInterface = xipv4.FlagInterface
)

// Of the IPv4 header.
const (
	Version       = xipv4.Version
	HeaderLen     = xipv4.HeaderLen // without options
	MoreFragments = xipv4.MoreFragments
	DontFragment  = xipv4.DontFragment
)

// Internet Control Message Protocol (ICMP) parameters, by IANA.
const (
	ICMPTypeEchoReply              = xipv4.ICMPTypeEchoReply
	ICMPTypeDestinationUnreachable = xipv4.ICMPTypeDestinationUnreachable
	ICMPTypeRedirect               = xipv4.ICMPTypeRedirect
	ICMPTypeEcho                   = xipv4.ICMPTypeEcho
	ICMPTypeRouterAdvertisement    = xipv4.ICMPTypeRouterAdvertisement
	ICMPTypeRouterSolicitation     = xipv4.ICMPTypeRouterSolicitation
	ICMPTypeTimeExceeded           = xipv4.ICMPTypeTimeExceeded
	ICMPTypeParameterProblem       = xipv4.ICMPTypeParameterProblem
	ICMPTypeTimestamp              = xipv4.ICMPTypeTimestamp
	ICMPTypeTimestampReply         = xipv4.ICMPTypeTimestampReply
	ICMPTypePhoturis               = xipv4.ICMPTypePhoturis
	ICMPTypeExtendedEchoRequest    = xipv4.ICMPTypeExtendedEchoRequest
	ICMPTypeExtendedEchoReply      = xipv4.ICMPTypeExtendedEchoReply
)

// NewControlMessage returns a buffer for the control messages that cf asks for,
// as Message.OOB is to be.
func NewControlMessage(cf ControlFlags) []byte { return xipv4.NewControlMessage(cf) }

// ParseHeader parses an IPv4 header in the format of the machine's raw sockets.
// Raw sockets of a vimage stack use the format of the wire everywhere: on Linux
// and current FreeBSD the two are the same.
func ParseHeader(b []byte) (*Header, error) { return xipv4.ParseHeader(b) }
