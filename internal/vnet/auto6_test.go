package vnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// advertised is what the router of these tests says.
func advertised() *radv.Config {
	cfg := radv.DefaultConfig()
	cfg.MinInterval, cfg.MaxInterval, cfg.Lifetime = 3, 4, 30
	cfg.HopLimit, cfg.MTU = 33, 1400
	cfg.Prefixes = []wire.NDPrefix{{Prefix: prefix("2001:db8:1::/64"), OnLink: true, Autonomous: true, Valid: 120, Preferred: 60}}
	cfg.RDNSS = []radv.Servers{{Lifetime: 60, Addrs: []netip.Addr{addr("2001:db8:1::53")}}}
	return &cfg
}

// slaac is a router that advertises and a host that configures itself.
type slaac struct {
	w            *vnet.World
	c            *clock.Sim
	router, host *vnet.Stack
}

func newSlaac(t testing.TB, shards, fib int) *slaac {
	t.Helper()
	n := &slaac{c: clock.NewSim()}
	n.w = vnet.NewWorld(vnet.Config{Clock: n.c})
	ep := link.NewEpair(0)
	var e syscall.Errno
	n.router, e = stacktest.New(t, n.w, vnet.StackConfig{Name: "r", Shards: shards})
	must(t, e)
	n.host, e = stacktest.New(t, n.w, vnet.StackConfig{Name: "h", Shards: shards})
	must(t, e)
	must(t, control.SetFIBs(n.host, 2))
	_, e = control.AddInterface(n.router, control.IfaceConfig{Name: "e0", Port: ep.A(), Addrs: []netip.Prefix{prefix("fe80::1/64"), prefix("2001:db8:1::1/64")}})
	must(t, e)
	must(t, n.router.SetSysctl("net.inet6.ip6.forwarding", 1))
	_, e = control.AddInterface(n.host, control.IfaceConfig{Name: "e0", Port: ep.B(), FIB: fib})
	must(t, e)
	must(t, control.SetAuto(n.host, anIf, &control.AutoConfig{Routers: true}))
	if err := control.Advertise(n.router, anIf, advertised()); err != nil {
		t.Fatal(err)
	}
	return n
}

// state is what the host has made of it, in text.
func (n *slaac) state() string {
	var s []string
	i, _ := n.host.Interface(anIf)
	for _, a := range i.Addrs {
		if ifaddr.IsLinkLocal(a.Addr()) {
			continue
		}
		f := ""
		if a.Flags&ifaddr.Deprecated != 0 {
			f = " deprecated"
		}
		s = append(s, "address "+a.Masked().String()+f)
	}
	for t := range n.host.FIBs() {
		for _, r := range control.Routes(n.host, t) {
			s = append(s, fmt.Sprintf("fib%d %v %v", t, r.Dst, r.Gateway))
		}
	}
	n.host.IPv6(anIf, func(v6 *vnet.V6Call) syscall.Errno {
		for _, d := range v6.Auto.AppendServers([]auto.Server(nil)) {
			s = append(s, "dns "+d.Addr.String())
		}
		return 0
	})
	if i.MTU6 != 0 || i.Hops != 0 {
		s = append(s, fmt.Sprintf("mtu %d hops %d", i.MTU6, i.Hops))
	}
	slices.Sort(s)
	return strings.Join(s, "\n")
}

// TestRFC4862Section5_5: prefix, default route, MTU, hop limit and DNS servers of
// an advertisement, in the interface's table and no other, for as long as the
// router says; and what a last advertisement takes away.
func TestRFC4862Section5_5(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		for fib := range 2 {
			n := newSlaac(t, shards, fib)
			run(n.c, 10*time.Second)
			rest := fmt.Sprintf("dns 2001:db8:1::53\nfib%d 2001:db8:1::/64 invalid IP", fib)
			gw := fmt.Sprintf("\nfib%d ::/0 fe80::1\nmtu 1400 hops 33", fib)
			if got, want := n.state(), "address 2001:db8:1::/64\n"+rest+gw; got != want {
				t.Fatalf("got\n%s\nwant\n%s", got, want)
			}
			if err := control.Advertise(n.router, anIf, nil); err != nil {
				t.Fatal(err)
			}
			run(n.c, time.Second)
			if s := n.state(); strings.Contains(s, "::/0") {
				t.Errorf("after the last advertisement\n%s", s)
			}
			run(n.c, 62*time.Second)
			if s := n.state(); !strings.Contains(s, "deprecated") || strings.Contains(s, "dns") {
				t.Errorf("after the preferred lifetime\n%s", s)
			}
			run(n.c, 60*time.Second)
			if s := n.state(); strings.Contains(s, "2001") {
				t.Errorf("after the valid lifetime\n%s", s)
			}
			if err := control.Advertise(n.router, anIf, advertised()); err != nil {
				t.Fatal(err)
			}
			run(n.c, 10*time.Second)
			if s := n.state(); !strings.Contains(s, "::/0") || strings.Contains(s, "deprecated") {
				t.Errorf("advertised again\n%s", s)
			}
			must(t, control.SetAuto(n.host, anIf, nil))
			run(n.c, time.Second)
			if s := n.state(); s != "" {
				t.Errorf("no longer wanted:\n%s", s)
			}
			empty(t, n.w)
		}
	})
}

// TestDeprecatedSource: a deprecated address answers, and is not chosen while
// there is another (RFC 4862 §5.5.4).
func TestDeprecatedSource(t *testing.T) {
	n := newSlaac(t, 1, 0)
	run(n.c, 10*time.Second)
	i, _ := n.host.Interface(anIf)
	old := i.Addrs[len(i.Addrs)-1].Addr()
	old4 := listen(t, n.host, netip.AddrPortFrom(old, 7).String())
	cfg := advertised()
	cfg.Prefixes = append(cfg.Prefixes, wire.NDPrefix{Prefix: prefix("2001:db8:2::/64"), OnLink: true, Autonomous: true, Valid: 7200, Preferred: 3600})
	cfg.Prefixes[0].Preferred = 0
	if err := control.Advertise(n.router, anIf, cfg); err != nil {
		t.Fatal(err)
	}
	run(n.c, 10*time.Second)
	s := listen(t, n.host, "[::]:0")
	must(t, s.Connect(addrPort("[2001:db8:1::1]:7")))
	if a := s.LocalAddr().Addr(); !prefix("2001:db8:2::/64").Contains(a) {
		t.Errorf("from %v", a)
	}
	from := listen(t, n.router, "[2001:db8:1::1]:9")
	send(t, from, "x", netip.AddrPortFrom(old, 7).String())
	run(n.c, time.Second)
	expect(t, old4, "x")
	empty(t, n.w)
}

// TestUpDownSLAAC: an interface that comes up solicits, and has no route but those
// that routers say.
func TestUpDownSLAAC(t *testing.T) {
	n := newSlaac(t, 1, 0)
	cfg := advertised()
	cfg.MinInterval, cfg.MaxInterval, cfg.Lifetime = 1000, 1800, 9000
	cfg.Prefixes[0].OnLink = false
	if err := control.Advertise(n.router, anIf, cfg); err != nil {
		t.Fatal(err)
	}
	run(n.c, 10*time.Second)
	before := n.state()
	sent := n.host.Counters()
	must(t, control.SetUp(n.host, anIf, false))
	run(n.c, 10*time.Second)
	must(t, control.SetUp(n.host, anIf, true))
	run(n.c, 10*time.Second)
	if after := n.state(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if now := n.host.Counters(); now["rtadv.in"] == sent["rtadv.in"] && fmt.Sprint(now) == fmt.Sprint(sent) {
		t.Error("nothing was asked")
	}
	empty(t, n.w)
}

// TestRouterFlag: a stack that becomes a router says so to its neighbours, who
// would else no longer use it (RFC 4861 §7.2.5).
func TestRouterFlag(t *testing.T) {
	w, c, st, tp := newHost6(t, 1, self6+"/64")
	for _, on := range []int64{0, 1, 0} {
		must(t, st.SetSysctl("net.inet6.ip6.forwarding", on))
		tp.take()
		ns := wire.AppendNDLinkAddr(wire.AppendNS(nil, addr(self6)), wire.NDSourceLinkAddr, tp.mac)
		tp.inject(tp.icmp6Frame(addr(peer6), addr(self6), 255, ns))
		run(c, time.Second)
		found := false
		for _, f := range tp.take() {
			if e, _ := wire.ParseEther(f); e.Type() == wire.EtherTypeIPv6 {
				if na, fault := wire.ParseNeighborAdvert(e.Payload()[wire.IPv6Len:]); fault == wire.OK {
					found = true
					if na.Router() != (on != 0) {
						t.Errorf("forwarding %d: router %v", on, na.Router())
					}
				}
			}
		}
		if !found {
			t.Error("no answer")
		}
	}
	empty(t, w)
}

// TestRFC4861Section7_3_3: a router that does not answer any more is found out, and
// the other one is used.
func TestRFC4861Section7_3_3(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards)
		must(t, control.SetAuto(st, anIf, &control.AutoConfig{Routers: true}))
		run(c, 5*time.Second)
		dead := map[netip.Addr]bool{}
		tp.router = true
		tp.owns = func(a netip.Addr) bool {
			b := a.As16()
			return b[0] == 0xfe && b[15] < 9 && !dead[a]
		}
		for _, r := range []struct {
			from string
			pref int8
		}{{"fe80::1", 1}, {"fe80::2", 0}} {
			h := wire.RAHeader{HopLimit: 64, Lifetime: 1800, Preference: r.pref}
			m := wire.AppendNDLinkAddr(wire.AppendRA(nil, &h), wire.NDSourceLinkAddr, tp.mac)
			m = wire.AppendNDPrefix(m, &wire.NDPrefix{Prefix: prefix("2001:db8:1::/64"), OnLink: true, Autonomous: true, Valid: 7200, Preferred: 3600})
			tp.inject(tp.icmp6Frame(addr(r.from), netip.IPv6LinkLocalAllNodes(), 255, m))
		}
		run(c, 5*time.Second)
		gateway := func() string {
			for _, r := range control.Routes(st, 0) {
				if r.Dst == prefix("::/0") {
					return r.Gateway.String()
				}
			}
			return ""
		}
		if gateway() != "fe80::1" {
			t.Fatalf("gateway %q", gateway())
		}
		s := listen(t, st, "[::]:9")
		dead[addr("fe80::1")] = true
		for range 120 {
			send(t, s, "x", "[2001:db8:9::9]:7")
			run(c, time.Second)
		}
		if gateway() != "fe80::2" {
			t.Errorf("gateway %q", gateway())
		}
		tp.take()
		send(t, s, "x", "[2001:db8:9::9]:7")
		if got := tp.take6(t); len(got) != 1 {
			t.Errorf("%d packets by the other router", len(got))
		}
		empty(t, w)
	})
}
