package interop

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
)

// startRadvd has radvd advertise on the host's one interface until stop is called.
func startRadvd(t *testing.T, k *kernel, options string) (stop func()) {
	t.Helper()
	need(t, "radvd")
	k.forward6(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "radvd.conf")
	text := fmt.Sprintf("interface %s {\n%s\n};\n", linuxlab.NIC, options)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("radvd", "-n", "-m", "stderr", "-C", file, "-p", filepath.Join(dir, "pid"))
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := k.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("radvd: %v\n%s", err, &said)
		}
	})
	t.Cleanup(stop)
	return stop
}

// TestKernel6Radvd has a host of ours configure itself as radvd says.
func TestKernel6Radvd(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		n := lab.New(t)
		rec := record6(t, n, "h-wire")
		k := kernel6(t, n, "wire", kernelAddr6+"/64", 1500, tap.Config{}, nil)
		stop := startRadvd(t, k, `
			AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 600;
			AdvLinkMTU 1400; AdvCurHopLimit 37; AdvDefaultPreference high;
			prefix 2001:db8:77::/64 { AdvOnLink on; AdvAutonomous on; AdvValidLifetime 900; AdvPreferredLifetime 600; };
			prefix 2001:db8:78::/64 { AdvOnLink off; AdvAutonomous on; };
			route 2001:db8:79::/48 { AdvRoutePreference low; };
			RDNSS 2001:db8:77::53 2001:db8:77::54 { AdvRDNSSLifetime 300; };
			DNSSL example.org lab.example.org { };`)
		h := n.Host("h")
		n.Link(h, k.seg)
		autoconf(t, h, 0, &vimage.AutoconfConfig{})

		mac := wire.MAC(h.Eth(0).Net().HardwareAddr)
		var made []netip.Addr
		for _, prefix := range []string{"2001:db8:77::", "2001:db8:78::"} {
			made = append(made, eui64(prefix, mac))
		}
		for _, a := range append(made, eui64("fe80::", mac)) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			got, err := h.Eth(0).WaitAddr(ctx, func(o vimage.Address) bool { return o.Prefix.Addr() == a && o.Usable() })
			if err != nil || !got.Auto && !a.IsLinkLocalUnicast() {
				t.Fatalf("%v: %v %+v", a, err, h.Eth(0).Addresses())
			}
		}
		router := k.linkLocal(t).WithZone("")
		if c := conf(h, 0); c.MTU6 != 1400 || c.Hops != 37 {
			t.Errorf("MTU %d, hop limit %d, want 1400, 37", c.MTU6, c.Hops)
		}
		wantRoutes6(t, h, map[string]netip.Addr{"::/0": router, "2001:db8:79::/48": router, "2001:db8:77::/64": {}})
		wantHeard(t, h, router)

		k.IP(t, "route", "add", "2001:db8:78::/64", "dev", linuxlab.NIC)
		c := k.raw6(t, k.Addr, 64, false)
		for seq, a := range made {
			wantReply6(t, c, a, seq, 3000)
		}
		stop() // its last words are that it is no default router any more
		ns.Poll(t, patience, func() (bool, string) {
			all := h.Routes()
			return !slices.ContainsFunc(all, func(r vimage.Route) bool { return r.Dst.Bits() == 0 }), fmt.Sprintf("a default route is left: %v", all)
		})
		rec.end(t)
	})
}

// eui64 is the address that an interface forms (RFC 4291 appendix A).
func eui64(prefix string, mac wire.MAC) netip.Addr {
	b := netip.MustParseAddr(prefix).As16()
	copy(b[8:], []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
	return netip.AddrFrom16(b)
}

// wantRoutes6 checks that a node has routes, and through whom they lead.
func wantRoutes6(t *testing.T, h *lab.Node, want map[string]netip.Addr) {
	t.Helper()
	got := map[string]netip.Addr{}
	for _, r := range h.Routes() {
		got[r.Dst.String()] = r.Gateway.WithZone("")
	}
	for dst, via := range want {
		if g, ok := got[dst]; !ok || g != via {
			t.Errorf("the route to %s leads through %v (%v), want %v", dst, g, ok, via)
		}
	}
}

// wantHeard checks what else routers advertise.
func wantHeard(t *testing.T, h *lab.Node, router netip.Addr) {
	t.Helper()
	var servers []string
	for _, s := range h.RDNSS() {
		servers = append(servers, s.Addr.String())
	}
	slices.Sort(servers)
	if !slices.Equal(servers, []string{"2001:db8:77::53", "2001:db8:77::54"}) {
		t.Errorf("DNS servers %v", servers)
	}
	domains := slices.Sorted(slices.Values(h.SearchDomains()))
	if !slices.Equal(domains, []string{"example.org", "lab.example.org"}) {
		t.Errorf("DNS search list %v", domains)
	}
	routers := h.DefaultRouters()
	if len(routers) != 1 || routers[0].Addr.WithZone("") != router || routers[0].Preference != 1 || !routers[0].Used {
		t.Errorf("routers %+v, want %v with high preference", routers, router)
	}
}

// TestKernel6AcceptsRA has a router of ours configure a Linux host, which then
// reaches hosts behind it.
func TestKernel6AcceptsRA(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		n := lab.New(t)
		rec := record6(t, n, "r-wire", "r-h")
		k := kernel6(t, n, "wire", "fe80::1/64", 1500, tap.Config{}, nil)
		r, h := n.Router("r"), n.Host("h")
		n.Link(r, k.seg, lab.LinkConfig{A: netip.MustParsePrefix("2001:db8:77::ff/64")})
		n.Link(r, h, lab.LinkConfig{A: netip.MustParsePrefix("2001:db8:78::ff/64"), B: netip.MustParsePrefix("2001:db8:78::1/64")})
		route6(t, h, "::/0", "2001:db8:78::ff", 0)
		err := r.Eth(0).Advertise(&vimage.RouterConfig{
			HopLimit: 41, MTU: 1420, Preference: 1,
			Prefixes: []vimage.RouterPrefix{{Prefix: netip.MustParsePrefix("2001:db8:77::/64")}},
			RDNSS:    []vimage.RouterDNS{{Addrs: []netip.Addr{netip.MustParseAddr("2001:db8:77::53")}}},
			DNSSL:    []vimage.RouterSearch{{Names: []string{"lab.example.org"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		router := ourLinkLocal(r, 0)

		// Down and up again, it asks for routers.
		k.sysctl6(t, "router_solicitations", 3)
		k.sysctl6(t, "router_solicitation_delay", 0)
		k.sysctl6(t, "addr_gen_mode", 1)
		k.sysctl6(t, "addr_gen_mode", 0)
		k.sysctl6(t, "accept_ra", 2)
		k.IP(t, "link", "set", linuxlab.NIC, "down")
		k.IP(t, "link", "set", linuxlab.NIC, "up")
		ns.Poll(t, patience, func() (bool, string) {
			a := k.IP(t, "-6", "address", "show", "dev", linuxlab.NIC)
			r := k.IP(t, "-6", "route", "show", "default")
			ok := strings.Contains(a, "inet6 2001:db8:77:") && strings.Contains(r, "default via "+router.String()+" ") &&
				strings.Contains(r, "pref high") && strings.Contains(r, "hoplimit 41")
			return ok, a + r
		})
		if mtu := k.IP(t, "-6", "route", "show", "default"); !strings.Contains(mtu, "mtu 1420") {
			t.Errorf("no MTU of 1420: %s", mtu)
		}
		for _, f := range strings.Fields(k.IP(t, "-o", "-6", "address", "show", "dev", linuxlab.NIC, "scope", "global")) {
			if p, err := netip.ParsePrefix(f); err == nil {
				k.Addr = p.Addr()
			}
		}

		c := k.raw6(t, k.Addr, 64, false)
		for seq, size := range []int{0, 56, 1372, 3000} {
			wantReply6(t, c, h.Addr(), seq, size)
		}
		t.Run("rdisc6", func(t *testing.T) { askRouter(t, k, r) })
		t.Run("hop limits", func(t *testing.T) { traceroute(t, k, h.Addr(), r.Addr()) })
		if err := r.Eth(0).Advertise(nil); err != nil {
			t.Fatal(err)
		}
		ns.Poll(t, patience, func() (bool, string) {
			left := k.IP(t, "-6", "route", "show", "default")
			return left == "", "Linux still has " + left
		})
		rec.end(t, "ttl exceeded", "no port")
	})
}

// askRouter has rdisc6 ask our router.
func askRouter(t *testing.T, k *kernel, r *lab.Node) {
	need(t, "rdisc6")
	got := string(k.program(t, "rdisc6", "-1", linuxlab.NIC))
	lines := strings.Split(got, "\n")
	for _, want := range [][2]string{
		{"Hop limit", "41"}, {"Router preference", "high"}, {"Router lifetime", "1800"}, {"Prefix", "2001:db8:77::/64"},
		{"MTU", "1420"}, {"Recursive DNS server", "2001:db8:77::53"}, {"DNS search list", "lab.example.org"},
		{"Source link-layer address", strings.ToUpper(r.Eth(0).Net().HardwareAddr.String())},
		{"from " + ourLinkLocal(r, 0).String(), ""},
	} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want[0]) && strings.Contains(l, want[1]) }) {
			t.Errorf("no %s %q in what rdisc6 says:\n%s", want[0], want[1], got)
		}
	}
}

// traceroute checks which routers are on the path to an address.
func traceroute(t *testing.T, k *kernel, to netip.Addr, routers ...netip.Addr) {
	t.Helper()
	need(t, "rltraceroute6")
	got := string(k.program(t, "rltraceroute6", "-n", "-q", "1", "-m", "8", to.String()))
	var hops []string
	for _, l := range strings.Split(got, "\n")[1:] {
		if f := strings.Fields(l); len(f) > 1 {
			hops = append(hops, f[1])
		}
	}
	var want []string
	for _, a := range append(routers, to) {
		want = append(want, a.String())
	}
	if !slices.Equal(hops, want) {
		t.Errorf("traceroute finds %q, want %q:\n%s", hops, want, got)
	}
}
