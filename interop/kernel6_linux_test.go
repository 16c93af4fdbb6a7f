package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
	"golang.org/x/sys/unix"
)

// sysctl6 sets a variable of IPv6 on the host's one interface.
func (k *kernel) sysctl6(t *testing.T, name string, value int) {
	t.Helper()
	k.Sysctl(t, "net/ipv6/conf/"+linuxlab.NIC+"/"+name, value)
}

// forward6 makes a router of the host.
func (k *kernel) forward6(t *testing.T) {
	t.Helper()
	k.Sysctl(t, "net/ipv6/conf/all/forwarding", 1)
}

// kernel6 is addKernel for a host with an IPv6 address, which nobody is asked
// for. A host that is to be on the segment of another is joined to that.
func kernel6(t *testing.T, n *lab.Lab, name, addr string, mtu int, cfg tap.Config, on *kernel) *kernel {
	t.Helper()
	c := lab.SwitchConfig{BridgeConfig: link.BridgeConfig{NoSnooping: true, MTU: mtu}}
	if on == nil {
		return joinKernel(t, n, name, addr, cfg, c)
	}
	c.Within = on.seg
	k := joinKernel(t, n, name, addr, cfg, c)
	n.Link(k.seg, on.seg)
	return k
}

// waitLocal6 waits until the kernel receives packets to an address that begins like
// this: a while after it was added.
func (k *kernel) waitLocal6(t *testing.T, addr string) {
	t.Helper()
	ns.Poll(t, patience, func() (bool, string) {
		all := k.IP(t, "-6", "route", "show", "table", "local")
		return strings.Contains(all, "local "+addr), all
	})
}

// address6 gives one of the host's interfaces, which is up, another address.
func (k *kernel) address6(t *testing.T, addr, dev string) {
	t.Helper()
	k.IP(t, "address", "add", addr, "dev", dev, "nodad")
	k.waitLocal6(t, netip.MustParsePrefix(addr).Addr().String()+" ")
}

// index is the number of the host's one interface: as a zone it means the same
// in every namespace, while package net remembers one number for a name.
func (k *kernel) index(t *testing.T) (n int) {
	t.Helper()
	err := k.Do(func() error {
		text, err := os.ReadFile("/sys/class/net/" + linuxlab.NIC + "/ifindex")
		if err != nil {
			i, err2 := net.InterfaceByName(linuxlab.NIC)
			if err2 != nil {
				return err2
			}
			n = i.Index
			return nil
		}
		n, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// linkLocal is the host's link-local address, with the number of its interface as
// the zone.
func (k *kernel) linkLocal(t *testing.T) netip.Addr {
	t.Helper()
	f := strings.Fields(k.IP(t, "-o", "-6", "address", "show", "dev", linuxlab.NIC, "scope", "link"))
	if len(f) < 4 {
		t.Fatalf("no link-local address: %q", f)
	}
	return netip.MustParsePrefix(f[3]).Addr().WithZone(strconv.Itoa(k.index(t)))
}

// counter6 returns one of the kernel's own counters of IPv6.
func (k *kernel) counter6(t *testing.T, name string) int {
	t.Helper()
	var text []byte
	if err := k.Do(func() (err error) { text, err = os.ReadFile("/proc/thread-self/net/snmp6"); return err }); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if f := strings.Fields(l); f[0] == name {
			v, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no counter %s in\n%s", name, text)
	return 0
}

// wantClean6 checks that the kernel found nothing wrong with what it was sent.
func (k *kernel) wantClean6(t *testing.T) {
	t.Helper()
	for _, c := range [...]string{"Udp6InCsumErrors", "Udp6RcvbufErrors", "Icmp6InCsumErrors", "Ip6InHdrErrors", "Ip6ReasmFails", "Ip6InTruncatedPkts"} {
		if got := k.counter6(t, c); got != 0 {
			t.Errorf("the kernel counts %s %d", c, got)
		}
	}
	s := k.dev.Stats()
	s.RxFrames, s.TxFrames = 0, 0
	if s != (tap.Stats{}) {
		t.Errorf("the TAP lost frames: %+v", s)
	}
}

// raw6 opens a raw ICMPv6 socket of the kernel. One that is whole sends no
// fragments and ignores what the kernel believes of the path.
func (k *kernel) raw6(t *testing.T, from netip.Addr, hops int, whole bool) net.PacketConn {
	t.Helper()
	var c *net.IPConn
	err := k.Do(func() (err error) {
		c, err = net.ListenIP("ip6:ipv6-icmp", &net.IPAddr{IP: from.AsSlice(), Zone: from.Zone()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	setIP6(t, c, unix.IPV6_UNICAST_HOPS, hops)
	if whole {
		setIP6(t, c, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		setIP6(t, c, unix.IPV6_DONTFRAG, 1)
	}
	return c
}

// setIP6 sets an option of a kernel socket.
func setIP6(t *testing.T, c syscall.Conn, opt, value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, opt, value) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// echo6 is echo with ICMPv6. The kernel completes checksums of raw sockets, and
// so do we (RFC 3542 §3.1).
func echo6(t *testing.T, c net.PacketConn, to netip.Addr, seq, size int) (wire.ICMP6, netip.Addr) {
	t.Helper()
	request := echoRequest(seq, size)
	request[0], request[2], request[3] = wire.ICMP6EchoRequest, 0, 0
	if _, err := c.WriteTo(request, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}); err != nil {
		t.Fatalf("echo request of %d bytes to %v: %v", size, to, err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			t.Fatalf("echo request %d of %d bytes to %v: %v", seq, size, to, err)
		}
		m, fault := wire.ParseICMP6(b[:n])
		if fault != wire.OK {
			t.Fatalf("from %v: % x (%v)", from, b[:n], fault)
		}
		who, _ := netip.AddrFromSlice(from.(*net.IPAddr).IP)
		switch {
		case m.Type() == wire.ICMP6EchoReply && bytes.Equal(m[4:8], request[4:8]):
			if !bytes.Equal(m[4:], request[4:]) {
				t.Errorf("the reply of %v to %d bytes has %d others", who, size, n-8)
			}
			return m, who
		case m.Type() < 128: // an error quotes as much as fits (RFC 4443 §2.4 (c))
			if q := m[8:]; len(q) >= 56 && bytes.Contains(q, request[4:8]) {
				return m, who
			}
		}
	}
}

// wantReply6 checks that the answer to an echo request is a reply of who was asked.
func wantReply6(t *testing.T, c net.PacketConn, to netip.Addr, seq, size int) {
	t.Helper()
	if m, from := echo6(t, c, to, seq, size); m.Type() != wire.ICMP6EchoReply || from != to.WithZone("") {
		t.Errorf("echo request of %d bytes to %v: type %d code %d of %v", size, to, m.Type(), m.Code(), from)
	}
}

// conf returns the configuration of a node's interface.
func conf(h *lab.Node, i int) ifnet.Info {
	index := uint32(h.Eth(i).Index())
	for c := range h.Internal().Interfaces() {
		if c.Index == index {
			return c
		}
	}
	return ifnet.Info{}
}

// ourLinkLocal is the link-local address of a node's interface.
func ourLinkLocal(h *lab.Node, i int) netip.Addr {
	for _, a := range h.Eth(i).Addrs() {
		if a.Addr().IsLinkLocalUnicast() {
			return a.Addr()
		}
	}
	return netip.Addr{}
}

// v6 looks at, or changes, what a node keeps for IPv6 on an interface.
func v6(t *testing.T, h *lab.Node, i int, f func(c *vnet.V6Call)) {
	t.Helper()
	st := h.Internal()
	st.Lock()
	defer st.Unlock()
	if e := st.IPv6(uint32(h.Eth(i).Index()), func(c *vnet.V6Call) syscall.Errno { f(c); return 0 }); e != 0 {
		t.Fatal(e)
	}
}

// ready waits until the addresses of a node's interface may be used.
func ready(t *testing.T, h *lab.Node, i int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.Eth(i).WaitReady(ctx); err != nil {
		t.Fatalf("%v: %+v", err, h.Eth(i).Addresses())
	}
}

// autoconf lets a node's interface configure itself.
func autoconf(t *testing.T, h *lab.Node, i int, c *vimage.AutoconfConfig) {
	t.Helper()
	if err := h.Eth(i).SetAutoconf(c); err != nil {
		t.Fatal(err)
	}
}

// route6 adds a route to a node, through a gateway on the i-th interface.
func route6(t *testing.T, h *lab.Node, dst, gateway string, i int) {
	t.Helper()
	r := vimage.Route{Dst: netip.MustParsePrefix(dst), Gateway: netip.MustParseAddr(gateway)}
	if r.Gateway.IsLinkLocalUnicast() {
		r.Interface = h.Eth(i).Name()
	}
	if err := h.AddRoute(r); err != nil {
		t.Fatal(err)
	}
}

// recording6 is what was recorded of some links of a lab, each in a file of its
// own.
type recording6 struct {
	lab   *lab.Lab
	dir   string
	links []string
}

// record6 records links that are about to be made.
func record6(t *testing.T, n *lab.Lab, links ...string) *recording6 {
	t.Helper()
	need(t, "tshark")
	r := &recording6{n, t.TempDir(), links}
	for _, l := range links {
		f, err := os.Create(r.file(l))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		n.CaptureLink(l, f)
	}
	return r
}

func (r *recording6) file(link string) string { return filepath.Join(r.dir, link+".pcapng") }

// end ends the recording and has Wireshark look for anything wrong. Packets that
// a stack of ours lost must have been lost for one of the reasons.
func (r *recording6) end(t *testing.T, reasons ...string) {
	t.Helper()
	r.lab.World.Settle()
	if err := r.lab.EndCapture(); err != nil {
		t.Fatal(err)
	}
	for _, l := range r.links {
		wantNoFault6(t, r.file(l), reasons)
	}
}

// wantNoFault6 is the rule for a capture: nothing malformed, no bad checksum, no
// expert's warning. What an error quotes was never on a wire: its checksum may be
// unfinished, as Linux leaves it. That an echo request has no reply is not wrong
// where it has an error for one. What is said of TCP is compared elsewhere with
// what is said of Linux.
func wantNoFault6(t *testing.T, file string, reasons []string) {
	t.Helper()
	const quotes = `(icmpv6.type < 128 || icmpv6.type == 137)`
	wrong := `_ws.malformed || icmpv6.checksum.status == "Bad"` +
		` || ((udp.checksum.status == "Bad" || tcp.checksum.status == "Bad" || _ws.expert.severity >= "Warning") && !` +
		quotes + ` && !icmpv6.resp_not_found && !tcp)`
	lost := `frame.comment`
	for _, r := range reasons {
		lost += fmt.Sprintf(` && frame.comment != "drop: %s"`, r)
	}
	if got := tshark(t, file, `(`+wrong+`) && !frame.comment || (`+lost+`)`); len(got) != 0 {
		t.Errorf("Wireshark finds fault with %d packets, the first:\n%s", len(got), strings.Join(got[:min(5, len(got))], "\n"))
	}
}
