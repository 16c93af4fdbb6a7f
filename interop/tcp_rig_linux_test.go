package interop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// tcpPatience is how long a conversation may take that loses segments: a lost
// SYN alone takes a second, and three a little more than seven.
const tcpPatience = 30 * time.Second

// tcpEnd is a host that holds conversations by TCP.
type tcpEnd interface {
	Dial(to netip.AddrPort) (net.Conn, error)
	Listen(port int) (net.Listener, error)
	At() netip.Addr
}

// tcpRig is two hosts with a link of ours between them. b is Linux. a is
// whose TCP is looked at: a stack of ours, or Linux for a standard to compare
// that with; everything between and beyond is the same.
type tcpRig struct {
	lab  *lab.Lab
	a    tcpEnd
	b    linuxEnd
	ours *lab.Node // a, where it is ours
}

// rigConfig says what a tcpRig is like.
type rigConfig struct {
	linux   bool // a is Linux
	v6      bool // over IPv6
	offload bool // TAPs move super-segments; with faults, one counts as one frame
	mtu     int  // 0 means 1500
	fault   link.FaultConfig
	record  io.Writer // what a's end of the link sees, or nil
}

func newTCPRig(t *testing.T, c rigConfig) *tcpRig {
	t.Helper()
	ns.NeedTUN(t)
	if c.mtu == 0 {
		c.mtu = 1500
	}
	dev := tap.Config{NoOffload: !c.offload}
	n := lab.New(t)
	if c.record != nil {
		n.CaptureAll(c.record)
	}
	near, ours := kernelAddr+"/24", ourAddr+"/24"
	if c.v6 {
		near, ours = kernelAddr6+"/64", ourAddr6+"/64"
	}
	seg := lab.SwitchConfig{BridgeConfig: link.BridgeConfig{NoSnooping: true, MTU: c.mtu}}
	b := joinKernel(t, n, "wire", near, dev, seg)
	r := &tcpRig{lab: n, b: linuxEnd{b}}
	r.b.cubic(t, near)
	between := lab.LinkConfig{MTU: c.mtu, FaultConfig: c.fault}
	if !c.linux {
		h := n.Host("h")
		between.A = netip.MustParsePrefix(ours)
		n.Link(h, b.seg, between)
		r.a, r.ours = ourEnd{Node: h}, h
		return r
	}
	seg.Within = b.seg
	far := linuxEnd{joinKernel(t, n, "far", ours, dev, seg)}
	far.cubic(t, ours)
	n.Link(far.seg, b.seg, between)
	r.a = far
	return r
}

// linuxEnd is the kernel's TCP.
type linuxEnd struct{ *kernel }

// At implements tcpEnd.
func (e linuxEnd) At() netip.Addr { return e.Addr }

// Dial implements tcpEnd.
func (e linuxEnd) Dial(to netip.AddrPort) (c net.Conn, err error) {
	d := net.Dialer{Timeout: tcpPatience}
	d.SetMultipathTCP(false)
	err = e.Do(func() (err error) { c, err = d.Dial("tcp", inZone(to, e.At())); return err })
	return c, err
}

// Listen implements tcpEnd.
func (e linuxEnd) Listen(port int) (l net.Listener, err error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	err = e.Do(func() (err error) {
		l, err = lc.Listen(context.Background(), "tcp", net.JoinHostPort(e.Addr.String(), strconv.Itoa(port)))
		return err
	})
	return l, err
}

// cubic has all connections in the subnet use CUBIC, those of programs too: a
// route may name any congestion control, a namespace only what its maker may.
func (e linuxEnd) cubic(t *testing.T, addr string) {
	t.Helper()
	subnet := netip.MustParsePrefix(addr).Masked()
	route := []string{"route", "replace", subnet.String(), "dev", linuxlab.NIC, "proto", "kernel", "congctl", "cubic"}
	if subnet.Addr().Is4() {
		route = append(route, "scope", "link", "src", e.Addr.String())
	}
	e.IP(t, route...)
}

// inZone is where to find the end at to from the address from: in a zone of from's
// own, if to is link-local.
func inZone(to netip.AddrPort, from netip.Addr) string {
	return netip.AddrPortFrom(to.Addr().WithZone("").WithZone(from.Zone()), to.Port()).String()
}

// unzoned is an address without its zone, which is each host's own.
func unzoned(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().WithZone(""), p.Port())
}

// ourEnd is vimage's TCP.
type ourEnd struct {
	*lab.Node
	at netip.Addr // invalid: the node's address
}

// At implements tcpEnd.
func (e ourEnd) At() netip.Addr {
	if e.at.IsValid() {
		return e.at
	}
	return e.Addr()
}

// Dial implements tcpEnd.
func (e ourEnd) Dial(to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tcpPatience)
	defer cancel()
	return e.DialContext(ctx, "tcp", inZone(to, e.At()))
}

// Listen implements tcpEnd.
func (e ourEnd) Listen(port int) (net.Listener, error) {
	return e.Node.Listen("tcp", net.JoinHostPort(e.At().String(), strconv.Itoa(port)))
}

// listen is e.Listen until the test ends.
func listenTCP(t *testing.T, e tcpEnd, port int) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := e.Listen(port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

// connectTCP makes a connection that is closed when the test ends.
func connectTCP(t *testing.T, from, to tcpEnd) (caller, callee net.Conn) {
	t.Helper()
	l, at := listenTCP(t, to, 0)
	type accepted struct {
		c   net.Conn
		err error
	}
	done := make(chan accepted, 1)
	go func() { c, err := l.Accept(); done <- accepted{c, err} }()
	caller, err := from.Dial(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { caller.Close() })
	select {
	case got := <-done:
		if got.err != nil {
			t.Fatal(got.err)
		}
		callee = got.c
	case <-time.After(tcpPatience):
		t.Fatalf("%v is connected, but no Accept returned in %v", caller.LocalAddr(), tcpPatience)
	}
	t.Cleanup(func() { callee.Close() })
	for _, c := range [...]net.Conn{caller, callee} {
		c.SetDeadline(time.Now().Add(tcpPatience))
	}
	if unzoned(caller.RemoteAddr()) != unzoned(callee.LocalAddr()) || unzoned(caller.LocalAddr()) != unzoned(callee.RemoteAddr()) {
		t.Errorf("the caller is %v to %v, the callee %v to %v", caller.LocalAddr(), caller.RemoteAddr(), callee.LocalAddr(), callee.RemoteAddr())
	}
	return caller, callee
}

// soak says that there is time for what takes minutes: .ci/soak sets it.
func soak() bool { return os.Getenv("VIMAGE_SOAK") == "1" }

// eachLoss runs f in namespaces of its own for links with various shares of
// frames lost, in both directions.
func eachLoss(t *testing.T, f func(t *testing.T, percent int, fault link.FaultConfig)) {
	t.Helper()
	for _, percent := range [...]int{0, 1, 5} {
		t.Run(fmt.Sprintf("loss %d%%", percent), func(t *testing.T) {
			ns.Run(t, func(t *testing.T) {
				fault := link.FaultConfig{Seed: 1, Loss: float64(percent) / 100, Delay: time.Millisecond, Rate: 100e6}
				if percent == 0 { // not by a queue either: more than any window
					fault.Queue, fault.Limit = 64<<20, 1<<16
				}
				f(t, percent, fault)
			})
		})
	}
}
