package vimage_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/seed88948545/vimage"
)

// nameServer answers for the names of a zone, over UDP and TCP. The records of a
// name are addresses and, behind "=", what it is an alias of. Names that are not
// there do not exist; some words in a name have it behave otherwise.
type nameServer struct {
	zone map[string][]string

	mu    sync.Mutex
	asked []string // "udp AAAA www.example."
}

// serve runs a name server on port 53 of a host until the test is over.
func serve(t *testing.T, s *vimage.Stack, zone map[string][]string) *nameServer {
	t.Helper()
	n := &nameServer{zone: zone}
	pc := must(s.ListenPacket("udp", ":53"))(t)
	l := must(s.Listen("tcp", ":53"))(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 4096)
		for {
			k, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			for _, m := range n.answer(b[:k], "udp") {
				pc.WriteTo(m, from)
			}
		}
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var size [2]byte
			io.ReadFull(c, size[:])
			b := make([]byte, binary.BigEndian.Uint16(size[:]))
			io.ReadFull(c, b)
			for _, m := range n.answer(b, "tcp") {
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
			}
			c.Close()
		}
	})
	t.Cleanup(func() {
		pc.Close()
		l.Close()
		wg.Wait()
	})
	return n
}

// answer returns the messages to send for a query.
func (n *nameServer) answer(query []byte, over string) (all [][]byte) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	n.mu.Lock()
	n.asked = append(n.asked, over+" "+q.Type.String()[4:]+" "+name)
	n.mu.Unlock()
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	_, known := n.zone[name]
	switch {
	case strings.Contains(name, "silent"), strings.Contains(name, "mute6") && q.Type == dnsmessage.TypeAAAA:
		return nil
	case strings.Contains(name, "broken"):
		m.RCode = dnsmessage.RCodeServerFailure
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case strings.Contains(name, "large") && over == "udp":
		m.Truncated = true
	default:
		n.records(&m, q)
	}
	if strings.Contains(name, "forged") { // somebody else was faster
		for _, forge := range []func(*dnsmessage.Message){
			func(f *dnsmessage.Message) { f.ID++ },
			func(f *dnsmessage.Message) { f.Questions[0].Name = dnsmessage.MustNewName("other.example.") },
			func(f *dnsmessage.Message) { f.Response = false },
		} {
			f := dnsmessage.Message{Header: m.Header, Questions: []dnsmessage.Question{q}}
			f.Answers = []dnsmessage.Resource{record(q.Name, "192.0.2.66")}
			forge(&f)
			all = append(all, packed(&f))
		}
		all = append(all, []byte("no message at all"))
	}
	return append(all, packed(&m))
}

func packed(m *dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// records appends what the zone has for a question, aliases followed.
func (n *nameServer) records(m *dnsmessage.Message, q dnsmessage.Question) {
	for _, r := range n.zone[strings.ToLower(q.Name.String())] {
		if alias, ok := strings.CutPrefix(r, "="); ok {
			to := dnsmessage.MustNewName(alias)
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.CNAMEResource{CNAME: to},
			})
			q.Name = to
			n.records(m, q)
		} else if rr := record(q.Name, r); rr.Header.Type == q.Type {
			m.Answers = append(m.Answers, rr)
		}
	}
}

func record(name dnsmessage.Name, addr string) dnsmessage.Resource {
	a := netip.MustParseAddr(addr)
	h := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, Type: dnsmessage.TypeA}
	if a.Is4() {
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}}
	}
	h.Type = dnsmessage.TypeAAAA
	return dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}
}

// queries returns what was asked since the last call, in order of names.
func (n *nameServer) queries() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.asked
	n.asked = nil
	slices.Sort(all)
	return all
}

func exampleZone() map[string][]string {
	zone := map[string][]string{
		"www.example.":    {"10.0.0.2", "2001:db8::2"},
		"four.example.":   {"10.0.0.2"},
		"alias.example.":  {"=second.example."},
		"second.example.": {"=www.example."},
		"forged.example.": {"10.0.0.2"},
		"mute6.example.":  {"10.0.0.2"},
		"deep.a.example.": {"2001:db8::2"},
	}
	for i := range 100 {
		zone["large.example."] = append(zone["large.example."], fmt.Sprintf("2001:db8:1::%x", i+1))
	}
	return zone
}

var www = []string{"2001:db8::2", "10.0.0.2"}

// TestResolver: answers of every kind, in real time and in a bubble.
func TestResolver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{Seed: 1}))
		ns := serve(t, b, exampleZone())
		for _, server := range []string{"10.0.0.2", "2001:db8::2", linkLocal(t, b).String() + "%e0"} {
			r := &vimage.Resolver{Stack: a, Servers: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(server), 0)}, Search: []string{"example", "a.example."}}
			for _, c := range []struct {
				network, host string
				want          []string
			}{
				{"ip", "www.example", www},
				{"ip", "WWW.Example.", www},
				{"ip4", "www.example", www[1:]},
				{"ip6", "www.example", www[:1]},
				{"ip", "four.example", www[1:]},
				{"ip", "alias.example", www},
				{"ip", "www", www},
				{"ip", "deep", www[:1]},
				{"ip", "forged", www[1:]},
				{"ip", "2001:db8::5", []string{"2001:db8::5"}},
				{"ip", "localhost", []string{"::1", "127.0.0.1"}},
				{"ip6", "four.example", nil},
				{"ip", "nowhere.example", nil},
				{"ip", "not a name", nil},
				{"ip", strings.Repeat("a", 64) + ".example", nil},
			} {
				ips, err := r.LookupNetIP(context.Background(), c.network, c.host)
				var got []string
				for _, ip := range ips {
					got = append(got, ip.String())
				}
				var de *net.DNSError
				switch {
				case !slices.Equal(got, c.want):
					t.Errorf("%s %s: %v, %v; want %v", c.network, c.host, got, err, c.want)
				case c.want == nil && (!errors.As(err, &de) || !de.IsNotFound || de.Name != c.host):
					t.Errorf("%s %s: %v", c.network, c.host, err)
				case c.want != nil && err != nil:
					t.Errorf("%s %s: %v", c.network, c.host, err)
				}
			}
			ns.queries()
			if ips, err := r.LookupHost(context.Background(), "large.example"); len(ips) != 100 || err != nil {
				t.Errorf("%d addresses, %v", len(ips), err)
			}
			if got, want := ns.queries(), []string{"tcp A large.example.", "tcp AAAA large.example.", "udp A large.example.", "udp AAAA large.example."}; !slices.Equal(got, want) {
				t.Errorf("asked %q, want %q", got, want)
			}
		}
		_, err := (&vimage.Resolver{Stack: a}).LookupHost(context.Background(), "www.example")
		var de *net.DNSError
		if !errors.As(err, &de) || de.IsNotFound {
			t.Errorf("without servers: %v", err)
		}
	})
}

// TestResolverTimes: what servers that are not there cost.
func TestResolverTimes(t *testing.T) {
	good, refusing, gone := netip.MustParseAddrPort("10.0.0.2:53"), netip.MustParseAddrPort("10.0.0.2:54"), netip.MustParseAddrPort("[2001:db8::99]:53")
	for _, c := range []struct {
		name    string
		servers []netip.AddrPort
		host    string
		took    time.Duration
		timeout bool
		failed  bool
	}{
		{"at once", []netip.AddrPort{good}, "www.example", 0, false, false},
		{"the first is not there", []netip.AddrPort{gone, good}, "www.example", 5 * time.Second, false, false},
		{"the first refuses", []netip.AddrPort{refusing, good}, "www.example", 0, false, false},
		{"nobody is there", []netip.AddrPort{gone}, "www.example", 10 * time.Second, false, true}, // neighbour discovery says so
		{"the server is silent", []netip.AddrPort{good, good}, "silent.example", 20 * time.Second, true, false},
		{"the server fails", []netip.AddrPort{good}, "broken.example", 0, false, true},
		{"silent about one family", []netip.AddrPort{good}, "mute6.example", 5 * time.Second, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pair6(t, world(t, vimage.Config{Seed: 1}))
				serve(t, b, exampleZone())
				r := &vimage.Resolver{Stack: a, Servers: c.servers}
				start := time.Now()
				ips, err := r.LookupHost(context.Background(), c.host)
				took := time.Since(start)
				var de *net.DNSError
				failed := errors.As(err, &de)
				if failed != (c.timeout || c.failed) || failed == (len(ips) > 0) || failed && (de.IsTimeout != c.timeout || c.timeout && !de.IsTemporary || de.IsNotFound) {
					t.Errorf("%v, %v (%+v)", ips, err, de)
				}
				// Neighbour discovery may find out before the timeout.
				if took != c.took && !(took < c.took && slices.Contains(c.servers, gone)) {
					t.Errorf("took %v, want %v", took, c.took)
				}
			})
		})
	}
}

// TestDialNames: a Dialer's names and times: the whole has one deadline, and one
// family's answer waits 50 ms for the other's (RFC 8305 §3).
func TestDialNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{Seed: 1}))
		serve(t, b, exampleZone())
		l := must(b.Listen("tcp", ":80"))(t)
		defer l.Close()
		a.SetResolver(&vimage.Resolver{Servers: []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::2]:53")}})
		dial := func(d vimage.Dialer, ctx context.Context, host string) (time.Duration, error) {
			d.Stack = a
			start := time.Now()
			c, err := d.DialContext(ctx, "tcp", host+":80")
			if err == nil {
				c.Close()
				must(l.Accept())(t).Close()
			}
			return time.Since(start), err
		}
		bg := context.Background()
		if took, err := dial(vimage.Dialer{}, bg, "www.example"); took != 0 || err != nil {
			t.Errorf("%v, %v", took, err)
		}
		if took, err := dial(vimage.Dialer{}, bg, "mute6.example"); took != 50*time.Millisecond || err != nil {
			t.Errorf("one family: %v, %v", took, err)
		}
		var de *net.DNSError
		if took, err := dial(vimage.Dialer{Timeout: time.Second}, bg, "silent.example"); took != time.Second || !errors.As(err, &de) || !de.IsTimeout {
			t.Errorf("timeout: %v, %v", took, err)
		}
		ctx, cancel := context.WithTimeout(bg, 700*time.Millisecond)
		defer cancel()
		if took, err := dial(vimage.Dialer{}, ctx, "silent.example"); took != 700*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context: %v, %v", took, err)
		}
		own := vimage.Dialer{Resolver: &vimage.Resolver{Hosts: map[string][]netip.Addr{"own": {netip.MustParseAddr("10.0.0.2")}}}}
		if _, err := dial(own, bg, "own"); err != nil {
			t.Error(err)
		}
		a.SetResolver(nil)
		if _, err := dial(vimage.Dialer{}, bg, "www.example"); !errors.As(err, &de) {
			t.Error("without servers:", err)
		}
	})
}
