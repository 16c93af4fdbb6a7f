package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// EditTee gives an interface the Tee that edit makes of its own, either of which may be
// nil. It returns ENXIO where there is no interface with the index, EOPNOTSUPP for lo0.
func EditTee(st *vnet.Stack, ifIndex uint32, edit func(*link.Tee) *link.Tee) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c := st.View().Conf(ifIndex)
	switch {
	case c == nil:
		return syscall.ENXIO
	case c.Port == nil:
		return syscall.EOPNOTSUPP
	}
	c.Tee.Store(edit(c.Tee.Load()))
	return 0
}
