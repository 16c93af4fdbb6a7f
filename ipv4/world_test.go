package ipv4_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv4"
	"github.com/seed88948545/vimage/link"
)

// must returns v.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if errors.Is(err, vimage.ErrSecondStack) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func world(t testing.TB) *vimage.World {
	w := vimage.NewWorld(vimage.Config{Seed: 1})
	t.Cleanup(func() {
		w.Close()
		if p := w.Pool(); p.Buffers != 0 {
			t.Errorf("%d buffers outstanding", p.Buffers)
		}
	})
	return w
}

func stack(t testing.TB, w *vimage.World, name string) *vimage.Stack {
	t.Helper()
	return must(w.NewStack(name, vimage.StackConfig{}))(t)
}

func plug(t testing.TB, s *vimage.Stack, name string, p link.Port, addrs ...string) *vimage.Interface {
	t.Helper()
	i := must(s.AddInterface(name, vimage.InterfaceConfig{Port: p}))(t)
	for _, a := range addrs {
		if err := i.AddAddr(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// cable is two stacks with a cable between them: a, which is 10.0.0.1, .11 and
// .12, and b, which is 10.0.0.2.
type cable struct {
	w        *vimage.World
	a, b     *vimage.Stack
	aIf, bIf *net.Interface
}

func newCable(t testing.TB) *cable {
	t.Helper()
	w := world(t)
	c := &cable{w: w, a: stack(t, w, "a"), b: stack(t, w, "b")}
	wire := link.NewEpair(0)
	c.aIf = plug(t, c.a, "e0", wire.A(), "10.0.0.1/24", "10.0.0.11/24", "10.0.0.12/24").Net()
	c.bIf = plug(t, c.b, "e0", wire.B(), "10.0.0.2/24").Net()
	return c
}

// listen opens a socket and returns it with its options.
func listen(t testing.TB, n vimage.Network, network, addr string) *ipv4.PacketConn {
	t.Helper()
	c := must(n.ListenPacket(network, addr))(t)
	t.Cleanup(func() { c.Close() })
	return ipv4.NewPacketConn(c)
}

func shared(t testing.TB, s *vimage.Stack, addr string) *ipv4.PacketConn {
	t.Helper()
	lc := vimage.ListenConfig{Stack: s, ReusePort: true, BindGroup: true}
	return ipv4.NewPacketConn(must(lc.ListenPacket(t.Context(), "udp4", addr))(t))
}

func udp(addr string) *net.UDPAddr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)) }
func ip(addr string) *net.IPAddr   { return &net.IPAddr{IP: net.ParseIP(addr)} }

// send sends a datagram from an address of the sender.
func send(t testing.TB, p *ipv4.PacketConn, msg, from, to string) {
	t.Helper()
	var cm *ipv4.ControlMessage
	if from != "" {
		cm = &ipv4.ControlMessage{Src: net.ParseIP(from)}
	}
	if _, err := p.WriteTo([]byte(msg), cm, udp(to)); err != nil {
		t.Fatalf("send to %s: %v", to, err)
	}
}

// heard returns what has come to a socket of a stack.
func heard(t testing.TB, p *ipv4.PacketConn) []string {
	t.Helper()
	var all []string
	b := make([]byte, 2048)
	for {
		n, _, ok, err := p.PacketConn.(*vimage.UDPConn).TryReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, string(b[:n]))
	}
}

// read reads one packet.
func read(t testing.TB, p *ipv4.PacketConn) (string, *ipv4.ControlMessage, net.Addr) {
	t.Helper()
	b := make([]byte, 2048)
	p.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, cm, src, err := p.ReadFrom(b)
	if err != nil {
		t.Fatal("read:", err)
	}
	return string(b[:n]), cm, src
}

// wantErrno checks the error of an option: a *net.OpError around an errno, nil
// for 0.
func wantErrno(t testing.TB, what string, err error, want syscall.Errno) {
	t.Helper()
	if want == 0 {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	var oe *net.OpError
	var e syscall.Errno
	if !errors.As(err, &oe) || !errors.As(err, &e) || e != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
