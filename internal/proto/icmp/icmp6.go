package icmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Engine6 is the ICMPv6 of one stack, or of one of its shards: what Engine is
// for ICMPv4. It must be bound before use.
type Engine6 struct {
	tun   *Tunables6
	stats *Stats6
	full  [classes]clock.Time // when each class's bucket will be full again
}

// Bind tells the engine where its stack's tunables and counters are. It only
// stores the two pointers.
func (e *Engine6) Bind(tun *Tunables6, stats *Stats6) { e.tun, e.stats = tun, stats }

// Allow takes a token for one more message of class c and reports whether there
// was one. A bucket holds Tunables6.ErrorLimit tokens and is filled in a second
// (RFC 4443 §2.4 (f)).
func (e *Engine6) Allow(now clock.Time, c Class) bool {
	n := time.Duration(e.tun.ErrorLimit)
	if n < 0 {
		return true
	}
	if n > 0 {
		token := time.Second / n
		full := max(e.full[c], now)
		if full.Sub(now) <= time.Second-token {
			e.full[c] = full.Add(token)
			return true
		}
	}
	e.stats.Limited++
	return false
}

// Received6 is a received ICMPv6 message that is neither neighbor discovery nor
// MLD. The packet is whole and meant for this stack.
type Received6 struct {
	Src, Dst netip.Addr
	Message  wire.ICMP6
	Verify   bool // the checksum is still to be tested
}

// Input judges a received message.
func (e *Engine6) Input(now clock.Time, r *Received6) Answer {
	m := r.Message
	e.stats.Received++
	if r.Verify && !m.ChecksumOK(r.Src, r.Dst) {
		e.stats.Checksum++
		return Answer{Drop: DropChecksum}
	}
	switch {
	case m.Type() == wire.ICMP6EchoRequest:
		e.stats.InEcho++
		return e.echo(now, r)
	case m.Type() == wire.ICMP6EchoReply:
		e.stats.InEchoReply++
	case m.IsError():
		return e.report(r)
	default:
		e.stats.InOther++ // RFC 4443 §2.4 (b): unknown informational messages are discarded silently
	}
	return Answer{Raw: true}
}

// echo answers an echo request, also one to a group (RFC 4443 §4.2).
func (e *Engine6) echo(now clock.Time, r *Received6) Answer {
	switch {
	case r.Message.Code() != 0:
		e.stats.BadCode++
		return Answer{Drop: DropCode, Raw: true}
	case !isHost(r.Src, r.Dst):
		e.stats.BadAddr++
		return Answer{Drop: DropSource, Raw: true}
	case !e.Allow(now, ClassEchoReply):
		return Answer{Drop: DropLimit, Raw: true}
	}
	e.stats.OutEchoReply++
	return Answer{Action: Reply, Raw: true}
}

// Put6 turns the request m into its reply where it lies; only for Action Reply
// of an Engine6. The checksum stays right if source and destination change
// places; a request to a group is answered from an own address (RFC 4443 §4.2)
// and needs wire.ICMP6.SetChecksum once that is known.
func (a *Answer) Put6(m wire.ICMP6) {
	sum := wire.UpdateChecksum(m.Checksum(), uint16(m[0])<<8|uint16(m[1]), uint16(wire.ICMP6EchoReply)<<8)
	m[0], m[1], m[2], m[3] = wire.ICMP6EchoReply, 0, uint8(sum>>8), uint8(sum)
}

// report reads an error message, which goes to the transport that the quoted
// packet names (RFC 4443 §2.4 (d)).
func (e *Engine6) report(r *Received6) Answer {
	m := r.Message
	e.countError(m.Type())
	k, ok := kind6(m.Type(), m.Code())
	if !ok {
		e.stats.BadCode++
		return Answer{Drop: DropCode, Raw: true}
	}
	p, n, drop := e.quoted(r, k)
	if drop != NotDropped {
		return Answer{Drop: drop, Raw: true}
	}
	switch k {
	case PacketTooBig:
		if p.MTU, ok = pathMTU6(m.MTU(), n); !ok {
			e.stats.BadMTU++
			return Answer{Drop: DropMTU, Raw: true}
		}
	case ParamProblem, ProtoUnreachable:
		p.Pointer = m.Pointer()
	}
	return Answer{Action: Tell, Raw: true, Report: p}
}

func (e *Engine6) countError(typ uint8) {
	switch typ {
	case wire.ICMP6Unreachable:
		e.stats.InUnreachable++
	case wire.ICMP6TooBig:
		e.stats.InTooBig++
	case wire.ICMP6TimeExceeded:
		e.stats.InTimeExceeded++
	case wire.ICMP6ParamProblem:
		e.stats.InParamProblem++
	default:
		e.stats.InOther++
	}
}

// quoted reads the packet that the error is about, which was n bytes long.
func (e *Engine6) quoted(r *Received6, k Kind) (p Report, n int, drop Drop) {
	m := r.Message
	q, fault := m.Quoted()
	if fault == wire.BadType { // an error that was defined later
		q, fault = wire.ParseQuotedIPv6(m.Payload())
	}
	if fault != wire.OK {
		e.stats.BadLength++
		return p, 0, DropLength
	}
	p = Report{Kind: k, Code: m.Code(), Proto: wire.ProtoNoNext, From: r.Src, Src: q.Src(), Dst: q.Dst(), Quoted: q}
	// Only two errors may be sent about a packet to a group, and none is sent to
	// one (RFC 4443 §2.4 (e.3), (e.6)).
	toGroup := k == PacketTooBig || k == ParamProblem && p.Code == wire.ICMP6CodeOption
	if p.Dst.IsMulticast() && !toGroup || p.Src.IsMulticast() || r.Dst.IsMulticast() {
		e.stats.BadQuote++
		return p, 0, DropQuote
	}
	proto, upper, ok := q.Upper()
	switch {
	case ok:
		p.Proto, p.upper = proto, upper
		_, p.SrcPort, p.DstPort, p.Ports = q.Ports()
	case k != PacketTooBig:
		// RFC 4443 §2.4 (d): nobody can be told. The path's MTU is of the network
		// layer and counts all the same.
		e.stats.BadQuote++
		return p, 0, DropQuote
	}
	return p, q.TotalLen(), NotDropped
}

// Local returns a Report about a packet of this stack's that never left it, for
// the socket that sent it.
func Local(c *Cause) Report {
	k := c.Packet
	r := Report{Kind: c.Kind, Proto: k.Proto(), From: k.Src(), Src: k.Src(), Dst: k.Dst(), MTU: c.MTU, Quoted: k.Bytes(), upper: k.Payload()}
	if t := k.Payload(); (r.Proto == wire.ProtoUDP || r.Proto == wire.ProtoTCP) && len(t) >= 8 {
		u := wire.UDP(t) // the ports of both are in the same place
		r.Ports, r.SrcPort, r.DstPort = true, u.SrcPort(), u.DstPort()
	}
	return r
}
