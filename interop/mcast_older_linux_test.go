package interop

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// Versions are counted here as IGMP does: that of MLD version 1 is 2.

// heard waits until somebody has said something of a group more than so often, and
// returns how often.
func heard(t *testing.T, w *linuxlab.Watch, from netip.Addr, what string, group netip.Addr, more int) (count int) {
	t.Helper()
	ns.Poll(t, 2*patience, func() (bool, string) {
		count = w.Count(from, what, group)
		return count > more, fmt.Sprintf("%d of %s of %v by %v, want more than %d: %v", count, what, group, from, more, w.All())
	})
	return count
}

// TestMcastOlderQueriers has a host of ours hear queries of older versions that
// somebody made up: it speaks like them, as long as RFC 3376 §8.12 says.
func TestMcastOlderQueriers(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newMcastLab(t, f)
		k := newKernel(t, f.prefix(1).String(), 1500, tap.Config{})
		k.join(t, n.Lab, n.Switch("switch", n.subnets(lab.SwitchConfig{BridgeConfig: link.BridgeConfig{NoSnooping: true}})))
		h := n.host(t, "h", k.seg, 4)
		me, w, m := n.reporter(h), k.Watch(t), newMember(t, f, h)
		// What the host remembers of this is how long the older one matters.
		const interval, response = time.Second, 300 * time.Millisecond
		general := linuxlab.Query{Version: 3, MaxResp: response, Interval: int(interval / time.Second)}
		k.Ask(t, general)
		m.Join(t, f.group)
		m.JoinSource(t, f.ssm, f.sources[0])
		heard(t, w, me, "TO_EX", f.group, 0)
		heard(t, w, me, "ALLOW", f.ssm, 0)

		older := time.Now()
		k.Ask(t, linuxlab.Query{Version: 2, MaxResp: response})
		heard(t, w, me, "v2 report", f.group, 0)
		heard(t, w, me, "v2 report", f.ssm, 0)
		m.Join(t, f.other)
		heard(t, w, me, "v2 report", f.other, 0)
		m.Leave(t, f.other)
		heard(t, w, me, "leave", f.other, 0)

		asked := time.Now()
		ns.Poll(t, 2*patience, func() (bool, string) {
			if time.Since(asked) > response {
				asked = time.Now()
				k.Ask(t, general)
			}
			return w.Count(me, "IS_IN", f.ssm) > 0, fmt.Sprintf("no answer of version 3 after %v: %v", time.Since(older), w.All())
		})
		if took, least := time.Since(older), 2*interval+response; took < least {
			t.Errorf("version 3 was spoken again after %v, want %v", took, least)
		}

		once := w.Count(me, "v2 report", f.group)
		k.Ask(t, linuxlab.Query{Version: 2, MaxResp: response})
		once = heard(t, w, me, "v2 report", f.group, once)
		k.Ask(t, linuxlab.Query{Version: 2, MaxResp: response, Group: f.group})
		heard(t, w, me, "v2 report", f.group, once)
		if f.v6() {
			n.end(t, "not for us")
			return
		}
		k.Ask(t, linuxlab.Query{Version: 1})
		if err := h.SetSysctl("net.inet.igmp.v2enable", 0); err != nil {
			t.Fatal(err)
		}
		leaves := w.Count(me, "leave", f.other)
		m.Join(t, f.other)
		heard(t, w, me, "v1 report", f.other, 0)
		m.Leave(t, f.other)
		m.Join(t, f.sibling)
		heard(t, w, me, "v1 report", f.sibling, 0)
		if got := w.Count(me, "leave", f.other); got != leaves {
			t.Errorf("%d leaves in version 1, which has none (RFC 2236 §4)", got-leaves)
		}
		n.end(t, "not for us")
	})
}

// TestMcastBridgeOlder has a Linux bridge ask in an older version, and then again
// in the one that knows sources.
func TestMcastBridgeOlder(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newMcastLab(t, f)
		f.linux(t)
		h := n.host(t, "h", n.switched(t, linuxlab.TAP, nil), 4)
		me, m := n.reporter(h), newMember(t, f, h)
		set := func(older int) {
			version := 3 - older
			if f.v6() {
				version = 2 - older
			}
			ns.IP(t, "link", "set", linuxlab.Bridge, "type", "bridge", f.version, fmt.Sprint(version))
		}
		m.JoinSource(t, f.ssm, f.sources[0])
		m.Join(t, f.group)
		wantMDB(t, f, linuxlab.TAP, f.ssm, "include s1")
		wantMDB(t, f, linuxlab.TAP, f.group, "exclude")
		count := func(name string, more uint64) {
			t.Helper()
			ns.Poll(t, 2*patience, func() (bool, string) {
				s := h.Counters()
				return s[name] > more, fmt.Sprint(s)
			})
		}
		count(f.queries, 0)
		set(1)
		count(f.olderQueries, 0)
		m.Join(t, f.other)
		wantMDB(t, f, linuxlab.TAP, f.other, "exclude")
		set(0)
		wantMDB(t, f, linuxlab.TAP, f.ssm, "include s1")
		wantMDB(t, f, linuxlab.TAP, f.group, "exclude")
		before := h.Counters()[f.olderQueries]
		set(1)
		count(f.olderQueries, before)
		m.Leave(t, f.other)
		wantMDB(t, f, linuxlab.TAP, f.other, "")
		if sent := n.end(t, "not for us")[me]; sent[report2] == 0 || sent[leave2] == 0 || sent["IS_IN"] == 0 {
			t.Errorf("we sent %v", sent)
		}
	})
}

// querier is what a kernel says of the queries that it hears: "V2", "V3".
func (k *kernel) querier(t *testing.T) string {
	t.Helper()
	var text []byte
	if err := k.Do(func() (err error) { text, err = os.ReadFile("/proc/thread-self/net/igmp"); return err }); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if f := strings.Fields(l); len(f) > 4 && f[1] == linuxlab.NIC {
			return f[len(f)-1]
		}
	}
	return ""
}

// version has our router ask in a version of the protocol.
func (n *kernels) version(t *testing.T, v int) {
	t.Helper()
	if err := n.q.SetSysctl(n.f.sysctl+".router.version", int64(v)); err != nil {
		t.Fatal(err)
	}
}

// TestMcastKernelOlderRouter has a router of ours ask in older versions: the
// kernel speaks like it.
func TestMcastKernelOlderRouter(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newKernels(t, f, 1, link.PortConfig{}, hasty())
		k := n.hosts[0]
		me, w, m := k.reporter(t), k.Watch(t), k.Member(t, mcastPort)
		m.JoinSource(t, f.other, f.sources[0])
		m.Join(t, f.group)
		n.wants(t, f.other, "include s1")
		n.wants(t, f.group, "exclude")
		falls := func(version int) {
			t.Helper()
			report := fmt.Sprintf("v%d report", version)
			n.version(t, version-3+f.newest)
			heard(t, w, n.reporter(n.q), fmt.Sprintf("v%d query", version), f.general(), 0)
			if got, want := k.querier(t), fmt.Sprintf("V%d", version); !f.v6() && got != want {
				t.Errorf("the kernel hears a querier of version %s, want %s", got, want)
			}
			m.Join(t, f.sibling)
			heard(t, w, me, report, f.sibling, 0)
			n.wants(t, f.sibling, "exclude")
		}
		falls(2)
		n.wants(t, f.other, "exclude") // older reports name no sources
		m.Leave(t, f.sibling)
		n.wants(t, f.sibling, "")
		n.version(t, f.newest)
		n.wants(t, f.other, "include s1")
		n.wants(t, f.group, "exclude")
		if !f.v6() {
			falls(1) // for ten seconds and two queries
		}
		n.end(t, "not for us")
	})
}

// TestMcastKernelOlderHost has one kernel speak an older version, as it was told
// to, and another the newest: a router of ours serves both (RFC 3376 §7.3.2).
func TestMcastKernelOlderHost(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newKernels(t, f, 2, link.PortConfig{}, hasty())
		old, young := n.hosts[0], n.hosts[1]
		if f.v6() {
			old.sysctl6(t, "force_mld_version", 1)
		} else {
			old.Sysctl(t, "net/ipv4/conf/"+linuxlab.NIC+"/force_igmp_version", 2)
		}
		mo, my := old.Member(t, mcastPort), young.Member(t, mcastPort)
		my.JoinSource(t, f.group, f.sources[0])
		n.wants(t, f.group, "include s1", []int{1}, nil)
		mo.Join(t, f.group)
		n.wants(t, f.group, "exclude", []int{0, 1}, []int{0})
		mo.Leave(t, f.group)
		// The group is an older one until nobody has spoken so of it for a while.
		n.wants(t, f.group, "include s1", []int{1}, nil)
		sent := n.end(t, "not for us")
		if s := sent[old.reporter(t)]; s[report2] == 0 || s[leave2] == 0 {
			t.Errorf("the older host sent %v", s)
		}
	})
}
