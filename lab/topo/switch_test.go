//go:build !novimage

package topo

import (
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// TestSwitchPorts: what a file says of switches and their ports holds.
func TestSwitchPorts(t *testing.T) {
	f, err := Load(strings.NewReader(`
hosts: [a, b]
switches:
  s: {max_groups: 7, max_sources: 8}
  t: {querier: {addr: 10.0.0.9, addr6: "fe80::9", interval: 60s, response: 5s}, ask_new: true, member_age: 100s, router_age: 90s}
links:
  - {between: [a, s], ports: {s: {router: always, fast_leave: true, flood_unregistered: true, flood_reports: true, max_groups: 3, max_sources: 4}}}
  - {between: [b, s], delay: 1ms, ports: {s: {router: never}}}
  - {between: [t, s], ports: {s: {router: learn}, t: {router: always}}}
`), "ports.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c := f.switches[0].cfg; c.MaxGroups != 7 || c.MaxSources != 8 {
		t.Errorf("%+v", c)
	}
	q := f.switches[1].cfg.Querier
	if q.Addr.String() != "10.0.0.9" || q.Addr6.String() != "fe80::9" || q.Interval != time.Minute || q.Response != 5*time.Second ||
		!f.switches[1].cfg.AskNew || f.switches[1].cfg.MemberAge != 100*time.Second || f.switches[1].cfg.RouterAge != 90*time.Second {
		t.Errorf("%+v", q)
	}
	want := link.PortConfig{Router: link.RouterAlways, FastLeave: true, FloodUnknown: true, FloodReports: true, MaxGroups: 3, MaxSources: 4}
	if got := f.links[0].ends[1].port; got != want {
		t.Errorf("%+v", got)
	}
	n, err := Build(f, lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	s, tt := n.switches[f.switches[0]], n.switches[f.switches[1]]
	for _, x := range []struct {
		sw     *lab.Switch
		port   string
		router bool
	}{{s, "a-s", true}, {s, "b-s", false}, {s, "t-s", false}, {tt, "t-s", true}} {
		p, ok := x.sw.Port(x.port)
		if !ok || !p.Up || p.Router4 != x.router || p.Router6 != x.router {
			t.Errorf("%s: %+v", x.port, p)
		}
	}
	if _, ok := s.Port("nothing"); ok {
		t.Error("a port that is not there")
	}
}
