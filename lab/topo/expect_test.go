//go:build !novimage

package topo

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/lab"
)

// scene is a network in which something can go wrong: the link to c loses all,
// d is nowhere, x joins another source's channel and does not filter.
// The first datagrams to b wait for ARP, there and back over the slow link.
const scene = `
hosts:
  a: {fibs: 2, routes: [{to: default, via: r}, {to: 10.66.0.0/16, blackhole: true}, {to: 10.67.0.0/16, via: r, fib: 1}]}
  b: {routes: [{to: default, via: r}]}
  c: {routes: [{to: default, via: r}]}
  x: {}
routers: [r]
switches:
  lan: {subnet: 10.1.0.0/24}
  hub: {hub: true}
links:
  - {between: [a, lan]}
  - {between: [lan, hub]}
  - {between: [x, hub]}
  - {between: [r, lan], querier: r}
  - {between: [r, b], name: slow, delay: 20ms}
  - {between: [r, c], name: dead, loss: 100%}
joins:
  - {host: x, group: 232.1.1.1, sources: [a]}
  - {host: x, group: 232.1.1.1, sources: [r], unfiltered: true, name: open}
flows:
  - {name: good, from: a, to: b, count: 10, rate: 100}
  - {name: bad, from: a, to: c, count: 10, rate: 100}
  - {name: hole, from: a, to: 10.66.1.1, count: 10, rate: 100}
  - {name: channel, from: a, to: 232.1.1.1, count: 10, rate: 100, start: 1s}
  - {name: other, from: r, to: 232.1.1.1, link: r-lan, count: 10, rate: 100, start: 1s}
expect:
`

// judgement is an expectation, what it gets, and whether it holds.
type judgement struct {
	expect, got string
	ok          bool
}

// scene6 is one with IPv6: a host that configures itself, one that has its
// address given, a router between them that forwards, and a link with no IPv6.
const scene6 = `
ipv6: true
hosts:
  pc: {autoconf: true}
  shy: {autoconf: {routers: false}}
  b: {routes: [{to: lan, via: r, ipv6: true}, {to: "2001:db8:66::/48", blackhole: true}]}
  c: {}
routers: [r]
switches:
  lan: {subnet6: 2001:db8:1::/64}
links:
  - {between: [pc, lan]}
  - {between: [shy, lan]}
  - {between: [r, lan], advertise: r, addrs: {r: ["2001:db8:1::ff", "2001:db8:9::1/64"]}}
  - {between: [r, b], delay: 1ms}
  - {between: [b, c], mtu: 576}
flows:
  - {name: to-b, from: pc, to: b, ipv6: true, count: 5, start: 5s}
  - {name: to-pc, from: b, to: pc, ipv6: true, count: 5, start: 5s}
  - {name: soon, from: b, to: pc, ipv6: true, count: 1, port: 5001}
  - {name: hole, from: b, to: "2001:db8:66::1", count: 5, start: 5s}
expect:
`

var judgements6 = []judgement{
	{"delivered: {flow: to-b}", "5 of 5 (100 %)", true},
	{"delivered: {flow: to-pc}", "5 of 5 (100 %)", true},
	{"delivered: {flow: to-pc, at: pc, max: 4}", "5 of 5 (100 %)", false},
	{"not_delivered: {flow: soon}", "0 of 1 (0 %)", true},
	{"delivered: {flow: soon}", "0 of 1 (0 %)", false},
	{"address: {node: pc, in: link-local}", "1", true},
	{"address: {node: pc, in: 2001:db8:1::/64}", "1", true},
	{"address: {node: pc, in: 2001:db8:1::/64, is: 0}", "1", false},
	{"address: {node: pc, in: 2001:db8:9::/64}", "0", false},
	{"address: {node: pc, in: ::/0, min: 2, max: 2}", "2", true},
	{"address: {node: shy, in: ::/0}", "1", true},
	{"address: {node: pc, in: 2001:db8:1::/64, state: deprecated}", "0", false},
	{"address: {node: r, in: fd00::/16}", "1", true},
	{"address: {node: c, in: ::/0, is: 0}", "0", true},
	{"route: {node: pc, to: default, via: r, ipv6: true}", "", true},
	{"route: {node: pc, to: default, via: b, ipv6: true}", "", false},
	{"route: {node: pc, to: default, via: none}", "via none", true},
	{"route: {node: shy, to: \"::/0\", via: none}", "via none", true},
	{"route: {node: pc, to: lan, via: direct, ipv6: true}", "via direct", true},
	{"route: {node: b, to: pc, via: r, ipv6: true}", "via fd00::1", true},
	{"route: {node: b, to: pc, via: \"fd00::1\", ipv6: true}", "via fd00::1", true},
	{"route: {node: b, to: pc, via: \"fd00::9\", ipv6: true}", "via fd00::1", false},
	{"route: {node: b, to: \"2001:db8:66::/64\", via: refused}", "via refused", true},
	{"path: {from: pc, to: b, ipv6: true, is: [pc, r, b]}", "pc r b", true},
	{"path: {from: b, to: pc, ipv6: true, is: [b, r, pc]}", "b r pc", true},
	{"path: {from: shy, to: b, ipv6: true, is: [shy, r, b]}", "shy (no route)", false},
	{"path: {from: b, to: shy, ipv6: true, is: [b]}", "b (no address)", false},
	{"path: {from: b, to: \"2001:db8:1::77\", is: [b]}", "b r (nobody has 2001:db8:1::77)", false},
	{"counter: {node: r, name: ip6.forwarded, is: 10}", "10", true},
	{"counter: {node: r, name: ip.forwarded, is: 0}", "0", true},
}

// judgements are expectations of the scene.
var judgements = []judgement{
	{"delivered: {flow: good}", "10 of 10 (100 %)", true},
	{"delivered: {flow: good, at: b, is: 10}", "10 of 10 (100 %)", true},
	{"delivered: {flow: good, is: 9}", "10 of 10 (100 %)", false},
	{"delivered: {flow: good, min: 11}", "10 of 10 (100 %)", false},
	{"delivered: {flow: good, max: 99%}", "10 of 10 (100 %)", false},
	{"delivered: {flow: bad}", "0 of 10 (0 %)", false},
	{"delivered: {flow: bad, min: 1%}", "0 of 10 (0 %)", false},
	{"not_delivered: {flow: bad}", "0 of 10 (0 %)", true},
	{"not_delivered: {flow: good}", "10 of 10 (100 %)", false},
	{"wrong_source: {at: x}", "0", true},
	{"wrong_source: {at: open}", "10", false},
	{"wrong_source: {at: open, is: 10}", "10", true},
	{"latency: {flow: good, min: 20ms, max: 60ms}", "20ms to 60ms", true},
	{"latency: {flow: good, max: 59ms}", "20ms to 60ms", false},
	{"latency: {flow: good, min: 21ms}", "20ms to 60ms", false},
	{"latency: {flow: bad, max: 1h}", "nothing came", false},
	{"loss: {flow: good}", "0 of 10 (0 %)", true},
	{"loss: {flow: bad, max: 99%}", "10 of 10 (100 %)", false},
	{"loss: {link: slow}", "0 of 12 (0 %)", true},
	{"loss: {link: dead, max: 50%}", "", false},
	{"loss: {link: dead, toward: c, is: 100%}", "", true},
	{"loss: {link: dead, toward: r, max: 50%}", "0 of 0", false},
	{"counter: {node: r, name: ip.forwarded, is: 20}", "20", true},
	{"counter: {node: r, name: ip.forwarded, is: 21}", "20", false},
	{"counter: {node: r, name: ip.forwarded, min: 21}", "20", false},
	{"counter: {node: r, name: ip.forwarded, max: 19}", "20", false},
	{"counter: {node: b, interface: eth0, name: inpackets, min: 10}", "", true},
	{"counter: {node: b, interface: slow, name: inpackets, max: 1}", "", false},
	{"counter: {switch: lan, name: bridge.frames, min: 10}", "", true},
	{"counter: {switch: lan, name: bridge.frames, is: 0}", "", false},
	{"counter: {link: dead, name: fault.dropped, min: 1}", "", true},
	{"counter: {link: dead, name: fault.delivered, min: 1}", "0", false},
	{"joined: {on: r, group: 232.1.1.1, source: a}", "joined", true},
	{"joined: {on: r, group: 232.1.1.1, source: a, is: false}", "joined", false},
	{"joined: {on: r, group: 232.1.1.1, source: b}", "not joined", false},
	{"joined: {on: r, group: 232.1.1.2}", "not joined", false},
	{"joined: {on: lan, group: 232.1.1.1}", "joined", true},
	{"joined: {on: lan, group: 232.1.1.1, source: b}", "not joined", false},
	{"joined: {on: lan, group: 232.1.1.9, is: false}", "not joined", true},
	{"route: {node: a, to: b, via: r}", "via 10.1.0.3", true},
	{"route: {node: a, to: b, via: b}", "via 10.1.0.3", false},
	{"route: {node: a, to: lan, via: direct}", "via direct", true},
	{"route: {node: a, to: lan, via: r}", "via direct", false},
	{"route: {node: a, to: 10.67.0.0/16, via: 10.1.0.3, fib: 1}", "via 10.1.0.3", true},
	{"route: {node: a, to: 10.68.0.0/16, via: none, fib: 1}", "via none", true},
	{"route: {node: a, to: 10.67.0.0/16, via: none, fib: 1}", "via 10.1.0.3", false},
	{"route: {node: a, to: 10.66.0.0/24, via: refused}", "via refused", true},
	{"path: {from: a, to: b, is: [a, r, b]}", "a r b", true},
	{"path: {from: a, to: b, is: [a, b]}", "a r b", false},
	{"path: {from: a, to: 10.66.1.1, is: [a]}", "a (no route)", false},
	{"path: {from: a, to: b, fib: 1, is: [a, r, b]}", "a (no route)", false},
	{"path: {from: a, to: 10.1.0.200, is: [a]}", "a (nobody has 10.1.0.200)", false},
}

// TestExpectations: every kind of expectation can hold and can fail.
func TestExpectations(t *testing.T) {
	failed := make(map[string]int)
	for _, x := range []struct {
		scene string
		of    []judgement
	}{{scene, judgements}, {scene6, judgements6}} {
		judge(t, x.scene, x.of, failed)
	}
	for _, k := range new(decoder).kinds() {
		if failed[k] == 0 {
			t.Errorf("no expectation of the kind %s fails here", k)
		}
	}
}

// judge runs a scene and compares what becomes of expectations; failed counts
// those of each kind that do not hold.
func judge(t *testing.T, scene string, of []judgement, failed map[string]int) {
	src := scene
	for _, j := range of {
		src += "  - " + j.expect + "\n"
	}
	f, err := Load(strings.NewReader(src), "scene")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, f, lab.Config{Simulated: true, Seed: 1})
	if r.Verdict != Fail {
		t.Errorf("verdict %s", r.Verdict)
	}
	if len(r.Expectations) != len(of) {
		t.Fatalf("%d outcomes of %d expectations", len(r.Expectations), len(of))
	}
	for i, o := range r.Expectations {
		j := of[i]
		if o.OK != j.ok || j.got != "" && o.Got != j.got {
			t.Errorf("%s: got %s (%v), want %q (%v)", j.expect, o.Got, o.OK, j.got, j.ok)
		}
		if !o.OK {
			failed[o.Kind]++
		}
		if want := 1 + strings.Count(scene, "\n") + i; o.Line != want {
			t.Errorf("%s: line %d, want %d", j.expect, o.Line, want)
		}
	}
}

func loadText(t testing.TB, src string) *File {
	t.Helper()
	f, err := Load(strings.NewReader(src), "test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSameSeed: in simulated time the same seed gives the same report, another
// seed another one.
func TestSameSeed(t *testing.T) {
	f := load(t, "../../examples/lossy-link.yaml")
	report := func(seed uint64) string {
		r := run(t, f, lab.Config{Simulated: true, Seed: seed})
		r.Seed = 0
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := report(1), report(1); a != b {
		t.Errorf("the same seed:\n%s\n%s", a, b)
	}
	if report(1) == report(2) {
		t.Error("seeds 1 and 2 give the same")
	}
}

// TestLimit: a flow without end is stopped, and what was sent arrives.
func TestLimit(t *testing.T) {
	f := loadText(t, `
hosts: [a, b]
links: [{between: [a, b], delay: 3s}]
flows: [{from: a, to: b, for: 1h, rate: 4}]
expect: [{delivered: {flow: a-b, is: 100%}}]
`)
	synctest.Test(t, func(t *testing.T) {
		n, err := Build(f, lab.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		var last time.Duration
		if err := n.Run(t.Context(), 1900*time.Millisecond, func(done, of time.Duration) { last = of }); err != nil {
			t.Fatal(err)
		}
		r := n.Report(0)
		wantPass(t, r)
		if sent := r.Flows[0].Sent; sent != 8 {
			t.Errorf("sent %d in 1.9 s at 4/s, want 8", sent)
		}
		if last != 2900*time.Millisecond || r.Ran < 5 {
			t.Errorf("ran %v s of %v: what was under way was not waited for", r.Ran, last)
		}
	})
}

// TestRefused: what a sender's own stack refuses counts as sent, and says why.
func TestRefused(t *testing.T) {
	f := loadText(t, `
hosts: [a, b]
links: [{between: [a, b]}]
flows: [{from: a, to: 203.0.113.1, count: 3}]
`)
	r := run(t, f, lab.Config{Simulated: true})
	if fl := r.Flows[0]; fl.Sent != 3 || fl.Refused != 3 || !strings.Contains(fl.Reason, "no route to host") {
		t.Errorf("%+v", fl)
	}
}

// TestJoinFails: a join that the stack refuses ends the run with its line.
func TestJoinFails(t *testing.T) {
	f := loadText(t, `
hosts:
  a: {sysctl: {net.inet.ip.mcast.maxsocksrc: 1}}
  b: {}
links: [{between: [a, b]}]
joins:
  - {host: a, group: 232.1.1.1, sources: [b, 10.0.0.9]}
`)
	n, err := Build(f, lab.Config{Simulated: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	err = n.Run(t.Context(), 0, nil)
	if err == nil || !strings.Contains(err.Error(), "test:7: join 232.1.1.1 on a") {
		t.Errorf("error %v", err)
	}
}

// TestCapture: a link is recorded by the name that the file gives it; another
// name is refused.
func TestCapture(t *testing.T) {
	f := load(t, "../../examples/lossy-link.yaml")
	var w bytes.Buffer
	n, err := Build(f, lab.Config{Simulated: true}, Capture{Link: "radio", W: &w})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Run(t.Context(), time.Second, nil); err != nil {
		t.Fatal(err)
	}
	if err := n.Lab.EndCapture(); err != nil || w.Len() < 50*200 {
		t.Errorf("%d bytes of some 50 datagrams of 202 bytes, %v", w.Len(), err)
	}
	if _, err := Build(f, lab.Config{}, Capture{Link: "office-station", W: &w}); err == nil || !strings.Contains(err.Error(), "its links are radio") {
		t.Errorf("error %v", err)
	}
}
