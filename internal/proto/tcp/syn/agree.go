package syn

import "github.com/seed88948545/vimage/internal/wire"

// traits are what two ends have, or have not, agreed on, and what else is
// remembered of a request.
type traits uint8

const (
	scaled traits = 1 << iota
	sacking
	timed
	ecn
	fastOffer // the SYN-ACK gives out a Fast Open cookie
	resent    // the SYN-ACK has left more than once: whose answer comes is unknown
	unreached // an ICMP error has come
)

func (t traits) has(x traits) bool { return t&x != 0 }

// maxScale is the largest window shift (RFC 7323 §2.3).
const maxScale = 14

// agreed is what a SYN and a listener agree on.
type agreed struct {
	mss                  uint16
	sendScale, recvScale uint8
	traits               traits
}

// agree settles the options of a connection: each holds only if both ends want
// it, and the SYN-ACK says no more than the SYN did.
func agree(key Key, p *Listen, h *wire.TCPHeader) agreed {
	o := &h.Options
	a := agreed{mss: clampMSS(key, p, o.MSS)}
	if p.Scaling && o.HasScale {
		a.traits |= scaled
		a.sendScale = min(o.Scale, maxScale) // RFC 7323 §2.3: a larger one counts as 14
		a.recvScale = min(p.Scale, maxScale)
	}
	if p.Timestamps && o.HasTime {
		a.traits |= timed
	}
	if p.SACK && o.SACKOK {
		a.traits |= sacking
	}
	if p.ECN && h.Flags.Has(wire.ECE|wire.CWR) { // RFC 3168 §6.1.1: an ECN-setup SYN has both
		a.traits |= ecn
	}
	return a
}

// clampMSS returns the largest segment to send to a peer that named mss, or
// none where that is 0 (RFC 9293 §3.7.1, MUST-15).
func clampMSS(key Key, p *Listen, mss uint16) uint16 {
	switch {
	case mss != 0:
	case p.MSSDefault != 0:
		mss = p.MSSDefault
	case key.Remote.Addr().Is4():
		mss = 536
	default:
		mss = 1220
	}
	return max(min(mss, p.MSS), p.MinMSS)
}

// unicast tells whether both ends can be of a connection: RFC 9293 §3.9.2.3,
// and no segment can be answered that comes from itself or from nowhere.
func unicast(key Key) bool {
	l, r := key.Local.Addr(), key.Remote.Addr()
	return !r.IsMulticast() && !r.IsUnspecified() && !l.IsMulticast() && key.Remote.Port() != 0 && key.Local != key.Remote
}
