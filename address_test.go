package vimage_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/link"
)

// bare makes hosts on one switch, without addresses.
func bare(t testing.TB, w *vimage.World, names ...string) (all []*vimage.Interface) {
	t.Helper()
	br := link.NewBridge(w.Internal().Sched(), w.Internal().Seed(), link.BridgeConfig{})
	for _, name := range names {
		s := must(w.NewStack(name, vimage.StackConfig{}))(t)
		all = append(all, must(s.AddInterface("e0", vimage.InterfaceConfig{Port: br.AddPort()}))(t))
	}
	return all
}

func add(t testing.TB, i *vimage.Interface, addr string, flags ...vimage.AddrFlags) {
	t.Helper()
	var f vimage.AddrFlags
	for _, one := range flags {
		f |= one
	}
	if err := i.AddAddrFlags(netip.MustParsePrefix(addr), f); err != nil {
		t.Fatal(err)
	}
}

// states describes an interface's addresses without link-local ones.
func states(i *vimage.Interface) string {
	var all []string
	for _, a := range i.Addresses() {
		if a.Prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		s := a.Prefix.String()
		for _, f := range []struct {
			is   bool
			name string
		}{
			{a.Tentative, "tentative"}, {a.Duplicate, "duplicate"}, {a.Optimistic, "optimistic"},
			{a.Deprecated, "deprecated"}, {a.Temporary, "temporary"}, {a.Anycast, "anycast"}, {a.Auto, "autoconf"},
		} {
			if f.is {
				s += " " + f.name
			}
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

// TestWaitReady: an address may be used when the link has been asked; nobody has
// to look again and again for that.
func TestWaitReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := bare(t, world(t, vimage.Config{Seed: 1}), "a", "b", "c")
		ctx := context.Background()
		if err := e[0].WaitReady(ctx); err != nil {
			t.Error("nothing to wait for:", err)
		}
		add(t, e[0], "10.0.0.1/24")
		add(t, e[0], "2001:db8::1/64")
		add(t, e[0], "2001:db8::a/64", vimage.AddrAnycast)
		add(t, e[0], "2001:db8::b/64", vimage.AddrOptimistic)
		if got, want := states(e[0]), "10.0.0.1/24; 2001:db8::1/64 tentative; 2001:db8::a/64 anycast; 2001:db8::b/64 tentative"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
		start := time.Now()
		if err := e[0].WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < time.Second || took > 3*time.Second {
			t.Errorf("ready after %v", took)
		}
		if got, want := states(e[0]), "10.0.0.1/24; 2001:db8::1/64; 2001:db8::a/64 anycast; 2001:db8::b/64"; got != want {
			t.Errorf("%s; want %s", got, want)
		}

		add(t, e[1], "2001:db8::1/64")
		err := e[1].WaitReady(ctx)
		var ce *vimage.ConfigError
		if !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &ce) {
			t.Error("somebody else's:", err)
		}
		if got := states(e[1]); got != "2001:db8::1/64 duplicate" {
			t.Error(got)
		}

		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		add(t, e[2], "2001:db8::3/64")
		if err := e[2].WaitReady(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("the context's end:", err)
		}
		gone := make(chan error)
		go func() {
			_, err := e[2].WaitAddr(ctx, func(vimage.Address) bool { return false })
			gone <- err
		}()
		synctest.Wait()
		if err := e[2].Remove(); err != nil {
			t.Fatal(err)
		}
		if err := <-gone; !errors.Is(err, syscall.ENXIO) {
			t.Error("the interface's end:", err)
		}
	})
}

// TestWaitSimulated: in simulated time nothing waits.
func TestWaitSimulated(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true, Seed: 1})
	e := bare(t, w, "a")[0]
	add(t, e, "2001:db8::1/64")
	if err := e.WaitReady(context.Background()); err == nil {
		t.Error("it waited")
	}
	w.Run(5 * time.Second)
	if err := e.WaitReady(context.Background()); err != nil {
		t.Error(err)
	}
}

// network makes a router and a host that configures itself by it.
func network(t testing.TB, w *vimage.World, c *vimage.RouterConfig, ac *vimage.AutoconfConfig) (router, host *vimage.Interface) {
	t.Helper()
	e := bare(t, w, "r", "h")
	r := w.Stack("r")
	if err := r.SetForwarding(true); err != nil {
		t.Fatal(err)
	}
	add(t, e[0], "2001:db8:1::1/64")
	if err := e[0].Advertise(c); err != nil {
		t.Fatal(err)
	}
	if err := e[1].SetAutoconf(ac); err != nil {
		t.Fatal(err)
	}
	return e[0], e[1]
}

func global(a vimage.Address) bool { return !a.Prefix.Addr().IsLinkLocalUnicast() }

// TestAutoconf: a host takes from a router what a RouterConfig says: an address, a
// default route, and with the name servers' addresses and search list enough to
// connect to a name.
func TestAutoconf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, vimage.Config{Seed: 1})
		router, host := network(t, w, &vimage.RouterConfig{
			Preference: 1,
			Prefixes:   []vimage.RouterPrefix{{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), Valid: 2 * time.Hour, Preferred: time.Hour}},
			RDNSS:      []vimage.RouterDNS{{Addrs: []netip.Addr{netip.MustParseAddr("2001:db8:1::1")}}},
			DNSSL:      []vimage.RouterSearch{{Names: []string{"example"}, Lifetime: vimage.Forever}},
		}, &vimage.AutoconfConfig{})
		r, h := w.Stack("r"), w.Stack("h")
		serve(t, r, map[string][]string{"www.example.": {"2001:db8:1::1"}})
		a, err := host.WaitAddr(context.Background(), global)
		if err != nil {
			t.Fatal(err)
		}
		if !a.Auto || a.Prefix.Masked().String() != "2001:db8:1::/64" || a.ValidUntil.Sub(a.PreferredUntil) != time.Hour || time.Until(a.ValidUntil) > 2*time.Hour {
			t.Errorf("%+v", a)
		}
		routers := h.DefaultRouters()
		if len(routers) != 1 || routers[0].Addr != linkLocal(t, r).WithZone("e0") || routers[0].Preference != 1 || !routers[0].Used || routers[0].Lost {
			t.Errorf("%+v", routers)
		}
		if left := time.Until(routers[0].Until); left <= 1700*time.Second || left > 1800*time.Second {
			t.Errorf("default router for %v", left)
		}
		servers := h.RDNSS()
		if len(servers) != 1 || servers[0].Addr != netip.MustParseAddr("2001:db8:1::1") || servers[0].Interface != "e0" {
			t.Errorf("%+v", servers)
		}
		if s := h.SearchDomains(); !slices.Equal(s, []string{"example"}) {
			t.Error(s)
		}
		l := must(r.Listen("tcp", ":80"))(t)
		c := must(h.Dial("tcp", "www:80"))(t)
		if got := netip.MustParseAddrPort(c.LocalAddr().String()).Addr(); got != a.Prefix.Addr() {
			t.Errorf("from %v, want %v", got, a.Prefix.Addr())
		}
		c.Close()
		l.Close()

		n := must(host.Neighbors())(t)
		if !slices.ContainsFunc(n, func(n vimage.Neighbor) bool {
			return n.Addr == linkLocal(t, r) && n.Router && !n.Permanent && n.MAC.String() == must(r.InterfaceByName("e0"))(t).HardwareAddr.String()
		}) {
			t.Errorf("the router is no neighbour: %+v", n)
		}

		if err := router.Advertise(nil); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if rs := h.DefaultRouters(); slices.ContainsFunc(rs, func(r vimage.DefaultRouter) bool { return r.Used }) {
			t.Errorf("after its last advertisement: %+v", rs)
		}
		if err := host.SetAutoconf(nil); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if got := states(host); got != "" {
			t.Error("still has", got)
		}
	})
}

// TestStableAddresses: the same secret makes the same addresses (RFC 7217), and
// none that shows the hardware address.
func TestStableAddresses(t *testing.T) {
	stacktest.Several(t)
	var seen []netip.Addr
	for seed, secret := range []*[32]byte{{1}, {1}, {2}, nil} {
		synctest.Test(t, func(t *testing.T) {
			w := world(t, vimage.Config{Seed: uint64(seed)})
			_, host := network(t, w, &vimage.RouterConfig{
				Prefixes: []vimage.RouterPrefix{{Prefix: netip.MustParsePrefix("2001:db8:1::/64")}},
			}, &vimage.AutoconfConfig{Stable: true, Secret: secret})
			a, err := host.WaitAddr(context.Background(), global)
			if err != nil {
				t.Fatal(err)
			}
			if b := a.Prefix.Addr().As16(); b[11] == 0xff && b[12] == 0xfe {
				t.Errorf("%v shows the hardware address", a.Prefix)
			}
			seen = append(seen, a.Prefix.Addr())
		})
	}
	if len(seen) != 4 || seen[0] != seen[1] || seen[1] == seen[2] || seen[3] == seen[0] {
		t.Error(seen)
	}
}

// TestAdvertiseErrors: what is out of range is named.
func TestAdvertiseErrors(t *testing.T) {
	e := bare(t, world(t, vimage.Config{}), "r")[0]
	p := netip.MustParsePrefix("2001:db8::/64")
	for field, c := range map[string]vimage.RouterConfig{
		"MaxInterval":           {MaxInterval: 3 * time.Second},
		"MinInterval":           {MinInterval: 500 * time.Second},
		"Lifetime":              {Lifetime: time.Minute},
		"Preference":            {Preference: 2},
		"HopLimit":              {HopLimit: 256},
		"Reachable":             {Reachable: 2 * time.Hour},
		"Retrans":               {Retrans: time.Microsecond},
		"MTU":                   {MTU: 1000},
		"Prefixes[0].Prefix":    {Prefixes: []vimage.RouterPrefix{{}}},
		"Prefixes[0].Valid":     {Prefixes: []vimage.RouterPrefix{{Prefix: p, Valid: time.Millisecond}}},
		"Prefixes[1].Preferred": {Prefixes: []vimage.RouterPrefix{{Prefix: p}, {Prefix: p, Valid: time.Hour, Preferred: 2 * time.Hour}}},
		"Routes[0].Preference":  {Routes: []vimage.RouterRoute{{Prefix: p, Preference: -2}}},
		"RDNSS[0].Addrs":        {RDNSS: []vimage.RouterDNS{{}}},
		"RDNSS[0].Addrs[0]":     {RDNSS: []vimage.RouterDNS{{Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}},
		"DNSSL[0].Names":        {DNSSL: []vimage.RouterSearch{{Names: []string{"a..b"}}}},
	} {
		var fe *vimage.FieldError
		var ce *vimage.ConfigError
		if err := e.Advertise(&c); !errors.As(err, &fe) || fe.Field != field || !errors.As(err, &ce) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := e.Advertise(&vimage.RouterConfig{MaxInterval: 4 * time.Second, Lifetime: -1, HopLimit: -1, Prefixes: []vimage.RouterPrefix{{Prefix: p, Valid: vimage.Forever, Preferred: -1}}}); err != nil {
		t.Error(err)
	}
	if err := must(world(t, vimage.Config{}).Stack("vnet0").Interface("lo0"))(t).Advertise(&vimage.RouterConfig{}); !errors.Is(err, syscall.EINVAL) {
		t.Error("on lo0:", err)
	}
}

// TestNeighborsByHand: neighbours of both families are set, listed and deleted.
func TestNeighborsByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := bare(t, world(t, vimage.Config{Seed: 1}), "a", "b")
		add(t, e[0], "2001:db8::1/64")
		add(t, e[0], "10.0.0.1/24")
		if err := e[0].WaitReady(context.Background()); err != nil {
			t.Fatal(err)
		}
		mac := net.HardwareAddr{2, 0, 0, 0, 0, 0x77}
		ip := netip.MustParseAddr("2001:db8::7")
		if err := e[0].SetNeighbor(ip, mac, true); err != nil {
			t.Fatal(err)
		}
		all := must(e[0].Neighbors())(t)
		if !slices.ContainsFunc(all, func(n vimage.Neighbor) bool {
			return n.Addr == ip && n.Permanent && n.Published && n.State == "permanent" && n.MAC.String() == mac.String()
		}) || !slices.IsSortedFunc(all, func(a, b vimage.Neighbor) int { return a.Addr.Compare(b.Addr) }) {
			t.Errorf("%+v", all)
		}
		// It is answered for, so that nobody else may have it.
		add(t, e[1], "2001:db8::7/64")
		if err := e[1].WaitReady(context.Background()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error("an address that somebody answers for:", err)
		}
		if err := e[0].DelNeighbor(ip); err != nil {
			t.Fatal(err)
		}
		if err := e[0].DelNeighbor(ip); !errors.Is(err, syscall.ENOENT) {
			t.Error(err)
		}
	})
}
