package linuxlab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/ns"
)

// Names and addresses in a Lab. All hosts are in Subnet, or in Subnet6.
const (
	Bridge = "br0"
	TAP    = "vm0"
	// NIC is the interface of every Host.
	NIC = "eth0"

	Subnet       = "10.9.0.0/24"
	QuerierAddr  = "10.9.0.1"
	SourceAddr   = "10.9.0.100"
	ImpostorAddr = "10.9.0.101"

	Subnet6       = "2001:db8:9::/64"
	QuerierAddr6  = "fe80::1"
	SourceAddr6   = "2001:db8:9::100"
	ImpostorAddr6 = "2001:db8:9::101"
)

// The querier's periods: the shortest the kernel allows between queries, and
// the membership interval that follows from it (RFC 3376 §8.4).
const (
	QueryInterval      = time.Second
	ResponseInterval   = 500 * time.Millisecond
	LastMemberInterval = 100 * time.Millisecond
	MembershipInterval = 2*QueryInterval + ResponseInterval
)

// Lab is a bridge, br0, that is an IGMPv3 querier and snoops, with a TAP, vm0,
// and the hosts as its ports. It is in the namespace of ns.Run.
type Lab struct {
	// Source is the host that a source-specific receiver wants to hear, Impostor
	// one that sends to the same group.
	Source, Impostor *Host
	hosts            int
}

// NewSSM builds a Lab. When it returns, the bridge sends to a multicast group
// only where its database says: a querier trusts that only after a first
// response interval, and floods till then. Nothing has vm0 open.
func NewSSM(t testing.TB) *Lab {
	t.Helper()
	ns.NeedTUN(t)
	addBridge(t, "mcast_igmp_version", "3", "mcast_query_use_ifaddr", "1")
	ns.IP(t, "address", "add", QuerierAddr+"/24", "dev", Bridge)
	l := start(t, SourceAddr, ImpostorAddr)
	l.waitSnooping(t, "232.255.255.254", "10.9.0.255")
	return l
}

// NewMLD builds a Lab whose bridge is an MLDv2 querier, snoops that, and whose
// hosts have IPv6 addresses only. Else it is as one of NewSSM.
func NewMLD(t testing.TB) *Lab {
	t.Helper()
	ns.NeedTUN(t)
	addBridge(t, "mcast_mld_version", "2")
	ns.IP(t, "link", "set", Bridge, "addrgenmode", "none")
	ns.IP(t, "address", "add", QuerierAddr6+"/64", "dev", Bridge, "nodad")
	l := start(t, SourceAddr6, ImpostorAddr6)
	l.waitSnooping(t, "ff02::1:fffe:fffe", "ff02::1")
	return l
}

// addBridge makes the bridge, which snoops.
func addBridge(t testing.TB, options ...string) {
	t.Helper()
	centi := func(d time.Duration) string { return fmt.Sprint(d.Milliseconds() / 10) }
	ns.IP(t, append([]string{"link", "add", Bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0",
		"mcast_snooping", "1",
		"mcast_query_interval", centi(QueryInterval), "mcast_startup_query_interval", centi(QueryInterval),
		"mcast_query_response_interval", centi(ResponseInterval),
		"mcast_last_member_interval", centi(LastMemberInterval), "mcast_last_member_count", "2",
		"mcast_membership_interval", centi(MembershipInterval)}, options...)...)
}

// start brings the bridge up, with its ports.
func start(t testing.TB, source, impostor string) *Lab {
	t.Helper()
	ns.IP(t, "link", "set", Bridge, "up")
	ns.IP(t, "link", "set", Bridge, "type", "bridge", "mcast_querier", "1")
	ns.IP(t, "tuntap", "add", "dev", TAP, "mode", "tap")
	ns.IP(t, "link", "set", TAP, "master", Bridge, "up")
	l := &Lab{}
	l.Source = l.AddHost(t, netip.MustParseAddr(source))
	l.Impostor = l.AddHost(t, netip.MustParseAddr(impostor))
	return l
}

// Host is a Linux host with one interface, eth0, on the bridge.
type Host struct {
	*ns.Net
	Addr netip.Addr
	Port string // its port of the bridge
}

// AddHost makes a host with an address in Subnet or Subnet6, whose route for multicast is
// its one interface.
func (l *Lab) AddHost(t testing.TB, addr netip.Addr) *Host {
	t.Helper()
	l.hosts++
	h := &Host{Net: ns.New(t), Addr: addr, Port: fmt.Sprintf("h%d", l.hosts)}
	h.Attach(t, h.Port, NIC)
	ns.IP(t, "link", "set", h.Port, "master", Bridge, "up")
	if addr.Is4() {
		h.IP(t, "address", "add", addr.String()+"/24", "broadcast", "+", "dev", NIC)
	} else {
		h.IP(t, "address", "add", addr.String()+"/64", "dev", NIC, "nodad")
		h.Sysctl(t, "net/ipv6/conf/"+NIC+"/accept_dad", 0)
	}
	h.IP(t, "link", "set", NIC, "up")
	if addr.Is4() {
		h.IP(t, "route", "add", "224.0.0.0/4", "dev", NIC)
	}
	ns.Poll(t, 5*time.Second, func() (bool, string) {
		s := ns.Bridge(t, "link", "show", "dev", h.Port)
		return strings.Contains(s, "state forwarding"), s
	})
	return h
}

// waitSnooping sends to a group nobody joined, then to everybody, until the first
// of the pair no longer comes out at a port that did not ask for it.
func (l *Lab) waitSnooping(t testing.TB, nobody, everybody string) {
	t.Helper()
	const port = 9 // discard
	stray := netip.AddrPortFrom(netip.MustParseAddr(nobody), port)
	all := netip.AddrPortFrom(netip.MustParseAddr(everybody), port)
	sniff := l.Impostor.Sniff(t)
	defer sniff.Close()
	ns.Poll(t, 10*time.Second, func() (bool, string) {
		for _, to := range [...]netip.AddrPort{stray, all} {
			if _, err := l.Source.Send(t.Context(), to, 1, 0); err != nil {
				return false, err.Error()
			}
		}
		flooded := false
		for {
			p, err := sniff.NextUDP(time.Second)
			switch {
			case err != nil:
				return false, err.Error()
			case p.Dst == stray:
				flooded = true
			case p.Dst == all:
				return !flooded, "the bridge still floods unknown groups"
			}
		}
	})
}
