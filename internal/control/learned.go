package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/addrsel"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Changed returns a channel that is closed when the addresses of the stack, or
// what routers have said, may next have changed: read those afterwards.
func Changed(st *vnet.Stack) <-chan struct{} {
	st.Lock()
	defer st.Unlock()
	f := st.Configurer(true).F.(*configurer)
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed
}

// tell tells who waits for Changed. The lock is held.
func (f *configurer) tell() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// tell is configurer.tell where there may be none. The lock is held.
func tell(st *vnet.Stack) {
	if t := st.Configurer(false); t != nil {
		t.F.(*configurer).tell()
	}
}

// Learned is what an interface's autoconfiguration has heard of routers.
type Learned struct {
	Addresses []auto.Address
	Routers   []auto.Router
	Servers   []auto.Server
	Domains   []auto.Domain
}

// ReadLearned returns what routers have said on an interface: nothing where they
// are not listened to.
func ReadLearned(st *vnet.Stack, ifIndex uint32) (l Learned) {
	st.Lock()
	defer st.Unlock()
	inV6(st, ifIndex, func(v6 *ifnet.V6) {
		l = Learned{v6.Auto.AppendAddresses(nil), v6.Auto.AppendRouters(nil), v6.Auto.AppendServers(nil), v6.Auto.AppendDomains(nil)}
	})
	return l
}

// inV6 runs f where an interface speaks IPv6. The lock is held.
func inV6(st *vnet.Stack, ifIndex uint32, f func(*ifnet.V6)) {
	if c := st.View().Conf(ifIndex); c == nil || c.Port == nil || c.V6 == nil {
		return
	}
	st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
		f(v6.V6)
		return 0
	})
}

// SetPolicy sets the table by which addresses are chosen (RFC 6724 §2.1); nil is
// the RFC's own.
func SetPolicy(st *vnet.Stack, p *addrsel.Policy) {
	st.Lock()
	defer st.Unlock()
	st.Change(func(v *ifnet.View) { v.SetRules(func(r *ifnet.Rules) { r.Policy = p }) })
}
