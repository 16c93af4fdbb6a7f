package icmp

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// quoteLen6 is how much of a packet an ICMPv6 error quotes at most: what fits
// into the least MTU (RFC 4443 §2.4 (c)).
const quoteLen6 = MinMTU6 - wire.IPv6Len - wire.ICMP6Len

// Error decides whether an error is sent about c, an IPv6 packet, and counts it.
// If so n is the length of the message that c.Put writes.
func (e *Engine6) Error(now clock.Time, c *Cause) (n int, why Suppressed) {
	class, sent := ClassUnreachable, &e.stats.OutUnreachable
	switch of6[c.Kind].typ {
	case wire.ICMP6TooBig:
		class, sent = ClassTooBig, &e.stats.OutTooBig
	case wire.ICMP6TimeExceeded:
		class, sent = ClassTimeExceeded, &e.stats.OutTimeExceeded
	case wire.ICMP6ParamProblem:
		class, sent = ClassParamProblem, &e.stats.OutParamProblem
	}
	switch why = c.suppress6(c.Packet.V6()); {
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
	c.quote = min(c.Packet.Len(), quoteLen6)
	return wire.ICMP6Len + c.quote, NotSuppressed
}

// suppress6 finds what must never cause an error (RFC 4443 §2.4 (e)). The upper
// layer is looked for behind all extension headers, since a router passes over
// most of them. Of a later fragment nothing is known, and a message that is
// itself an error is never cut.
func (c *Cause) suppress6(p wire.IPv6) Suppressed {
	dst := p.Dst()
	proto, upper, ok := wire.QuotedIPv6(p).Upper()
	switch {
	case ok && proto == wire.ProtoICMPv6 && !isQuery6(upper):
		return SuppressedError
	case (c.ToMany || dst.IsMulticast()) && !c.toMany6(p):
		return SuppressedToMany
	case c.FromMany || !isHost(p.Src(), dst):
		return SuppressedSource
	}
	return NotSuppressed
}

// isQuery6 reports whether an ICMPv6 message is neither an error nor a redirect.
func isQuery6(m []byte) bool {
	return len(m) > 0 && m[0] >= 128 && m[0] != wire.ICMP6Redirect
}

// toMany6 reports whether the error may be sent even about a packet to many:
// packet too big, and parameter problem about an option whose type asks for it
// (RFC 4443 §2.4 (e.3), RFC 8200 §4.2).
func (c *Cause) toMany6(p wire.IPv6) bool {
	if c.Kind == ParamProblem && c.Code == wire.ICMP6CodeOption {
		return c.Pointer < uint32(len(p)) && p[c.Pointer]>>6 == 2
	}
	return c.Kind == PacketTooBig
}

func (c *Cause) put6(b []byte) {
	f := of6[c.Kind]
	var rest uint32
	switch c.Kind {
	case PacketTooBig:
		rest = uint32(max(c.MTU, MinMTU6)) // RFC 8200 §5: every link takes as much
	case ParamProblem:
		f.code, rest = c.Code, c.Pointer
	case ProtoUnreachable:
		rest = c.Pointer
	}
	copy(b[wire.ICMP6Len:], c.Packet.Bytes()[:c.quote])
	wire.PutICMP6(b, f.typ, f.code, rest)
}
