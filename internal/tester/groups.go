package tester

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// MaxGroups is how many groups one test may have.
const MaxGroups = 1_000_000

// Groups are consecutive group addresses.
type Groups struct {
	First netip.Addr
	Count int
}

// ParseGroups reads "232.1.1.1", or "232.1.1.1+4" for four groups from that on;
// of IPv6 alike.
func ParseGroups(text string) (Groups, error) {
	first, count, more := strings.Cut(text, "+")
	g := Groups{Count: 1}
	var err error
	if g.First, err = netip.ParseAddr(first); err != nil {
		return Groups{}, fmt.Errorf("groups %q: must be a multicast address, or the first and how many, such as 232.1.1.1+4 or ff3e::1+4", text)
	}
	if more {
		if g.Count, err = strconv.Atoi(count); err != nil {
			return Groups{}, fmt.Errorf("groups %q: %q is no number of groups: write 232.1.1.1+4 for four from 232.1.1.1 on", text, count)
		}
	}
	if err := g.Check(); err != nil {
		return Groups{}, err
	}
	return g, nil
}

// MustGroups is ParseGroups for text that is known to be right; it panics where
// it is not.
func MustGroups(text string) Groups {
	g, err := ParseGroups(text)
	if err != nil {
		panic("tester: " + err.Error())
	}
	return g
}

// Check returns what is wrong, or nil.
func (g Groups) Check() error {
	a := g.First
	switch {
	case !a.IsValid() || !a.IsMulticast() || a.Is4In6():
		return fmt.Errorf("groups %v: must begin with a multicast address, such as 232.1.1.1 or ff3e::1", g)
	case a.Zone() != "":
		return fmt.Errorf("groups %v: without a zone: the hosts have one link each", g)
	case g.Count < 1 || g.Count > MaxGroups:
		return fmt.Errorf("groups %v: %d groups: must be 1 to %d", g, g.Count, MaxGroups)
	case a.IsLinkLocalMulticast() && a.Is4():
		return fmt.Errorf("groups %v: 224.0.0.0/24 is never kept back by switches (RFC 4541 §2.1.2): take others, such as 232.1.1.1", g)
	case a.IsInterfaceLocalMulticast():
		return fmt.Errorf("groups %v: ff01::/16 never leaves a host (RFC 4291 §2.7): take others, such as ff3e::1", g)
	}
	if last := plus(a, g.Count-1); !last.IsMulticast() || last.IsLinkLocalMulticast() != a.IsLinkLocalMulticast() {
		return fmt.Errorf("groups %v: the last, %v, is outside the range of the first: take fewer", g, last)
	}
	return nil
}

// String returns what ParseGroups reads.
func (g Groups) String() string {
	if g.Count == 1 {
		return g.First.String()
	}
	return g.First.String() + "+" + strconv.Itoa(g.Count)
}

// At returns the i-th group, from 0.
func (g Groups) At(i int) netip.Addr { return plus(g.First, i) }

// Index returns which of the groups a is, or -1.
func (g Groups) Index(a netip.Addr) int {
	if a.Is4() != g.First.Is4() {
		return -1
	}
	x, y := a.As16(), g.First.As16()
	if string(x[:8]) != string(y[:8]) {
		return -1
	}
	d := binary.BigEndian.Uint64(x[8:]) - binary.BigEndian.Uint64(y[8:])
	if d >= uint64(g.Count) {
		return -1
	}
	return int(d)
}

// plus returns the n-th address after a; the invalid Addr where there is none,
// or where the lower 64 bits of an IPv6 address do not suffice.
func plus(a netip.Addr, n int) netip.Addr {
	if a.Is4() {
		b := a.As4()
		sum := uint64(binary.BigEndian.Uint32(b[:])) + uint64(n)
		if sum>>32 != 0 {
			return netip.Addr{}
		}
		binary.BigEndian.PutUint32(b[:], uint32(sum))
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	low := binary.BigEndian.Uint64(b[8:])
	sum := low + uint64(n)
	if sum < low {
		return netip.Addr{}
	}
	binary.BigEndian.PutUint64(b[8:], sum)
	return netip.AddrFrom16(b)
}
