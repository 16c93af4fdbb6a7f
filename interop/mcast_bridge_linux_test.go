package interop

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
)

// TestMcastBridgeFilters takes a host of ours through the changes of RFC 3376
// §5.1, behind a TAP of a Linux bridge that asks and snoops: after each the bridge
// knows what the tables of §6.4 say.
func TestMcastBridgeFilters(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newMcastLab(t, f)
		f.linux(t)
		h := n.host(t, "h", n.switched(t, linuxlab.TAP, nil), 4)
		changeFilters(t, f, newMember(t, f, h), func(want string) { wantMDB(t, f, linuxlab.TAP, f.group, want) })
		sent := n.end(t)[n.reporter(h)]
		for _, kind := range []string{"ALLOW", "BLOCK", "TO_EX", "TO_IN"} {
			if sent[kind] == 0 {
				t.Errorf("no record %s among %v", kind, sent)
			}
		}
	})
}

// TestMcastBridgeQuerier has memberships of both modes outlive those of a bridge
// that asks, and a bridge that has forgotten everything learn them again.
func TestMcastBridgeQuerier(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newMcastLab(t, f)
		f.linux(t)
		h := n.host(t, "h", n.switched(t, linuxlab.TAP, nil), 4)
		m := newMember(t, f, h)
		m.JoinSource(t, f.ssm, f.sources[0])
		m.JoinSource(t, f.ssm, f.sources[1])
		m.Join(t, f.group)
		m.Block(t, f.group, f.sources[2])
		m.Join(t, f.other)
		known := func() {
			t.Helper()
			wantMDB(t, f, linuxlab.TAP, f.ssm, "include s1 s2")
			wantMDB(t, f, linuxlab.TAP, f.group, "exclude !s3")
			wantMDB(t, f, linuxlab.TAP, f.other, "exclude")
		}
		known()
		// Without answers all would be forgotten with the third query.
		before := h.Counters()[f.queries]
		ns.Poll(t, 2*patience, func() (bool, string) {
			got := h.Counters()[f.queries] - before
			return got >= 3, fmt.Sprintf("%d queries", got)
		})
		known()
		ns.IP(t, "link", "set", linuxlab.Bridge, "down")
		for _, g := range []netip.Addr{f.ssm, f.group, f.other} {
			wantMDB(t, f, linuxlab.TAP, g, "")
		}
		ns.IP(t, "link", "set", linuxlab.Bridge, "up")
		if f.v6() { // Linux takes a link-local address away with the link
			ns.IP(t, "address", "add", linuxlab.QuerierAddr6+"/64", "dev", linuxlab.Bridge, "nodad")
		}
		known()
		sent := n.end(t)[n.reporter(h)]
		if sent["IS_IN"] < 3 || sent["IS_EX"] < 6 {
			t.Errorf("too few answers: %v", sent)
		}
	})
}

// TestMcastBridgeDelivery has Linux send to hosts of ours at two ports of a Linux
// bridge: each port gets what its host wants to hear, and nothing else.
func TestMcastBridgeDelivery(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newMcastLab(t, f)
		linux := f.linux(t)
		const second = "vm1"
		ns.IP(t, "tuntap", "add", "dev", second, "mode", "tap")
		ns.IP(t, "link", "set", second, "master", linuxlab.Bridge, "up")
		one := n.switched(t, linuxlab.TAP, nil)
		two := n.switched(t, second, one)
		a, b := n.host(t, "a", one, 4), n.host(t, "b", two, 5)
		ma, mb := newMember(t, f, a), newMember(t, f, b)
		s1, s2 := f.sources[0], f.sources[1]
		type want struct{ a1, a2, b1, b2 int } // probes of s1 and s2 for a and b
		const probes = 10
		total := map[netip.Addr]int{}
		for _, step := range []struct {
			what   string
			do     func()
			at, bt string
			want   want
		}{
			{"nobody", func() {}, "", "", want{}},
			{"each its source", func() {
				ma.JoinSource(t, f.group, s1)
				mb.JoinSource(t, f.group, s2)
			}, "include s1", "include s2", want{a1: probes, b2: probes}},
			{"all but one", func() { ma.Filter(t, f.group, true, s1) }, "exclude !s1", "include s2", want{a2: probes, b2: probes}},
			{"one", func() { ma.Leave(t, f.group) }, "", "include s2", want{b2: probes}},
			{"all", func() {
				mb.JoinSource(t, f.group, s1)
				ma.Join(t, f.group)
			}, "exclude", "include s1 s2", want{probes, probes, probes, probes}},
			{"one leaves", func() { ma.Leave(t, f.group) }, "", "include s1 s2", want{b1: probes, b2: probes}},
			{"a source is left", func() { mb.LeaveSource(t, f.group, s2) }, "", "include s1", want{b1: probes}},
		} {
			t.Log(step.what)
			step.do()
			wantMDB(t, f, linuxlab.TAP, f.group, step.at)
			wantMDB(t, f, second, f.group, step.bt)
			for _, h := range []*linuxlab.Host{linux.Source, linux.Impostor} {
				if sent, err := h.Send(t.Context(), netip.AddrPortFrom(f.group, mcastPort), probes, 0); sent != probes || err != nil {
					t.Fatal(sent, err)
				}
				for _, to := range []netip.Addr{f.addr(4), f.addr(5)} {
					if _, err := h.Send(t.Context(), netip.AddrPortFrom(to, mcastPort), 1, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			// What was sent to each host by itself has come behind the rest.
			got := map[*member][2]int{}
			for _, m := range []*member{ma, mb} {
				ns.Poll(t, patience, func() (bool, string) {
					one, two := m.from(s1), m.from(s2)
					return one%probes == 1 && two%probes == 1, fmt.Sprintf("%d and %d probes", one, two)
				})
				c := m.take()
				got[m] = [2]int{c[s1] - 1, c[s2] - 1}
				total[s1] += got[m][0]
				total[s2] += got[m][1]
			}
			if (got[ma] != [2]int{step.want.a1, step.want.a2}) || (got[mb] != [2]int{step.want.b1, step.want.b2}) {
				t.Errorf("%s: a has %v, b %v, want %+v", step.what, got[ma], got[mb], step.want)
			}
		}
		// The bridge delivers by port: nothing that a socket does not get is on a wire.
		seen := n.end(t, "not for us")
		for _, s := range []netip.Addr{s1, s2} {
			if seen[s][data] != total[s] {
				t.Errorf("%d packets of %v came, of which sockets got %d", seen[s][data], s, total[s])
			}
		}
	})
}
