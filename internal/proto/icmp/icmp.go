package icmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Class is what is limited in rate together (RFC 1812 §4.3.2.8).
type Class uint8

// The classes. The last two are for the TCP output of a stack.
const (
	ClassUnreachable Class = iota
	ClassTimeExceeded
	ClassParamProblem
	ClassEchoReply
	ClassTimestampReply
	ClassTooBig      // ICMPv6's; in ICMPv4 it is ClassUnreachable
	ClassRedirect    // ICMPv6's
	ClassResetClosed // resets from ports where nobody listens
	ClassResetOpen   // resets from ports where somebody listens
	classes
)

// window counts what one class sent in one second.
type window struct {
	start clock.Time
	sent  int32
}

// Engine is the ICMP of one stack, or of one of its shards.
//
// The zero Engine must be bound to tunables and statistics (Bind) before use.
// All moments come from one clock and do not go backwards.
type Engine struct {
	tun     *Tunables
	stats   *Stats
	windows [classes]window
}

// Bind tells the engine where its stack's tunables and counters are. It only
// stores the two pointers, so a caller may bind anew whenever either moves.
func (e *Engine) Bind(tun *Tunables, stats *Stats) { e.tun, e.stats = tun, stats }

// Allow counts one more message of class c and reports whether it may be sent:
// at most Tunables.Limit within a second of the first.
func (e *Engine) Allow(now clock.Time, c Class) bool {
	w := &e.windows[c]
	if w.sent == 0 || now.Sub(w.start) >= time.Second {
		*w = window{start: now}
	}
	if e.tun.Limit > 0 && w.sent >= e.tun.Limit {
		e.stats.Limited++
		return false
	}
	w.sent++
	return true
}

// Received is a received ICMPv4 message and what the caller knows about it. The
// packet is not a fragment and is meant for this stack.
type Received struct {
	Src, Dst netip.Addr
	Message  wire.ICMP4
	Verify   bool // the checksum is still to be tested
	ToMany   bool // Dst is a multicast or broadcast address, or the frame was sent to many
	FromMany bool // Src is a subnet's broadcast address; what every stack knows to be no host the engine sees itself
}

// Action is what is to be done with a received message.
type Action uint8

// The actions.
const (
	Ignore   Action = iota // nothing, Answer.Drop may say why
	Reply                  // send the message back after Answer.Put
	Tell                   // pass Answer.Report to the transport
	Redirect               // consider Answer.Report: Gateway is better for Dst. The caller tests that the sender is the present gateway and Gateway is on a connected network (RFC 1122 §3.2.2.2)
)

// Drop says why a message came to nothing.
type Drop uint8

// The reasons.
const (
	NotDropped Drop = iota
	DropChecksum
	DropLength
	DropCode
	DropToMany   // a request to many
	DropSource   // a request whose source is not a single host
	DropLimit    // too many per second
	DropQuote    // an error about something that cannot be ours, e.g. sent to a group
	DropMTU      // an MTU that cannot be true
	DropRedirect // redirects are switched off
	DropDisabled // time stamps are switched off
	DropQuench   // source quench means nothing (RFC 6633)
)

var dropNames = [...]string{
	"none", "bad checksum", "bad length", "bad code", "request to many", "bad source", "rate limit", "bad quote",
	"bad mtu", "redirects off", "time stamps off", "source quench",
}

// String names the reason.
func (d Drop) String() string { return dropNames[d] }

// Answer is what Input decided.
type Answer struct {
	Action Action
	Drop   Drop
	Raw    bool // raw sockets get a copy: everything but what is broken or a request
	Report Report
}

// Report is an error message in terms of the packet it quotes, which this
// stack once sent.
type Report struct {
	Kind    Kind
	Code    uint8 // the message's own code, for those who want to know better than Kind
	Proto   uint8
	Ports   bool // SrcPort and DstPort are quoted
	From    netip.Addr
	Gateway netip.Addr // Redirect: the better next hop

	Src, Dst         netip.Addr // of the quoted packet: ours, if the message is true, and the peer's
	SrcPort, DstPort uint16
	MTU              int    // PacketTooBig: the path's MTU, told or guessed (RFC 1191 §5, RFC 8201 §4)
	Pointer          uint32 // ParamProblem, and ICMPv6's ProtoUnreachable: the offset of the wrong byte
	Quoted           []byte // the packet itself as far as it is quoted, from its IP header on; a view into the message

	upper []byte // what is quoted of the upper layer; nil for a later fragment
}

// TCPSeq returns the quoted TCP sequence number, by which a transport tells a
// true error from a forged one: it must lie between SND.UNA and SND.NXT (RFC
// 5927 §4.1). False if it is not quoted or the packet was not TCP.
func (r *Report) TCPSeq() (seq uint32, ok bool) {
	b := r.upper
	if r.Proto != wire.ProtoTCP || len(b) < 8 {
		return 0, false
	}
	return uint32(b[4])<<24 | uint32(b[5])<<16 | uint32(b[6])<<8 | uint32(b[7]), true
}

// Hard reports whether the error is one at which a connection that is being set
// up should be given up: Kind.Hard, but from ICMPv6 codes 1 and 4 of destination
// unreachable, with the kinds of code 1 that came later (RFC 9293 §3.9.2.2).
// PacketTooBig is none there.
func (r *Report) Hard() bool {
	if !r.Dst.Is6() {
		return r.Kind.Hard()
	}
	return r.Kind == PortUnreachable || r.Kind == Prohibited || r.Kind == SourcePolicy || r.Kind == RejectRoute
}
