package link_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// pipe is one end of a wire between two worlds.
type pipe struct {
	info   link.Info
	in     chan piped // closed by the other end
	out    chan piped
	closed chan struct{}
}

type piped struct {
	frame []byte
	meta  link.Meta
}

func newPipe(info link.Info) (a, b *pipe) {
	info.MTU = 1500
	ab, ba := make(chan piped, 64), make(chan piped, 64)
	a, b = &pipe{info, ba, ab, make(chan struct{})}, &pipe{info, ab, ba, make(chan struct{})}
	a.info.MAC, b.info.MAC = net.HardwareAddr{2, 0, 0, 0, 1, 1}, net.HardwareAddr{2, 0, 0, 0, 1, 2}
	return a, b
}

func (p *pipe) Info() link.Info { return p.info }
func (p *pipe) Close() error    { close(p.closed); return nil }

func (p *pipe) Read(frames [][]byte, meta []link.Meta) (int, error) {
	select {
	case f := <-p.in:
		copy(frames[0], f.frame)
		meta[0] = f.meta
		return 1, nil
	case <-p.closed:
		return 0, net.ErrClosed
	}
}

func (p *pipe) Write(frames [][]byte, meta []link.Meta) (int, error) {
	for i, f := range frames {
		m := meta[i]
		if m.Sum == link.SumPartial && !p.info.Sum || m.Len != len(f) {
			return i, fmt.Errorf("a frame it cannot take: %+v", m)
		}
		select {
		case p.out <- piped{bytes.Clone(f), m}:
		case <-p.closed:
			return i, net.ErrClosed
		}
	}
	return len(frames), nil
}

// TestStacksOverDevices has two worlds, each with its own buffers and clock,
// talk over a wire that completes checksums, and over one that does not.
func TestStacksOverDevices(t *testing.T) {
	stacktest.Several(t)
	exchange := func(t *testing.T, info link.Info) {
		a, b := newPipe(info)
		var worlds []*vnet.World
		var wires []*link.Wire
		var socks []usrreq.Sock
		for i, dev := range []*pipe{a, b} {
			w := vnet.NewWorld(vnet.Config{Seed: uint64(i)})
			wire, err := link.NewWire(w.Sched(), dev)
			if err != nil {
				t.Fatal(err)
			}
			st, e := stacktest.New(t, w, vnet.StackConfig{Name: "host"})
			if e != 0 {
				t.Fatal(e)
			}
			index, e := control.AddInterface(st, control.IfaceConfig{Name: "tap0", Port: wire})
			if e == 0 {
				e = control.AddAddr(st, index, netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", i+1)))
			}
			if e != 0 {
				t.Fatal(e)
			}
			s, e := usrreq.ListenUDP(st, netip.MustParseAddrPort("0.0.0.0:7"), 0, 0)
			if e != 0 {
				t.Fatal(e)
			}
			worlds, wires, socks = append(worlds, w), append(wires, wire), append(socks, s)
		}
		buf := make([]byte, 2000)
		for n := range 50 {
			text := bytes.Repeat([]byte{byte(n)}, 30*n)
			if _, err := socks[n%2].WriteTo(text, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(2 - n%2)}), 7), nil); err != nil {
				t.Fatal(err)
			}
			var from socket.Recv
			got, err := socks[1-n%2].ReadFrom(buf, &from, true)
			if err != nil || !bytes.Equal(buf[:got], text) {
				t.Fatalf("datagram %d: %d bytes, %v", n, got, err)
			}
		}
		for i, w := range worlds {
			if err := wires[i].Close(); err != nil {
				t.Error(err)
			}
			if st := wires[i].Stats(); st.Sent < 25 || st.Received < 25 || st.WriteErrors != 0 || st.BadMeta != 0 {
				t.Errorf("%+v", st)
			}
			control.Close(w.Stack("host"))
			for w.Sched().Working() > 0 {
				runtime.Gosched()
			}
			if c := w.Sched().Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
				t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
			}
		}
	}
	for _, info := range []link.Info{{}, {Sum: true}, {Sum: true, GSO: true, MaxFrame: 65553}} {
		name := fmt.Sprintf("sum=%v,gso=%v", info.Sum, info.GSO)
		t.Run("real/"+name, func(t *testing.T) { exchange(t, info) })
		t.Run("bubble/"+name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { exchange(t, info) }) })
	}
}
