package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// AcceptGroup has an interface's link show it the frames to a group address, or no
// longer: what SIOCADDMULTI and SIOCDELMULTI do. Calls come in pairs. ENXIO where
// there is no such interface, EOPNOTSUPP for one without a link, EADDRNOTAVAIL for
// an address that is no group's.
func AcceptGroup(st *vnet.Stack, ifIndex uint32, mac wire.MAC, on bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c := st.View().Conf(ifIndex)
	switch {
	case c == nil:
		return syscall.ENXIO
	case c.Port == nil:
		return syscall.EOPNOTSUPP
	case !mac.IsMulticast():
		return syscall.EADDRNOTAVAIL
	}
	c.Port.Accept(mac, on)
	return 0
}
