package interop

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// mcastPort is where all probes of these tests go.
const mcastPort = 5000

// family is one of the two, with the addresses that tests of both use.
type family struct {
	name           string
	udp            string
	any            netip.Addr
	bits           int
	subnet         string     // what precedes a host's number
	group          netip.Addr // of any-source multicast, as is other
	other, sibling netip.Addr
	ssm            netip.Addr    // of source-specific multicast
	sources        [3]netip.Addr // of linuxlab's Source and Impostor, and nobody's
	linux          func(testing.TB) *linuxlab.Lab
	newest         int // version of the protocol
	// Names: of a Linux bridge's variable, and of our tunables and counters.
	version, sysctl, protocol, queries, olderQueries string
}

func inet() *family {
	a := netip.MustParseAddr
	return &family{
		name: "IGMP", udp: "udp4", any: netip.IPv4Unspecified(), bits: 24, subnet: "10.9.0.",
		group: a("239.77.1.1"), other: a("239.77.1.2"), sibling: a("239.77.1.3"), newest: 3, ssm: a("232.1.1.1"),
		sources: [3]netip.Addr{a(linuxlab.SourceAddr), a(linuxlab.ImpostorAddr), a("10.9.0.102")},
		linux:   linuxlab.NewSSM, version: "mcast_igmp_version", sysctl: "net.inet.igmp", protocol: "igmp", queries: "igmp.v3queries", olderQueries: "igmp.v1v2queries",
	}
}

func inet6() *family {
	a := netip.MustParseAddr
	return &family{
		name: "MLD", udp: "udp6", any: netip.IPv6Unspecified(), bits: 64, subnet: "2001:db8:9::",
		group: a("ff0e::77:1"), other: a("ff0e::77:2"), sibling: a("ff0e::77:3"), newest: 2, ssm: a("ff3e::8000:1"),
		sources: [3]netip.Addr{a(linuxlab.SourceAddr6), a(linuxlab.ImpostorAddr6), a("2001:db8:9::102")},
		linux:   linuxlab.NewMLD, version: "mcast_mld_version", sysctl: "net.inet6.mld", protocol: "mld", queries: "mld.v2queries", olderQueries: "mld.v1queries",
	}
}

func (f *family) v6() bool { return f.any.Is6() }

// general is the group of general queries.
func (f *family) general() netip.Addr { return f.any }

// addr is a host's address.
func (f *family) addr(host int) netip.Addr {
	return netip.MustParseAddr(f.subnet + strconv.Itoa(host))
}

// prefix is a host's address with the length of the subnet.
func (f *family) prefix(host int) netip.Prefix { return netip.PrefixFrom(f.addr(host), f.bits) }

// eachFamily runs f for IGMP and for MLD, in namespaces of their own and beside
// other tests: most of what these do is wait.
func eachFamily(t *testing.T, body func(t *testing.T, f *family)) {
	t.Parallel()
	for _, f := range [...]*family{inet(), inet6()} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			ns.Run(t, func(t *testing.T) {
				ns.NeedTUN(t)
				body(t, f)
			})
		})
	}
}

// mcastLab is a lab whose links are all recorded.
type mcastLab struct {
	*lab.Lab
	f    *family
	file string
}

func newMcastLab(t *testing.T, f *family) *mcastLab {
	t.Helper()
	need(t, "tshark")
	n := &mcastLab{lab.New(t), f, filepath.Join(t.TempDir(), "capture.pcapng")}
	file, err := os.Create(n.file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	n.CaptureAll(file)
	return n
}

// switched makes a switch that floods multicast, with a TAP of the test's
// namespace for one of its ports. Where on is not nil, hosts have addresses of
// that one's subnet.
func (n *mcastLab) switched(t *testing.T, tapName string, on *lab.Switch) *lab.Switch {
	t.Helper()
	w, err := link.NewWire(n.World.Internal().Sched(), openTAP(t, tap.Config{Name: tapName}))
	if err != nil {
		t.Fatal(err)
	}
	n.OnClose(func() { w.Close() })
	seg := n.Switch(tapName, n.subnets(lab.SwitchConfig{BridgeConfig: link.BridgeConfig{NoSnooping: true}, Within: on}))
	link.Join(seg.Bridge().AddPort(), w)
	return seg
}

// subnets completes the configuration of a switch.
func (n *mcastLab) subnets(c lab.SwitchConfig) lab.SwitchConfig {
	switch {
	case c.Within != nil:
	case n.f.v6():
		c.Subnet6 = n.f.prefix(0).Masked()
	default:
		c.Subnet = n.f.prefix(0).Masked()
	}
	return c
}

// host puts a host, or a router, on a segment, with the address of that number.
func (n *mcastLab) host(t *testing.T, name string, seg *lab.Switch, number int) *lab.Node {
	t.Helper()
	h := n.Host(name)
	if n.f.v6() {
		n.Link(h, seg, lab.LinkConfig{A6: []netip.Prefix{n.f.prefix(number)}})
		ready(t, h, 0)
	} else {
		n.Link(h, seg, lab.LinkConfig{A: n.f.prefix(number)})
	}
	return h
}

// member is a socket of ours that counts the probes that come to it.
type member struct {
	f *family
	c *vimage.UDPConn
	i *vimage.Interface
	counts
}

// counts is how many probes came from whom.
type counts struct {
	mu  sync.Mutex
	got map[netip.Addr]int // guarded by mu
}

func (c *counts) add(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got == nil {
		c.got = map[netip.Addr]int{}
	}
	c.got[from]++
}

// take returns the counts and starts again.
func (c *counts) take() map[netip.Addr]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

// from returns how many came from an address.
func (c *counts) from(a netip.Addr) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[a]
}

func newMember(t *testing.T, f *family, h *lab.Node) *member {
	t.Helper()
	c, err := h.ListenUDP(f.udp, &net.UDPAddr{IP: f.any.AsSlice(), Port: mcastPort})
	if err != nil {
		t.Fatal(err)
	}
	m := &member{f: f, c: c, i: h.Eth(0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var b [2048]byte
		for {
			n, from, err := c.ReadFromUDPAddrPort(b[:])
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if _, _, ok := linuxlab.ParseProbe(b[:n]); ok {
				m.add(from.Addr().Unmap())
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return m
}

// listener is a socket, of ours or of the kernel's, that makes the requests of RFC
// 3678, all of which must succeed. Filter replaces the filter of a group that was
// joined: the sources are those that are heard, or are not.
type listener interface {
	Join(t testing.TB, group netip.Addr)
	Leave(t testing.TB, group netip.Addr)
	JoinSource(t testing.TB, group, source netip.Addr)
	LeaveSource(t testing.TB, group, source netip.Addr)
	Block(t testing.TB, group, source netip.Addr)
	Unblock(t testing.TB, group, source netip.Addr)
	Filter(t testing.TB, group netip.Addr, exclude bool, sources ...netip.Addr)
}

var (
	_ listener = (*member)(nil)
	_ listener = (*linuxlab.Member)(nil)
)

func (m *member) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *member) Join(t testing.TB, group netip.Addr) {
	t.Helper()
	m.must(t, m.c.JoinGroup(m.i, group))
}

func (m *member) Leave(t testing.TB, group netip.Addr) {
	t.Helper()
	m.must(t, m.c.LeaveGroup(m.i, group))
}

func (m *member) JoinSource(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, m.c.JoinSourceGroup(m.i, group, source))
}

func (m *member) LeaveSource(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, m.c.LeaveSourceGroup(m.i, group, source))
}

func (m *member) Block(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, m.c.BlockSource(m.i, group, source))
}

func (m *member) Unblock(t testing.TB, group, source netip.Addr) {
	t.Helper()
	m.must(t, m.c.UnblockSource(m.i, group, source))
}

func (m *member) Filter(t testing.TB, group netip.Addr, exclude bool, sources ...netip.Addr) {
	t.Helper()
	mode := vimage.Include
	if exclude {
		mode = vimage.Exclude
	}
	m.must(t, m.c.SetSourceFilter(m.i, group, mode, sources))
}

// changeFilters has a socket change its filter of the family's group in every way
// there is, and each time has want compare with what a querier should know then.
func changeFilters(t *testing.T, f *family, m listener, want func(string)) {
	g, s1, s2, s3 := f.group, f.sources[0], f.sources[1], f.sources[2]
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"ALLOW, the first", func() { m.JoinSource(t, g, s1) }, "include s1"},
		{"ALLOW, more", func() { m.JoinSource(t, g, s2); m.JoinSource(t, g, s3) }, "include s1 s2 s3"},
		{"BLOCK", func() { m.LeaveSource(t, g, s1); m.LeaveSource(t, g, s3) }, "include s2"},
		{"TO_EX", func() { m.Filter(t, g, true, s3) }, "exclude !s3"},
		{"BLOCK in EXCLUDE mode", func() { m.Block(t, g, s1) }, "exclude !s1 !s3"},
		{"ALLOW in EXCLUDE mode", func() { m.Unblock(t, g, s3) }, "exclude !s1"},
		{"TO_IN", func() { m.Filter(t, g, false, s2) }, "include s2"},
		{"leave INCLUDE", func() { m.Leave(t, g) }, ""},
		{"TO_EX{}", func() { m.Join(t, g) }, "exclude"},
		{"from EXCLUDE to EXCLUDE", func() { m.Filter(t, g, true, s1, s2) }, "exclude !s1 !s2"},
		{"TO_IN{}", func() { m.Leave(t, g) }, ""},
	} {
		t.Log(step.what)
		step.do()
		want(step.want)
	}
}

// Kinds of packets that are counted in recordings, beside those of recordNames.
const (
	data         = "data"
	queryGeneral = "general query"
	queryGroup   = "group query"
	querySource  = "source query"
	query1       = "v1 query" // of IGMP; what follows is of version 2, as MLD version 1 is here
	query2       = "v2 query"
	report1      = "v1 report"
	report2      = "v2 report"
	leave2       = "leave"
)

// recordNames are those of the types of records, from 1 (RFC 3376 §4.2.12).
var recordNames = [...]string{1: "IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"}

// of is the kind of records about one group.
func of(record string, group netip.Addr) string { return record + " " + group.String() }

// end ends the recording. Wireshark must have nothing to say of any frame, and
// nothing may have been lost in a stack of ours but for one of the reasons. It
// returns how many messages and records of each kind there are, by sender.
func (n *mcastLab) end(t *testing.T, reasons ...string) map[netip.Addr]map[string]int {
	t.Helper()
	n.World.Settle()
	if err := n.EndCapture(); err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Addr]map[string]int{}
	var bad []string
	for _, line := range tshark(t, n.file, "frame", "frame.number", "frame.comment", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message",
		"ip.src", "ipv6.src", "igmp.type", "igmp.version", "igmp.maddr", "igmp.num_src", "igmp.record_type",
		"icmpv6.type", "icmpv6.mld.multicast_address", "icmpv6.mld.nb_sources", "icmpv6.mld.flag.qrv", "icmpv6.mldr.mar.record_type", "ip.dst", "ipv6.dst", "udp.dstport", "icmpv6.mldr.mar.multicast_address") {
		p := strings.Split(line, ";")
		if comment := p[1]; comment != "" {
			if !slices.Contains(reasons, strings.TrimPrefix(comment, "drop: ")) {
				bad = append(bad, line)
			}
			continue
		}
		if p[2] != "" || severity(p[3]) >= warning {
			bad = append(bad, line)
		}
		from, err := netip.ParseAddr(p[5] + p[6])
		if err != nil {
			continue
		}
		for _, kind := range kindsOf(p) {
			if seen[from] == nil {
				seen[from] = map[string]int{}
			}
			seen[from][kind]++
		}
	}
	if len(bad) != 0 {
		t.Errorf("Wireshark finds fault with, or a stack lost, %d packets, the first:\n%s", len(bad), strings.Join(bad[:min(5, len(bad))], "\n"))
	}
	for _, from := range slices.SortedFunc(maps.Keys(seen), netip.Addr.Compare) {
		t.Logf("%v sent %v", from, seen[from])
	}
	return seen
}

// warning is the severity of Wireshark's experts from which on something is wrong.
const warning = 0x600000

func severity(field string) (worst int) {
	for s := range strings.SplitSeq(field, ",") {
		v, err := strconv.Atoi(s)
		if err != nil && s != "" {
			return warning
		}
		worst = max(worst, v)
	}
	return worst
}

// kindsOf names what a packet's fields, as end has them of tshark, say.
func kindsOf(p []string) (kinds []string) {
	records := func(types, groups string) {
		at := strings.Split(groups, ",")
		for k, s := range strings.Split(types, ",") {
			if i, err := strconv.Atoi(s); err == nil && i > 0 && i < len(recordNames) && k < len(at) {
				kinds = append(kinds, recordNames[i], recordNames[i]+" "+at[k])
			}
		}
	}
	query := func(group, sources, version string) {
		a, err := netip.ParseAddr(group)
		switch {
		case version == "1":
			kinds = append(kinds, query1)
		case version == "2":
			kinds = append(kinds, query2)
		case err != nil || a.IsUnspecified():
			kinds = append(kinds, queryGeneral)
		case sources == "0":
			kinds = append(kinds, queryGroup)
		default:
			kinds = append(kinds, querySource)
		}
	}
	switch p[7] {
	case "0x11":
		query(p[9], p[10], p[8])
	case "0x12":
		kinds = append(kinds, report1)
	case "0x16":
		kinds = append(kinds, report2)
	case "0x17":
		kinds = append(kinds, leave2)
	case "0x22":
		records(p[11], p[9])
	}
	if to, err := netip.ParseAddr(p[17] + p[18]); err == nil && to.IsMulticast() && p[19] == strconv.Itoa(mcastPort) {
		kinds = append(kinds, data)
	}
	switch p[12] {
	case "130":
		version := "3"
		if p[15] == "" {
			version = "2"
		}
		query(p[13], p[14], version)
	case "131":
		kinds = append(kinds, report2)
	case "132":
		kinds = append(kinds, leave2)
	case "143":
		records(p[16], p[20])
	}
	return kinds
}

// mdb returns what a Linux bridge knows of a group at a port: the mode and the
// sources, those that are kept from the port with "!" before them; "" if
// nothing.
func mdb(t testing.TB, port string, group netip.Addr) string {
	t.Helper()
	all := linuxlab.MDB(t)
	e, ok := linuxlab.Find(all, port, group, netip.Addr{})
	if !ok {
		return ""
	}
	slices.SortFunc(e.Sources, netip.Addr.Compare)
	text := e.Mode
	if text == "" { // older versions have no modes
		text = "exclude"
	}
	for _, s := range e.Sources {
		switch sg, ok := linuxlab.Find(all, port, group, s); {
		case !ok:
			text += " ?" + s.String()
		case sg.Blocked:
			text += " !" + s.String()
		default:
			text += " " + s.String()
		}
	}
	return text
}

// wantMDB waits until that is what it knows. Sources are given by their number in
// the family.
func wantMDB(t *testing.T, f *family, port string, group netip.Addr, want string) {
	t.Helper()
	want = f.named(want)
	ns.Poll(t, 2*patience, func() (bool, string) {
		got := mdb(t, port, group)
		return got == want, fmt.Sprintf("the bridge has %q for %v at %s, want %q", got, group, port, want)
	})
}

// named puts the sources for "s1" to "s3".
func (f *family) named(text string) string {
	for i, s := range f.sources {
		text = strings.ReplaceAll(text, fmt.Sprintf("s%d", i+1), s.String())
	}
	return text
}
