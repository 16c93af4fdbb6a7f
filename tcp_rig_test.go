package vimage_test

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// fromEnv returns a number from the environment, or what it is without.
func fromEnv(t testing.TB, name string, without int) int {
	s := os.Getenv(name)
	if s == "" {
		return without
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// fewer returns n, or what the race detector has time for.
func fewer(n, underRace int) int {
	if raceOn {
		return underRace
	}
	return n
}

// segment is what a test sees of a TCP segment.
type segment struct {
	wire.TCPHeader
	Src, Dst netip.AddrPort
	Len      int // of the payload
	Out      bool
}

// spied is a Port under a test's eyes: TCP segments that cross it are shown, and
// may be lost, and others can be put in.
type spied struct {
	link.Port
	w   *vimage.World
	to  netisr.Lender
	mac wire.MAC

	mu  sync.Mutex
	see func(s *segment) (keep bool) // under locks of the path: it must not send
	any func(ip wire.IPv4)           // likewise
}

// SetAddr implements link.Port.
func (p *spied) SetAddr(mac wire.MAC) {
	p.mac = mac
	p.Port.SetAddr(mac)
}

// watch has f shown what crosses the port from now on; false loses a segment.
func (p *spied) watch(f func(s *segment) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.see = f
}

// raw has f shown every IPv4 packet that crosses the port from now on.
func (p *spied) raw(f func(ip wire.IPv4)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.any = f
}

func (p *spied) shown(b *pkt.Buf, out bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, f := wire.ParseEther(b.Bytes())
	if f != wire.OK || e.Type() != wire.EtherTypeIPv4 {
		return true
	}
	ip, f := wire.ParseIPv4(e.Payload())
	if f == wire.OK && p.any != nil {
		p.any(ip)
	}
	if f != wire.OK || ip.Proto() != wire.ProtoTCP || p.see == nil {
		return true
	}
	tcp, f := wire.ParseTCP(ip.Payload())
	if f != wire.OK {
		return true
	}
	s := segment{Len: len(tcp.Payload()), Out: out}
	tcp.Header(&s.TCPHeader)
	s.Src = netip.AddrPortFrom(ip.Src(), tcp.SrcPort())
	s.Dst = netip.AddrPortFrom(ip.Dst(), tcp.DstPort())
	return p.see(&s)
}

// Put implements link.Port.
func (p *spied) Put(r *netisr.Runner, b *pkt.Buf) {
	if !p.shown(b, true) {
		r.Cache.Free(b)
		return
	}
	p.Port.Put(r, b)
}

// Attach implements link.Port.
func (p *spied) Attach(to netisr.Lender) {
	p.to = to
	p.Port.Attach(spiedRx{p})
}

type spiedRx struct{ p *spied }

// Put implements netisr.Sink.
func (x spiedRx) Put(r *netisr.Runner, b *pkt.Buf) {
	if !x.p.shown(b, false) {
		r.Cache.Free(b)
		return
	}
	x.p.to.Put(r, b)
}

// Lend implements netisr.Lender.
func (x spiedRx) Lend(*netisr.Runner, *pkt.Buf) bool { return false }

// inject has the interface receive IPv4 packets as if they came by the link, in
// one batch.
func (p *spied) inject(packets ...[]byte) {
	r := p.w.Internal().Sched().Get()
	for _, ip := range packets {
		b := r.Cache.Get(wire.EtherLen + len(ip))
		f := b.Extend(wire.EtherLen + len(ip))
		wire.PutEther(f, p.mac, wire.MAC{2, 0, 0, 0, 0, 0x66}, wire.EtherTypeIPv4)
		copy(f[wire.EtherLen:], ip)
		p.to.Put(r, b)
	}
	r.Done()
}

// forge returns an IPv4 packet with a TCP segment.
func forge(src, dst netip.AddrPort, h wire.TCPHeader, data []byte) []byte {
	h.SrcPort, h.DstPort = src.Port(), dst.Port()
	n := h.Len()
	b := make([]byte, wire.IPv4Len+n+len(data))
	ip := wire.IPv4Header{TTL: 64, Proto: wire.ProtoTCP, Src: src.Addr(), Dst: dst.Addr()}
	wire.PutIPv4(b, &ip, n+len(data))
	seg := b[wire.IPv4Len:]
	wire.PutTCP(seg, &h)
	copy(seg[n:], data)
	sum := wire.Fold(wire.Sum(seg, wire.PseudoSum(src.Addr(), dst.Addr(), wire.ProtoTCP, len(seg))))
	seg[16], seg[17] = byte(sum>>8), byte(sum)
	return b
}

func tcpAddr(l net.Listener, a netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(a, uint16(l.Addr().(*net.TCPAddr).Port))
}

// spiedPair makes two stacks with a cable between them, 10.0.0.1 and 10.0.0.2,
// and a spy at the first's end.
func spiedPair(t testing.TB, w *vimage.World) (a, b *vimage.Stack, spy *spied) {
	cable := link.NewEpair(0)
	spy = &spied{Port: cable.A(), w: w}
	return host(t, w, "a", spy, "10.0.0.1/24"), host(t, w, "b", cable.B(), "10.0.0.2/24"), spy
}

// join returns both ends of a new connection between stacks of whatever kind,
// from a to to.
func join(t testing.TB, d *vimage.Dialer, l *vimage.TCPListener, to netip.Addr) (client, server *vimage.TCPConn) {
	t.Helper()
	done := make(chan *vimage.TCPConn, 1)
	go func() {
		c, err := l.AcceptTCP()
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	c, err := d.Dial("tcp", tcpAddr(l, to).String())
	if err != nil {
		l.Close()
		<-done
		t.Fatal(err)
	}
	if s := <-done; s != nil {
		return c.(*vimage.TCPConn), s
	}
	t.FailNow()
	return nil, nil
}

// listenTCP listens on a stack; port 0 means any.
func listenTCP(t testing.TB, s *vimage.Stack, addr string) *vimage.TCPListener {
	t.Helper()
	l := must(s.Listen("tcp", addr))(t).(*vimage.TCPListener)
	t.Cleanup(func() { l.Close() })
	return l
}

// mem returns how many bytes of memory a world's buffers keep.
func mem(w *vnet.World) int {
	c := w.Sched().Pool().Counts()
	return int(c.Bufs)*(pkt.Headroom+pkt.Small) + int(c.Blocks)*(pkt.Headroom+pkt.Large)
}

// passed lets time pass, in a bubble.
func passed(d time.Duration) { <-time.After(d) }
