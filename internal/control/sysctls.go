package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/vnet"
)

// sysctls is the sysctls whose values are in no page of tunables.
var sysctls = [...]computed{
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
