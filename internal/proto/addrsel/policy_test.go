package addrsel

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestRFC6724_2_1_DefaultTable: the default is what the RFC prints.
func TestRFC6724_2_1_DefaultTable(t *testing.T) {
	p, err := ParsePolicy(`
		::1/128               50     0
		::/0                  40     1
		::ffff:0:0/96         35     4
		2002::/16             30     2
		2001::/32              5     5
		fc00::/7               3    13
		::/96                  1     3
		fec0::/10              1    11
		3ffe::/16              1    12`)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Entries(), (*Policy)(nil).Entries()) {
		t.Errorf("\n%s, want\n%s", (*Policy)(nil), p)
	}
	for a, want := range map[string][2]int32{
		"::1": {50, 0}, "::2": {1, 3}, "192.0.2.1": {35, 4}, "::ffff:192.0.2.1": {35, 4}, "2002::1": {30, 2}, "2001:0:1::": {5, 5},
		"2001:1::": {40, 1}, "fd00::1": {3, 13}, "fe80::1": {40, 1}, "fec0::1": {1, 11}, "3ffe::1": {1, 12}, "ff02::1": {40, 1},
	} {
		for _, q := range []*Policy{p, nil} {
			if pr, l := q.Lookup(netip.MustParseAddr(a)); pr != want[0] || l != want[1] {
				t.Errorf("%s: %d %d, want %d", a, pr, l, want)
			}
		}
	}
}

// TestPolicyText: what is printed is read again, and what is wrong is named.
func TestPolicyText(t *testing.T) {
	for _, text := range []string{(*Policy)(nil).String(), "10.0.0.0/8 7 9 # v4\n\n#\n::/0 1 2\n"} {
		p, err := ParsePolicy(text)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParsePolicy(p.String())
		if err != nil || !slices.Equal(p.Entries(), q.Entries()) {
			t.Errorf("%v\n%s\n%s", err, p, q)
		}
	}
	p, _ := ParsePolicy("10.0.0.0/8 7 9")
	if pr, l := p.Lookup(netip.MustParseAddr("10.1.2.3")); pr != 7 || l != 9 {
		t.Errorf("10.1.2.3: %d %d", pr, l)
	}
	if pr, l := p.Lookup(netip.MustParseAddr("2001:db8::1")); pr != -1 || l != -1 {
		t.Errorf("not listed: %d %d", pr, l)
	}
	var many strings.Builder
	for i := range maxLines + 1 {
		many.WriteString(netip.PrefixFrom(netip.AddrFrom16([16]byte{byte(i >> 8), byte(i)}), 16).String() + " 1 1\n")
	}
	for text, want := range map[string]string{
		"":                       "one entry at least",
		"::/0 40":                "line 1: 2 words",
		"::/0 40 1 2":            "line 1: 4 words",
		"\n::/0 40 1\n::/0 30 1": "line 3: ::/0 is there twice",
		"::1 50 0":               `line 1: "::1" is no prefix`,
		"fe80::%eth0/64 1 1":     "is no prefix",
		"::/129 1 1":             "is no prefix",
		"::/0 x 1":               `line 1: "x" is no number`,
		"::/0 1 99999999999":     "is no number",
		"::/0 -1 1":              "precedence -1 is below zero",
		"::/0 1 -1":              "label -1 is below zero",
		"2001:db8::1/32 1 1":     "bits behind its length",
		"::ffff:0:0/90 1 1":      "bits behind its length",
		"10.0.0.0/8 1 1\n::ffff:10.0.0.0/104 1 1": "twice",
		many.String(): "at most 256",
	} {
		if _, err := ParsePolicy(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	if _, err := NewPolicy([]Entry{{}}); err == nil {
		t.Error("an entry without a prefix")
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add((*Policy)(nil).String())
	f.Add("10.0.0.0/8 1 2 # x\n::/0 3 4")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return
		}
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		q, err := ParsePolicy(p.String())
		if err != nil || q.String() != p.String() {
			t.Fatalf("%v\n%s\n%s", err, p, q)
		}
	})
}
