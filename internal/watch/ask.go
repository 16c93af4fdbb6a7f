package watch

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// Ask is a query to be sent.
type Ask struct {
	Six     bool       // of MLD, not of IGMP
	Version int        // IGMP 1 to 3, MLD 1 and 2
	From    netip.Addr // of MLD link-local
	Group   netip.Addr // not valid: about all groups
	Sources []netip.Addr
	// MaxResp is how long hosts may take. What the message cannot say is rounded
	// down; version 1 of IGMP always means 10 s.
	MaxResp    time.Duration
	Robustness uint8
	Interval   time.Duration
	Suppress   bool // the S flag: routers do not change their timers
}

// ParseProtocol reads a name such as igmpv3 or MLDv1.
func ParseProtocol(s string) (six bool, version int, err error) {
	for _, p := range Protocols() {
		if strings.EqualFold(p, s) {
			return strings.HasPrefix(p, "mld"), int(p[len(p)-1] - '0'), nil
		}
	}
	return false, 0, fmt.Errorf("%q: must be one of %s", s, strings.Join(Protocols(), ", "))
}

// Protocols returns the names that ParseProtocol knows.
func Protocols() []string { return []string{"igmpv1", "igmpv2", "igmpv3", "mldv1", "mldv2"} }

// Protocol names the query's protocol, such as IGMPv3.
func (a *Ask) Protocol() string { return protocol(a.Six, a.Version) }

// older tells whether the query's version knows no sources.
func (a *Ask) older() bool { return a.Version < 3 && !a.Six || a.Version < 2 }

// maxSources is how many sources fit into a query at the least MTU of each family
// that is common: 1500 bytes (RFC 3376 §4.1.8, RFC 3810 §5.1.10).
func (a *Ask) maxSources() int {
	if a.Six {
		return 89
	}
	return 366
}

// Check returns what is wrong with the query, or nil.
func (a *Ask) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	family, group := "IPv4", "232.1.1.1"
	if a.Six {
		family, group = "IPv6", "ff3e::8000:1"
	}
	if !a.From.IsValid() || a.From.Is6() != a.Six || a.From.IsMulticast() {
		bad("from %v: %s is sent from an %s address", a.From, a.Protocol(), family)
	} else if a.Six && !a.From.IsLinkLocalUnicast() {
		bad("from %v: MLD is sent from a link-local address (RFC 3810 §5)", a.From)
	}
	if a.Group.IsValid() && (!a.Group.IsMulticast() || a.Group.Is6() != a.Six) {
		bad("group %v: must be an %s multicast address for %s, such as %s", a.Group, family, a.Protocol(), group)
	}
	if a.Group.IsValid() && a.Version == 1 && !a.Six {
		bad("group %v: IGMPv1 asks about all groups only (RFC 1112)", a.Group)
	}
	switch {
	case len(a.Sources) > 0 && a.older():
		bad("sources: %s knows none", a.Protocol())
	case len(a.Sources) > 0 && !a.Group.IsValid():
		bad("sources: name the group that they are of")
	case len(a.Sources) > a.maxSources():
		bad("sources: %d, at most %d fit into a query", len(a.Sources), a.maxSources())
	}
	for _, s := range a.Sources {
		if s.Is6() != a.Six || s.IsMulticast() || s.IsUnspecified() {
			bad("source %v: must be an %s address of a host", s, family)
		}
	}
	if most := a.most(); a.MaxResp < 0 || a.MaxResp > most {
		bad("max response %v: %s can say 0s to %v", a.MaxResp, a.Protocol(), most)
	}
	if a.Robustness > 7 {
		bad("robustness %d: must be 0 to 7", a.Robustness)
	}
	if a.Interval < 0 || a.Interval > wire.IGMPMaxValue*time.Second {
		bad("interval %v: must be 0s to %v", a.Interval, wire.IGMPMaxValue*time.Second)
	}
	return errors.Join(errs...)
}

// most is the longest time that the version can say.
func (a *Ask) most() time.Duration {
	switch {
	case a.Six && a.Version == 1:
		return 65535 * time.Millisecond
	case a.Six:
		return wire.MLDMaxValue * time.Millisecond
	case a.Version == 3:
		return wire.IGMPMaxValue * time.Second / 10
	}
	return 255 * time.Second / 10
}

// Response returns how long hosts will take at most: what the message says.
func (a *Ask) Response() time.Duration {
	const tenth = time.Second / 10
	switch {
	case a.Six && a.Version == 1:
		return a.MaxResp.Truncate(time.Millisecond)
	case a.Six:
		return time.Duration(wire.MLDDecode(wire.MLDEncode(int(a.MaxResp/time.Millisecond)))) * time.Millisecond
	case a.Version == 1:
		return 100 * tenth
	case a.Version == 2:
		return a.MaxResp.Truncate(tenth)
	}
	return time.Duration(wire.IGMPDecode(wire.IGMPEncode(int(a.MaxResp/tenth)))) * tenth
}

// Frame returns the query as an Ethernet frame. The query must be right: see
// Check.
func (a *Ask) Frame(from wire.MAC) []byte {
	dst := a.Group
	if !dst.IsValid() {
		dst = well(a.Six, 1)
	}
	b := make([]byte, 2000)
	wire.PutEther(b, wire.MulticastMAC(dst), from, wire.EtherTypeIPv4)
	if a.Six {
		wire.PutEther(b, wire.MulticastMAC(dst), from, wire.EtherTypeIPv6)
		return b[:wire.EtherLen+a.putMLD(b[wire.EtherLen:], dst)]
	}
	return b[:wire.EtherLen+a.putIGMP(b[wire.EtherLen:], dst)]
}

func (a *Ask) putIGMP(b []byte, dst netip.Addr) int {
	alert := wire.RouterAlert()
	h := wire.IPv4Header{TTL: 1, Proto: wire.ProtoIGMP, Src: a.From, Dst: dst, Options: alert[:]}
	if a.Version == 3 {
		h.TOS = 0xc0 // RFC 3376 §4
	}
	if a.Version == 1 {
		h.Options = nil // RFC 1112 knows none
	}
	body := b[h.Len():]
	group := a.Group
	if !group.IsValid() {
		group = netip.IPv4Unspecified()
	}
	n := wire.IGMPLen
	code := int(a.Response() / (time.Second / 10))
	switch a.Version {
	case 1:
		wire.PutIGMP(body, wire.IGMPTypeQuery, 0, group)
	case 2:
		wire.PutIGMP(body, wire.IGMPTypeQuery, max(1, uint8(code)), group) // 0 would be version 1
	default:
		n = wire.PutIGMPv3Query(body, &wire.IGMPv3QueryHeader{
			MaxRespCode: wire.IGMPEncode(code), Group: group, S: a.Suppress, QRV: a.Robustness, QQIC: wire.IGMPEncode(int(a.Interval / time.Second)),
		}, a.Sources)
	}
	return wire.PutIPv4(b, &h, n) + n
}

func (a *Ask) putMLD(b []byte, dst netip.Addr) int {
	hop := wire.RouterAlert6(wire.ProtoICMPv6, 0)
	body := b[wire.IPv6Len+len(hop):]
	group := a.Group
	if !group.IsValid() {
		group = netip.IPv6Unspecified()
	}
	n := wire.MLDLen
	code := int(a.Response() / time.Millisecond)
	if a.Version == 1 {
		wire.PutMLD(body, wire.ICMP6MLDQuery, uint16(code), group)
	} else {
		n = wire.PutMLDv2Query(body, &wire.MLDv2QueryHeader{
			MaxRespCode: wire.MLDEncode(code), Group: group, S: a.Suppress, QRV: a.Robustness, QQIC: wire.IGMPEncode(int(a.Interval / time.Second)),
		}, a.Sources)
	}
	wire.ICMP6(body[:n]).SetChecksum(a.From, dst)
	copy(b[wire.IPv6Len:], hop[:])
	return wire.PutIPv6(b, &wire.IPv6Header{NextHeader: wire.ProtoHopByHop, HopLimit: 1, Src: a.From, Dst: dst}, len(hop)+n) + len(hop) + n
}
