package ipv6

import (
	xipv6 "golang.org/x/net/ipv6"
)

// Types of golang.org/x/net/ipv6.
type (
	ControlFlags   = xipv6.ControlFlags
	ControlMessage = xipv6.ControlMessage
	ICMPFilter     = xipv6.ICMPFilter
	ICMPType       = xipv6.ICMPType
	Message        = xipv6.Message
	Header         = xipv6.Header
)

// What a control message may say about a received packet.
const (
	FlagTrafficClass = xipv6.FlagTrafficClass
	FlagHopLimit     = xipv6.FlagHopLimit
	FlagSrc          = xipv6.FlagSrc
	FlagDst          = xipv6.FlagDst
	FlagInterface    = xipv6.FlagInterface
	FlagPathMTU      = xipv6.FlagPathMTU
)

// Of the IPv6 header.
const (
	Version   = xipv6.Version
	HeaderLen = xipv6.HeaderLen
)

// Internet Control Message Protocol version 6 (ICMPv6) parameters, by IANA.
const (
	ICMPTypeDestinationUnreachable                = xipv6.ICMPTypeDestinationUnreachable
	ICMPTypePacketTooBig                          = xipv6.ICMPTypePacketTooBig
	ICMPTypeTimeExceeded                          = xipv6.ICMPTypeTimeExceeded
	ICMPTypeParameterProblem                      = xipv6.ICMPTypeParameterProblem
	ICMPTypeEchoRequest                           = xipv6.ICMPTypeEchoRequest
	ICMPTypeEchoReply                             = xipv6.ICMPTypeEchoReply
	ICMPTypeMulticastListenerQuery                = xipv6.ICMPTypeMulticastListenerQuery
	ICMPTypeMulticastListenerReport               = xipv6.ICMPTypeMulticastListenerReport
	ICMPTypeMulticastListenerDone                 = xipv6.ICMPTypeMulticastListenerDone
	ICMPTypeRouterSolicitation                    = xipv6.ICMPTypeRouterSolicitation
	ICMPTypeRouterAdvertisement                   = xipv6.ICMPTypeRouterAdvertisement
	ICMPTypeNeighborSolicitation                  = xipv6.ICMPTypeNeighborSolicitation
	ICMPTypeNeighborAdvertisement                 = xipv6.ICMPTypeNeighborAdvertisement
	ICMPTypeRedirect                              = xipv6.ICMPTypeRedirect
	ICMPTypeRouterRenumbering                     = xipv6.ICMPTypeRouterRenumbering
	ICMPTypeNodeInformationQuery                  = xipv6.ICMPTypeNodeInformationQuery
	ICMPTypeNodeInformationResponse               = xipv6.ICMPTypeNodeInformationResponse
	ICMPTypeInverseNeighborDiscoverySolicitation  = xipv6.ICMPTypeInverseNeighborDiscoverySolicitation
	ICMPTypeInverseNeighborDiscoveryAdvertisement = xipv6.ICMPTypeInverseNeighborDiscoveryAdvertisement
	ICMPTypeVersion2MulticastListenerReport       = xipv6.ICMPTypeVersion2MulticastListenerReport
	ICMPTypeHomeAgentAddressDiscoveryRequest      = xipv6.ICMPTypeHomeAgentAddressDiscoveryRequest
	ICMPTypeHomeAgentAddressDiscoveryReply        = xipv6.ICMPTypeHomeAgentAddressDiscoveryReply
	ICMPTypeMobilePrefixSolicitation              = xipv6.ICMPTypeMobilePrefixSolicitation
	ICMPTypeMobilePrefixAdvertisement             = xipv6.ICMPTypeMobilePrefixAdvertisement
	ICMPTypeCertificationPathSolicitation         = xipv6.ICMPTypeCertificationPathSolicitation
	ICMPTypeCertificationPathAdvertisement        = xipv6.ICMPTypeCertificationPathAdvertisement
	ICMPTypeMulticastRouterAdvertisement          = xipv6.ICMPTypeMulticastRouterAdvertisement
	ICMPTypeMulticastRouterSolicitation           = xipv6.ICMPTypeMulticastRouterSolicitation
	ICMPTypeMulticastRouterTermination            = xipv6.ICMPTypeMulticastRouterTermination
	ICMPTypeFMIPv6                                = xipv6.ICMPTypeFMIPv6
	ICMPTypeRPLControl                            = xipv6.ICMPTypeRPLControl
	ICMPTypeILNPv6LocatorUpdate                   = xipv6.ICMPTypeILNPv6LocatorUpdate
	ICMPTypeDuplicateAddressRequest               = xipv6.ICMPTypeDuplicateAddressRequest
	ICMPTypeDuplicateAddressConfirmation          = xipv6.ICMPTypeDuplicateAddressConfirmation
	ICMPTypeMPLControl                            = xipv6.ICMPTypeMPLControl
	ICMPTypeExtendedEchoRequest                   = xipv6.ICMPTypeExtendedEchoRequest
	ICMPTypeExtendedEchoReply                     = xipv6.ICMPTypeExtendedEchoReply
)

// NewControlMessage returns a buffer for the control messages that cf asks for,
// as Message.OOB is to be.
func NewControlMessage(cf ControlFlags) []byte { return xipv6.NewControlMessage(cf) }

// ParseHeader parses an IPv6 header.
func ParseHeader(b []byte) (*Header, error) { return xipv6.ParseHeader(b) }
