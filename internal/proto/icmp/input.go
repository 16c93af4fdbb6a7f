package icmp

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// stampLen is the length of a time stamp message (RFC 792).
const stampLen = wire.ICMP4Len + 12

// Input judges a received ICMPv4 message.
func (e *Engine) Input(now clock.Time, r *Received) Answer {
	m := r.Message
	e.stats.Received++
	if r.Verify && !m.ChecksumOK() {
		e.stats.Checksum++
		return Answer{Drop: DropChecksum}
	}
	switch m.Type() {
	case wire.ICMP4Echo:
		e.stats.InEcho++
		return e.echo(now, r)
	case wire.ICMP4Timestamp:
		e.stats.InTimestamp++
		return e.timestamp(now, r)
	case wire.ICMP4Unreachable, wire.ICMP4TimeExceeded, wire.ICMP4ParamProblem:
		return e.report(r)
	case wire.ICMP4Redirect:
		e.stats.InRedirect++
		return e.redirect(r)
	case wire.ICMP4SourceQuench:
		e.stats.InOther++
		return Answer{Drop: DropQuench, Raw: true} // RFC 6633 §2
	case wire.ICMP4EchoReply:
		e.stats.InEchoReply++
	default:
		e.stats.InOther++ // RFC 1122 §3.2.2: unknown types are discarded silently
	}
	return Answer{Raw: true}
}

// echo answers an echo request (RFC 1122 §3.2.2.6), to many only if wanted.
func (e *Engine) echo(now clock.Time, r *Received) Answer {
	if r.ToMany && e.tun.BroadcastEcho == 0 {
		e.stats.BroadcastEcho++
		return Answer{Drop: DropToMany}
	}
	return e.reply(now, r, ClassEchoReply, &e.stats.OutEchoReply)
}

// timestamp answers a time stamp request (RFC 1122 §3.2.2.8).
func (e *Engine) timestamp(now clock.Time, r *Received) Answer {
	switch {
	case e.tun.TimestampReply == 0:
		return Answer{Drop: DropDisabled}
	case r.ToMany && e.tun.BroadcastEcho == 0:
		e.stats.BroadcastStamp++
		return Answer{Drop: DropToMany}
	case len(r.Message) < stampLen:
		e.stats.BadLength++
		return Answer{Drop: DropLength}
	}
	return e.reply(now, r, ClassTimestampReply, &e.stats.OutTimestampReply)
}

func (e *Engine) reply(now clock.Time, r *Received, c Class, sent *uint64) Answer {
	if r.FromMany || !isHost(r.Src, r.Dst) {
		e.stats.BadAddr++
		return Answer{Drop: DropSource}
	}
	if !e.Allow(now, c) {
		return Answer{Drop: DropLimit}
	}
	*sent++
	return Answer{Action: Reply}
}

// Put turns the request m into its reply where it lies; only for Action Reply.
// ms is the time of day in milliseconds since midnight UT, which a time stamp
// reply carries twice. The IP header is the caller's: source and destination
// change places, but a request to many is answered from an own address.
func (a *Answer) Put(m wire.ICMP4, ms uint32) {
	was := binary.BigEndian.Uint16(m[0:2])
	sum := m.Checksum()
	if m.Type() == wire.ICMP4Echo {
		m[0] = wire.ICMP4EchoReply
	} else {
		m[0] = wire.ICMP4TimestampReply
		for at := 12; at < stampLen; at += 4 { // receive and transmit time
			sum = wire.UpdateChecksum32(sum, binary.BigEndian.Uint32(m[at:]), ms)
			binary.BigEndian.PutUint32(m[at:], ms)
		}
	}
	sum = wire.UpdateChecksum(sum, was, binary.BigEndian.Uint16(m[0:2])) // RFC 1624
	if sum == 0 {
		// The reply to an echo without identifier, number and data is all zeros but
		// for its checksum, and only the other zero of one's complement is right.
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(m[2:4], sum)
}

// report reads an error message (RFC 1122 §3.2.2: it is passed to the
// transport that the quoted packet names).
func (e *Engine) report(r *Received) Answer {
	m := r.Message
	k, ok := kind4(m.Type(), m.Code())
	switch m.Type() {
	case wire.ICMP4Unreachable:
		e.stats.InUnreachable++
	case wire.ICMP4TimeExceeded:
		e.stats.InTimeExceeded++
	default:
		e.stats.InParamProblem++
	}
	if !ok {
		e.stats.BadCode++
		return Answer{Drop: DropCode, Raw: true}
	}
	p, drop := e.quoted(r)
	if drop != NotDropped {
		return Answer{Drop: drop, Raw: true}
	}
	p.Kind = k
	switch k {
	case PacketTooBig:
		if p.MTU, ok = pathMTU(m.MTU(), wire.QuotedIPv4(p.Quoted).TotalLen()); !ok {
			e.stats.BadMTU++
			return Answer{Drop: DropMTU, Raw: true}
		}
	case ParamProblem:
		p.Pointer = uint32(m.Pointer())
	}
	return Answer{Action: Tell, Raw: true, Report: p}
}

// redirect reads a redirect.
func (e *Engine) redirect(r *Received) Answer {
	if r.Message.Code() > 3 {
		e.stats.BadCode++
		return Answer{Drop: DropCode, Raw: true}
	}
	if e.tun.DropRedirect != 0 {
		e.stats.DroppedRedirect++
		return Answer{Drop: DropRedirect, Raw: true}
	}
	p, drop := e.quoted(r)
	if drop != NotDropped {
		return Answer{Drop: drop, Raw: true}
	}
	p.Gateway = r.Message.Gateway()
	if !isHost(p.Gateway, p.Dst) {
		e.stats.BadAddr++
		return Answer{Drop: DropSource, Raw: true}
	}
	return Answer{Action: Redirect, Raw: true, Report: p}
}

// quoted reads the packet that the error is about.
func (e *Engine) quoted(r *Received) (Report, Drop) {
	q, fault := r.Message.Quoted()
	if fault != wire.OK {
		e.stats.BadLength++
		return Report{}, DropLength
	}
	p := Report{Code: r.Message.Code(), Proto: q.Proto(), From: r.Src, Src: q.Src(), Dst: q.Dst(), Quoted: q}
	// Nobody may send an error about a packet to many (RFC 1122 §3.2.2).
	if p.Dst.IsMulticast() || r.ToMany {
		return Report{}, DropQuote
	}
	p.SrcPort, p.DstPort, p.Ports = q.Ports()
	if q.FragOffset() == 0 {
		p.upper = q.Payload()
	}
	return p, NotDropped
}

// isHost reports whether a can be the address of a single host that is to be
// answered from to (RFC 1122 §3.2.2): not zero, a group, class E or broadcast,
// and loopback only within the host.
func isHost(a, to netip.Addr) bool {
	if !a.Is4() {
		return !a.IsUnspecified() && !a.IsMulticast() && (!a.IsLoopback() || to.IsLoopback())
	}
	b := a.As4()
	return b[0] != 0 && b[0] < 224 && (b[0] != 127 || to.IsLoopback())
}
