package watch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link/pcapng"
)

// world is a Watcher and what it has said.
type world struct {
	*Watcher
	t  *testing.T
	at int64
}

func newWorld(t *testing.T, c Config) *world { return &world{New(c), t, int64(time.Hour)} }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func ips(s string) (all []netip.Addr) {
	for _, f := range strings.Fields(s) {
		all = append(all, ip(f))
	}
	return all
}

// ipv4 puts an Ethernet and an IPv4 header before a payload. Host n is 10.0.0.n,
// with a hardware address that ends so.
func ipv4(n byte, dst string, proto, ttl uint8, alert bool, payload []byte) []byte {
	h := wire.IPv4Header{Proto: proto, TTL: ttl, Src: netip.AddrFrom4([4]byte{10, 0, 0, n}), Dst: ip(dst)}
	if alert {
		ra := wire.RouterAlert()
		h.Options = ra[:]
	}
	b := make([]byte, wire.EtherLen+h.Len()+len(payload))
	wire.PutEther(b, wire.MulticastMAC(h.Dst), wire.MAC{2, 0, 0, 0, 0, n}, wire.EtherTypeIPv4)
	wire.PutIPv4(b[wire.EtherLen:], &h, len(payload))
	copy(b[wire.EtherLen+h.Len():], payload)
	return b
}

func igmp(typ, code uint8, group string) []byte {
	b := make([]byte, wire.IGMPLen)
	wire.PutIGMP(b, typ, code, ip(group))
	return b
}

// report3 is a report of records, each "TYPE GROUP SOURCES…".
func report3(records ...string) []byte {
	b := make([]byte, 65536)
	n := wire.IGMPv3ReportLen
	for _, r := range records {
		f := strings.Fields(r)
		var typ uint8
		fmt.Sscan(f[0], &typ)
		n += wire.PutIGMPv3Record(b[n:], typ, ip(f[1]), ips(strings.Join(f[2:], " ")))
	}
	wire.PutIGMPv3Report(b[:n], len(records))
	return b[:n]
}

func query3(group string, sources ...netip.Addr) []byte {
	b := make([]byte, 1500)
	n := wire.PutIGMPv3Query(b, &wire.IGMPv3QueryHeader{MaxRespCode: 10, Group: ip(group), QRV: 2, QQIC: 20}, sources)
	return b[:n]
}

func (w *world) frame(b []byte) { w.Frame(w.at, Ethernet, b, len(b)) }

func (w *world) reports(n byte, records ...string) {
	w.frame(ipv4(n, "224.0.0.22", wire.ProtoIGMP, 1, true, report3(records...)))
}

func (w *world) asks(n byte, group string, sources ...netip.Addr) {
	dst := group
	if group == "0.0.0.0" {
		dst = "224.0.0.1"
	}
	w.frame(ipv4(n, dst, wire.ProtoIGMP, 1, true, query3(group, sources...)))
}

func (w *world) sends(n byte, group string) {
	w.frame(ipv4(n, group, wire.ProtoUDP, 8, false, make([]byte, 20)))
}

func (w *world) wait(d time.Duration) {
	w.at += int64(d)
	w.Advance(w.at)
}

// said is every event since the last call: host's last number, group, what.
func (w *world) said() string {
	var all []string
	var e Event
	for w.Next(&e) {
		host := ""
		if e.Host.Is4() {
			host = fmt.Sprint(e.Host.As4()[3])
		}
		switch e.Kind {
		case Asked:
			continue
		case Strange:
			all = append(all, strings.TrimSpace(host+" "+e.What))
		case Malformed:
			all = append(all, host+" malformed")
		default:
			all = append(all, host+" "+e.change())
		}
	}
	return strings.Join(all, "; ")
}

func (w *world) want(what, want string) {
	w.t.Helper()
	if got := w.said(); got != want {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const (
	isIn  = "1 232.1.1.1 "
	isEx  = "2 232.1.1.1 "
	toIn  = "3 232.1.1.1 "
	toEx  = "4 232.1.1.1 "
	allow = "5 232.1.1.1 "
	block = "6 232.1.1.1 "
)

// TestRecordsRFC3376Section51 is what each record says of the host's filter.
func TestRecordsRFC3376Section51(t *testing.T) {
	w := newWorld(t, Config{})
	for _, step := range []struct{ record, want string }{
		{block + "10.9.0.9", ""},
		{allow + "10.9.0.2 10.9.0.1", "1 joined INCLUDE{10.9.0.1, 10.9.0.2}"},
		{allow + "10.9.0.1", ""},
		{block + "10.9.0.1 10.9.0.7", "1 now INCLUDE{10.9.0.2} -{10.9.0.1}"},
		{isIn + "10.9.0.2", ""},
		{toEx + "10.9.0.2", "1 now EXCLUDE{10.9.0.2}"},
		{block + "10.9.0.3", "1 now EXCLUDE{10.9.0.2, 10.9.0.3} +{10.9.0.3}"},
		{allow + "10.9.0.2", "1 now EXCLUDE{10.9.0.3} -{10.9.0.2}"},
		{isEx + "10.9.0.3", ""},
		{toIn + "10.9.0.3", "1 now INCLUDE{10.9.0.3}"},
		{"7 232.1.1.1", "1 record"},
		{"0 232.1.1.1", ""}, // nor this; but an anomaly is told of once
		{toIn, "1 left"},
		{toIn, ""},
		{isEx, "1 is a member EXCLUDE{}"},
		{isIn, "1 left"},
	} {
		w.wait(2 * time.Second)
		w.reports(1, step.record)
		w.want(step.record, step.want)
	}
}

// TestSplitListRFC3376Section4216 gives a list in two records, and then another
// list at another time.
func TestSplitListRFC3376Section4216(t *testing.T) {
	w := newWorld(t, Config{})
	w.reports(1, isIn+"10.9.0.1")
	w.reports(1, isIn+"10.9.0.2")
	w.want("two halves", "1 is a member INCLUDE{10.9.0.1}; 1 now INCLUDE{10.9.0.1, 10.9.0.2} +{10.9.0.2}")
	w.wait(2 * time.Second)
	w.reports(1, isIn+"10.9.0.3")
	w.want("later", "1 now INCLUDE{10.9.0.3} +{10.9.0.3} -{10.9.0.1, 10.9.0.2}")
}

// TestAnswerAboutSourcesRFC3376Section52 has hosts answer about the sources that
// they were asked about, which says nothing of the rest of their filters.
func TestAnswerAboutSourcesRFC3376Section52(t *testing.T) {
	w := newWorld(t, Config{})
	w.reports(1, toEx+"10.9.0.1 10.9.0.2")
	w.reports(2, allow+"10.9.0.1 10.9.0.3")
	w.said()
	w.wait(time.Minute)
	w.asks(9, "232.1.1.1", ips("10.9.0.3 10.9.0.1")...)
	w.reports(1, isIn+"10.9.0.3")
	w.reports(2, isIn+"10.9.0.1")
	w.want("as it was known", "")
	w.reports(1, isIn+"10.9.0.1")
	w.reports(2, isIn+"10.9.0.5")
	w.want("otherwise", "1 now EXCLUDE{10.9.0.2} -{10.9.0.1}; 2 now INCLUDE{10.9.0.1, 10.9.0.3, 10.9.0.5} +{10.9.0.5}")
	w.wait(2 * time.Second)
	w.reports(1, isIn+"10.9.0.3")
	w.want("no longer asked", "1 now INCLUDE{10.9.0.3}")
}

func TestOlderVersions(t *testing.T) {
	w := newWorld(t, Config{})
	v2 := func(n byte) {
		w.frame(ipv4(n, "239.1.1.1", wire.ProtoIGMP, 1, true, igmp(wire.IGMPTypeV2Report, 0, "239.1.1.1")))
	}
	v2(1)
	v2(2)
	w.want("reports", "1 joined EXCLUDE{}; 2 joined EXCLUDE{}")
	w.wait(time.Second)
	w.frame(ipv4(9, "224.0.0.1", wire.ProtoIGMP, 1, true, igmp(wire.IGMPTypeQuery, 10, "0.0.0.0")))
	v2(1)
	v2(3)
	w.wait(2 * time.Second)
	// RFC 2236 §3: the others hear one report and keep silent.
	w.want("suppressed", "3 is a member EXCLUDE{}")
	w.frame(ipv4(1, "224.0.0.2", wire.ProtoIGMP, 1, true, igmp(wire.IGMPTypeV2Leave, 0, "239.1.1.1")))
	w.frame(ipv4(2, "239.1.1.1", wire.ProtoIGMP, 1, true, igmp(wire.IGMPTypeV2Leave, 0, "239.1.1.1")))
	w.want("leaves", "1 left; 2 left")
	w.frame(ipv4(4, "239.1.1.1", wire.ProtoIGMP, 1, false, igmp(wire.IGMPTypeV1Report, 0, "239.1.1.1")))
	w.want("version 1 needs no Router Alert", "4 joined EXCLUDE{}")
}

func TestNoAnswer(t *testing.T) {
	w := newWorld(t, Config{})
	w.reports(1, toEx)
	w.reports(2, allow+"10.9.0.1")
	w.reports(3, allow+"10.9.0.2")
	w.reports(4, toEx+"10.9.0.1")
	w.said()
	w.wait(time.Second)
	// RFC 3376 §5.2: about a source that 3 does not listen to, and 4 excludes.
	w.asks(9, "232.1.1.1", ip("10.9.0.1"))
	w.wait(1400 * time.Millisecond)
	w.want("before it is due", "")
	w.wait(200 * time.Millisecond)
	w.want("about a source", "1 no-answer; 2 no-answer")
	w.asks(9, "0.0.0.0")
	w.reports(1, isEx)
	w.reports(3, isIn+"10.9.0.2")
	w.wait(2 * time.Second)
	w.want("general", "4 no-answer") // 2 is an anomaly already
	if r := w.Report(w.at); len(r.Anomalies) != 3 || r.Anomalies[1].Times != 2 {
		t.Errorf("anomalies %+v", r.Anomalies)
	}
}

// TestMembershipIntervalRFC3376Section84 runs out after 2 × 20 s + 1 s where
// somebody asks, and never where nobody does.
func TestMembershipIntervalRFC3376Section84(t *testing.T) {
	w := newWorld(t, Config{})
	w.reports(1, toEx)
	w.wait(time.Hour)
	w.want("nobody asks", "1 joined EXCLUDE{}")
	w.reports(1, isEx)
	for range 2 {
		w.wait(20 * time.Second)
		w.asks(9, "0.0.0.0")
	}
	w.wait(900 * time.Millisecond)
	w.want("40.9 s", "1 no-answer")
	w.wait(1100 * time.Millisecond)
	w.want("42 s", "1 expired; 1 expired")
	if r := w.Report(w.at); len(r.Memberships) != 0 || r.Groups[0].Hosts != 0 || r.Groups[0].Most != 1 {
		t.Errorf("%+v", r)
	}
}

// TestQuerierElectionRFC3376Section662 has the higher address go on.
func TestQuerierElectionRFC3376Section662(t *testing.T) {
	w := newWorld(t, Config{})
	w.asks(8, "0.0.0.0")
	w.asks(7, "0.0.0.0")
	w.want("both start", "")
	w.wait(time.Second)
	w.asks(8, "0.0.0.0")
	w.want("8 has heard 7", "8 several-queriers")
	w.frame(ipv4(7, "224.0.0.1", wire.ProtoIGMP, 1, true, igmp(wire.IGMPTypeQuery, 10, "0.0.0.0")))
	w.want("another version", "7 querier-versions")
	q := w.Report(w.at).Queriers
	if len(q) != 2 || q[0].Elected || !q[1].Elected || q[0].Interval != 20 {
		t.Errorf("%+v", q)
	}
}

func TestHeaders(t *testing.T) {
	tests := []struct {
		name, want string
		frame      []byte
	}{
		{"TTL", "1 ttl; 1 joined EXCLUDE{}", ipv4(1, "224.0.0.22", wire.ProtoIGMP, 2, true, report3(toEx))},
		{"no Router Alert", "1 no-router-alert; 1 joined EXCLUDE{}", ipv4(1, "224.0.0.22", wire.ProtoIGMP, 1, false, report3(toEx))},
		{"destination", "1 destination; 1 joined EXCLUDE{}", ipv4(1, "232.1.1.1", wire.ProtoIGMP, 1, true, report3(toEx))},
		{"no group", "1 malformed", ipv4(1, "224.0.0.22", wire.ProtoIGMP, 1, true, report3("4 10.1.1.1"))},
		{"cut", "1 malformed", ipv4(1, "224.0.0.22", wire.ProtoIGMP, 1, true, report3(toEx)[:12])},
		{"query", "1 destination", ipv4(1, "224.0.0.5", wire.ProtoIGMP, 1, true, query3("0.0.0.0"))},
		{"general with sources", "1 malformed", ipv4(1, "224.0.0.1", wire.ProtoIGMP, 1, true, query3("0.0.0.0", ip("10.1.1.1")))},
		{"PIM over IGMP", "", ipv4(1, "224.0.0.2", wire.ProtoIGMP, 1, true, igmp(0x14, 0, "0.0.0.0"))},
	}
	for _, tc := range tests {
		w := newWorld(t, Config{})
		w.frame(tc.frame)
		w.want(tc.name, tc.want)
	}
	w := newWorld(t, Config{})
	f := ipv4(1, "224.0.0.22", wire.ProtoIGMP, 1, true, report3(toEx))
	f[5]++
	w.frame(f)
	w.want("hardware address", "1 mac; 1 joined EXCLUDE{}")
	f[wire.EtherLen+10]++
	w.frame(f)
	w.want("header checksum", "1 malformed")
	w.Frame(w.at, Ethernet, f[:20], len(f))
	w.want("cut by the capture", "")
}

// TestUnspecifiedSource has a host report before it has an address, as with DHCP
// (RFC 3376 §4.2.13).
func TestUnspecifiedSource(t *testing.T) {
	w := newWorld(t, Config{})
	f := ipv4(1, "224.0.0.22", wire.ProtoIGMP, 1, true, report3(toEx))
	h := wire.IPv4(f[wire.EtherLen:])
	h.SetSrc(netip.IPv4Unspecified())
	h.SetChecksum()
	w.frame(f)
	w.want("without address", "0 joined EXCLUDE{}")
	w.reports(1, isEx+"10.9.0.1")
	w.want("with one", "1 now EXCLUDE{10.9.0.1} +{10.9.0.1}")
	w.frame(f)
	w.want("without again", "1 now EXCLUDE{} -{10.9.0.1}")
	if r := w.Report(w.at); len(r.Memberships) != 1 || r.Memberships[0].Host != ip("10.0.0.1") {
		t.Errorf("%+v", r.Memberships)
	}
}

func TestData(t *testing.T) {
	w := newWorld(t, Config{})
	w.sends(5, "232.1.1.1") // too early
	w.reports(1, allow+"10.0.0.5 10.0.0.6")
	w.reports(2, toEx+"10.0.0.7")
	w.sends(5, "232.1.1.1")
	w.sends(7, "232.1.1.1") // nobody wants it
	w.sends(8, "232.1.1.1")
	w.sends(8, "224.0.0.251")
	w.reports(3, "4 239.1.1.1")
	r := w.Report(w.at)
	var got []string
	for _, c := range r.Data {
		got = append(got, fmt.Sprintf("%v %v %d/%d wanted by %d, %t", c.Source, c.Group, c.Packets, c.Nobody, c.Listeners, c.Local))
	}
	want := []string{
		"10.0.0.8 224.0.0.251 1/1 wanted by 0, true", "10.0.0.5 232.1.1.1 2/1 wanted by 2, false",
		"10.0.0.7 232.1.1.1 1/1 wanted by 0, false", "10.0.0.8 232.1.1.1 1/0 wanted by 1, false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("data\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if u := r.Unserved; len(u) != 2 || u[0] != (Unserved{Source: ip("10.0.0.6"), Group: ip("232.1.1.1"), Hosts: 1}) || u[1] != (Unserved{Group: ip("239.1.1.1"), Hosts: 1}) {
		t.Errorf("wanted, but not seen: %+v", u)
	}
	w.reports(3, "3 239.1.1.1")
	w.sends(6, "232.1.1.1")
	if u := w.Report(w.at).Unserved; len(u) != 1 || u[0].Hosts != 0 {
		t.Errorf("after it has left: %+v", u)
	}
}

func TestVLANAndOtherLinks(t *testing.T) {
	plain := ipv4(1, "224.0.0.22", wire.ProtoIGMP, 1, true, report3(toEx))
	packet := plain[wire.EtherLen:]
	tagged := append(bytes.Clone(plain[:12]), 0x88, 0xa8, 0, 5, 0x81, 0, 0, 9, 8, 0)
	tagged = append(tagged, packet...)
	cooked := append([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0}, packet...)
	sll2 := append([]byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 6, 2, 0, 0, 0, 0, 1, 0, 0}, packet...)
	for _, tc := range []struct {
		name string
		link uint16
		b    []byte
		vlan uint16
		mac  string
	}{
		{"tagged twice", Ethernet, tagged, 9, "02:00:00:00:00:01"}, {"cooked", linuxCooked, cooked, 0, "02:00:00:00:00:01"},
		{"cooked 2", linuxSLL2, sll2, 0, "02:00:00:00:00:01"}, {"raw", RawIP, packet, 0, ""},
	} {
		w := New(Config{})
		w.Frame(0, tc.link, tc.b, len(tc.b))
		m := w.Report(0).Memberships
		if len(m) != 1 || m[0].VLAN != tc.vlan || m[0].MAC != tc.mac {
			t.Errorf("%s: %+v", tc.name, m)
		}
	}
}

// TestLimits fills every table and goes on.
func TestLimits(t *testing.T) {
	w := newWorld(t, Config{MaxHosts: 3, MaxMemberships: 4, MaxSources: 5, MaxChannels: 2, MaxAnomalies: 1, MaxEvents: 4})
	for n := range byte(10) {
		w.reports(n, toEx, "4 232.1.1.2", allow+"10.0.0.1 10.0.0.2 10.0.0.3")
		w.reports(n, "4 232.1.1.3 10.0.0.1 10.0.0.2 10.0.0.3")
		w.sends(n, "239.1.1.1")
		w.frame(ipv4(n, "224.0.0.22", wire.ProtoIGMP, 9, true, report3(isEx)))
	}
	r := w.Report(w.at)
	f := r.Counts.Refused
	if f.Hosts == 0 || f.Memberships == 0 || f.Channels != 8 || f.Anomalies == 0 || f.Events == 0 {
		t.Errorf("refused %+v", f)
	}
	if len(r.Memberships) > 4 || len(r.Data) > 2 || len(r.Anomalies) > 1 {
		t.Errorf("kept %d memberships, %d channels, %d anomalies", len(r.Memberships), len(r.Data), len(r.Anomalies))
	}
	sources := 0
	for _, m := range r.Memberships {
		sources += len(m.Sources)
	}
	if sources > 5 {
		t.Errorf("%d sources", sources)
	}
	n := 0
	for e := (Event{}); w.Next(&e); n++ {
	}
	if n != 4 {
		t.Errorf("%d events", n)
	}
	for range 2 * maxAsked {
		w.asks(9, "0.0.0.0")
	}
	if w.Counts().Refused.Queries != maxAsked {
		t.Errorf("%d queries refused", w.Counts().Refused.Queries)
	}
}

// consistent checks that what is counted is what is there.
func (w *Watcher) consistent(t *testing.T) {
	t.Helper()
	members, sources := 0, 0
	for _, g := range w.groupList {
		members += len(g.members)
		exclude, names := 0, map[netip.Addr]int{}
		for i, m := range g.members {
			if m.at != i || m.host.groups[g.addr] != m || m.filter.Nothing() {
				t.Fatalf("membership %d of %v: %+v", i, g.addr, m)
			}
			sources += len(m.filter.Sources)
			if m.filter.Mode == 2 {
				exclude++
			}
			for _, s := range m.filter.Sources {
				names[s]++
			}
		}
		if exclude != g.anyone || len(names) != len(g.listed) {
			t.Fatalf("%v: %d exclude, %d counted; %d sources, %d counted", g.addr, exclude, g.anyone, len(names), len(g.listed))
		}
		for s, n := range names {
			if l := g.listed[s]; l.include+l.exclude != n {
				t.Fatalf("%v of %v: %+v, want %d", g.addr, s, l, n)
			}
		}
	}
	if members != w.members || sources != w.sources {
		t.Fatalf("%d memberships, %d counted; %d sources, %d counted", members, w.members, sources, w.sources)
	}
}

// TestRandomRecords has the counters agree with the tables, whatever comes.
func TestRandomRecords(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	w := newWorld(t, Config{MaxHosts: 6, MaxMemberships: 12, MaxSources: 30, MaxChannels: 20})
	for range 5000 {
		w.at += int64(r.Intn(int(3 * time.Second)))
		n := byte(r.Intn(8))
		switch r.Intn(12) {
		case 0:
			w.asks(9, "0.0.0.0")
		case 1:
			w.sends(n, fmt.Sprintf("232.1.1.%d", r.Intn(4)))
		default:
			rec := fmt.Sprintf("%d 232.1.1.%d", 1+r.Intn(6), r.Intn(4))
			for range r.Intn(4) {
				rec += fmt.Sprintf(" 10.0.0.%d", r.Intn(6))
			}
			w.reports(n, rec)
		}
		w.said()
		w.consistent(t)
	}
	w.Report(w.at)
}

// FuzzFrame gives a Watcher frames one after the other: each is a length, a time,
// and bytes.
func FuzzFrame(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.pcap")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var seed []byte
		r := pcapng.NewReader(bytes.NewReader(b))
		for fr := (pcapng.Frame{}); r.Next(&fr) == nil && len(seed) < 2000; {
			seed = append(binary.BigEndian.AppendUint16(append(seed, 1), uint16(len(fr.Data))), fr.Data...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := New(Config{MaxHosts: 8, MaxMemberships: 16, MaxSources: 64, MaxChannels: 8, MaxAnomalies: 8, MaxEvents: 64})
		at := int64(0)
		for len(b) >= 3 {
			at += int64(b[0]) * int64(time.Second) / 4
			n := min(int(binary.BigEndian.Uint16(b[1:])), len(b)-3)
			w.Frame(at, Ethernet, b[3:3+n], n)
			w.Frame(at, RawIP, b[3:3+n], n+1)
			b = b[3+n:]
			var e Event
			for w.Next(&e) {
				_ = e.String()
			}
			w.consistent(t)
		}
		var s strings.Builder
		if err := w.Report(at).WriteText(&s); err != nil {
			t.Fatal(err)
		}
	})
}
