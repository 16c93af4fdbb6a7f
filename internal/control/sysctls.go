package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vnet"
)

// sysctls is the sysctls whose values are in no page of tunables.
var sysctls = [...]computed{
	{name: "net.fibs", desc: "routing tables; can only grow", def: 1, min: 0, max: fib.MaxTables,
		get: func(st *vnet.Stack, _ int) int64 { return int64(st.FIBs()) },
		set: func(st *vnet.Stack, n int64) syscall.Errno { return SetFIBs(st, int(n)) }},
	{name: "net.my_fibnum", desc: "the routing table of who asks", def: 0, min: 0, max: fib.MaxTables - 1,
		get: func(_ *vnet.Stack, table int) int64 { return int64(table) }},
	constant("net.inet.ip.accept_sourceroute", "packets with source routes are accepted: never", 0),
	constant("net.inet.ip.sourceroute", "packets are forwarded by their source routes: never", 0),
	constant("net.inet6.icmp6.nd6_useloopback", "packets to own addresses stay inside: always", 1),
	{name: "net.isr.dispatch", desc: "who runs what a packet is for: 1 a goroutine (deferred), 2 who brings it, for one batch (hybrid), 3 who brings it (direct)",
		def: 3, min: 1, max: 3, global: true,
		get: func(st *vnet.Stack, _ int) int64 { return dispatch(st.World().Sched().Policy()) },
		set: func(st *vnet.Stack, n int64) syscall.Errno {
			for _, p := range []netisr.Policy{netisr.Direct, netisr.Hybrid, netisr.Deferred} {
				if dispatch(p) == n {
					st.World().Sched().SetPolicy(p)
				}
			}
			return 0
		}},
}

// constant is a sysctl that is what it is.
func constant(name, desc string, n int64) computed {
	return computed{name: name, desc: desc, def: n, min: n, max: n, get: func(*vnet.Stack, int) int64 { return n }}
}

// dispatch returns a policy's number in FreeBSD.
func dispatch(p netisr.Policy) int64 {
	switch p {
	case netisr.Deferred:
		return 1
	case netisr.Hybrid:
		return 2
	}
	return 3
}
