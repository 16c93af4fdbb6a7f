package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/vnet"
)

// SetFilter installs f, or removes the filter if f is nil.
func SetFilter(st *vnet.Stack, f pfil.Filter) {
	st.Lock()
	defer st.Unlock()
	st.Change(func(v *ifnet.View) { v.Filter = f })
	st.Barrier()
}

// SetDivert installs the listener of a divert port, or removes it if d is nil.
// It returns EADDRINUSE where the port has one.
func SetDivert(st *vnet.Stack, port uint16, d pfil.Diverter) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	ports := st.View().Divert
	if d != nil && ports.Find(port) != nil {
		return syscall.EADDRINUSE
	}
	st.Change(func(v *ifnet.View) { v.Divert = ports.With(port, d) })
	st.Barrier()
	return 0
}
