package control_test

import (
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/vnet"
)

// behaviour2 is the table of behaviour 2, row by row, for what has one number: the
// default, or why the name is not there.
var behaviour2 = []struct {
	name    string
	def     int64
	missing string
}{
	{"net.inet.ip.forwarding", 0, ""}, {"net.inet6.ip6.forwarding", 0, ""},
	{"net.inet.ip.redirect", 1, "no redirects of IPv4 are sent"},
	{"net.inet.ip.ttl", 64, ""}, {"net.inet.ip.rfc1122_strong_es", 0, ""}, {"net.inet.ip.source_address_validation", 1, ""},
	{"net.inet.ip.sourceroute", 0, ""}, {"net.inet.ip.accept_sourceroute", 0, ""}, {"net.inet.ip.process_options", 1, ""},
	{"net.inet.ip.mcast.maxgrpsrc", 512, ""}, {"net.inet.ip.mcast.maxsocksrc", 128, ""}, {"net.inet.ip.mcast.loop", 1, ""},
	{"net.inet6.ip6.mcast.maxgrpsrc", 512, ""}, {"net.inet6.ip6.mcast.maxsocksrc", 128, ""}, {"net.inet6.ip6.mcast.loop", 1, ""},
	{"net.inet.igmp.recvifkludge", 1, ""}, {"net.inet.igmp.sendra", 1, ""}, {"net.inet.igmp.sendlocal", 1, ""},
	{"net.inet.igmp.v1enable", 1, ""}, {"net.inet.igmp.v2enable", 1, ""}, {"net.inet.igmp.legacysupp", 0, ""},
	{"net.inet.igmp.default_version", 3, ""},
	{"net.inet.igmp.gsrdelay", -1, ""}, {"net.inet6.mld.gsrdelay", -1, ""}, // Deviation: 10, see igmp.Defaults
	{"net.inet6.mld.v1enable", 1, ""}, {"net.inet6.mld.v2enable", 1, ""}, {"net.inet6.mld.use_allow", 1, ""},
	{"net.link.ether.inet.max_age", 1200, ""}, {"net.link.ether.inet.maxtries", 5, ""}, {"net.link.ether.inet.wait", 20, ""},
	{"net.link.ether.inet.maxhold", 16, ""}, {"net.link.ether.inet.proxyall", 0, ""}, {"net.link.ether.inet.garp_rexmit_count", 0, ""},
	{"net.link.ether.inet.log_arp_wrong_iface", 1, ""}, {"net.link.ether.inet.log_arp_movements", 1, ""},
	{"net.link.ether.inet.log_arp_permanent_modify", 1, ""}, {"net.link.ether.inet.max_log_per_second", 1, ""},
	{"net.link.ether.inet.allow_multicast", 0, ""}, {"net.link.ether.arp.log_level", 6, ""},
	{"net.inet6.icmp6.nd6_prune", 1, "nothing is walked in turns: what has expired goes when it does"},
	{"net.inet6.icmp6.nd6_delay", 5, ""}, {"net.inet6.icmp6.nd6_umaxtries", 3, ""}, {"net.inet6.icmp6.nd6_mmaxtries", 3, ""},
	{"net.inet6.icmp6.nd6_gctimer", 86400, ""}, {"net.inet6.icmp6.nd6_maxqueuelen", 16, ""}, {"net.inet6.icmp6.nd6_useloopback", 1, ""},
	{"net.inet6.icmp6.nd6_onlink_ns_rfc4861", 0, ""}, {"net.inet6.icmp6.rediraccept", 1, ""}, {"net.inet6.icmp6.redirtimeout", 600, ""},
	{"net.inet6.icmp6.errppslimit", 100, ""}, {"net.inet6.ip6.dad_count", 1, ""}, {"net.inet6.ip6.dad_enhanced", 1, ""},
	{"net.inet6.ip6.accept_rtadv", 0, ""}, {"net.inet6.ip6.auto_linklocal", 1, ""}, {"net.inet6.ip6.use_tempaddr", 0, ""},
	{"net.inet6.ip6.hlim", 64, ""}, {"net.inet6.ip6.defmcasthlim", 1, "sockets begin with 1"},
	{"net.inet.icmp.icmplim", 200, ""}, {"net.inet.icmp.bmcastecho", 0, ""}, {"net.inet.icmp.drop_redirect", 0, ""},
	{"net.inet.icmp.quotelen", 548, ""}, {"net.inet.icmp.reply_from_interface", 0, ""},
	{"net.inet.udp.blackhole", 0, ""}, {"net.inet.udp.checksum", 1, "checksums are always sent"}, {"net.inet.udp.log_in_vain", 0, "there is no log"},
	{"net.inet.ip.portrange.first", 10000, ""}, {"net.inet.ip.portrange.last", 65535, ""},
	{"net.inet.ip.portrange.hifirst", 49152, "no IP_PORTRANGE"}, {"net.inet.ip.portrange.hilast", 65535, "no IP_PORTRANGE"},
	{"net.inet.ip.portrange.lowfirst", 1023, "no IP_PORTRANGE"}, {"net.inet.ip.portrange.lowlast", 600, "no IP_PORTRANGE"},
	{"net.inet.ip.portrange.reservedhigh", 1023, "no port is reserved"}, {"net.inet.ip.portrange.reservedlow", 0, "no port is reserved"},
	{"net.inet.ip.portrange.randomized", 1, "ports are always random"},
	{"net.inet.ip.fw.enable", 1, "the firewall is not there yet"}, {"net.inet6.ip6.fw.enable", 1, "the firewall is not there yet"},
	{"net.inet.ip.fw.one_pass", 1, "the firewall is not there yet"}, {"net.inet.ip.fw.static_count", 0, "the firewall is not there yet"},
	{"net.link.ether.ipfw", 0, "the firewall is not there yet"}, {"net.inet.carp.allow", 1, "CARP is not there"},
	{"net.isr.dispatch", 3, ""}, {"net.isr.maxthreads", 1, "threads are the scheduler's"}, {"net.isr.bindthreads", 0, "threads are the scheduler's"},
	{"net.isr.maxqlimit", 10240, "queues are as long as they are"}, {"net.isr.defaultqlimit", 256, "queues are as long as they are"},
	{"net.inet.flowtable.enable", 1, "sockets remember their routes instead"},
}

// TestBehaviour2 compares every row with what a new stack has, and holds the list
// of what is missing to the truth. Ranges: TestSysctlsByDescription.
func TestBehaviour2(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	st := newStack(t, w, "vnet0")
	for _, row := range behaviour2 {
		n, e := control.Sysctl(st, 0, row.name)
		switch {
		case row.missing != "" && e != syscall.ENOENT:
			t.Errorf("%s is %d, %v: it is there, though %s", row.name, n, e, row.missing)
		case row.missing == "" && (e != 0 || n != row.def):
			t.Errorf("%s is %d, %v; want %d", row.name, n, e, row.def)
		}
	}
	empty(t, w)
}
