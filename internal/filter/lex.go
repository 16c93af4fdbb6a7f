package filter

import (
	"net/netip"
	"strings"
)

type tokenKind uint8

const (
	tEnd    tokenKind = iota
	tNumber           // 80, 0x50, 0120, tcp-syn
	tWord             // a name
	tDotted           // 10.1, 10.1.2, 10.1.2.3
	tIPv6             // 2001:db8::1
	tMAC              // 02:00:00:00:00:01 and its other spellings
	tKey              // a word of the language
	tOp               // an operator or bracket
)

type token struct {
	kind tokenKind
	pos  int
	text string // as written
	num  uint32 // of tNumber
	key  key    // of tKey
	name string // of tWord, without its backslash
	mac  [6]byte
	ip6  netip.Addr
}

// is tells whether t is that operator.
func (t token) is(op string) bool { return t.kind == tOp && t.text == op }

type lexer struct {
	src  string
	pos  int
	toks []token
}

// tokens cuts an expression into words; the last is tEnd.
func tokens(src string) []token {
	l := lexer{src: src}
	for {
		for l.pos < len(src) && strings.IndexByte(" \t\r\n", src[l.pos]) >= 0 {
			l.pos++
		}
		if l.pos == len(src) {
			return append(l.toks, token{kind: tEnd, pos: l.pos})
		}
		t := l.next()
		l.pos += len(t.text)
		l.toks = append(l.toks, t)
	}
}

func (l *lexer) next() token {
	rest := l.src[l.pos:]
	t := token{pos: l.pos}
	switch c := rest[0]; {
	case c == '\\':
		return l.escaped(rest)
	case isHex(c) || c == ':' && strings.HasPrefix(rest, "::"):
		if n := span(rest, isColonic); strings.Count(rest[:n], ":") >= 2 {
			t.text = rest[:n]
			return colonic(t)
		}
	}
	if isAlnum(rest[0]) {
		n := span(rest, isWordByte)
		t.text = strings.TrimRight(rest[:n], "-_")
		return word(t)
	}
	t.kind = tOp
	if len(rest) > 1 {
		switch rest[:2] {
		case "&&", "||", "==", "!=", ">=", "<=", "<<", ">>":
			t.text = rest[:2]
			return t
		}
	}
	t.text = rest[:1]
	if strings.IndexByte("!&|^()[]<>=+-*/%:", rest[0]) < 0 {
		t.text = firstRune(rest)
		refuse(t, "no filter has such a character")
	}
	return t
}

// escaped reads a name that would otherwise be a word of the language: \tcp.
func (l *lexer) escaped(rest string) token {
	n := strings.IndexAny(rest, " !()\n\t")
	if n < 0 {
		n = len(rest)
	}
	t := token{kind: tWord, pos: l.pos, text: rest[:n], name: rest[1:n]}
	if t.name == "" {
		refuse(t, "a name must follow the backslash, as in \\tcp")
	}
	return t
}

// colonic reads what has two colons or more.
func colonic(t token) token {
	if mac, ok := macOf(t.text, ":", 2); ok {
		t.kind, t.mac = tMAC, mac
		return t
	}
	a, err := netip.ParseAddr(t.text)
	if err != nil {
		refuse(t, "neither an IPv6 address (2001:db8::1) nor an Ethernet address (02:00:00:00:00:01)")
	}
	t.kind, t.ip6 = tIPv6, a
	return t
}

func word(t token) token {
	if mac, ok := macOfWord(t.text); ok {
		t.kind, t.mac = tMAC, mac
		return t
	}
	if isDigit(t.text[0]) {
		if parts := strings.Split(t.text, "."); len(parts) <= 4 && allNumbers(parts) {
			if len(parts) > 1 {
				t.kind = tDotted
				return t
			}
			t.kind, t.num = tNumber, number(t)
			return t
		}
	}
	if k, ok := keyOf(t.text); ok {
		t.kind, t.key = tKey, k
		return t
	}
	if n, ok := constantOf(t.text); ok {
		t.kind, t.num = tNumber, n
		return t
	}
	t.kind, t.name = tWord, t.text
	return t
}

func allNumbers(parts []string) bool {
	for _, p := range parts {
		if p == "" {
			return false
		}
		digits := isDigit
		if len(p) > 2 && (p[:2] == "0x" || p[:2] == "0X") {
			p, digits = p[2:], isHex
		}
		if span(p, digits) != len(p) {
			return false
		}
	}
	return true
}

// number reads a number as C writes it.
func number(t token) uint32 {
	s, base := t.text, uint64(10)
	switch {
	case len(s) > 2 && (s[1] == 'x' || s[1] == 'X'):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	n := uint64(0)
	for i := range len(s) {
		d := uint64(hexValue(s[i]))
		if d >= base {
			refuse(t, "a number that begins with 0 is octal: its digits are 0 to 7")
		}
		if n = n*base + d; n > 0xffffffff {
			refuse(t, "numbers have at most 32 bits: 0 to 4294967295")
		}
	}
	return uint32(n)
}

// macOfWord reads the spellings of an Ethernet address without colons.
func macOfWord(s string) (mac [6]byte, ok bool) {
	switch {
	case len(s) == 12 && span(s, isHex) == 12:
		return macOf(s[:4]+"."+s[4:8]+"."+s[8:], ".", 4)
	case strings.Count(s, "-") == 5:
		return macOf(s, "-", 2)
	case strings.Count(s, ".") == 5:
		return macOf(s, ".", 2)
	case len(s) == 14 && strings.Count(s, ".") == 2:
		return macOf(s, ".", 4)
	}
	return mac, false
}

// macOf reads groups of hexadecimal digits: six of one or two, or three of four.
func macOf(s, sep string, digits int) (mac [6]byte, ok bool) {
	parts := strings.Split(s, sep)
	if len(parts) != 12/digits {
		return mac, false
	}
	for i, p := range parts {
		if p == "" || len(p) > digits || digits == 4 && len(p) != 4 || span(p, isHex) != len(p) {
			return mac, false
		}
		v := 0
		for j := range len(p) {
			v = v<<4 | hexValue(p[j])
		}
		if digits == 4 {
			mac[2*i], mac[2*i+1] = byte(v>>8), byte(v)
		} else {
			mac[i] = byte(v)
		}
	}
	return mac, true
}

// span counts the leading bytes that in accepts.
func span(s string, in func(byte) bool) int {
	for i := range len(s) {
		if !in(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }

func isColonic(c byte) bool  { return isHex(c) || c == ':' || c == '.' }
func isWordByte(c byte) bool { return isAlnum(c) || c == '-' || c == '_' || c == '.' }

func hexValue(c byte) int {
	if isDigit(c) {
		return int(c - '0')
	}
	return int(c|0x20-'a') + 10
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}
