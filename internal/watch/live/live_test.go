//go:build !novimage

package live

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/watch"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

// cable is a Device that a test is the other end of.
type cable struct {
	in, out chan []byte
	closed  chan struct{}
}

func newCable() *cable {
	return &cable{in: make(chan []byte, 100), out: make(chan []byte, 100), closed: make(chan struct{})}
}

func (c *cable) Info() link.Info { return link.Info{Name: "cable", MTU: 1500} }

func (c *cable) Read(frames [][]byte, meta []link.Meta) (int, error) {
	select {
	case b := <-c.in:
		meta[0] = link.Meta{Len: copy(frames[0], b)}
		return 1, nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *cable) Write(frames [][]byte, meta []link.Meta) (int, error) {
	for _, f := range frames {
		c.out <- bytes.Clone(f)
	}
	return len(frames), nil
}

func (c *cable) Close() error {
	close(c.closed)
	return nil
}

func report() []byte {
	g := [4]byte{232, 1, 1, 1}
	ra := wire.RouterAlert()
	var msg [16]byte
	n := wire.IGMPv3ReportLen + wire.PutIGMPv3Record(msg[wire.IGMPv3ReportLen:], wire.IGMPToEx, netip.AddrFrom4(g), nil)
	wire.PutIGMPv3Report(msg[:n], 1)
	h := wire.IPv4Header{Proto: wire.ProtoIGMP, TTL: 1, Src: netip.AddrFrom4([4]byte{10, 0, 0, 1}), Dst: netip.AddrFrom4([4]byte{224, 0, 0, 22}), Options: ra[:]}
	b := make([]byte, wire.EtherLen+h.Len()+n)
	wire.PutEther(b, wire.MulticastMAC(h.Dst), wire.MAC{2, 0, 0, 0, 0, 1}, wire.EtherTypeIPv4)
	wire.PutIPv4(b[wire.EtherLen:], &h, n)
	copy(b[wire.EtherLen+h.Len():], msg[:n])
	return b
}

func TestWire(t *testing.T) {
	dev := newCable()
	w, err := OpenWire(dev, 7)
	if err != nil {
		t.Fatal(err)
	}
	f := report()
	dev.in <- f
	select {
	case <-w.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
	}
	watcher := watch.New(watch.Config{})
	if err := w.Take(func(fr *Frame) { fr.Give(watcher) }); err != nil {
		t.Fatal(err)
	}
	if r := watcher.Report(w.Now()); len(r.Memberships) != 1 || w.Lost() != 0 {
		t.Errorf("%+v", r)
	}
	select {
	case b := <-dev.out:
		t.Errorf("a watcher has sent %x", b)
	default:
	}
	w.Send(f)
	if got := <-dev.out; !bytes.Equal(got, f) {
		t.Errorf("sent %x, want %x", got, f)
	}
	if w.MAC().IsZero() || w.MAC().IsMulticast() {
		t.Errorf("the address is %v", w.MAC())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Take(func(*Frame) {}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestLabCountsFramesOnce watches a segment of switches, and one without.
func TestLabCountsFramesOnce(t *testing.T) {
	const text = `
hosts: [a, b, c]
routers: [r]
switches: {lan: {}, hub: {hub: true}}
links:
  - {between: [a, lan]}
  - {between: [lan, hub]}
  - {between: [b, hub]}
  - {between: [r, lan], querier: r}
  - {between: [c, r]}
joins: [{host: b, group: 232.1.1.1, sources: [a]}, {host: c, group: 239.1.1.1}]
flows: [{name: f, from: a, to: 232.1.1.1, count: 5, rate: 10, start: 1s}, {name: g, from: r, to: 239.1.1.1, link: c-r, count: 3, rate: 10, start: 1s}]
`
	file, err := topo.Load(strings.NewReader(text), "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string][2]uint64{"": {5, 1}, "hub": {5, 1}, "c": {3, 0}} {
		l, err := OpenLab(file, at, lab.Config{Simulated: true})
		if err != nil {
			t.Fatal(err)
		}
		w := watch.New(watch.Config{})
		w.Begin(l.Now())
		look := func() error { return l.Take(func(f *Frame) { f.Give(w) }) }
		if err := l.Run(context.Background(), 20*time.Second, look); err != nil {
			t.Fatal(err)
		}
		r := w.Report(l.Now())
		if r.Counts.Data != want[0] || len(r.Memberships) != 1 || r.Seconds != 20 || min(1, r.Counts.Queries) != want[1] {
			t.Errorf("segment %q: %+v", at, r)
		}
		l.Close()
	}
	if _, err := OpenLab(file, "b-lan", lab.Config{}); err == nil || !strings.Contains(err.Error(), "did you mean a-lan") {
		t.Errorf("%v", err)
	}
}

func TestReadCapture(t *testing.T) {
	var b bytes.Buffer
	w := pcapng.NewWriter(&b, pcapng.Section{})
	one, two := w.AddInterface(pcapng.Interface{Name: "one"}), w.AddInterface(pcapng.Interface{Name: "two"})
	w.WritePacket(one, pcapng.Packet{Time: 1}, []byte("a"))
	w.WritePacket(two, pcapng.Packet{Time: 2, Dir: pcapng.Out}, []byte("b"))
	w.WritePacket(two, pcapng.Packet{Time: 3, Comment: "drop: ttl"}, []byte("c"))
	w.Close()
	goOn := func() error { return nil }
	for names, want := range map[string]string{"": "ab", "one": "a", "two": "b", "one two": "ab"} {
		var got string
		last, err := ReadCapture(bytes.NewReader(b.Bytes()), strings.Fields(names), false, goOn, func(f *Frame) { got += string(f.Data) })
		if err != nil || got != want || last == 0 {
			t.Errorf("%q: %q, want %q; %v", names, got, want, err)
		}
	}
	if _, err := ReadCapture(bytes.NewReader(b.Bytes()), []string{"three"}, false, goOn, func(*Frame) {}); err == nil {
		t.Error("an interface that is not there")
	}
	var sent string
	ReadCapture(bytes.NewReader(b.Bytes()), nil, true, goOn, func(f *Frame) { sent += string(f.Data) })
	if sent != "b" {
		t.Errorf("sent: %q", sent)
	}
	stop := errors.New("stop")
	if _, err := ReadCapture(bytes.NewReader(b.Bytes()), nil, false, func() error { return stop }, func(*Frame) { t.Error("read on") }); err != stop {
		t.Errorf("stopped: %v", err)
	}
}
