package auto

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

const (
	maxSolicitDelay = time.Second     // MAX_RTR_SOLICITATION_DELAY, RFC 4861 §10
	firstSolicit    = 4 * time.Second // RTR_SOLICITATION_INTERVAL there, IRT in RFC 7559 §2
)

// nextSolicit hands out a solicitation that is due and decides on the next.
//
// Deviation: RFC 4861 §6.3.7 ends after three, four seconds apart. Here they go
// on with doubled intervals until a router answers, as RFC 7559 §2 has it; the
// first delay and the first interval are RFC 4861's.
func (h *Host) nextSolicit(now clock.Time, out *Out) bool {
	if now < h.solicitAt {
		return false
	}
	wait := 2 * time.Duration(h.wait) * time.Millisecond
	if h.solicits == 0 {
		wait = firstSolicit
	}
	wait = h.rng.about(min(wait, time.Duration(h.tun.SolicitSeconds)*time.Second))
	h.solicits = max(h.solicits+1, h.solicits) // it saturates
	h.wait = uint32(wait / time.Millisecond)
	h.solicitAt = now.Add(wait)
	if h.defaultRouter(now) >= 0 || h.tun.MaxSolicits > 0 && int32(h.solicits) >= h.tun.MaxSolicits {
		h.solicitAt = clock.Never
	}
	h.stats.Solicits++
	*out = Out{Kind: SendRS, Src: h.source()}
	return true
}

// source returns the address to solicit from.
func (h *Host) source() netip.Addr {
	for i := range h.addrs {
		if a := &h.addrs[i]; a.origin == LinkLocal && a.ready && !a.gone {
			return netip.AddrFrom16(a.ip)
		}
	}
	return netip.IPv6Unspecified()
}

// AppendSolicit appends the solicitation that out, a SendRS, asks for, from the
// ICMPv6 header on. The checksum is left to the caller; the hop limit is 255
// and the destination ff02::2.
func (h *Host) AppendSolicit(b []byte, out *Out) []byte {
	b = wire.AppendRS(b)
	// RFC 4861 §4.1: no link address from the unspecified address.
	if !out.Src.IsUnspecified() && !h.link.MAC.IsZero() {
		b = wire.AppendNDLinkAddr(b, wire.NDSourceLinkAddr, h.link.MAC)
	}
	return b
}
