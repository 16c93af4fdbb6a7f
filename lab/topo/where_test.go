//go:build !novimage

package topo

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
)

// TestSaveJails: jails that were made on a network that runs, and what was moved into
// them, are saved; what is removed with them is not.
func TestSaveJails(t *testing.T) {
	c := lab.Config{Simulated: true, Seed: 1}
	n := begun(t, `
hosts: {a: {}, b: {}, c: {}}
switches: {lan: {subnet: 192.0.2.0/24}}
links: [{between: [a, lan]}, {between: [b, lan]}, {between: [c, lan]}, {between: [a, b], name: second}]
joins: [{host: a, group: 232.1.1.1, link: second}]
`, c)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := n.Lab.Node("a")
	must(a.Jail().Set(vimage.JailParam{Name: "children.max", Value: "3"}))
	web, err := a.Jail().Create(vimage.JailConfig{Name: "web", VNET: true, Persist: true, Hostname: "www", ChildrenMax: 1})
	must(err)
	_, err = web.Create(vimage.JailConfig{Name: "in", VNET: true, Persist: true})
	must(err)
	eth, err := a.Eth(1).MoveTo(web)
	must(err)
	must(eth.AddAddr(netip.MustParsePrefix("198.51.100.1/24")))
	must(eth.AddAddr(netip.MustParsePrefix("2001:db8::1/64")))
	must(eth.Rename("wan"))
	st := web.Stack()
	must(st.SetFIBs(2))
	must(eth.SetFIB(1))
	must(st.SetSysctl("net.inet.ip.ttl", 9))
	must(st.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("203.0.113.0/24"), Gateway: netip.MustParseAddr("198.51.100.2")}))
	n.Lab.Run(5 * time.Second)
	left := roundTrip(t, n, c)
	if len(left) != 1 || !strings.Contains(left[0], "the join a of 232.1.1.1, by an interface that was moved") {
		t.Errorf("left out: %q", left)
	}
	file, _ := saved(t, n)
	for _, want := range []string{
		"web:\n        vnet: new", "host.hostname: www", "fibs: 2", "sysctl: {net.inet.ip.ttl: 9}", "- {to: 203.0.113.0/24, via: 198.51.100.2, link: second}",
		"{between: [a.web, b], name: second", "fibs: {a.web: 1}", "addrs: [198.51.100.1/24, \"2001:db8::1/64\"]", "web.in: {vnet: new}",
	} {
		if !strings.Contains(file, want) {
			t.Errorf("no %s in\n%s", want, file)
		}
	}

	_, err = n.AddLink([]byte(`{between: [a.web, lan], interfaces: {a.web: {name: lan0}}}`))
	must(err)
	_, err = n.AddFlow([]byte(`{from: c, to: a.web, count: 3, ipv6: false, name: in, rate: 100}`))
	must(err)
	_, err = n.AddFlow([]byte(`{from: a.web, to: b, count: 3, name: out, rate: 100}`))
	must(err)
	n.Lab.Run(time.Second)
	for _, f := range n.Info().Flows {
		if f.Name == "out" && (len(f.Receivers) != 1 || f.Receivers[0].Delivered != 3) {
			t.Errorf("%+v", f)
		}
	}
	roundTrip(t, n, c)

	must(web.Remove())
	if names := a.Links(); len(names) != 3 || len(n.Info().Flows) != 0 {
		t.Errorf("a has the links %v, and there are the flows %+v", names, n.Info().Flows)
	}
	roundTrip(t, n, c)
	if file, _ := saved(t, n); !strings.Contains(file, "{between: [a, b], name: second, subnet: ") || !strings.Contains(file, "name: wan") {
		t.Errorf("what was lent is not back:\n%s", file)
	}
	must(n.RemoveNode("a"))
	roundTrip(t, n, c)
	if len(n.Lab.Links()) != 2 {
		t.Errorf("%d links are left", len(n.Lab.Links()))
	}
}

// TestSaveOuterJails: jails outside of hosts, the stack of jail 0, and an interface that
// has come from another host.
func TestSaveOuterJails(t *testing.T) {
	c := lab.Config{Simulated: true, Seed: 1}
	n := begun(t, "hosts: {a: {}, b: {}}\nlinks: [{between: [a, b]}, {between: [a, b], name: second}]", c)
	root := n.Lab.World.Root()
	web, err := root.Create(vimage.JailConfig{Name: "web", VNET: true, Persist: true, ChildrenMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := web.Create(vimage.JailConfig{Name: "db", VNET: true, Persist: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Create(vimage.JailConfig{Name: "shared", Persist: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.AddLink([]byte(`{between: [web, web.db], subnet: 192.0.2.0/24}`)); err != nil {
		t.Fatal(err)
	}
	out, err := n.Lab.Node("a").Jail().Reclaim("eth1")
	if err != nil {
		t.Fatal(err)
	}
	if err := root.Stack().SetSysctl("net.inet.ip.forwarding", 1); err != nil {
		t.Fatal(err)
	}
	if err := out.AddAddr(netip.MustParsePrefix("203.0.113.1/24")); err != nil {
		t.Fatal(err)
	}
	if left := roundTrip(t, n, c); len(left) != 0 {
		t.Errorf("left out: %q", left)
	}
	if _, err := out.MoveTo(web); err != nil {
		t.Fatal(err)
	}
	if left := roundTrip(t, n, c); len(left) != 0 {
		t.Errorf("left out: %q", left)
	}
	file, _ := saved(t, n)
	for _, want := range []string{"jail0: {sysctl: {net.inet.ip.forwarding: 1}}", "{between: [web, b], name: second", "made: a", "{between: [web, web.db]", "shared: {}"} {
		if !strings.Contains(file, want) {
			t.Errorf("no %s in\n%s", want, file)
		}
	}
	if err := n.RemoveNode("web"); err == nil {
		t.Error("a jail was removed as if it were a host")
	}
}

// TestAtOnce: a stack asks for its addresses again after what was to be at once, also
// where that has gone wrong.
func TestAtOnce(t *testing.T) {
	n := begun(t, "hosts: [a]\n", lab.Config{Simulated: true, Seed: 1})
	a := n.file.node["a"]
	asked, err := n.nodes[a].Sysctl(dadCount)
	if err != nil || asked == 0 {
		t.Fatal(asked, err)
	}
	for _, want := range []error{nil, syscall.EEXIST} {
		got := n.atOnce(a, func() error {
			if now, err := n.nodes[a].Sysctl(dadCount); err != nil || now != 0 {
				t.Errorf("meanwhile it is %v, %v", now, err)
			}
			return want
		})
		if now, err := n.nodes[a].Sysctl(dadCount); got != want || err != nil || now != asked {
			t.Errorf("%v, want %v; then it is %v, %v", got, want, now, err)
		}
	}
}
