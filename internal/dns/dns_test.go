package dns

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestNames(t *testing.T) {
	search := []string{"one.example", "two.example."}
	for _, c := range []struct {
		host  string
		ndots int
		want  []string
	}{
		{"a", 1, []string{"a.one.example.", "a.two.example.", "a."}},
		{"a.b", 1, []string{"a.b.", "a.b.one.example.", "a.b.two.example."}},
		{"a.b", 2, []string{"a.b.one.example.", "a.b.two.example.", "a.b."}},
		{"a.", 1, []string{"a."}},
	} {
		if got := Names(c.host, search, c.ndots); !slices.Equal(got, c.want) {
			t.Errorf("%s with %d dots: %q, want %q", c.host, c.ndots, got, c.want)
		}
	}
}

func TestIsName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, name := range []string{"a", "a.", "a-b.c", "_x.y", "1.2", long + ".b", strings.Repeat("a.", 126) + "a"} {
		if !IsName(name) {
			t.Errorf("%q is a name", name)
		}
	}
	for _, name := range []string{"", ".", "..", "a..b", "-a", "a-", "a b", "ä", long + "a", strings.Repeat("a.", 127) + "a", "a\x00b"} {
		if IsName(name) {
			t.Errorf("%q is no name", name)
		}
	}
}

func query(t testing.TB, name string, is6 bool) Query {
	t.Helper()
	q, ok := NewQuery(name, is6, 0x1234)
	if !ok {
		t.Fatalf("%q", name)
	}
	return q
}

// TestRFC5452_9_1: an answer repeats the id, the name, the type and the class.
func TestRFC5452_9_1(t *testing.T) {
	q := query(t, "www.example.", false)
	good := func() *dnsmessage.Message {
		var m dnsmessage.Message
		if err := m.Unpack(q.Message()); err != nil {
			t.Fatal(err)
		}
		if !m.RecursionDesired || len(m.Additionals) != 1 || m.Additionals[0].Header.Class != MaxUDP {
			t.Errorf("%+v", m)
		}
		m.Response, m.Additionals = true, nil
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("WWW.example."), Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
		}}
		return &m
	}
	for _, c := range []struct {
		name string
		edit func(m *dnsmessage.Message)
		want Verdict
	}{
		{"as it should be", func(m *dnsmessage.Message) {}, Found},
		{"in capitals", func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("WWW.EXAMPLE.") }, Found},
		{"id", func(m *dnsmessage.Message) { m.ID++ }, Stray},
		{"a query", func(m *dnsmessage.Message) { m.Response = false }, Stray},
		{"operation", func(m *dnsmessage.Message) { m.OpCode = 4 }, Stray},
		{"name", func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("w.example.") }, Stray},
		{"type", func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA }, Stray},
		{"class", func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }, Stray},
		{"no question", func(m *dnsmessage.Message) { m.Questions = nil }, Stray},
		{"two questions", func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }, Stray},
		{"truncated", func(m *dnsmessage.Message) { m.Truncated = true }, Truncated},
		{"no such name", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError }, NoName},
		{"refused", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused }, Failed},
	} {
		m := good()
		c.edit(m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		list, verdict := q.Answer(b, nil)
		if verdict != c.want || (verdict == Found) != slices.Equal(list, []netip.Addr{netip.MustParseAddr("192.0.2.1")}) {
			t.Errorf("%s: %v, %v; want %v", c.name, verdict, list, c.want)
		}
	}
}

// TestAliases: a chain is followed in whatever order it comes, but not for ever.
func TestAliases(t *testing.T) {
	q := query(t, "a.", true)
	cname := func(from, to string) dnsmessage.Resource {
		return dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(from)}, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)},
		}
	}
	addr := func(name string) dnsmessage.Resource {
		return dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name)}, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("2001:db8::1").As16()},
		}
	}
	for _, c := range []struct {
		name string
		all  []dnsmessage.Resource
		want int
	}{
		{"in order", []dnsmessage.Resource{cname("a.", "b."), cname("b.", "c."), addr("c.")}, 1},
		{"out of order", []dnsmessage.Resource{addr("c."), cname("b.", "c."), cname("a.", "b.")}, 1},
		{"a loop", []dnsmessage.Resource{cname("a.", "b."), cname("b.", "a."), addr("c.")}, 0},
		{"not asked for", []dnsmessage.Resource{addr("c."), addr("a.")}, 1},
	} {
		if got := q.follow(c.all, nil); len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// FuzzAnswer: whatever comes, an answer is read or it is not.
func FuzzAnswer(f *testing.F) {
	q := query(f, "www.example.", false)
	f.Add([]byte{})
	f.Add(q.Message())
	reply := q.Message()
	reply[2] |= 0x80
	f.Add(reply)
	f.Fuzz(func(t *testing.T, msg []byte) {
		list, verdict := q.Answer(msg, nil)
		if verdict != Found && len(list) != 0 {
			t.Errorf("%v with %v", verdict, list)
		}
		for _, a := range list {
			if !a.Is4() {
				t.Errorf("%v is not of the family", a)
			}
		}
	})
}
