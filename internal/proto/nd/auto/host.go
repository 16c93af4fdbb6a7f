package auto

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Link is what a host knows of its interface.
type Link struct {
	MAC        wire.MAC // zero: none, and only Stable makes addresses
	Transmits  uint8    // solicitations of duplicate address detection
	AcceptRA   bool     // solicit routers and listen to them; not for one that forwards (RFC 4861 §6.2.2)
	LinkLocal  bool     // form a link-local address
	NoRouters  bool     // take no default router
	Optimistic bool     // ask for optimistic addresses (RFC 4429)
	Stable     bool     // stable private addresses (RFC 7217) instead of EUI-64, if there is a Secret
	MTU        uint32   // the most the interface can carry: larger advertised ones are refused
	Name       string   // what RFC 7217 calls Net_Iface: must not change when the host restarts
	Network    string   // what RFC 7217 calls Network_ID: may be empty

	// Secret makes identifiers that cannot be foreseen. It is read whenever an
	// address is formed and never changed; without it there are neither stable
	// private nor temporary addresses.
	Secret *[32]byte
}

// Host is one interface's autoconfiguration. It must be bound to tunables and
// statistics (Bind) before any verb that takes a moment is called. All moments
// come from one clock and do not go backwards. A nil *Host knows nothing and
// wants nothing.
type Host struct {
	tun   *Tunables
	stats *Stats
	rng   rng
	names *names // made at the first DNS option

	routers  []router
	prefixes []prefix
	addrs    []address
	routes   []route
	link     Link

	due       clock.Time // when Next has more to say
	solicitAt clock.Time
	wait      uint32 // since the last solicitation, milliseconds
	losses    uint32 // routers lost so far: the order in which to try them again
	mtu       uint32
	reachable uint32
	retrans   uint32
	solicits  uint16 // sent since Start or Solicit
	hopLimit  uint8
	dhcp      uint8
	dups      uint8 // duplicates of the link-local address
	todo      todo
	running   bool
	dirty     bool // Next has to look
}

// todo are the parameters that Next has to tell of.
type todo uint8

const (
	doMTU todo = 1 << iota
	doHopLimit
	doReachable
	doRetrans
	doDHCP
	doDNS
)

// NewHost returns a host that is not started. Its random delays follow from
// seed: hosts that start together must have different ones.
func NewHost(seed uint64) Host {
	return Host{rng: rng(seed), due: clock.Never, solicitAt: clock.Never}
}

// Bind tells the host where its stack's tunables and counters are. It only
// stores the two pointers, so a caller may bind anew whenever either moves.
func (h *Host) Bind(tun *Tunables, stats *Stats) { h.tun, h.stats = tun, stats }

// Start begins: it forms the link-local address and solicits routers, as link
// says. A host that runs is stopped first.
func (h *Host) Start(now clock.Time, link Link) {
	h.Stop(now)
	h.link, h.running, h.dups = link, true, 0
	if link.LinkLocal {
		h.formLinkLocal(now)
	}
	h.Solicit(now)
}

// Stop ends: Next will withdraw everything that was handed out.
func (h *Host) Stop(now clock.Time) {
	for i := range h.addrs {
		h.addrs[i].gone = true
	}
	h.forget(now)
	h.running = false
}

// SetLink changes what is known of the interface while the host runs. Addresses
// stay what they are, and to the end of their lifetimes, whatever changes; one
// that ceases to listen to routers forgets what else they said, and one that
// begins to solicits them.
func (h *Host) SetLink(now clock.Time, link Link) {
	was := h.link
	h.link = link
	if !h.running {
		return
	}
	switch {
	case was.AcceptRA && !link.AcceptRA:
		h.forget(now)
	case !was.AcceptRA && link.AcceptRA:
		h.Solicit(now)
	}
	if link.LinkLocal && !was.LinkLocal && !h.hasLinkLocal() {
		h.formLinkLocal(now)
	}
	for i := range h.routers {
		if link.NoRouters {
			h.routers[i].expire = now
		}
	}
	if h.mtu > link.MTU {
		h.set(doMTU, &h.mtu, 0)
	}
	h.dirty = true
}

// forget ends everything that routers said but for the addresses.
func (h *Host) forget(now clock.Time) {
	for i := range h.routers {
		h.routers[i].expire = now
	}
	for i := range h.routes {
		h.routes[i].expire = now
	}
	for i := range h.prefixes {
		h.prefixes[i].onLink, h.prefixes[i].valid = now, now
	}
	if h.names != nil {
		h.names = nil
		h.todo |= doDNS
	}
	h.set(doMTU, &h.mtu, 0)
	h.set(doReachable, &h.reachable, 0)
	h.set(doRetrans, &h.retrans, 0)
	h.set8(doHopLimit, &h.hopLimit, 0)
	h.set8(doDHCP, &h.dhcp, 0)
	h.solicitAt, h.dirty = clock.Never, true
}

// Solicit looks for routers anew: the interface was attached to a link again
// (RFC 4861 §6.3.7). What is known stays.
func (h *Host) Solicit(now clock.Time) {
	if h == nil || !h.running || !h.link.AcceptRA {
		return
	}
	h.solicits = 0
	h.solicitAt = now.Add(h.rng.upTo(maxSolicitDelay))
	h.dirty = true
}

// set takes a new value of a parameter and leaves it to Next if it is one.
func (h *Host) set(what todo, p *uint32, v uint32) {
	if *p != v {
		*p, h.dirty = v, true
		h.todo |= what
	}
}

func (h *Host) set8(what todo, p *uint8, v uint8) {
	if *p != v {
		*p, h.dirty = v, true
		h.todo |= what
	}
}

// Next hands out the next thing to do: parameters, addresses, routes, names,
// then solicitations. It returns false, and leaves out alone, when there is
// nothing at this moment.
func (h *Host) Next(now clock.Time, out *Out) bool {
	if h == nil || !h.dirty && now < h.due {
		return false
	}
	h.dirty = true
	if h.nextParameter(out) || h.nextAddress(now, out) || h.nextRoute(now, out) || h.nextNames(now, out) || h.nextSolicit(now, out) {
		return true
	}
	h.sweep(now)
	h.dirty, h.due = false, h.deadline(now)
	return false
}

// nextParameter hands out a changed parameter of the link.
func (h *Host) nextParameter(out *Out) bool {
	switch {
	case h.todo&doMTU != 0:
		h.todo &^= doMTU
		*out = Out{Kind: SetMTU, Value: h.mtu}
	case h.todo&doHopLimit != 0:
		h.todo &^= doHopLimit
		*out = Out{Kind: SetHopLimit, Value: uint32(h.hopLimit)}
	case h.todo&doReachable != 0:
		h.todo &^= doReachable
		*out = Out{Kind: SetReachable, Value: h.reachable}
	case h.todo&doRetrans != 0:
		h.todo &^= doRetrans
		*out = Out{Kind: SetRetrans, Value: h.retrans}
	case h.todo&doDHCP != 0:
		h.todo &^= doDHCP
		*out = Out{Kind: SetDHCP, Value: uint32(h.dhcp)}
	default:
		return false
	}
	return true
}

// Deadline returns the next moment at which Next has something to say without
// being provoked, or clock.Never. It does not tell of what waits already.
func (h *Host) Deadline() clock.Time {
	if h == nil {
		return clock.Never
	}
	return h.due
}

// deadline finds the earliest moment at which something that was handed out
// changes, or something new is to be.
func (h *Host) deadline(now clock.Time) clock.Time {
	due := min(h.solicitAt, h.names.deadline())
	for i := range h.addrs {
		a := &h.addrs[i]
		due = min(due, a.valid)
		if !a.deprecated {
			due = min(due, a.preferred)
		}
		if h.wantsTemporary(a) {
			due = min(due, h.renewal(now, a))
		}
	}
	for i := range h.prefixes {
		if h.prefixes[i].installed {
			due = min(due, h.prefixes[i].onLink)
		}
	}
	// What is not installed has nothing to say when it ends.
	for i := range h.routers {
		if h.routers[i].installed {
			due = min(due, h.routers[i].expire)
		}
	}
	for i := range h.routes {
		if h.routes[i].installed {
			due = min(due, h.routes[i].expire)
		}
	}
	return due
}

// sweep forgets what has ended and was told of.
func (h *Host) sweep(now clock.Time) {
	for i := len(h.routes) - 1; i >= 0; i-- {
		if r := &h.routes[i]; now >= r.expire && !r.installed {
			h.routes = remove(h.routes, i)
		}
	}
	for i := len(h.routers) - 1; i >= 0; i-- {
		if r := &h.routers[i]; now >= r.expire && !r.installed && !h.routesVia(i) {
			h.dropRouter(i)
		}
	}
	for i := len(h.prefixes) - 1; i >= 0; i-- {
		p := &h.prefixes[i]
		if now >= p.valid && now >= p.onLink && !p.installed && h.stable(p) == nil {
			h.prefixes = remove(h.prefixes, i)
		}
	}
}

// remove takes element i out of list, and gives its memory back with the last.
func remove[T any](list []T, i int) []T {
	copy(list[i:], list[i+1:])
	var zero T
	list[len(list)-1] = zero
	if len(list) == 1 {
		return nil
	}
	return list[:len(list)-1]
}

// lifetime returns the moment so many seconds from now, or never for infinity
// (RFC 4861 §4.6.2).
func lifetime(now clock.Time, seconds uint32) clock.Time {
	if seconds == wire.NDInfinity {
		return clock.Never
	}
	return now.Add(time.Duration(seconds) * time.Second)
}

// prefixFrom returns what the two parts stand for.
func prefixFrom(ip [16]byte, bits uint8) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16(ip), int(bits))
}
