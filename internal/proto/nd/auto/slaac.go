package auto

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// twoHours is as short as an advertisement can make a valid lifetime that is
// longer (RFC 4862 §5.5.3 (e)).
const twoHours = 2 * time.Hour

// prefix is what is known of an advertised prefix.
type prefix struct {
	ip        [16]byte
	onLink    clock.Time // it is on the link until then
	valid     clock.Time // it is known until then
	routers   uint32     // who announces it, by place in Host.routers
	bits      uint8
	tempDups  uint8 // temporary addresses in a row that were duplicates
	installed bool  // the route to it was handed out
}

// address is one that was formed. Its prefix's length is 64.
type address struct {
	ip         [16]byte
	preferred  clock.Time
	valid      clock.Time
	created    clock.Time
	desync     uint32 // RFC 8981 §3.8 DESYNC_FACTOR, milliseconds
	origin     Origin
	dups       uint8 // duplicates before it
	told       bool  // handed out by AddAddress
	deprecated bool  // and as deprecated
	ready      bool
	duplicate  bool
	gone       bool // to be deleted at once
}

// inputPrefix takes a prefix option by router r (-1: not kept).
func (h *Host) inputPrefix(now clock.Time, r int, in *wire.NDPrefix) {
	a := in.Prefix.Addr()
	switch {
	// Deviation: RFC 4861 §6.3.4 excludes the link-local prefix only; no host is
	// on a link with the whole Internet, or with groups.
	case a.IsLinkLocalUnicast() || a.IsMulticast() || in.Prefix.Bits() == 0:
		h.stats.BadPrefixes++
		return
	}
	p := h.keepPrefix(in)
	if p == nil {
		return
	}
	until := lifetime(now, in.Valid)
	if r >= 0 {
		p.routers &^= 1 << r
		if in.Valid > 0 {
			p.routers |= 1 << r
		}
	}
	p.valid = until
	if in.OnLink { // RFC 4861 §6.3.4: no flag says nothing about it
		p.onLink = until
	}
	if in.Autonomous {
		h.inputAutonomous(now, p, in)
	}
}

// keepPrefix returns what is known of the prefix, or a new one, or nil if it is
// not worth keeping or there are too many.
func (h *Host) keepPrefix(in *wire.NDPrefix) *prefix {
	ip, bits := in.Prefix.Addr().As16(), uint8(in.Prefix.Bits())
	for i := range h.prefixes {
		if p := &h.prefixes[i]; p.ip == ip && p.bits == bits {
			return p
		}
	}
	if in.Valid == 0 {
		return nil
	}
	if len(h.prefixes) >= int(h.tun.MaxPrefixes) {
		h.stats.PrefixesFull++
		return nil
	}
	h.prefixes = append(h.prefixes, prefix{ip: ip, bits: bits})
	return &h.prefixes[len(h.prefixes)-1]
}

// inputAutonomous forms an address in p or refreshes those that are there (RFC
// 4862 §5.5.3).
func (h *Host) inputAutonomous(now clock.Time, p *prefix, in *wire.NDPrefix) {
	if in.Preferred > in.Valid || p.bits != 64 { // (c), and (d): 64 bits are left for the identifier
		h.stats.BadPrefixes++
		return
	}
	a := h.stable(p)
	if a == nil {
		if in.Valid > 0 {
			h.form(now, prefixFrom(p.ip, p.bits), Prefix, 0, lifetime(now, in.Preferred), lifetime(now, in.Valid))
		}
		return
	}
	a.preferred = lifetime(now, in.Preferred)
	// (e): shorter than it was, and shorter than two hours, anybody on the link
	// could say to make us lose the address.
	switch until, floor := lifetime(now, in.Valid), now.Add(twoHours); {
	case until > floor || until > a.valid:
		a.valid = until
	case a.valid > floor:
		a.valid = floor
		h.stats.TwoHours++
	case until < a.valid:
		h.stats.TwoHours++
	}
	h.limitTemporary(a)
}

// stable returns the address formed from p that is not temporary. It exists as
// long as any other does.
func (h *Host) stable(p *prefix) *address {
	for i := range h.addrs {
		if a := &h.addrs[i]; a.origin == Prefix && p.bits == 64 && !a.gone && [8]byte(a.ip[:8]) == [8]byte(p.ip[:8]) {
			return a
		}
	}
	return nil
}

// prefixOf returns the prefix that a was formed from.
func (h *Host) prefixOf(a *address) *prefix {
	for i := range h.prefixes {
		if p := &h.prefixes[i]; p.bits == 64 && [8]byte(a.ip[:8]) == [8]byte(p.ip[:8]) {
			return p
		}
	}
	return nil
}

// formLinkLocal forms the link-local address (RFC 4862 §5.3).
func (h *Host) formLinkLocal(now clock.Time) {
	ll := netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80}), 64)
	h.form(now, ll, LinkLocal, h.dups, clock.Never, clock.Never)
}

func (h *Host) hasLinkLocal() bool {
	for i := range h.addrs {
		if a := &h.addrs[i]; a.origin == LinkLocal && !a.gone {
			return true
		}
	}
	return false
}

// form makes an address of an identifier that belongs to the interface.
func (h *Host) form(now clock.Time, p netip.Prefix, origin Origin, dups uint8, preferred, valid clock.Time) {
	id, dups, ok := h.link.interfaceID(p, dups)
	if ok {
		h.add(address{
			ip: join(p, id), origin: origin, dups: dups, created: now, preferred: preferred, valid: valid,
		})
	}
}

// add takes a new address, unless there are too many.
func (h *Host) add(a address) bool {
	if len(h.addrs) >= int(h.tun.MaxAddresses) {
		h.stats.AddressesFull++
		return false
	}
	h.addrs = append(h.addrs, a)
	h.stats.Formed++
	h.dirty = true
	return true
}

// Ready says that duplicate address detection of an address is over, or that
// it is skipped.
func (h *Host) Ready(now clock.Time, ip netip.Addr) {
	a := h.find(ip)
	if a == nil {
		return
	}
	a.ready = true
	if p := h.prefixOf(a); a.origin == Temporary && p != nil {
		p.tempDups = 0
	}
}

// Duplicate says that somebody else has an address. A stable private address
// is replaced by the next one, at most StableRetries times (RFC 7217 §6); a
// temporary one likewise, three times (RFC 8981 §3.3.1). Otherwise, and for
// EUI-64, the address stays with its lifetime but is not to be used: what else
// is to be done with the interface (RFC 4862 §5.4.5) is up to the stack. The
// delay of RFC 7217 §6 before the next attempt is the one that detection makes.
func (h *Host) Duplicate(now clock.Time, ip netip.Addr) {
	a := h.find(ip)
	if a == nil || a.duplicate {
		return
	}
	h.stats.Duplicates++
	h.dirty = true
	a.ready = false
	if a.origin == Temporary {
		a.gone = true
		if p := h.prefixOf(a); p != nil {
			if p.tempDups++; p.tempDups > temporaryRetries {
				h.stats.GaveUp++
			}
		}
		return
	}
	if !h.link.Stable || h.link.Secret == nil || int32(a.dups) >= h.tun.StableRetries {
		a.duplicate = true
		h.stats.GaveUp++
		return
	}
	p := netip.PrefixFrom(netip.AddrFrom16(a.ip), 64).Masked()
	id, dups, ok := h.link.interfaceID(p, a.dups+1)
	if !ok {
		a.duplicate = true
		h.stats.GaveUp++
		return
	}
	next := *a
	next.ip, next.dups, next.created, next.told, next.deprecated = join(p, id), dups, now, false, false
	a.gone = true
	h.addrs = append(h.addrs, next) // one goes for it: no limit
	h.stats.Formed++
}

// find returns the entry of an address, nil if it is none of ours.
func (h *Host) find(ip netip.Addr) *address {
	if h == nil || !ip.Is6() {
		return nil
	}
	k := ip.As16()
	for i := range h.addrs {
		if a := &h.addrs[i]; a.ip == k && !a.gone {
			return a
		}
	}
	return nil
}

// own tells whether an address is one of ours.
func (h *Host) own(ip [16]byte) bool { return h.find(netip.AddrFrom16(ip)) != nil }

// nextAddress hands out a change of the addresses: first what ends, so that an
// address that is formed again comes behind its end.
func (h *Host) nextAddress(now clock.Time, out *Out) bool {
	for i := 0; i < len(h.addrs); i++ {
		a := h.addrs[i]
		if !a.gone && now < a.valid { // RFC 4862 §5.5.4: invalid at the end of its lifetime
			continue
		}
		h.addrs = remove(h.addrs, i)
		if a.told {
			*out = Out{Kind: DelAddress, Address: h.address(&a)}
			return true
		}
		i--
	}
	h.formTemporary(now)
	for i := range h.addrs {
		a := &h.addrs[i]
		old := a.deprecated
		a.deprecated = now >= a.preferred
		switch {
		case !a.told:
			a.told = true
			*out = Out{Kind: AddAddress, Address: h.address(a)}
			return true
		case a.deprecated != old:
			*out = Out{Kind: ChangeAddress, Address: h.address(a)}
			return true
		}
	}
	return false
}

// address returns a as others see it.
func (h *Host) address(a *address) Address {
	return Address{
		Prefix: netip.PrefixFrom(netip.AddrFrom16(a.ip), 64), Origin: a.origin,
		Optimistic: h.link.Optimistic && !a.ready, Deprecated: a.deprecated, Ready: a.ready, Duplicate: a.duplicate,
		Preferred: a.preferred, Valid: a.valid,
	}
}

func (p *prefix) route() Route { return Route{Dst: prefixFrom(p.ip, p.bits), Expire: p.onLink} }
