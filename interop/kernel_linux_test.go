package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
	"golang.org/x/sys/unix"
)

// patience is how long anything between us and the kernel may take.
const patience = 5 * time.Second

// kernel is a Linux host whose one interface, linuxlab.NIC, is a TAP; seg is our
// end of it.
type kernel struct {
	linuxlab.Host
	dev *tap.Device
	seg *lab.Switch
}

// addKernel makes a Linux host with an address and joins it to a new segment of
// the lab. A segment that snoops treats the host's port as any other.
func addKernel(t *testing.T, n *lab.Lab, name, addr string, mtu int, cfg tap.Config, snoop bool) *kernel {
	t.Helper()
	return joinKernel(t, n, name, addr, cfg, lab.SwitchConfig{
		Subnet: netip.MustParsePrefix(addr).Masked(), BridgeConfig: link.BridgeConfig{NoSnooping: !snoop, MTU: mtu},
	})
}

// joinKernel is addKernel with all that can be said of the segment, whose MTU is
// that of the host.
func joinKernel(t *testing.T, n *lab.Lab, name, addr string, cfg tap.Config, seg lab.SwitchConfig) *kernel {
	t.Helper()
	k := newKernel(t, addr, seg.MTU, cfg)
	k.join(t, n, n.Switch(name, seg))
	return k
}

// newKernel makes a Linux host with an address.
func newKernel(t *testing.T, addr string, mtu int, cfg tap.Config) *kernel {
	t.Helper()
	p := netip.MustParsePrefix(addr)
	k := &kernel{Host: linuxlab.Host{Net: ns.New(t), Addr: p.Addr()}}
	cfg.Name = linuxlab.NIC
	k.IP(t, "tuntap", "add", "dev", cfg.Name, "mode", "tap")
	if p.Addr().Is4() {
		k.IP(t, "address", "add", addr, "broadcast", "+", "dev", cfg.Name)
	} else {
		k.IP(t, "address", "add", addr, "nodad", "dev", cfg.Name)
		k.sysctl6(t, "accept_dad", 0)
		k.sysctl6(t, "router_solicitations", 0)
	}
	k.IP(t, "link", "set", cfg.Name, "mtu", fmt.Sprint(mtu), "up")
	if p.Addr().Is4() {
		k.IP(t, "route", "add", "224.0.0.0/4", "dev", cfg.Name)
	}
	if err := k.Do(func() (err error) { k.dev, err = tap.Open(cfg); return err }); err != nil {
		t.Fatal(err)
	}
	// Until the kernel has noticed the carrier it loses what it sends.
	ns.Poll(t, patience, func() (bool, string) {
		state := k.IP(t, "link", "show", "dev", cfg.Name)
		return strings.Contains(state, " state UP ") && !strings.Contains(state, "noop"), state
	})
	if p.Addr().Is6() {
		k.waitLocal6(t, "fe80:")
		k.waitLocal6(t, p.Addr().String()+" ")
	}
	return k
}

// join makes the host's TAP a port of a switch.
func (k *kernel) join(t *testing.T, n *lab.Lab, seg *lab.Switch, port ...link.PortConfig) {
	t.Helper()
	w, err := link.NewWire(n.World.Internal().Sched(), k.dev)
	if err != nil {
		t.Fatal(err)
	}
	n.OnClose(func() { w.Close() })
	k.seg = seg
	link.Join(seg.Bridge().AddPort(port...), w)
}

// counter returns one of the kernel's own counters, as "Udp:", "InErrors".
func (k *kernel) counter(t *testing.T, proto, name string) int {
	t.Helper()
	var text []byte
	if err := k.Do(func() (err error) { text, err = os.ReadFile("/proc/thread-self/net/snmp"); return err }); err != nil {
		t.Fatal(err)
	}
	var names []string
	for l := range strings.Lines(string(text)) {
		f := strings.Fields(l)
		if f[0] != proto {
			continue
		}
		for i := range names {
			if v, err := strconv.Atoi(f[i]); names[i] == name && err == nil {
				return v
			}
		}
		names = f
	}
	t.Fatalf("no counter %s %s in\n%s", proto, name, text)
	return 0
}

// wantCleanCounters checks that the kernel found nothing wrong with what it was sent.
func (k *kernel) wantCleanCounters(t *testing.T) {
	t.Helper()
	for _, c := range [][2]string{{"Udp:", "InCsumErrors"}, {"Udp:", "RcvbufErrors"}, {"Icmp:", "InCsumErrors"}, {"Ip:", "InHdrErrors"}, {"Ip:", "ReasmFails"}} {
		if got := k.counter(t, c[0], c[1]); got != 0 {
			t.Errorf("the kernel counts %s %s %d", c[0], c[1], got)
		}
	}
	s := k.dev.Stats()
	s.RxFrames, s.TxFrames = 0, 0
	if s != (tap.Stats{}) {
		t.Errorf("the TAP lost frames: %+v", s)
	}
}

// neighbor returns what the kernel knows of an address: "<MAC> <state>".
func (k *kernel) neighbor(t *testing.T, a netip.Addr) string {
	t.Helper()
	f := strings.Fields(k.IP(t, "neighbour", "show", a.String(), "dev", linuxlab.NIC))
	for i, w := range f {
		if w == "lladdr" && i+1 < len(f) {
			return f[i+1] + " " + f[len(f)-1]
		}
	}
	return strings.Join(f, " ")
}

// rawICMP opens a raw ICMP socket of the kernel. One that may not fragment
// ignores what the kernel believes of the path.
func (k *kernel) rawICMP(t *testing.T, ttl int, df bool) net.PacketConn {
	t.Helper()
	var c *net.IPConn
	err := k.Do(func() (err error) {
		c, err = net.ListenIP("ip4:icmp", &net.IPAddr{IP: k.Addr.AsSlice()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	setIP(t, c, unix.IP_TTL, ttl)
	setIP(t, c, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	if df {
		setIP(t, c, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}
	return c
}

// setIP sets an option of a kernel socket.
func setIP(t *testing.T, c syscall.Conn, opt, value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, opt, value) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// echoID tells our echo requests from everybody else's.
const echoID = 0x7669

func echoRequest(seq, size int) []byte {
	m := make([]byte, 8+size)
	for i := range size {
		m[8+i] = byte(i * 7)
	}
	wire.PutICMP4(m, 8, 0, echoID<<16|uint32(seq), size)
	return m
}

// echo sends an echo request with size bytes of data, from anybody's raw socket,
// and returns what ICMP says to it, and who: the reply, or an error that quotes
// the request. Replies must repeat the data.
func echo(t *testing.T, c net.PacketConn, to netip.Addr, seq, size int) (wire.ICMP4, netip.Addr) {
	t.Helper()
	request := echoRequest(seq, size)
	if _, err := c.WriteTo(request, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		t.Fatalf("echo request of %d bytes to %v: %v", size, to, err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			t.Fatalf("echo request %d of %d bytes to %v: %v", seq, size, to, err)
		}
		m, fault := wire.ParseICMP4(b[:n])
		if fault != wire.OK || wire.Checksum(m) != 0 {
			t.Fatalf("from %v: % x (%v)", from, b[:n], fault)
		}
		who, _ := netip.AddrFromSlice(from.(*net.IPAddr).IP)
		who = who.Unmap()
		switch {
		case m.Type() == 0 && m.Rest() == echoID<<16|uint32(seq):
			if !bytes.Equal(m[4:], request[4:]) {
				t.Errorf("the reply of %v to %d bytes has %d others", who, size, n-8)
			}
			return m, who
		case m.Type() == 3 || m.Type() == 11: // RFC 792: the header and at least 64 bits are quoted
			if q := m.Payload(); len(q) >= 28 && bytes.Equal(q[20:28], request[:8]) {
				return m, who
			}
		}
	}
}

// wantReply checks that the answer to an echo request is a reply of who was asked.
func wantReply(t *testing.T, c net.PacketConn, to netip.Addr, seq, size int) {
	t.Helper()
	if m, from := echo(t, c, to, seq, size); m.Type() != 0 || from != to {
		t.Errorf("echo request of %d bytes to %v: type %d code %d of %v", size, to, m.Type(), m.Code(), from)
	}
}

// eachOffload runs f in namespaces of its own, once with checksums and
// super-segments left to the device and once without.
func eachOffload(t *testing.T, f func(t *testing.T, cfg tap.Config)) {
	for name, cfg := range map[string]tap.Config{"offload": {}, "plain": {NoOffload: true}} {
		t.Run(name, func(t *testing.T) {
			ns.Run(t, func(t *testing.T) {
				ns.NeedTUN(t)
				f(t, cfg)
			})
		})
	}
}

// pair makes a host of ours and a Linux host on one segment, and returns them
// with our address. Where record is not nil our link is recorded there.
func pair(t *testing.T, cfg tap.Config, record io.Writer) (*lab.Lab, *kernel, *lab.Node) {
	t.Helper()
	n := lab.New(t)
	if record != nil {
		n.CaptureAll(record)
	}
	k := addKernel(t, n, "wire", kernelAddr+"/24", 1500, cfg, false)
	h := n.Host("h")
	n.Link(h, k.seg, lab.LinkConfig{A: netip.MustParsePrefix(ourAddr + "/24")})
	return n, k, h
}

// TestKernelHost is a host of ours that deals with the Linux kernel.
func TestKernelHost(t *testing.T) {
	eachOffload(t, func(t *testing.T, cfg tap.Config) {
		_, k, h := pair(t, cfg, nil)
		hostCases(t, k, h)
		t.Run("address resolution", func(t *testing.T) { kernelNeighbor(t, k, h) })
		k.wantCleanCounters(t)
	})
}

func hostCases(t *testing.T, k *kernel, h *lab.Node) {
	t.Run("kernel pings us", func(t *testing.T) {
		c := k.rawICMP(t, 64, false)
		for seq, size := range []int{0, 56, 1472, 1473, 3000, 20000} {
			wantReply(t, c, h.Addr(), seq, size)
		}
	})
	t.Run("we ping the kernel", func(t *testing.T) {
		c, err := h.ListenPacket("ip4:icmp", "0.0.0.0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for seq, size := range []int{0, 56, 1472, 1473, 3000, 8000} {
			wantReply(t, c, k.Addr, seq, size)
		}
	})
	t.Run("UDP", func(t *testing.T) { kernelUDP(t, k, h) })
	t.Run("port unreachable", func(t *testing.T) { kernelUnreachable(t, k, h) })
}

// udpSizes are those of one frame, of just more than one, and the longest.
var udpSizes = [...]int{0, 1, 1472, 1473, 4000, 65507}

func kernelUDP(t *testing.T, k *kernel, h *lab.Node) {
	if err := h.SetSysctl("net.inet.udp.maxdgram", 65507); err != nil {
		t.Fatal(err)
	}
	ours, err := h.ListenUDP("udp4", &net.UDPAddr{IP: h.Addr().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := ours.SetReadBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	var theirs *net.UDPConn
	if err := k.Do(func() (err error) {
		theirs, err = net.ListenUDP("udp4", &net.UDPAddr{IP: k.Addr.AsSlice()})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	for _, size := range udpSizes {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(i*31 + size)
		}
		deliver(t, "to the kernel", ours, theirs, payload)
		deliver(t, "to us", theirs, ours, payload)
	}
}

func deliver(t *testing.T, way string, from, to net.PacketConn, payload []byte) {
	t.Helper()
	if n, err := from.WriteTo(payload, to.LocalAddr()); n != len(payload) || err != nil {
		t.Errorf("%s, %d bytes: %d sent, %v", way, len(payload), n, err)
		return
	}
	to.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	n, peer, err := to.ReadFrom(b)
	if err != nil || peer.String() != from.LocalAddr().String() || !bytes.Equal(b[:n], payload) {
		t.Errorf("%s, %d bytes: %d from %v, %v", way, len(payload), n, peer, err)
	}
}

// kernelUnreachable sends to ports nobody listens on: a connected socket hears
// of it (RFC 1122 §4.1.3.3).
func kernelUnreachable(t *testing.T, k *kernel, h *lab.Node) {
	const closed = 9
	ours, err := h.Dial("udp4", netip.AddrPortFrom(k.Addr, closed).String())
	if err != nil {
		t.Fatal(err)
	}
	var theirs net.Conn
	err = k.Do(func() (err error) {
		theirs, err = net.Dial("udp4", netip.AddrPortFrom(h.Addr(), closed).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for whose, c := range map[string]net.Conn{"ours": ours, "the kernel's": theirs} {
		defer c.Close()
		if _, err := c.Write([]byte("anybody?")); err != nil {
			t.Errorf("%s: %v", whose, err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 10)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s reads %d bytes, %v, want ECONNREFUSED", whose, n, err)
		}
	}
}

// kernelNeighbor looks at the kernel's entry for us, and changes our hardware
// address: our announcement (RFC 5227 §2.3) must correct the entry.
func kernelNeighbor(t *testing.T, k *kernel, h *lab.Node) {
	c := k.rawICMP(t, 64, false)
	wantReply(t, c, h.Addr(), 1, 8)
	// The kernel's entry is ours to correct, and ours the kernel's (RFC 826).
	k.IP(t, "link", "set", linuxlab.NIC, "address", "02:00:00:77:00:01")
	wantReply(t, c, h.Addr(), 3, 8)
	before := h.Eth(0).Net().HardwareAddr.String()
	if got := k.neighbor(t, h.Addr()); !strings.HasPrefix(got, before+" ") {
		t.Errorf("the kernel has %q for us, want %s", got, before)
	}
	if err := h.Eth(0).Remove(); err != nil {
		t.Fatal(err)
	}
	after := net.HardwareAddr{2, 0, 0, 0x77, 0, 2}
	ifi, err := h.AddInterface("new", vimage.InterfaceConfig{Port: k.seg.Bridge().AddPort(), MAC: after})
	if err != nil {
		t.Fatal(err)
	}
	if err := ifi.AddAddr(netip.PrefixFrom(h.Addr(), 24)); err != nil {
		t.Fatal(err)
	}
	ns.Poll(t, patience, func() (bool, string) {
		got := k.neighbor(t, h.Addr())
		return strings.HasPrefix(got, after.String()+" "), "the kernel has " + got
	})
	wantReply(t, c, h.Addr(), 2, 8)
}
