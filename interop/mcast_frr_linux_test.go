package interop

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/link/tap"
)

// pimConfig has the shortest periods that FRR allows.
const pimConfig = `
interface eth0
 ip igmp
 ip igmp query-max-response-time 5
 ip igmp query-interval 1
 ip igmp last-member-query-count 2
 ip igmp last-member-query-interval 1
`

// pimGroup is what FRR knows of a group, as mdb has what a bridge does, and by
// which version of the protocol. It remembers groups of which it wants nothing.
func pimGroup(t *testing.T, p *linuxlab.PIM, group netip.Addr) (text string, version int) {
	t.Helper()
	var groups, sources map[string]json.RawMessage
	p.Show(t, "ip igmp groups", &groups)
	p.Show(t, "ip igmp sources", &sources)
	var at struct {
		Groups []struct {
			Group, Mode string
			Version     int
		}
	}
	if err := unmarshal(groups[linuxlab.NIC], &at); err != nil {
		t.Fatal(err)
	}
	for _, g := range at.Groups {
		if g.Group == group.String() {
			text, version = strings.ToLower(g.Mode), g.Version
			if text == "" {
				text = "exclude" // modes are named in version 3 only
			}
		}
	}
	var of map[string]json.RawMessage
	var list struct {
		Sources []struct{ Source, Timer string }
	}
	if err := unmarshal(sources[linuxlab.NIC], &of); err != nil {
		t.Fatal(err)
	}
	if err := unmarshal(of[group.String()], &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list.Sources {
		if s.Source == "*" { // any
			continue
		}
		if s.Timer == "--:--" {
			s.Source = "!" + s.Source
		}
		names = append(names, s.Source)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.Trim(a, "!"), strings.Trim(b, "!")) })
	text = strings.Join(append([]string{text}, names...), " ")
	if text == "include" {
		text = ""
	}
	return text, version
}

// unmarshal takes what is not there for nothing.
func unmarshal(b json.RawMessage, into any) error {
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, into)
}

// TestMcastPIM has FRR's pimd ask hosts of ours what they listen to: in version 3,
// in version 2, and in version 3 again. Debian's FRR has no MLD.
func TestMcastPIM(t *testing.T) {
	t.Parallel()
	ns.Run(t, func(t *testing.T) {
		ns.NeedTUN(t)
		f := inet()
		n := newMcastLab(t, f)
		k := addKernel(t, n.Lab, "wire", linuxlab.QuerierAddr+"/24", 1500, tap.Config{}, false)
		p := linuxlab.StartPIM(t, k.Net, pimConfig)
		h := n.host(t, "h", k.seg, 4)
		m := newMember(t, f, h)
		knows := func(group netip.Addr, want string, version int) {
			t.Helper()
			want = f.named(want)
			ns.Poll(t, 2*patience, func() (bool, string) {
				got, v := pimGroup(t, p, group)
				return got == want && (v == version || want == ""), fmt.Sprintf("FRR has %q of version %d for %v, want %q", got, v, group, want)
			})
		}
		ns.Poll(t, 2*patience, func() (bool, string) {
			s := h.Counters()
			return s["igmp.v3queries"] > 0, fmt.Sprint(s)
		})
		changeFilters(t, f, m, func(want string) { knows(f.group, want, 3) })

		m.Join(t, f.group)
		knows(f.group, "exclude", 3)
		p.Configure(t, "interface eth0", "ip igmp version 2")
		knows(f.group, "exclude", 2)
		m.Join(t, f.other)
		knows(f.other, "exclude", 2)
		m.Leave(t, f.other)
		knows(f.other, "", 0)
		// RFC 3376 §8.12: the older querier is forgotten after two of its intervals
		// and a half.
		p.Configure(t, "interface eth0", "ip igmp version 3")
		m.JoinSource(t, f.ssm, f.sources[0])
		knows(f.ssm, "include s1", 3)
		knows(f.group, "exclude", 3)

		sent := n.end(t)
		host, router := sent[h.Addr()], sent[k.Addr]
		for _, kind := range []string{"ALLOW", "BLOCK", "TO_EX", "TO_IN", "IS_EX", "IS_IN", report2, leave2} {
			if host[kind] == 0 {
				t.Errorf("we sent no %s: %v", kind, host)
			}
		}
		for _, kind := range []string{queryGeneral, queryGroup, querySource, query2} {
			if router[kind] == 0 {
				t.Errorf("FRR sent no %s: %v", kind, router)
			}
		}
	})
}
