package interop

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
)

// The network that the tunnels of these tests are.
const (
	innerKernel, innerOurs   = "10.99.0.1", "10.99.0.2"
	innerKernel6, innerOurs6 = "2001:db8:99::1", "2001:db8:99::2"
)

// TestKernelVXLAN has the kernel be the other end of a VXLAN network, found by its
// address or by a group, and Wireshark look at what is between them.
func TestKernelVXLAN(t *testing.T) {
	for _, tc := range []struct{ name, remote, theirs string }{
		{"unicast", kernelAddr, "remote " + ourAddr},
		{"group", "239.9.9.9", "group 239.9.9.9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachOffload(t, func(t *testing.T, cfg tap.Config) {
				file := filepath.Join(t.TempDir(), "capture.pcapng")
				f, err := os.Create(file)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				n, k, h := pair(t, cfg, f)
				args := fmt.Sprintf("link add vx0 type vxlan id 42 dstport 4789 local %s dev %s %s", kernelAddr, linuxlab.NIC, tc.theirs)
				k.IP(t, strings.Fields(args)...)
				k.Sysctl(t, "net/ipv6/conf/vx0/accept_dad", 0)
				for _, a := range []string{innerKernel + "/24", innerKernel6 + "/64"} {
					k.IP(t, "address", "add", a, "dev", "vx0")
				}
				k.IP(t, "link", "set", "vx0", "up")
				k.waitLocal6(t, innerKernel6+" ")
				c := vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 42, Local: netip.MustParseAddr(ourAddr), Remote: netip.MustParseAddr(tc.remote)}
				vx, err := h.AddTunnel("vxlan0", c, vimage.InterfaceConfig{Addrs: []netip.Prefix{netip.MustParsePrefix(innerOurs + "/24"), netip.MustParsePrefix(innerOurs6 + "/64")}})
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range [][2]string{{innerKernel, innerOurs}, {innerKernel6, innerOurs6}} {
					tunnelUDP(t, k, h, a[0], a[1])
					tunnelTCP(t, k, h, a[0])
				}
				k.wantCleanCounters(t)
				learned, err := vx.TunnelMACs()
				if err != nil || len(learned) != 1 || learned[0].Remote.String() != kernelAddr {
					t.Errorf("learned %v, %v", learned, err)
				}
				if !strings.Contains(k.IP(t, "neighbor", "show", "dev", "vx0"), vx.Net().HardwareAddr.String()) {
					t.Error("the kernel does not know us")
				}
				info, err := vx.Tunnel()
				if err != nil || info.Stats.Refused != 0 {
					t.Errorf("%+v, %v", info, err)
				}
				n.World.Settle()
				if err := n.EndCapture(); err != nil {
					t.Fatal(err)
				}
				wantTunnels(t, file, "vxlan.vni == 42", 100, "")
			})
		})
	}
}

// wantTunnels looks for packets that match a filter in a capture, and for anything
// that is wrong or matches another.
func wantTunnels(t *testing.T, file, filter string, least int, or string) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("tshark is not installed: nobody else looks at the packets")
		return
	}
	// VXLAN's source ports are dynamic ones: called data, they would hide it.
	options := []string{"-d", "udp.port==5000-49151,data", "-d", "tcp.port==5000-65535,data", "--disable-protocol", "eobi"}
	if got := tsharkWith(t, options, file, filter); len(got) < least {
		t.Errorf("%d packets match %q, want %d or more", len(got), filter, least)
	}
	// What Wireshark has to say of how TCP went on depends on how busy this machine is.
	wrong := `_ws.malformed || ip.checksum.status == "Bad" || udp.checksum.status == "Bad" || tcp.checksum.status == "Bad" || icmp.checksum.status == "Bad"` +
		` || icmpv6.checksum.status == "Bad" || (_ws.expert.severity >= "Warning" && !tcp)` + or
	if got := tsharkWith(t, options, file, wrong); len(got) != 0 {
		t.Errorf("Wireshark finds fault with %d packets, the first:\n%s", len(got), strings.Join(got[:min(5, len(got))], "\n"))
	}
}

// tunnelUDP sends datagrams between two addresses, also such as are cut inside the tunnel.
func tunnelUDP(t *testing.T, k *kernel, h *lab.Node, theirAddr, ourAddr string) {
	t.Helper()
	ours, err := h.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ourAddr)})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	var theirs *net.UDPConn
	if err := k.Do(func() (err error) {
		theirs, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(theirAddr)})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	for _, size := range []int{0, 1, 1402, 1403, 1422, 1423, 4000, 9000} {
		payload := bytes.Repeat([]byte{byte(size)}, size)
		deliver(t, "to the kernel", ours, theirs, payload)
		deliver(t, "to us", theirs, ours, payload)
	}
}

// tunnelTCP has the kernel send back what it is sent.
func tunnelTCP(t *testing.T, k *kernel, h *lab.Node, theirAddr string) {
	t.Helper()
	var l net.Listener
	if err := k.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(theirAddr, "0"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.Copy(c, c)
		c.Close()
	}()
	c, err := h.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(4 * patience))
	data := bytes.Repeat([]byte("0123456789abcde"), 20000)
	go func() {
		c.Write(data)
		c.(*vimage.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s: %d bytes come back, %v", theirAddr, len(got), err)
	}
}

// TestTunnelCapture has Wireshark look at tunnels of every kind between stacks of ours.
func TestTunnelCapture(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		ns.Missing(t, "tshark is not installed")
	}
	for _, tc := range []struct {
		filter string
		c      vimage.TunnelConfig
	}{
		{"ip.proto == 4 && udp", vimage.TunnelConfig{Kind: vimage.GIF}},
		{"ip.proto == 41 && ipv6", vimage.TunnelConfig{Kind: vimage.GIF}},
		{`gre.key == 7 && gre.sequence_number >= 1 && gre.checksum.status == "Good"`, vimage.TunnelConfig{Kind: vimage.GRE, HasKey: true, Key: 7, Checksum: true, Sequence: true}},
		{"gre.proto == 0x6558 && arp", vimage.TunnelConfig{Kind: vimage.GRETAP}},
		{"vxlan.vni == 7 && udp.dstport == 4789", vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 7}},
	} {
		for _, six := range []bool{false, true} {
			file := filepath.Join(t.TempDir(), "capture.pcapng")
			f, err := os.Create(file)
			if err != nil {
				t.Fatal(err)
			}
			tunnelPair(t, tc.c, six, f)
			f.Close()
			filter := tc.filter
			if six {
				filter = strings.ReplaceAll(filter, "ip.proto", "ipv6.nxt")
			}
			wantTunnels(t, file, filter, 1, "|| frame.comment")
		}
	}
}

// tunnelPair sends datagrams of both families through a tunnel and records its link.
func tunnelPair(t *testing.T, c vimage.TunnelConfig, six bool, f io.Writer) {
	t.Helper()
	n := lab.NewConfig(t, lab.Config{Simulated: true, Seed: 1})
	n.CaptureAll(f)
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, b, lab.LinkConfig{A: netip.MustParsePrefix("192.0.2.1/24"), B: netip.MustParsePrefix("192.0.2.2/24"), A6: []netip.Prefix{netip.MustParsePrefix("2001:db8::1/64")}, B6: []netip.Prefix{netip.MustParsePrefix("2001:db8::2/64")}})
	for i, h := range []*lab.Node{a, b} {
		outer := [2]string{"192.0.2.1", "192.0.2.2"}
		if six {
			outer = [2]string{"2001:db8::1", "2001:db8::2"}
		}
		c.Local, c.Remote = netip.MustParseAddr(outer[i]), netip.MustParseAddr(outer[1-i])
		addrs := []netip.Prefix{netip.MustParsePrefix([2]string{innerKernel, innerOurs}[i] + "/24"), netip.MustParsePrefix([2]string{innerKernel6, innerOurs6}[i] + "/64")}
		if _, err := h.AddTunnel("tun0", c, vimage.InterfaceConfig{Addrs: addrs}); err != nil {
			t.Fatal(err)
		}
	}
	for _, addr := range []string{innerOurs, innerOurs6} {
		to, err := b.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(addr), Port: 5000})
		if err != nil {
			t.Fatal(err)
		}
		from, err := a.DialUDP("udp", nil, to.LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{10, 1000, 1400, 3000} {
			from.Write(make([]byte, size))
			n.Run(time.Second)
			if m, _, ok, err := to.TryReadFrom(make([]byte, 4000)); !ok || m != size {
				t.Errorf("%v to %s, %d bytes: %d, %v", c.Kind, addr, size, m, err)
			}
		}
	}
	if err := n.EndCapture(); err != nil {
		t.Fatal(err)
	}
}
