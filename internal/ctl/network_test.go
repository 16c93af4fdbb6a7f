package ctl_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// TestNetworkMistakes: a bad description says which field of the request is wrong.
func TestNetworkMistakes(t *testing.T) {
	c := ctltest.Start(t, "hosts: [a, b]\nlinks: [{between: [a, b]}]\n").Client()
	defer c.Close()
	link := func(s client.Spec) error { _, err := c.AddLink(t.Context(), s); return err }
	for _, w := range []struct {
		err    error
		status int
		fields string
	}{
		{c.AddNode(t.Context(), client.NewNode{Name: "a"}), 422, "body.name"},
		{c.AddNode(t.Context(), client.NewNode{Name: "x", Spec: client.Spec{"fibs": 0, "sysctl": map[string]int{"net.nonsense": 1}}}), 422, "body.spec.fibs body.spec.sysctl.net.nonsense"},
		{link(client.Spec{"between": []string{"a", "c"}}), 422, "body.spec.between[1]"},
		{link(client.Spec{"between": []string{"a", "b"}, "loss": 7, "addrs": map[string]string{"a": "10.0.0"}}), 422, "body.spec.addrs.a body.spec.loss"},
		{c.SetLink(t.Context(), "a-b", client.Spec{"toward": map[string]any{"a": map[string]any{"delay": -1}}}), 422, "body.spec.toward.a.delay"},
		{c.SetLink(t.Context(), "b-a", nil), 404, ""},
		{c.RemoveNode(t.Context(), "x"), 404, ""},
		{c.RemoveJoin(t.Context(), "x", "nonsense"), 422, "query.group"},
	} {
		var said *client.Error
		if !errors.As(w.err, &said) {
			t.Errorf("%v, want fields %s", w.err, w.fields)
			continue
		}
		var fields []string
		for _, f := range said.Fields {
			fields = append(fields, f.Field)
		}
		slices.Sort(fields)
		if said.Status != w.status || strings.Join(fields, " ") != w.fields {
			t.Errorf("%d, fields %v, want %d and %s: %v", said.Status, fields, w.status, w.fields, said)
		}
	}
	if err := c.RemoveLink(t.Context(), "none"); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("no such link: %v", err)
	}
}

// TestNodeWithLinks: a host comes with all of its links, and where one of them cannot be
// made, nothing of it stays.
func TestNodeWithLinks(t *testing.T) {
	l := ctltest.Start(t, "hosts: [a]\nswitches: [lan]\nlinks: [{between: [a, lan]}]\n")
	c := l.Client()
	defer c.Close()
	before := l.Net.Info()
	for n, links := range [][]string{{"lan", "nowhere"}, {"lan", "a", "x"}, {"x"}} {
		err := c.AddNode(t.Context(), client.NewNode{Name: "x", Links: links})
		var said *client.Error
		want := fmt.Sprintf("body.links[%d]", len(links)-1)
		if !errors.As(err, &said) || said.Errno != "EINVAL" || len(said.Fields) != 1 || said.Fields[0].Field != want {
			t.Errorf("%d: %v", n, err)
		}
		if now := l.Net.Info(); !reflect.DeepEqual(now, before) {
			t.Errorf("%d: %+v is left", n, now)
		}
	}
	revision, err := c.Lab(t.Context())
	if err != nil || revision.Revision != 0 {
		t.Errorf("revision %d, %v: nothing has changed", revision.Revision, err)
	}
	if err := c.AddNode(t.Context(), client.NewNode{Name: "x", Links: []string{"lan", "a"}}); err != nil || c.Revision() != 1 {
		t.Errorf("revision %d, %v", c.Revision(), err)
	}
	if nodes, err := c.Nodes(t.Context()); err != nil || len(nodes) != 2 || len(nodes[1].Links) != 2 {
		t.Errorf("%+v, %v", nodes, err)
	}
}

// TestNetworkFromTwoSides: two change the same network at once; what each did is there, and what
// is saved gives the same network.
func TestNetworkFromTwoSides(t *testing.T) {
	l := ctltest.Start(t, "hosts: [a]\nswitches: [lan]\nlinks: [{between: [a, lan]}]\n")
	var all sync.WaitGroup
	for g := range 2 {
		all.Go(func() {
			c := l.Client()
			defer c.Close()
			try := func(err error) {
				if err != nil {
					t.Error(err)
				}
			}
			for k := range 10 {
				name := fmt.Sprintf("h%d-%d", g, k)
				try(c.AddNode(t.Context(), client.NewNode{Name: name}))
				_, err := c.AddLink(t.Context(), client.Spec{"between": []string{name, "lan"}})
				try(err)
				_, err = c.AddFlow(t.Context(), client.Spec{"from": name, "to": "a"})
				try(err)
				try(c.SetLink(t.Context(), "a-lan", client.Spec{"down": k%2 == 0}))
				_, err = c.Save(t.Context())
				try(err)
				if k%2 == 0 {
					try(c.RemoveNode(t.Context(), name))
				}
			}
		})
	}
	all.Wait()
	c := l.Client()
	defer c.Close()
	nodes, err := c.Nodes(t.Context())
	if err != nil || len(nodes) != 11 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	saved, err := c.Save(t.Context())
	if err != nil || len(saved.Unsaid) > 0 {
		t.Fatalf("%v %v", saved.Unsaid, err)
	}
	f, err := topo.Load(strings.NewReader(saved.File), "saved.yaml")
	if err != nil {
		t.Fatal(err)
	}
	again, err := topo.Build(f, lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := again.Info(); len(got.Nodes) != 11 || len(got.Links) != 11 || len(got.Flows) != 10 {
		t.Errorf("%d nodes, %d links, %d flows", len(got.Nodes), len(got.Links), len(got.Flows))
	}
}
