package auto

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// temporaryRetries is TEMP_IDGEN_RETRIES, RFC 8981 §3.8.
const temporaryRetries = 3

// wantsTemporary tells whether a is one beside which temporary addresses are
// formed.
func (h *Host) wantsTemporary(a *address) bool {
	return h.tun.UseTemp != 0 && h.link.Secret != nil && a.origin == Prefix && !a.gone
}

// regenAdvance is how long before the end of a temporary address's preferred
// lifetime the next one is formed: REGEN_ADVANCE, RFC 8981 §3.8.
func (h *Host) regenAdvance() time.Duration {
	retrans := time.Second
	if h.retrans != 0 {
		retrans = time.Duration(h.retrans) * time.Millisecond
	}
	return 2*time.Second + temporaryRetries*time.Duration(h.link.Transmits)*retrans
}

// temporaries returns how many temporary addresses of base's prefix there are
// and until when one of them is preferred.
func (h *Host) temporaries(base *address) (n int32, preferred clock.Time) {
	for i := range h.addrs {
		if a := &h.addrs[i]; a.origin == Temporary && !a.gone && [8]byte(a.ip[:8]) == [8]byte(base.ip[:8]) {
			n++
			preferred = max(preferred, a.preferred)
		}
	}
	return n, preferred
}

// renewal returns when the temporary addresses beside base need another one,
// clock.Never if there is none yet: what is missing now waits for an event, not
// for time.
func (h *Host) renewal(now clock.Time, base *address) clock.Time {
	n, preferred := h.temporaries(base)
	if n == 0 || preferred == clock.Never {
		return clock.Never
	}
	if at := preferred - clock.Time(h.regenAdvance()); at > now {
		return at
	}
	return clock.Never
}

// formTemporary forms the temporary addresses that are due (RFC 8981 §3.3 and
// §3.4): every prefix with a preferred address has one that stays preferred for
// longer than it takes to form the next.
func (h *Host) formTemporary(now clock.Time) {
	for i := range h.addrs {
		base := h.addrs[i]
		if !h.wantsTemporary(&base) {
			continue
		}
		soon := now.Add(h.regenAdvance())
		n, preferred := h.temporaries(&base)
		if base.preferred <= soon || preferred > soon || n >= h.tun.MaxTemp {
			continue
		}
		if p := h.prefixOf(&base); p == nil || p.tempDups > temporaryRetries {
			continue
		}
		a := address{ip: h.temporaryIP(now, &base), created: now, origin: Temporary}
		a.desync = uint32(h.rng.upTo(h.tempPreferred()*2/5) / time.Millisecond) // MAX_DESYNC_FACTOR is 0.4 of it
		h.limit(&a, &base)
		if a.preferred > soon && h.add(a) { // RFC 8981 §3.3 (5)
			h.stats.Temporary++
		}
	}
}

// temporaryIP returns an address with a new random identifier.
func (h *Host) temporaryIP(now clock.Time, base *address) [16]byte {
	p := prefixFrom(base.ip, 64)
	for {
		id := temporaryID(p, &h.link, now, h.rng.next())
		if ip := join(p, id); !reserved(id) && !h.own(ip) {
			return ip
		}
	}
}

func (h *Host) tempPreferred() time.Duration {
	return time.Duration(h.tun.TempPreferred) * time.Second
}

// limit gives a temporary address its lifetimes: those of base, but no longer
// than a temporary address may have since it was formed (RFC 8981 §3.3 (4) and
// §3.4).
func (h *Host) limit(a, base *address) {
	desync := time.Duration(a.desync) * time.Millisecond
	a.preferred = min(base.preferred, a.created.Add(h.tempPreferred()-desync))
	a.valid = min(base.valid, a.created.Add(time.Duration(h.tun.TempValid)*time.Second))
	a.preferred = min(a.preferred, a.valid)
}

// limitTemporary gives the temporary addresses beside base their lifetimes anew.
func (h *Host) limitTemporary(base *address) {
	for i := range h.addrs {
		if a := &h.addrs[i]; a.origin == Temporary && [8]byte(a.ip[:8]) == [8]byte(base.ip[:8]) {
			h.limit(a, base)
		}
	}
}
