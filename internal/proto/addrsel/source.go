package addrsel

import "net/netip"

// Flags are what a node knows of one of its addresses.
type Flags uint8

// The flags. Both Home and CareOf are set while a mobile node is at home.
const (
	Deprecated Flags = 1 << iota // its preferred lifetime is over
	Temporary                    // RFC 8981
	Home                         // RFC 6275
	CareOf
	NextHop // it, or its prefix, is from the next hop that will be used (rule 5.5)
	Tunnel  // of a Destination: reached by encapsulation, e.g. 6to4 (RFC 6724 §6 rule 7)
)

// Prefs are what a socket prefers (RFC 5014 §3), or a host for all of them.
// The zero value is the order of RFC 6724 but for rule 7: public addresses.
type Prefs uint8

// The preferences.
const (
	PreferTemporary Prefs = 1 << iota // rule 7 as written
	PreferCareOf                      // rule 4 reversed
)

// Candidate is an address to send from.
type Candidate struct {
	Addr    netip.Addr
	IfIndex uint32 // interface that has it
	Bits    uint8  // length of its prefix, in its own family; 0 unknown
	Flags   Flags
}

// Chooser judges the sources for one destination.
type Chooser struct {
	policy *Policy
	dst    num
	out    uint32
	label  int32
	scope  Scope
	prefs  Prefs
	family
	loop  bool // dst is a loopback address
	bound bool // sources must be of the outgoing interface
}

// family tells IPv4 from IPv6.
type family bool

func familyOf(a netip.Addr) family { return family(a.Is4() || a.Is4In6()) }

// For prepares the choice of a source towards dst by interface out, 0 if that is
// not known.
func (p *Policy) For(dst netip.Addr, out uint32, prefs Prefs) Chooser {
	c := Chooser{
		policy: p, dst: number(dst), out: out, scope: ScopeOf(dst), prefs: prefs,
		family: familyOf(dst), loop: dst.Unmap().IsLoopback(),
	}
	// RFC 6724 §4: sources towards groups and the link are of the same link.
	c.bound = out != 0 && !c.loop && (dst.IsMulticast() || c.scope <= ScopeLink)
	c.label = p.find(c.dst).label
	return c
}

// Source returns the index of the best candidate towards dst, -1 if none may be
// used; of equal ones the first.
func (p *Policy) Source(dst netip.Addr, out uint32, prefs Prefs, list []Candidate) int {
	c := p.For(dst, out, prefs)
	best, at := uint64(0), -1
	for i := range list {
		if r := c.Rank(&list[i]); r > best {
			best, at = r, i
		}
	}
	return at
}

// Rank says how well a source suits: the greater the better, 0 not at all. The
// rules of RFC 6724 §5 decide one after the other, so each has its bits below
// those of the one before it.
func (c *Chooser) Rank(s *Candidate) uint64 {
	scope := ScopeOf(s.Addr)
	if !c.eligible(s, scope) {
		return 0
	}
	src := number(s.Addr)
	r := uint64(1)                                                             // more than nothing
	r = r<<1 | bit(src == c.dst)                                               // rule 1
	r = r<<5 | rankScope(scope, c.scope)                                       // rule 2
	r = r<<1 | bit(s.Flags&Deprecated == 0)                                    // rule 3
	r = r<<2 | homeRank(s.Flags, c.prefs&PreferCareOf != 0)                    // rule 4
	r = r<<1 | bit(s.IfIndex == c.out)                                         // rule 5
	r = r<<1 | bit(s.Flags&NextHop != 0)                                       // rule 5.5
	r = r<<1 | bit(c.policy.find(src).label == c.label)                        // rule 6
	r = r<<1 | bit((s.Flags&Temporary != 0) == (c.prefs&PreferTemporary != 0)) // rule 7
	return r<<8 | uint64(commonPrefix(src, s.Bits, c.dst, bool(c.family)))     // rule 8
}

// eligible tells whether an address may be a source at all (RFC 6724 §4).
func (c *Chooser) eligible(s *Candidate, scope Scope) bool {
	a := s.Addr
	switch {
	case !a.IsValid() || familyOf(a) != c.family || a.IsMulticast() || a.Unmap().IsUnspecified():
		return false
	case a.Unmap().IsLoopback():
		return c.loop // RFC 4291 §2.5.3: never outside the node
	case s.IfIndex != c.out && c.out != 0 && scope == ScopeLink:
		return number(a) == c.dst // another link's address means nothing on this one (RFC 4007 §9)
	}
	return !c.bound || s.IfIndex == c.out || number(a) == c.dst
}

// rankScope is rule 2: of the scopes that reach as far as the destination's the
// smallest, of the others the greatest.
func rankScope(src, dst Scope) uint64 {
	if src >= dst {
		return 31 - uint64(src)
	}
	return uint64(src)
}

// homeRank is rule 4 of both algorithms. An address that is not said to be a
// home address counts as care-of, so that the rule orders all.
func homeRank(f Flags, careOf bool) uint64 {
	switch {
	case f&(Home|CareOf) == Home|CareOf:
		return 2
	case (f&Home != 0) != careOf:
		return 1
	}
	return 0
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
