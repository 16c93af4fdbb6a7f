package ifnet

import (
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/socket"
)

// Listen returns how connections to a listener with these options are opened over a
// way that takes segments of mss bytes.
func (v *View) Listen(o *socket.TCPOptions, mss int) syn.Listen {
	tun := &v.V().TCP
	par := syn.Listen{
		MSS: uint16(max(mss, 64)), Window: int(tun.RcvSpace), FIB: o.FIB,
		MSSDefault: uint16(tun.MSSDefault), MinMSS: uint16(tun.MinMSS), Scaling: tun.RFC1323 != 0, Timestamps: tun.RFC1323 != 0,
		SACK: v.V().Loss.SACK != 0, ECN: tun.ECN != 0,
	}
	top := int(tun.RcvMax)
	if o.RcvBuf != 0 {
		par.Window, top = o.RcvBuf, o.RcvBuf
	}
	par.Scale = tcp.ScaleFor(top)
	return par
}
