package syn

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// FastCookieLen is the length of the Fast Open cookies we give out, in bytes
// (RFC 7413 §4.1.1 allows 4 to 16).
const FastCookieLen = 8

// fastGeneration numbers the keys of Fast Open cookies: a new one every so many
// seconds, the last two are valid (RFC 7413 §4.1.2).
func fastGeneration(t *Tunables, now clock.Time) uint32 {
	if t.FastAutoKey <= 0 {
		return 0
	}
	return uint32(uint64(now) / (uint64(t.FastAutoKey) * uint64(time.Second)))
}

// fastCookie returns the cookie of a client for one of our addresses. Ports do
// not matter (RFC 7413 §4.1.2).
func (s *Secret) fastCookie(gen uint32, key Key) [FastCookieLen]byte {
	sum := s.sum(labelFast, gen, netip.AddrPortFrom(key.Local.Addr(), 0), netip.AddrPortFrom(key.Remote.Addr(), 0), 0)
	return [FastCookieLen]byte(sum[:])
}

func putFastCookie(o *wire.TCPOptions, cookie [FastCookieLen]byte) {
	o.HasFastOpen, o.Cookie = true, uint8(copy(o.FastOpen[:], cookie[:]))
}

// fastOpen takes a SYN with a Fast Open option, and tells whether it makes a
// connection at once (RFC 7413 §4.2.2). If not, the handshake goes on as usual;
// its SYN-ACK gives out a cookie where the client has no good one.
func (c *Cache[L]) fastOpen(e *Env, now clock.Time, key Key, p *Listen, h *wire.TCPHeader, hs *Handshake, a *agreed) bool {
	gen := fastGeneration(e.T, now)
	sent := h.Options.FastOpenCookie()
	cookie := c.secret.fastCookie(gen, key)
	fresh := string(sent) == string(cookie[:])
	if !fresh {
		old := c.secret.fastCookie(gen-1, key)
		if e.T.FastAutoKey <= 0 || gen == 0 || string(sent) != string(old[:]) {
			a.traits |= fastOffer
			if len(sent) == 0 {
				e.S.FastRequests++
			} else {
				e.S.FastRefused++
			}
			return false
		}
	}
	if p.FastPending >= p.FastLimit || p.Full { // RFC 7413 §5.1
		e.S.FastLimited++
		return false
	}
	*hs = Handshake{FastOpen: true, IRS: h.Seq, Seq: h.Seq, Window: uint32(h.Window), FIB: p.FIB, Offered: offered(p)}
	hs.ISS, hs.TSOffset = c.secret.Pair(now, key.Local, key.Remote)
	if p.HasFloor {
		hs.ISS = Above(hs.ISS, p.Floor)
	}
	hs.agree(a)
	if hs.Timestamps {
		hs.TSRecent = h.Options.TSVal
	}
	if !fresh {
		hs.HasNewCookie, hs.NewCookie = true, cookie
	}
	e.S.FastOpened++
	return true
}
