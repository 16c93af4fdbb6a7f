package icmp

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// ErrorTOS is the type of service of the packet that carries an ICMPv4 error:
// precedence 6, internetwork control (RFC 1812 §4.3.2.5). ICMPv6's traffic class
// is 0.
const ErrorTOS = 0xc0

// Cause is a received packet about which an error shall be sent.
type Cause struct {
	Kind     Kind
	Packet   wire.Packet // as it was received: TTL and options unchanged
	ToMany   bool        // its destination is a multicast or broadcast address, or its frame was sent to many
	FromMany bool        // its source is a subnet's broadcast address, or known to be an anycast one
	MTU      int         // PacketTooBig: of the next hop, in IPv4 0..65535 (RFC 1191 §4), in IPv6 1,280 or more
	Pointer  uint32      // ParamProblem, and in IPv6 ProtoUnreachable: offset of the wrong byte
	Code     uint8       // ParamProblem in IPv6: what is wrong, as wire.Ext says

	quote int
}

// Suppressed says why no error is sent.
type Suppressed uint8

// The reasons.
const (
	NotSuppressed      Suppressed = iota
	SuppressedError               // the packet is an ICMP error itself, or an ICMP message of unknown type
	SuppressedFragment            // a fragment other than the first
	SuppressedToMany              // sent to many
	SuppressedSource              // the source is not a single host
	SuppressedLimit               // too many per second
)

var suppressedNames = [...]string{"no", "is an icmp error", "later fragment", "sent to many", "source is no host", "rate limit"}

// String names the reason.
func (s Suppressed) String() string { return suppressedNames[s] }

// Error decides whether an error is sent about c, an IPv4 packet, and counts it. If so n is the
// length of the message that c.Put writes: eight bytes and as much of the
// packet as Tunables.QuoteLen allows, its header and eight bytes at least, so
// that the whole stays within 576 bytes by default (RFC 1812 §4.3.2.3).
func (e *Engine) Error(now clock.Time, c *Cause) (n int, why Suppressed) {
	class, sent := ClassUnreachable, &e.stats.OutUnreachable
	switch of4[c.Kind].typ {
	case wire.ICMP4TimeExceeded:
		class, sent = ClassTimeExceeded, &e.stats.OutTimeExceeded
	case wire.ICMP4ParamProblem:
		class, sent = ClassParamProblem, &e.stats.OutParamProblem
	}
	ip := c.Packet.V4()
	switch why = c.suppress4(ip); {
	case why == SuppressedError:
		e.stats.OldICMP++
		return 0, why
	case why != NotSuppressed:
		e.stats.Suppressed++
		return 0, why
	case !e.Allow(now, class):
		return 0, SuppressedLimit
	}
	*sent++
	c.quote = min(len(ip), max(int(e.tun.QuoteLen), ip.HeaderLen()+8))
	return wire.ICMP4Len + c.quote, NotSuppressed
}

// suppress4 finds what must never cause an error (RFC 1122 §3.2.2, RFC 1812
// §4.3.2.7).
func (c *Cause) suppress4(p wire.IPv4) Suppressed {
	dst := p.Dst()
	switch {
	case p.FragOffset() != 0:
		return SuppressedFragment
	case p.Proto() == wire.ProtoICMP && !isQuery(p.Payload()):
		return SuppressedError
	case c.ToMany || dst.IsMulticast() || dst.As4() == [4]byte{255, 255, 255, 255}:
		return SuppressedToMany
	case c.FromMany || !isHost(p.Src(), dst):
		return SuppressedSource
	}
	return NotSuppressed
}

// isQuery reports whether an ICMPv4 message is known not to be an error.
func isQuery(m []byte) bool {
	if len(m) == 0 {
		return false
	}
	switch m[0] {
	case wire.ICMP4EchoReply, wire.ICMP4Echo, wire.ICMP4RouterAdvert, wire.ICMP4RouterSolicit,
		wire.ICMP4Timestamp, wire.ICMP4TimestampReply, wire.ICMP4MaskRequest, wire.ICMP4MaskReply:
		return true
	}
	return false
}

// Put writes the message into b, which must have the length that Error told. An
// ICMPv6 message's checksum covers its source, which only its route decides: it
// is left zero for wire.ICMP6.SetChecksum, or whoever completes the packet.
func (c *Cause) Put(b []byte) {
	if c.Packet.Is6() {
		c.put6(b)
		return
	}
	f := of4[c.Kind]
	var rest uint32
	switch c.Kind {
	case PacketTooBig:
		rest = uint32(uint16(c.MTU))
	case ParamProblem:
		rest = c.Pointer << 24
	}
	copy(b[wire.ICMP4Len:], c.Packet.Bytes()[:c.quote])
	wire.PutICMP4(b, f.typ, f.code, rest, c.quote)
}
