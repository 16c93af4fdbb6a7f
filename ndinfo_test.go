package vimage_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
)

// TestNDAndAutoconfAreRead: what an interface does about routers is read as it was set,
// and its timers are those of RFC 4861 §10 until a router says others.
func TestNDAndAutoconfAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := bare(t, world(t, vimage.Config{Seed: 1}), "a", "b")
		if _, ok := e[0].ND(); ok || e[0].Autoconf() != nil {
			t.Error("it speaks IPv6 before it has an address")
		}
		set := vimage.AutoconfConfig{NoDefaultRoute: true, Optimistic: true, Stable: true, Network: "net", Secret: &[32]byte{1}}
		if err := e[0].SetAutoconf(&set); err != nil {
			t.Fatal(err)
		}
		got := e[0].Autoconf()
		if got == nil || got.Secret == nil || *got.Secret != *set.Secret {
			t.Fatalf("%+v", got)
		}
		if got.Secret = set.Secret; *got != set {
			t.Errorf("%+v, want %+v", *got, set)
		}
		n, ok := e[0].ND()
		if !ok || n.BaseReachable != 30*time.Second || n.Retrans != time.Second || n.Disabled {
			t.Errorf("%+v, %v", n, ok)
		}
		if err := e[0].SetAutoconf(nil); err != nil || e[0].Autoconf() != nil {
			t.Error("it goes on:", err)
		}
	})
}

// TestOwnNeighborsAndStructs: an interface's own addresses are told from those that were
// set by hand, and every name of SysctlStructs has values.
func TestOwnNeighborsAndStructs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, vimage.Config{Seed: 1})
		e := bare(t, w, "a", "b")
		add(t, e[0], "10.0.0.1/24")
		add(t, e[0], "2001:db8::1/64")
		if err := e[0].WaitReady(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := e[0].SetNeighbor(netip.MustParseAddr("10.0.0.9"), []byte{2, 0, 0, 0, 0, 9}, false); err != nil {
			t.Fatal(err)
		}
		for _, n := range must(e[0].Neighbors())(t) {
			if want := n.Addr != netip.MustParseAddr("10.0.0.9"); n.Own != want || !n.Permanent {
				t.Errorf("%+v", n)
			}
		}
		st := w.Stack("a")
		names := st.SysctlStructs()
		if !slices.IsSorted(names) || !slices.Contains(names, "net.inet.igmp.ifinfo.2") || !slices.Contains(names, "net.inet.igmp.stats") {
			t.Errorf("%q", names)
		}
		for _, name := range names {
			if v, err := st.SysctlValues(name); err != nil || len(v) == 0 {
				t.Errorf("%s: %v, %v", name, v, err)
			}
		}
	})
}
