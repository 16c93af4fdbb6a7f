package syn

import (
	"encoding/binary"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// A SYN cookie (RFC 4987 §3.6) is an initial sequence number that says what was
// agreed on, so that nothing need be remembered:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-----------------------------------------------+-----+-----+-+-+
//	|                  hash                         | MSS |scale|S|G|
//	+-----------------------------------------------+-----+-----+-+-+
//
// S is SACK, G the last bit of the generation: the secret is combined with a
// number that changes every 15 s, and the last two are valid. The low 8 bits
// are hidden by the first 8 of the hash. The hash covers the secret, the
// generation, both ends, the peer's initial number, our window shift, and all
// that is encoded here and in the timestamp.
//
// The last bits of the timestamp, which comes back to us, hold what has no room:
//
//	+-+-------+
//	|E| scale |  E is ECN, scale 15 if there is none.
//	+-+-------+
const (
	cookieLife = 15 * time.Second // of a generation
	timeBits   = 5
	timeMask   = 1<<timeBits - 1
	timeNone   = 15
	timeECN    = 16
)

// cookieMSS are the segment sizes that a cookie can say; the largest not above
// the peer's counts. The usual ones of Ethernet and what tunnels leave of it.
var cookieMSS = [8]uint16{216, 536, 1200, 1360, 1400, 1440, 1452, 1460}

// cookieScale are the window shifts that a cookie can say without a timestamp.
// Index 0 says that there is none.
var cookieScale = [8]uint8{0, 0, 1, 2, 4, 6, 7, 8}

func generation(now clock.Time) uint32 { return uint32(uint64(now) / uint64(cookieLife)) }

// answerByCookie answers a SYN and forgets it.
func (c *Cache[L]) answerByCookie(e *Env, now clock.Time, key Key, l L, p *Listen, h *wire.TCPHeader, a agreed) Verdict {
	o := c.push(e)
	if o == nil {
		return Dropped
	}
	if !a.traits.has(timed) {
		a.traits &^= ecn // there is no room to remember it
	}
	gen := generation(now)
	bits, times := encode(&a, gen)
	iss := c.secret.cookie(gen, key, h.Seq, &a, bits, times)
	o.Key, o.FIB, o.Listener, o.Retransmit = key, p.PacketFIB, l, false
	fillSYNACK(&o.Hdr, key, &a, iss, h.Seq, offered(p), p.MSS)
	if a.traits.has(timed) {
		ts := Timestamp(now, c.secret.TSOffset(key.Local, key.Remote))
		if ts&timeMask < uint32(times) {
			ts -= timeMask + 1 // never ahead of the time
		}
		o.Hdr.Options.TSVal, o.Hdr.Options.TSEcr = ts&^timeMask|uint32(times), h.Options.TSVal
	}
	c.cookies = now.Add(2 * cookieLife)
	e.S.SentCookies++
	return Answered
}

// encode returns the low bits of the cookie and those of the timestamp.
func encode(a *agreed, gen uint32) (bits, times uint8) {
	m := len(cookieMSS) - 1
	for m > 0 && cookieMSS[m] > a.mss {
		m--
	}
	s := 0
	if a.traits.has(scaled) {
		for s = len(cookieScale) - 1; s > 1 && cookieScale[s] > a.sendScale; s-- {
		}
	}
	bits = uint8(m)<<5 | uint8(s)<<2 | uint8(gen&1)
	if a.traits.has(sacking) {
		bits |= 2
	}
	if !a.traits.has(timed) {
		return bits, 0
	}
	times = timeNone
	if a.traits.has(scaled) {
		times = a.sendScale
	}
	if a.traits.has(ecn) {
		times |= timeECN
	}
	return bits, times
}

// decode is the inverse of encode, as far as one is possible.
func decode(bits, times uint8, withTime bool, p *Listen) agreed {
	a := agreed{mss: max(min(cookieMSS[bits>>5], p.MSS), p.MinMSS)}
	if bits&2 != 0 {
		a.traits |= sacking
	}
	if s := bits >> 2 & 7; s != 0 {
		a.traits |= scaled
		a.sendScale, a.recvScale = cookieScale[s], min(p.Scale, maxScale)
	}
	if withTime {
		a.traits |= timed
		if a.traits.has(scaled) {
			a.sendScale = min(times&15, maxScale)
		}
		if times&timeECN != 0 {
			a.traits |= ecn
		}
	}
	return a
}

// cookie returns the initial sequence number that says what bits and times do.
func (s *Secret) cookie(gen uint32, key Key, irs wire.Seq, a *agreed, bits, times uint8) wire.Seq {
	about := uint64(irs)<<32 | uint64(a.recvScale)<<24 | uint64(times)<<16 | uint64(a.traits&timed)<<8 | uint64(bits)
	sum := s.sum(labelCookie, gen, key.Local, key.Remote, about)
	n := binary.BigEndian.Uint32(sum[:])
	return wire.Seq(n&^0xff | uint32(bits) ^ n>>24)
}

// returned takes an ACK for which there is no entry: it may bring back a
// cookie.
func (c *Cache[L]) returned(e *Env, now clock.Time, key Key, l L, p *Listen, h *wire.TCPHeader, hs *Handshake) Verdict {
	if e.T.Cookies == 0 || now >= c.cookies {
		e.S.SpurCookies++
		return c.reset(e, key, p.PacketFIB, h)
	}
	iss, irs := h.Ack.Add(-1), h.Seq.Add(-1)
	bits, times := uint8(iss)^uint8(iss>>24), uint8(0)
	if h.Options.HasTime {
		times = uint8(h.Options.TSEcr & timeMask)
	}
	a := decode(bits, times, h.Options.HasTime, p)
	gen := generation(now)
	gen -= (gen ^ uint32(bits)) & 1 // this one, or the last
	if c.secret.cookie(gen, key, irs, &a, bits, times) != iss {
		e.S.FailedCookies++
		return c.reset(e, key, p.PacketFIB, h)
	}
	e.S.RecvCookies++
	r := entry[L]{key: key, listener: l, iss: iss, irs: irs, fib: p.FIB, agreed: a, window: offered(p), offeredMSS: p.MSS}
	if a.traits.has(timed) {
		r.tsOffset, r.tsRecent = c.secret.TSOffset(key.Local, key.Remote), h.Options.TSVal
	}
	if p.Full {
		return c.hold(e, now, &r, p, h)
	}
	r.agreed.traits |= resent // when it left is not known
	c.handshake(now, &r, h, hs)
	hs.Cookie, hs.RTT = true, 0
	e.S.Completed++
	return Accepted
}

// hold makes a cookie that finds the accept queue full an entry, which unlike
// the cookie can wait: one that has been answered is worth more than the oldest
// request, which may never be.
func (c *Cache[L]) hold(e *Env, now clock.Time, known *entry[L], p *Listen, h *wire.TCPHeader) Verdict {
	if e.T.ResetOnFull != 0 {
		e.S.ListenDrop++
		e.S.Aborted++
		c.reset(e, known.key, p.PacketFIB, h)
		return Overflow
	}
	r := c.insert(e, now, known.key)
	r.listener, r.fib, r.agreed = known.listener, known.fib, known.agreed
	r.iss, r.irs, r.tsOffset, r.tsRecent = known.iss, known.irs, known.tsOffset, known.tsRecent
	r.window, r.offeredMSS = known.window, known.offeredMSS
	r.agreed.traits |= resent
	return c.overflow(e, r, p, h)
}
