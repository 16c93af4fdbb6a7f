package linuxlab

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/ns"
)

var (
	group    = netip.MustParseAddrPort("232.1.1.1:5000")
	source   = netip.MustParseAddr(SourceAddr)
	impostor = netip.MustParseAddr(ImpostorAddr)
)

// TestLinuxReceiver proves the lab with the kernel's own receiver: the bridge
// learns (S,G), delivers S's packets and not the impostor's, and forgets (S,G)
// when the receiver leaves.
func TestLinuxReceiver(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		lab := NewSSM(t)
		host := lab.AddHost(t, netip.MustParseAddr("10.9.0.102"))
		r := host.Receive(t, source, group)
		ns.Poll(t, 5*time.Second, func() (bool, string) {
			mdb := MDB(t)
			sg, ok := Find(mdb, host.Port, group.Addr(), source)
			g, ok2 := Find(mdb, host.Port, group.Addr(), netip.Addr{})
			return ok && ok2 && !sg.Blocked && sg.Mode == "include" && g.Mode == "include" && slices.Equal(g.Sources, []netip.Addr{source}),
				fmt.Sprintf("no (S,G) in include mode: %+v", mdb)
		})

		wire := host.Sniff(t)
		defer wire.Close()
		const n = 50
		lab.mustSend(t, lab.Impostor, n)
		lab.mustSend(t, lab.Source, n)
		ns.Poll(t, 5*time.Second, func() (bool, string) {
			return r.Got(source) == n, fmt.Sprintf("%d of %d from the source", r.Got(source), n)
		})
		if got := r.Got(impostor); got != 0 {
			t.Errorf("%d datagrams from the impostor at the socket", got)
		}
		seen := drain(t, wire, lab.Source, lab.Impostor)
		if seen[source] != n || seen[impostor] != 0 {
			t.Errorf("on the receiver's wire %d from the source, %d from the impostor, want %d and 0", seen[source], seen[impostor], n)
		}

		r.Leave(t)
		ns.Poll(t, 5*time.Second, func() (bool, string) {
			mdb := MDB(t)
			_, sg := Find(mdb, host.Port, group.Addr(), source)
			_, g := Find(mdb, host.Port, group.Addr(), netip.Addr{})
			return !sg && !g, fmt.Sprintf("still there after the leave: %+v", mdb)
		})
		lab.mustSend(t, lab.Source, n)
		if seen := drain(t, wire, lab.Source); seen[source] != 0 {
			t.Errorf("%d datagrams on the wire after the leave", seen[source])
		}
	})
}

// TestFloodsWithoutSnooping turns snooping off, to see that what TestLinuxReceiver
// does not see on the wire could have been seen there.
func TestFloodsWithoutSnooping(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		lab := NewSSM(t)
		host := lab.AddHost(t, netip.MustParseAddr("10.9.0.102"))
		ns.IP(t, "link", "set", Bridge, "type", "bridge", "mcast_snooping", "0")
		wire := host.Sniff(t)
		defer wire.Close()
		lab.mustSend(t, lab.Impostor, 5)
		if seen := drain(t, wire, lab.Impostor); seen[impostor] != 5 {
			t.Errorf("%d of 5 datagrams flooded", seen[impostor])
		}
	})
}

func (l *Lab) mustSend(t *testing.T, h *Host, n int) {
	t.Helper()
	if sent, err := h.Send(t.Context(), group, n, 1000); sent != n || err != nil {
		t.Fatalf("%s sent %d of %d: %v", h.Addr, sent, n, err)
	}
}

// drain counts the probes to the group on a wire by their source. Each of the
// hosts sends a broadcast behind what it sent before, and the count ends when
// the broadcasts of all have come.
func drain(t *testing.T, s *Sniffer, hosts ...*Host) map[netip.Addr]int {
	t.Helper()
	marker := netip.MustParseAddrPort("10.9.0.255:9")
	for _, h := range hosts {
		if _, err := h.Send(t.Context(), marker, 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[netip.Addr]int{}
	for ended := 0; ended < len(hosts); {
		d, err := s.NextUDP(5 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _, probe := ParseProbe(d.Payload)
		switch {
		case !probe:
		case d.Dst == marker:
			ended++
		case d.Dst == group:
			seen[d.Src.Addr()]++
		}
	}
	return seen
}

func TestParseMDB(t *testing.T) {
	const text = `[{"mdb":[
{"index":2,"dev":"br0","port":"v0","grp":"232.1.1.1","src":"10.9.0.100","state":"temp","filter_mode":"include","protocol":"kernel","flags":[]},
{"index":2,"dev":"br0","port":"v0","grp":"232.1.1.1","state":"temp","filter_mode":"include","source_list":[{"address":"10.9.0.100","timer":"2.40"}],"protocol":"kernel","flags":[]},
{"index":2,"dev":"br0","port":"v1","grp":"232.1.1.1","src":"10.9.0.7","state":"temp","flags":["blocked"]},
{"index":2,"dev":"br0","port":"br0","grp":"01:00:5e:01:02:03","state":"permanent","flags":[]},
{"index":2,"dev":"br0","port":"br0","grp":"ff02::6a","state":"temp","flags":[]}],"router":{}}]`
	got, err := parseMDB([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g := group.Addr()
	want := []Entry{
		{Port: "v0", Group: g, Source: source, Mode: "include"},
		{Port: "v0", Group: g, Mode: "include", Sources: []netip.Addr{source}},
		{Port: "v1", Group: g, Source: netip.MustParseAddr("10.9.0.7"), Blocked: true},
		{Port: "br0", Group: netip.MustParseAddr("ff02::6a")},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestProbe(t *testing.T) {
	var b [ProbeLen]byte
	at := time.Unix(1_700_000_000, 123_456_789)
	PutProbe(b[:], 42, at)
	if seq, sent, ok := ParseProbe(b[:]); seq != 42 || !sent.Equal(at) || !ok {
		t.Error(seq, sent, ok)
	}
	if _, _, ok := ParseProbe(b[:ProbeLen-1]); ok {
		t.Error("a short probe is accepted")
	}
	b[0] = 'V'
	if _, _, ok := ParseProbe(b[:]); ok {
		t.Error("another datagram is accepted")
	}
}
