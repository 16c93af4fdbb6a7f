//go:build !novimage

package topo

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
)

func begun(t testing.TB, text string, c lab.Config) *Network {
	t.Helper()
	n, err := Build(loadText(t, text), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLiveMistakes: what cannot be added says where in its description something is
// wrong, and nothing is left of it.
func TestLiveMistakes(t *testing.T) {
	n := begun(t, `
hosts: {a: {}, b: {}, c: {}}
switches: {lan: {subnet: 192.0.2.0/24}, other: {}, empty: {}}
links: [{between: [a, lan]}, {between: [b, lan]}, {between: [c, other]}]
flows: [{from: a, to: b}]
joins: [{host: a, group: 232.1.1.1}]
`, lab.Config{Simulated: true})
	node := func(name, spec string) error { return n.AddNode(name, false, []byte(spec)) }
	link := func(spec string) error { _, err := n.AddLink([]byte(spec)); return err }
	flow := func(spec string) error { _, err := n.AddFlow([]byte(spec)); return err }
	join := func(spec string) error { _, err := n.AddJoin([]byte(spec)); return err }
	before := snapshot(t, n)
	for _, c := range []struct {
		err  error
		want string
	}{
		{node("a", ""), "name: the name a is taken: choose another"},
		{node("lan", ""), "name: the name lan is taken: choose another"},
		{node("10.0.0.1", ""), "name: the network has the name"},
		{node("x", `{"fibs": 0}`), "fibs: fibs is \"0\": write a whole number, 1 to 65536"},
		{node("x", `{"sysctl": {"net.inet.ip.tll": 3}}`), "sysctl.net.inet.ip.tll: there is no sysctl"},
		{node("x", `{"routes": [{"to": "default", "via": "b"}]}`), "routes[0].via: x shares no link with b"},
		{node("x", `{"colour": 1}`), "colour: x has no field \"colour\""},
		{node("x", `{"fibs": `), "node x: not YAML or JSON"},
		{n.AddSwitch("s", []byte(`{subnet: 192.0.2.1/24}`)), "subnet: subnet is 192.0.2.1/24, an address in 192.0.2.0/24"},
		{link(`{"between": ["a", "d"]}`), "between[1]: a link ends at \"d\", which is not there"},
		{link(`{"between": ["a", "a"]}`), "between[1]: a link leads from a to itself"},
		{link(`{"between": ["a", "b"], "name": "a-lan"}`), "name: the link a-lan is there: give this one another name"},
		{link(`{"between": ["a", "lan"]}`), "the link a-lan is there"},
		{link(`{"between": ["a", "b"], "loss": 2}`), "loss: loss is \"2\": a probability is 0 to 1"},
		{link(`{"between": ["c", "lan"], "addrs": {"c": "192.0.2.1"}}`), "addrs.c: 192.0.2.1 of c is the address of a: choose another"},
		{link(`{"between": ["a", "b"], "interfaces": {"a": {"name": "eth0"}}}`), "interfaces.a.name: a has an interface eth0, by the link a-lan"},
		{link(`{"between": ["a", "b"], "fibs": {"b": 1}}`), "fibs.b: b has no FIB 1"},
		{link(`{"between": ["a", "b"], "subnet": "192.0.2.0/25"}`), ": a is in 192.0.2.0/25 by the link a-b and in 192.0.2.0/24 by a-lan, which overlap"},
		{link(`{"between": ["lan", "other"]}`), "lan (192.0.2.0/24) and other (10.0.0.0/24) have subnets of their own"},
		{n.SetLink("a-lan", []byte(`{"delay": "3"}`)), "delay: delay is \"3\": write a time with its unit"},
		{n.SetLink("a-lan", []byte(`{"toward": {"b": {"loss": 1}}}`)), "toward.b: b is not at this link"},
		{n.SetLink("a-lan", []byte(`{"mtu": 9000}`)), "mtu: a link has no field \"mtu\""},
		{n.SetLink("a-lam", nil), "there is no link \"a-lam\": did you mean a-lan?"},
		{flow(`{"from": "a", "to": "b"}`), ": the flow a-b is there"},
		{flow(`{"from": "a", "to": "nobody"}`), "to: \"nobody\" is no node and no address"},
		{flow(`{"from": "a"}`), "a flow has no to: add it"},
		{join(`{"host": "a", "group": "232.1.1.1"}`), "a joins 232.1.1.1 too: give this join a name"},
		{join(`{"host": "a", "group": "10.1.1.1"}`), "group: 10.1.1.1 is no group"},
		{n.RemoveNode("lan"), "there is no node \"lan\""},
		{n.RemoveFlow("b-a"), "there is no flow \"b-a\""},
		{n.RemoveJoin("b", netip.Addr{}), "there is no join \"b\""},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%v, want %s", c.err, c.want)
		}
	}
	if after := snapshot(t, n); before != after {
		t.Errorf("something is left:\n%s", differ(before, after))
	}
	var missing *MissingError
	if err := n.RemoveSwitch("x"); !errors.As(err, &missing) || missing.Kind != "switch" {
		t.Errorf("%v", err)
	}
	if _, err := n.AddLink([]byte(`{"between": ["lan", "empty"]}`)); err != nil {
		t.Errorf("a switch without anything: %v", err)
	}
}

// TestLiveChanges: what is added takes part, what is removed does not, and expectations
// are of what is there.
func TestLiveChanges(t *testing.T) {
	n := begun(t, `
hosts: {a: {}, b: {}}
routers: {r: {}}
switches: {lan: {}}
links: [{between: [a, lan]}, {between: [r, lan]}, {between: [r, b]}]
routing: auto
flows: [{from: a, to: b, name: one, count: 5}]
joins: [{host: b, group: 232.5.5.5, name: jb}]
expect: [{delivered: {flow: one}}, {path: {from: a, to: b, is: [a, r, b]}}]
`, lab.Config{Simulated: true, Seed: 1})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	passes := func(want int) {
		t.Helper()
		n.Lab.Run(10 * time.Second)
		got := n.Check()
		if len(got) != want {
			t.Errorf("%d expectations, want %d", len(got), want)
		}
		for _, o := range got {
			if !o.OK {
				t.Errorf("%s %s: want %s, got %s", o.Kind, o.Of, o.Want, o.Got)
			}
		}
	}
	flow := func(name string) (f FlowReport) {
		for _, f := range n.Report(0).Flows {
			if f.Name == name {
				return f
			}
		}
		t.Errorf("no flow %s", name)
		return f
	}
	passes(2)
	must(n.AddNode("c", false, nil))
	_, err := n.AddLink([]byte(`{between: [c, r], delay: 3ms}`))
	must(err)
	_, err = n.AddFlow([]byte(`{from: a, to: c, count: 7, rate: 100}`))
	must(err)
	_, err = n.AddFlow([]byte(`{from: a, to: 232.5.5.5, name: many, count: 4}`))
	must(err)
	_, err = n.AddJoin([]byte(`{host: r, group: 232.5.5.5, link: r-lan, name: jr}`))
	must(err)
	n.Lab.Run(5 * time.Second)
	if f := flow("a-c"); f.Sent != 7 || f.Receivers[0].Delivered != 7 || f.Receivers[0].Latency.Min < 3 {
		t.Errorf("to the new host: %+v", f)
	}
	if f := flow("many"); len(f.Receivers) != 2 || f.Receivers[0].At != "jb" || f.Receivers[1].Delivered == 0 {
		t.Errorf("to the group: %+v", f)
	}
	must(n.SetLink("c-r", []byte(`{loss: 100%}`)))
	_, err = n.AddFlow([]byte(`{from: c, to: a, name: lost}`))
	must(err)
	n.Lab.Run(time.Second)
	if f := flow("lost"); f.Receivers[0].Delivered != 0 {
		t.Errorf("over the deaf link: %+v", f)
	}
	must(n.RemoveJoin("jr", netip.Addr{}))
	must(n.RemoveFlow("many"))
	must(n.RemoveNode("c"))
	if len(n.Report(0).Flows) != 1 {
		t.Errorf("flows are left: %+v", n.Report(0).Flows)
	}
	passes(2)
	must(n.RemoveLink("r-b"))
	passes(0) // the flow's receiver has no address, and there is no path
	for _, r := range n.Lab.Node("a").Routes() {
		if r.Gateway.IsValid() {
			t.Errorf("a has a route to %v", r.Dst)
		}
	}
	_, err = n.AddLink([]byte(`{between: [r, b], addrs: {b: 10.0.1.2/24}}`))
	must(err)
	if f := flow("one"); len(f.Receivers) != 1 {
		t.Errorf("b has its address again: %+v", f)
	}
	must(n.RemoveSwitch("lan"))
	if len(n.Lab.Links()) != 1 {
		t.Errorf("%d links are left", len(n.Lab.Links()))
	}
}

// TestUnsaid: what a file cannot say is listed, at its end too, and the rest is saved.
func TestUnsaid(t *testing.T) {
	n := begun(t, `
hosts: {a: {}, b: {}}
links: [{between: [a, b], subnet: 192.0.2.0/24}, {between: [a, b], name: second}]
`, lab.Config{Simulated: true})
	a := n.Lab.Node("a")
	if err := a.Jail().Set(vimage.JailParam{Name: "children.max", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	j, err := a.Jail().Create(vimage.JailConfig{Name: "in", VNET: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Eth(1).MoveTo(j); err != nil {
		t.Fatal(err)
	}
	moved, err := n.Lab.World.Stack("a.in").Interface("eth1")
	if err != nil {
		t.Fatal(err)
	}
	if err := moved.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Lab.Node("b").AddTun("tun0", vimage.InterfaceConfig{}); err != nil {
		t.Fatal(err)
	}
	if err := a.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("203.0.113.0/24"), Gateway: netip.MustParseAddr("192.0.2.2"), Expire: time.Hour}); err != nil {
		t.Fatal(err)
	}
	n.Lab.Host("stranger")
	var file bytes.Buffer
	left, err := n.Save(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a: its interface eth1 on the link second, which was moved or removed", "the node stranger", "that the jail a.in lasts as long as",
		"b: its interface tun0, which is of no link", "a: the route to 203.0.113.0/24 of FIB 0, which expires",
	} {
		if !strings.Contains(strings.Join(left, "\n"), want) || !strings.Contains(file.String(), "#   "+want) {
			t.Errorf("not listed: %s\n%s", want, file.String())
		}
	}
	again := begun(t, file.String(), lab.Config{Simulated: true})
	if got := again.Lab.Node("a").Eth(1).Addrs(); len(got) != 0 {
		t.Errorf("the interface that was moved has %v", got)
	}
}

// TestSaveNamesExpectations: an expectation that a file could not have is left out.
func TestSaveNamesExpectations(t *testing.T) {
	n := begun(t, `
hosts: {a: {}, b: {}}
links: [{between: [a, b], loss: 1%}]
flows: [{from: a, to: b}]
expect: [{delivered: {flow: a-b}}, {loss: {link: a-b, max: 5%}}]
`, lab.Config{Simulated: true})
	if err := n.SetLink("a-b", []byte("{loss: 0}")); err != nil {
		t.Fatal(err)
	}
	text, left := saved(t, n)
	if strings.Contains(text, "loss:") || !strings.Contains(text, "delivered: {flow: a-b}") || len(left) > 1 {
		t.Errorf("%q\n%s", left, text)
	}
}

// TestLiveAtOnce: several change, save and look at a network at once, while flows run.
func TestLiveAtOnce(t *testing.T) {
	n := begun(t, `
hosts: {a: {}, b: {}}
switches: {lan: {}}
links: [{between: [a, lan]}, {between: [b, lan]}]
flows: [{from: a, to: b, rate: 1000, for: 100s}, {from: a, to: 232.1.1.1, name: group, rate: 1000, for: 100s}]
joins: [{host: b, group: 232.1.1.1}]
routing: auto
`, lab.Config{})
	var all sync.WaitGroup
	try := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for g := range 2 {
		all.Go(func() {
			for k := range 25 {
				h, s := fmt.Sprintf("h%d-%d", g, k), fmt.Sprintf("s%d-%d", g, k)
				try("node", n.AddNode(h, k%3 == 0, []byte("{fibs: 2}")))
				try("switch", n.AddSwitch(s, nil))
				_, err := n.AddLink([]byte(fmt.Sprintf("{between: [%s, lan]}", h)))
				try("link", err)
				_, err = n.AddLink([]byte(fmt.Sprintf("{between: [%s, %s], name: x%s}", h, s, h)))
				try("link", err)
				_, err = n.AddFlow([]byte(fmt.Sprintf("{from: %s, to: b, rate: 1000, count: 100000}", h)))
				try("flow", err)
				_, err = n.AddJoin([]byte(fmt.Sprintf("{host: %s, group: 232.1.1.1, link: %s-lan}", h, h)))
				try("join", err)
				try("cut", n.SetLink("a-lan", []byte(fmt.Sprintf("{down: %v}", k%2 == 0))))
				if k%2 == 0 {
					try("remove link", n.RemoveLink("x"+h))
				}
				try("remove node", n.RemoveNode(h))
				try("remove switch", n.RemoveSwitch(s))
			}
		})
	}
	all.Go(func() {
		for range 10 {
			_, err := n.Save(new(bytes.Buffer))
			try("save", err)
			n.Report(0)
			runtime.Gosched()
		}
	})
	all.Wait()
	if len(n.Lab.Nodes()) != 2 || len(n.Lab.Switches()) != 1 || len(n.Lab.Links()) != 2 || len(n.Report(0).Flows) != 2 {
		t.Error("something is left")
	}
	n.Close()
	for range 1_000_000 {
		if n.Lab.World.Pool().Buffers == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d buffers are left", n.Lab.World.Pool().Buffers)
}
