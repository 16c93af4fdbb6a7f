package control

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Value is one of the numbers that make up the value of a sysctl: a field of the
// struct that a kernel would return.
type Value struct {
	Name   string
	Number int64
}

// blocks is the sysctls of statistics, with what the names of the counters in them
// begin with.
var blocks = [...]struct{ name, prefix string }{
	{"net.inet.icmp.stats", "icmp."}, {"net.inet.igmp.stats", "igmp."}, {"net.inet.ip.stats", "ip."},
	{"net.inet.tcp.stats", "tcp."}, {"net.inet.udp.stats", "udp."},
	{"net.inet6.icmp6.stats", "icmp6."}, {"net.inet6.ip6.stats", "ip6."}, {"net.inet6.mld.stats", "mld."},
	{"net.link.ether.arp.stats", "arp."},
}

// nodes is the sysctls of several numbers whose names go on with an interface's
// index, and maybe a group.
var nodes = [...]struct {
	prefix string
	args   int
	get    func(st *vnet.Stack, index uint32, args []string) ([]Value, syscall.Errno)
}{
	{"net.inet.igmp.ifinfo.", 1, func(st *vnet.Stack, i uint32, _ []string) ([]Value, syscall.Errno) {
		four, _ := Memberships(st, i)
		return hostInfo(four, 0)
	}},
	{"net.inet6.mld.ifinfo.", 1, func(st *vnet.Stack, i uint32, _ []string) ([]Value, syscall.Errno) {
		_, six := Memberships(st, i)
		return hostInfo(six, mlifUseAllow)
	}},
	{"net.inet.ip.mcast.filters.", 2, func(st *vnet.Stack, i uint32, args []string) ([]Value, syscall.Errno) {
		return filters(st, i, strings.Join(args, "."), netip.Addr.Is4)
	}},
	{"net.inet6.ip6.mcast.filters.", 2, func(st *vnet.Stack, i uint32, args []string) ([]Value, syscall.Errno) {
		return filters(st, i, strings.Join(args, "."), netip.Addr.Is6)
	}},
}

// Values returns the value of a sysctl that consists of several numbers: a block
// of statistics, every counter of it; net.inet.igmp.ifinfo.INDEX and
// net.inet6.mld.ifinfo.INDEX; net.inet.ip.mcast.filters.INDEX.GROUP and that of
// IPv6, the filter mode (1 include, 2 exclude) and the sources, by name. ENOENT
// for an unknown name or interface, EINVAL for a name that is too short or long
// or has no group at its end, or where the value is one number (see Sysctl).
func Values(st *vnet.Stack, name string) ([]Value, syscall.Errno) {
	if prefix := counters(name); prefix != "" {
		var all []Value
		n := st.Counters()
		for _, c := range vars.CounterNames() {
			if strings.HasPrefix(c, prefix) {
				all = append(all, Value{c[len(prefix):], int64(n[c])})
			}
		}
		return all, 0
	}
	for _, n := range nodes {
		if rest, ok := strings.CutPrefix(name+".", n.prefix); ok {
			args := strings.Split(strings.TrimSuffix(rest, "."), ".")
			index, err := strconv.ParseUint(args[0], 10, 32)
			if err != nil || len(args) < n.args || n.args == 1 && len(args) > 1 {
				return nil, syscall.EINVAL
			}
			if _, ok := st.Interface(uint32(index)); !ok {
				return nil, syscall.ENOENT
			}
			return n.get(st, uint32(index), args[1:])
		}
	}
	if _, e := Sysctl(st, 0, name); e == 0 {
		return nil, syscall.EINVAL
	}
	return nil, syscall.ENOENT
}

// Structs returns the names of the sysctls of several numbers that are complete as
// they are: statistics, and what interfaces know of their queriers.
func Structs(st *vnet.Stack) []string {
	var all []string
	for _, b := range blocks {
		all = append(all, b.name)
	}
	for i := range st.Interfaces() {
		four, six := Memberships(st, i.Index)
		index := strconv.Itoa(int(i.Index))
		if four != nil {
			all = append(all, "net.inet.igmp.ifinfo."+index)
		}
		if six != nil {
			all = append(all, "net.inet6.mld.ifinfo."+index)
		}
	}
	slices.Sort(all)
	return all
}

// SetValues makes a block of statistics zero, if that is what it is given: EINVAL
// otherwise, EPERM for what is read-only, ENOENT for an unknown name.
func SetValues(st *vnet.Stack, name string, to []Value) syscall.Errno {
	prefix := counters(name)
	switch {
	case prefix == "" && isNode(name):
		return syscall.EPERM
	case prefix == "":
		_, e := Values(st, name)
		return e
	case slices.ContainsFunc(to, func(v Value) bool { return v.Number != 0 }):
		return syscall.EINVAL
	}
	st.ResetCounters(prefix)
	return 0
}

// counters returns what the names of the counters in a block begin with, or "".
func counters(name string) string {
	for _, b := range blocks {
		if b.name == name {
			return b.prefix
		}
	}
	return ""
}

// isNode tells whether a sysctl of that name has several numbers for a value.
func isNode(name string) bool {
	for _, n := range nodes {
		if strings.HasPrefix(name+".", n.prefix) {
			return true
		}
	}
	return counters(name) != ""
}

// Flags of struct igmp_ifinfo and mld_ifinfo.
const (
	igifSilent   = 1
	mlifUseAllow = 2
)

// hostInfo is struct igmp_ifinfo, or with a flag more mld_ifinfo; times are in
// seconds.
func hostInfo(s *gmp.HostState, useAllow int64) ([]Value, syscall.Errno) {
	if s == nil {
		return nil, syscall.ENOENT
	}
	seconds := func(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
	older := func(version int) int64 {
		for _, o := range s.Older {
			if o.Version == version {
				return seconds(o.Left)
			}
		}
		return 0
	}
	var flags int64
	if s.Silent {
		flags |= igifSilent
	}
	if s.UseAllow {
		flags |= useAllow
	}
	return []Value{
		{"version", int64(s.Version)}, {"v1timer", older(1)}, {"v2timer", older(2)}, {"v3timer", seconds(s.General)}, {"flags", flags},
		{"rv", int64(s.Robustness)}, {"qi", seconds(s.QueryInterval)}, {"qri", seconds(s.QueryResponse)}, {"uri", seconds(s.Unsolicited)},
	}, 0
}

// filters is what an interface wants of a group: MCAST_INCLUDE or MCAST_EXCLUDE,
// and the sources.
func filters(st *vnet.Stack, index uint32, group string, family func(netip.Addr) bool) (all []Value, e syscall.Errno) {
	g, err := netip.ParseAddr(group)
	if err != nil || !family(g) || !g.IsMulticast() {
		return nil, syscall.EINVAL
	}
	e = st.On(index, func(c *vnet.Call) syscall.Errno {
		for _, m := range c.Members() {
			if m.Group != g {
				continue
			}
			mode := int64(1)
			if m.Filter.Mode == mcast.Exclude {
				mode = 2
			}
			all = append(all, Value{"mode", mode})
			for _, s := range m.Filter.Sources {
				all = append(all, Value{s.String(), 0})
			}
		}
		return 0
	})
	return all, e
}
