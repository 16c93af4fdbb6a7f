package control

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Who wants to know hears of every change of the configuration here, after it is
// made; of a departure before anything is taken apart.

// ifEvent tells that something has happened to interface c.
func ifEvent(st *vnet.Stack, c *ifnet.Info, kind event.Kind) {
	st.Events().Post(aboutIf(c, kind))
}

func aboutIf(c *ifnet.Info, kind event.Kind) event.Event {
	return event.Event{Kind: kind, IfIndex: c.Index, Name: c.Name, FIB: event.AllFIBs, MAC: c.MAC}
}

// addrEvent tells that something has happened to an address of interface c.
func addrEvent(st *vnet.Stack, c *ifnet.Info, kind event.Kind, a netip.Prefix) {
	e := aboutIf(c, kind)
	e.Prefix = a
	st.Events().Post(e)
}

// departs runs the handlers of who must know before interface c goes. The lock is
// not held: they may look at everything.
func departs(st *vnet.Stack, c *ifnet.Info) {
	st.Events().Tell(aboutIf(c, event.Departure))
}
