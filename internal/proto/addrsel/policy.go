package addrsel

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Entry is a line of a policy table (RFC 6724 §2.1).
type Entry struct {
	Prefix     netip.Prefix // IPv6; IPv4 ones are ::ffff:a.b.c.d/(96+n), or plain
	Precedence int32        // 0 or more, the greater is the better destination
	Label      int32        // 0 or more; source and destination should have the same
}

// Policy is a policy table. It does not change once made. A nil *Policy is the
// default table of RFC 6724 §2.1.
type Policy struct {
	lines []line // longest prefix first
}

// line is an Entry as the path reads it.
type line struct {
	net        num
	bits       uint8
	precedence int32
	label      int32
}

// defaults is the table of RFC 6724 §2.1, longest prefix first.
var defaults = [...]line{
	{num{0, 1}, 128, 50, 0},           // ::1/128
	{num{0, 0}, 96, 1, 3},             // ::/96
	{num{0, 0xffff << 32}, 96, 35, 4}, // ::ffff:0:0/96
	{num{0x2001 << 48, 0}, 32, 5, 5},  // 2001::/32
	{num{0x2002 << 48, 0}, 16, 30, 2}, // 2002::/16
	{num{0x3ffe << 48, 0}, 16, 1, 12}, // 3ffe::/16
	{num{0xfec0 << 48, 0}, 10, 1, 11}, // fec0::/10
	{num{0xfc00 << 48, 0}, 7, 3, 13},  // fc00::/7
	{num{0, 0}, 0, 40, 1},             // ::/0
}

// unlisted is what a table without ::/0 says of an address that it does not
// list: the worst destination, with a label of its own.
var unlisted = line{precedence: -1, label: -1}

// maxLines bounds a table: it is searched line by line for every address.
const maxLines = 256

// NewPolicy makes a table of entries in any order. It refuses an empty table,
// more than 256 entries, numbers below zero, prefixes that are invalid, have a
// zone or bits behind their length, and a prefix that comes twice.
func NewPolicy(entries []Entry) (*Policy, error) {
	switch {
	case len(entries) == 0:
		return nil, errors.New("a policy table has one entry at least")
	case len(entries) > maxLines:
		return nil, fmt.Errorf("a policy table has at most %d entries, not %d", maxLines, len(entries))
	}
	p := &Policy{lines: make([]line, 0, len(entries))}
	for _, e := range entries {
		l, err := e.line()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p.lines, func(x line) bool { return x.net == l.net && x.bits == l.bits }) {
			return nil, fmt.Errorf("%s is there twice", e.Prefix)
		}
		p.lines = append(p.lines, l)
	}
	slices.SortFunc(p.lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.bits, a.bits), cmp.Compare(a.net.hi, b.net.hi), cmp.Compare(a.net.lo, b.net.lo))
	})
	return p, nil
}

func (e Entry) line() (line, error) {
	a := e.Prefix.Addr()
	switch {
	case !e.Prefix.IsValid():
		return line{}, errors.New("no valid prefix")
	case a.Zone() != "":
		return line{}, fmt.Errorf("%s has a zone", e.Prefix)
	case e.Precedence < 0:
		return line{}, fmt.Errorf("%s: precedence %d is below zero", e.Prefix, e.Precedence)
	case e.Label < 0:
		return line{}, fmt.Errorf("%s: label %d is below zero", e.Prefix, e.Label)
	}
	n := e.Prefix.Bits()
	if a.Is4() {
		n += 96
	}
	l := line{number(a), uint8(n), e.Precedence, e.Label}
	if l.net != l.net.mask(uint8(n)) {
		return line{}, fmt.Errorf("%s has bits behind its length", e.Prefix)
	}
	return l, nil
}

// Entries returns the table, longest prefix first.
func (p *Policy) Entries() []Entry {
	table := defaults // a copy
	lines := table[:]
	if p != nil {
		lines = p.lines
	}
	list := make([]Entry, 0, len(lines))
	for _, l := range lines {
		list = append(list, Entry{netip.PrefixFrom(l.net.addr(), int(l.bits)), l.precedence, l.label})
	}
	return list
}

// String returns the table as ParsePolicy reads it.
func (p *Policy) String() string {
	var b strings.Builder
	for _, e := range p.Entries() {
		fmt.Fprintf(&b, "%-24s %5d %5d\n", e.Prefix.Addr().String()+"/"+strconv.Itoa(e.Prefix.Bits()), e.Precedence, e.Label)
	}
	return b.String()
}

// ParsePolicy reads a table: a line each with prefix, precedence and label;
// empty lines and what follows a # are skipped. An error names the line.
func ParsePolicy(text string) (*Policy, error) {
	var list []Entry
	at := 0
	for s := range strings.Lines(text) {
		at++
		s, _, _ = strings.Cut(s, "#")
		f := strings.Fields(s)
		if len(f) == 0 {
			continue
		}
		e, err := parseEntry(f)
		if err == nil {
			_, err = NewPolicy(append(list, e))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
		list = append(list, e)
	}
	return NewPolicy(list)
}

func parseEntry(f []string) (e Entry, err error) {
	if len(f) != 3 {
		return e, fmt.Errorf("%d words, want a prefix, its precedence and its label", len(f))
	}
	if e.Prefix, err = netip.ParsePrefix(f[0]); err != nil {
		return e, fmt.Errorf("%q is no prefix", f[0])
	}
	for i, n := range []*int32{&e.Precedence, &e.Label} {
		v, err := strconv.ParseInt(f[i+1], 10, 32)
		if err != nil {
			return e, fmt.Errorf("%q is no number", f[i+1])
		}
		*n = int32(v)
	}
	return e, nil
}

// Lookup returns the precedence and label of an address: those of the longest
// prefix that covers it (RFC 6724 §2.1), -1 if none does.
func (p *Policy) Lookup(a netip.Addr) (precedence, label int32) {
	l := p.find(number(a))
	return l.precedence, l.label
}

func (p *Policy) find(n num) line {
	if p == nil {
		for _, l := range defaults {
			if n.mask(l.bits) == l.net {
				return l
			}
		}
		return unlisted
	}
	for _, l := range p.lines {
		if n.mask(l.bits) == l.net {
			return l
		}
	}
	return unlisted
}
