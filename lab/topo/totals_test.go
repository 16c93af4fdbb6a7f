//go:build !novimage

package topo_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// TestFlowTotals: what all receivers have got together is what each of them has.
func TestFlowTotals(t *testing.T) {
	const file = `
hosts: [a, b, c, d]
routers: [q]
switches: {lan: {}}
links:
  - {between: [q, lan], querier: q}
  - {between: [a, lan]}
  - {between: [b, lan], loss: 20%, delay: 3ms}
  - {between: [c, lan]}
  - {between: [d, lan]}
joins:
  - {host: b, group: 232.1.1.1, sources: [a]}
  - {host: c, group: 232.1.1.1, sources: [a], start: 5s} # which is no loss
flows:
  - {name: news, from: a, to: 232.1.1.1, start: 1s, rate: 10, for: 10s}
  - {name: mail, from: d, to: b, start: 1s, rate: 10, count: 50}
`
	f, err := topo.Load(strings.NewReader(file), "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n, err := topo.Build(f, lab.Config{Seed: 1, Simulated: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Run(context.Background(), 0, nil); err != nil {
		t.Fatal(err)
	}
	totals := n.FlowTotals(nil)
	for i, r := range n.Report(1).Flows {
		g, got := totals[i], uint64(0)
		for _, to := range r.Receivers {
			got += to.Delivered
		}
		if g.Name != r.Name || g.From != r.From || g.To != r.To || g.Receivers != len(r.Receivers) || g.Sent != r.Sent || !g.Done || g.Delivered != got || g.Group.IsValid() != (r.Name == "news") {
			t.Errorf("%+v, and of each receiver %+v", g, r)
		}
	}
	atB := n.Report(1).Flows[0].Receivers[0].Delivered
	if news := totals[0]; news.Lost != 100-atB || news.Lost < 5 || news.Latency == 0 {
		t.Errorf("%+v, where b got %d", news, atB)
	}
	only := func(names string) string {
		var found []string
		for _, f := range n.FlowTotals(func(node string) bool { return strings.Contains(names, node) }) {
			found = append(found, f.Name)
		}
		return strings.Join(found, " ")
	}
	for of, want := range map[string]string{"a": "news", "b": "news mail", "c": "news", "d": "mail", "q": "", "cd": "news mail"} {
		if got := only(of); got != want {
			t.Errorf("of %s: %q, want %q", of, got, want)
		}
	}
}
