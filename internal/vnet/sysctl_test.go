package vnet_test

import (
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/vnet"
)

// TestSysctlIsTheStacks is behaviour 1.1.3 and 10.2: a change is one stack's,
// and later stacks start with the reference.
func TestSysctlIsTheStacks(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	const name = "net.inet.ip.ttl"
	a, b := newStack(t, w, "a"), newStack(t, w, "b")
	want := func(st *vnet.Stack, n int64) {
		t.Helper()
		if got, e := st.Sysctl(name); e != 0 || got != n {
			t.Errorf("%s: %d %v, want %d", st.Name(), got, e, n)
		}
	}
	must(t, a.SetSysctl(name, 33))
	want(a, 33)
	want(b, 64)
	want(newStack(t, w, "c"), 64)
	must(t, w.SetReference(name, 44))
	want(a, 33)
	want(b, 64)
	d := newStack(t, w, "d")
	want(d, 44)
	must(t, d.SetSysctl(name, 55))
	want(newStack(t, w, "e"), 44)
	// Another value of a stack with a page of its own moves nothing else.
	must(t, a.SetSysctl("net.inet.ip.forwarding", 1))
	want(a, 33)
	if b.View().V() == a.View().V() {
		t.Error("two stacks share a page that one of them changed")
	}
	// And it is what the stack does: the socket's TTL.
	if s := listen(t, a, "0.0.0.0:1"); s.TTL() != 33 {
		t.Errorf("TTL %d", s.TTL())
	}
	empty(t, w)
}

// TestSysctlReaches changes a tunable of every room while its engine exists.
func TestSysctlReaches(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		clk := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: clk})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		s := listen(t, st, "10.0.0.1:9")
		send(t, s, "x", "10.0.0.7:7") // makes the ARP table
		must(t, st.SetSysctl("net.link.ether.inet.maxhold", 2))
		for range 5 {
			send(t, s, "x", "10.0.0.8:7")
		}
		count(t, st, map[string]uint64{"drop.hold queue full": 3})
		tp.learn("10.0.0.2", "10.0.0.1")
		tp.inject(tp.udpFrame("10.0.0.2:9", "10.0.0.1:99", "x")) // makes the ICMP engines
		if len(tp.takeIP(t)) != 1 {
			t.Error("no error")
		}
		must(t, st.SetSysctl("net.inet.icmp.icmplim", 1))
		tp.inject(tp.udpFrame("10.0.0.2:9", "10.0.0.1:99", "x"))
		if len(tp.takeIP(t)) != 0 {
			t.Error("an error beyond the limit")
		}
		empty(t, w)
	})
}

func TestSysctlErrors(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	st := newStack(t, w, "a")
	for _, c := range []struct {
		name  string
		value int64
		want  syscall.Errno
	}{
		{"net.inet.ip.nothing", 1, syscall.ENOENT}, {"", 1, syscall.ENOENT}, {"net.inet.ip", 1, syscall.ENOENT},
		{"net.inet.ip.ttl", 0, syscall.EINVAL}, {"net.inet.ip.ttl", 256, syscall.EINVAL},
		{"net.inet.igmp.gsrdelay", -2, syscall.EINVAL}, {"net.inet.igmp.gsrdelay", 60, syscall.EINVAL},
		{"net.inet.igmp.gsrdelay", -1, 0}, {"net.inet.igmp.gsrdelay", 59, 0},
		{"net.inet.igmp.default_version", 4, syscall.EINVAL},
		{"net.link.ether.inet.max_age", 1 << 40, syscall.EINVAL}, {"net.link.ether.inet.max_age", -1 << 63, syscall.EINVAL},
		{"net.inet.ip.ttl", 1, 0}, {"net.inet.ip.ttl", 255, 0},
	} {
		if e := st.SetSysctl(c.name, c.value); e != c.want {
			t.Errorf("%s=%d: %v, want %v", c.name, c.value, e, c.want)
		}
		if e := w.SetReference(c.name, c.value); e != c.want {
			t.Errorf("reference %s=%d: %v, want %v", c.name, c.value, e, c.want)
		}
		if _, e := st.Sysctl(c.name); (e == syscall.ENOENT) != (c.want == syscall.ENOENT) {
			t.Errorf("read of %s: %v", c.name, e)
		}
	}
	empty(t, w)
}

// TestDefaults compares what the world starts with with behaviour chapter 2.
func TestDefaults(t *testing.T) {
	want := map[string]int64{
		"net.inet.ip.forwarding": 0, "net.inet.ip.ttl": 64, "net.inet.ip.rfc1122_strong_es": 0,
		"net.inet.ip.source_address_validation": 1, "net.inet.ip.process_options": 1,
		"net.inet.ip.mcast.maxgrpsrc": 512, "net.inet.ip.mcast.maxsocksrc": 128, "net.inet.ip.mcast.loop": 1,
		"net.inet6.ip6.mcast.maxgrpsrc": 512, "net.inet6.ip6.mcast.maxsocksrc": 128, "net.inet6.ip6.mcast.loop": 1,
		"net.inet.igmp.recvifkludge": 1, "net.inet.igmp.sendra": 1, "net.inet.igmp.sendlocal": 1,
		"net.inet.igmp.v1enable": 1, "net.inet.igmp.v2enable": 1, "net.inet.igmp.legacysupp": 0,
		"net.inet.igmp.default_version": 3,
		"net.inet.igmp.gsrdelay":        -1, // Deviation: 10, see igmp.Defaults
		"net.link.ether.inet.max_age":   1200, "net.link.ether.inet.maxtries": 5, "net.link.ether.inet.wait": 20,
		"net.link.ether.inet.maxhold": 16, "net.link.ether.inet.proxyall": 0, "net.link.ether.inet.garp_rexmit_count": 0,
		"net.link.ether.inet.log_arp_wrong_iface": 1, "net.link.ether.inet.log_arp_movements": 1,
		"net.link.ether.inet.log_arp_permanent_modify": 1, "net.link.ether.inet.max_log_per_second": 1,
		"net.link.ether.inet.allow_multicast": 0, "net.link.ether.arp.log_level": 6,
		"net.inet.icmp.icmplim": 200, "net.inet.icmp.bmcastecho": 0, "net.inet.icmp.drop_redirect": 0,
		"net.inet.icmp.quotelen": 548, "net.inet.icmp.reply_from_interface": 0,
		"net.inet.udp.blackhole":      0,
		"net.inet.ip.portrange.first": 10000, "net.inet.ip.portrange.last": 65535,
	}
	w := vnet.NewWorld(vnet.Config{})
	st := newStack(t, w, "a")
	for name, n := range want {
		if got, e := st.Sysctl(name); e != 0 || got != n {
			t.Errorf("%s is %d (%v), behaviour says %d", name, got, e, n)
		}
	}
	// Every tunable has a name, a description, and a default within its range.
	checkTags(t, reflect.ValueOf(vars.Defaults()), map[string]int64{})
	for _, name := range w.Tunables().All() {
		desc, lo, hi, _ := w.Tunables().Describe(name)
		if n, e := st.Sysctl(name); e != 0 || n < lo || n > hi || lo == -1<<63 {
			t.Errorf("%s: %d is not within [%d, %d]", name, n, lo, hi)
		}
		if !strings.HasPrefix(name, "net.") && !strings.HasPrefix(name, "kern.") || desc == "" {
			t.Errorf("%q: %q", name, desc)
		}
	}
}

// checkTags: every tunable has a name; rooms that share one agree on its default.
func checkTags(t *testing.T, page reflect.Value, seen map[string]int64) {
	for i := range page.NumField() {
		f := page.Type().Field(i)
		if f.Type.Kind() == reflect.Struct {
			checkTags(t, page.Field(i), seen)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("sysctl"), ",")
		n := page.Field(i).Int()
		if other, ok := seen[name]; name == "" || ok && other != n {
			t.Errorf("%s.%s: name %q, default %d, elsewhere %d", page.Type(), f.Name, name, n, other)
		}
		seen[name] = n
	}
}
