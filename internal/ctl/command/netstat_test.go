package command

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// setups is what goes on in the labs of transcripts, by name, before they are played.
// Each returns how it ends.
func setups() map[string]func(t *testing.T, l *ctltest.Lab) (end func()) {
	return map[string]func(t *testing.T, l *ctltest.Lab) (end func()){"netstat": busySockets, "sockstat": busySockets}
}

// busySockets opens sockets of all kinds on a host, and has another talk to them.
func busySockets(t *testing.T, l *ctltest.Lab) (end func()) {
	a, b := l.Net.Lab.World.Stack("a"), l.Net.Lab.World.Stack("b")
	var open []io.Closer
	must := func(c io.Closer, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	http, err := a.Listen("tcp", ":80")
	must(http, err)
	must(a.Listen("tcp4", "192.0.2.1:22"))
	must(a.ListenPacket("udp4", ":53"))
	must(a.ListenPacket("udp6", "[2001:db8::1]:53"))
	must(a.ListenPacket("ip4:icmp", "0.0.0.0"))
	red, err := a.FIB(1)
	if err != nil {
		t.Fatal(err)
	}
	must(red.DialUDP("udp4", &net.UDPAddr{Port: 5000}, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 7}))
	member, err := a.ListenUDP("udp4", &net.UDPAddr{Port: 5001})
	must(member, err)
	eth0, err := a.Interface("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := member.JoinSourceGroup(eth0, netip.MustParseAddr("232.1.1.1"), netip.MustParseAddr("198.51.100.1")); err != nil {
		t.Fatal(err)
	}
	out, err := b.DialTCP("tcp4", &net.TCPAddr{Port: 2000}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80})
	must(out, err)
	in, err := http.Accept()
	must(in, err)
	if _, err := out.Write(make([]byte, 3000)); err != nil {
		t.Fatal(err)
	}
	must(b.DialTCP("tcp4", &net.TCPAddr{Port: 2001}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22}))
	if _, err := b.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 23}); err == nil {
		t.Fatal("connected where nobody listens")
	}
	eth, err := b.Interface("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AddMulticastRoute(vimage.MulticastRoute{Group: netip.MustParsePrefix("239.0.0.0/8"), In: eth, Listeners: true}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return func() {
		for _, c := range open {
			c.Close()
		}
		synctest.Wait()
	}
}

// TestStatisticsAreSaid finds for every counter of a stack where netstat prints it.
func TestStatisticsAreSaid(t *testing.T) {
	said := map[string]bool{}
	for _, p := range statisticsLines() {
		if len(p.families) == 0 || len(p.lines) == 0 {
			t.Errorf("%s: %v, %d lines", p.name, p.families, len(p.lines))
		}
		for _, l := range p.lines {
			if strings.Contains(l.text, "&") != (len(l.counters) == 2) {
				t.Errorf("%v: %q", l.counters, l.text)
			}
			for _, c := range l.counters {
				if said[c] && !strings.Contains(special, p.name) {
					t.Errorf("%s is said twice", c)
				}
				said[c] = true
				if !slices.Contains(vimage.CounterNames(), c) {
					t.Errorf("there is no counter %s", c)
				}
			}
		}
	}
	for _, c := range vimage.CounterNames() {
		if !said[c] && !strings.HasPrefix(c, "drop.") {
			t.Errorf("%s is not said", c)
		}
	}
}

// TestPlural writes numbers with their words.
func TestPlural(t *testing.T) {
	for _, c := range []struct {
		text      string
		one, many string
	}{
		{"packet* sent", "packet sent", "packets sent"}, {"quer*", "query", "queries"}, {"echo repl* sent", "echo reply sent", "echo replies sent"},
		{"own address* of prefix*", "own address of prefix", "own addresses of prefixes"}, {"wish*", "wish", "wishes"}, {"dropped", "dropped", "dropped"},
	} {
		if one, none, many := plural(c.text, 1), plural(c.text, 0), plural(c.text, 7); one != c.one || many != c.many || none != c.many {
			t.Errorf("%q: %q %q %q", c.text, one, none, many)
		}
	}
}
