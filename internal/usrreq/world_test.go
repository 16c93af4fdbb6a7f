package usrreq_test

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

func addr(s string) netip.Addr         { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix     { return netip.MustParsePrefix(s) }
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func must(t testing.TB, e syscall.Errno) {
	t.Helper()
	if e != 0 {
		t.Fatal(e)
	}
}

func newWorld() *vnet.World { return vnet.NewWorld(vnet.Config{Clock: clock.NewSim(), Seed: 1}) }

func newStack(t testing.TB, w *vnet.World, name string) *vnet.Stack {
	t.Helper()
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: name})
	must(t, e)
	return st
}

// plug gives a stack an interface with addresses; it is not asked whether others
// have them.
func plug(t testing.TB, st *vnet.Stack, name string, p link.Port, addrs ...string) uint32 {
	t.Helper()
	c := control.IfaceConfig{Name: name, Port: p}
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, prefix(a))
	}
	i, e := control.AddInterface(st, c)
	must(t, e)
	return i
}

// dull takes from an interface that it can multicast.
func dull(st *vnet.Stack, index uint32) {
	st.Lock()
	defer st.Unlock()
	c, _ := st.Interface(index)
	c.Flags &^= ifnet.Multicast
	st.SetInterface(&c)
}

func listen(t testing.TB, st *vnet.Stack, at string) usrreq.Sock {
	t.Helper()
	s, e := usrreq.ListenUDP(st, addrPort(at), 0, pcb.ReuseAddr|pcb.ReusePort)
	must(t, e)
	return s
}
