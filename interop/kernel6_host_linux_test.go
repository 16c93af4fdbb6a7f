package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
)

// TestKernel6Host is a host of ours that deals with the Linux kernel over IPv6.
func TestKernel6Host(t *testing.T) {
	eachOffload(t, func(t *testing.T, cfg tap.Config) {
		n := lab.New(t)
		rec := record6(t, n, "h-wire")
		k := kernel6(t, n, "wire", kernelAddr6+"/64", 1500, cfg, nil)
		h := n.Host("h")
		n.Link(h, k.seg, lab.LinkConfig{A: netip.MustParsePrefix(ourAddr6 + "/64")})
		zone := fmt.Sprint(k.index(t))
		ours := ourLinkLocal(h, 0)

		t.Run("kernel pings us", func(t *testing.T) {
			c := k.raw6(t, k.Addr, 64, false)
			for seq, size := range []int{0, 56, 1452, 1453, 3000, 20000} {
				wantReply6(t, c, h.Addr(), seq, size)
			}
			c = k.raw6(t, k.linkLocal(t), 64, false)
			for seq, size := range []int{56, 3000} {
				wantReply6(t, c, ours.WithZone(zone), seq, size)
			}
		})
		t.Run("we ping the kernel", func(t *testing.T) {
			c, err := h.ListenPacket("ip6:ipv6-icmp", "::")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for seq, size := range []int{0, 56, 1452, 1453, 3000, 8000} {
				wantReply6(t, c, k.Addr, seq, size)
				wantReply6(t, c, k.linkLocal(t).WithZone(h.Eth(0).Name()), 100+seq, size)
			}
		})
		t.Run("UDP", func(t *testing.T) {
			if err := h.SetSysctl("net.inet.udp.maxdgram", 65507); err != nil {
				t.Fatal(err)
			}
			udp6(t, k, h, k.Addr, h.Addr())
			udp6(t, k, h, k.linkLocal(t), ours.WithZone(h.Eth(0).Name()))
		})
		t.Run("port unreachable", func(t *testing.T) { unreachable6(t, k, h) })
		t.Run("TCP", func(t *testing.T) { tcp6(t, k, h) })
		t.Run("ndisc6", func(t *testing.T) { askNeighbor(t, k, h) })
		k.wantClean6(t)
		rec.end(t, "no port")
		wantSeen6(t, rec.file("h-wire"))
	})
}

// wantSeen6 checks that a recording shows what TestKernel6Host does.
func wantSeen6(t *testing.T, file string) {
	t.Helper()
	const good = "1"
	seen := map[string]int{}
	for _, l := range tshark(t, file, "ipv6", "icmpv6.type", "icmpv6.checksum.status", "udp.checksum.status", "ipv6.reassembled.length") {
		f := strings.Split(l, ";")
		if f[1] == good {
			seen["ICMPv6 of type "+f[0]]++
		}
		if f[2] == good {
			seen["UDP"]++
		}
		if f[3] != "" {
			seen["reassembled"]++
		}
	}
	for what, least := range map[string]int{
		"ICMPv6 of type 1": 2, "ICMPv6 of type 128": 20, "ICMPv6 of type 129": 20, "ICMPv6 of type 135": 3, "ICMPv6 of type 136": 3,
		"ICMPv6 of type 143": 1, "UDP": 4 * len(sizes6), "reassembled": 16,
	} {
		if seen[what] < least {
			t.Errorf("%d packets %s, want %d or more: %v", seen[what], what, least, seen)
		}
	}
}

// asked is an address as the other end has to write it: with the number or the
// name of its own interface, if it is link-local.
func asked(a netip.Addr, zone string) netip.Addr {
	if a.IsLinkLocalUnicast() {
		return a.WithZone(zone)
	}
	return a
}

// sizes6 are those of one frame, of just more than one, and one of many.
var sizes6 = [...]int{0, 1, 1452, 1453, 4000, 65507}

// udp6 sends datagrams both ways between two addresses.
func udp6(t *testing.T, k *kernel, h *lab.Node, theirAddr, ourAddr netip.Addr) {
	t.Helper()
	ours, err := h.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ourAddr, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := ours.SetReadBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	var theirs *net.UDPConn
	if err := k.Do(func() (err error) {
		theirs, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(theirAddr, 0)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	at := func(c net.PacketConn, zone string) netip.AddrPort {
		a := c.LocalAddr().(*net.UDPAddr).AddrPort()
		return netip.AddrPortFrom(asked(a.Addr(), zone), a.Port())
	}
	seenByThem, seenByUs := at(ours, theirAddr.Zone()), at(theirs, h.Eth(0).Name())
	b := make([]byte, 1<<16)
	for _, size := range sizes6 {
		payload := pattern(size)
		if n, err := theirs.WriteToUDPAddrPort(payload, seenByThem); n != size || err != nil {
			t.Fatalf("the kernel sends %d of %d bytes, %v", n, size, err)
		}
		ours.SetReadDeadline(time.Now().Add(patience))
		if n, from, err := ours.ReadFromUDPAddrPort(b); err != nil || from != seenByUs || !bytes.Equal(b[:n], payload) {
			t.Errorf("to us, %d bytes: %d from %v, %v, want %v", size, n, from, err, seenByUs)
		}
		if n, err := ours.WriteToUDPAddrPort(payload, seenByUs); n != size || err != nil {
			t.Fatalf("we send %d of %d bytes, %v", n, size, err)
		}
		theirs.SetReadDeadline(time.Now().Add(patience))
		n, from, err := theirs.ReadFromUDPAddrPort(b)
		if err != nil || from.Addr().WithZone("") != seenByThem.Addr().WithZone("") || from.Port() != seenByThem.Port() || !bytes.Equal(b[:n], payload) {
			t.Errorf("to the kernel, %d bytes: %d from %v, %v, want %v", size, n, from, err, seenByThem)
		}
	}
}

// unreachable6 is kernelUnreachable with IPv6 (RFC 4443 §3.1, code 4).
func unreachable6(t *testing.T, k *kernel, h *lab.Node) {
	const closed = 9
	ours, err := h.Dial("udp6", netip.AddrPortFrom(k.Addr, closed).String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	var theirs net.Conn
	err = k.Do(func() (err error) {
		theirs, err = net.Dial("udp6", netip.AddrPortFrom(h.Addr(), closed).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	for whose, c := range map[string]net.Conn{"ours": ours, "the kernel's": theirs} {
		if _, err := c.Write([]byte("anybody?")); err != nil {
			t.Errorf("%s: %v", whose, err)
		}
		wantRead(t, whose, c, syscall.ECONNREFUSED)
	}
}

// wantRead checks that the next read gives an error.
func wantRead(t *testing.T, whose string, c net.Conn, want syscall.Errno) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 10)); !errors.Is(err, want) {
		t.Errorf("%s reads %d bytes, %v, want %v", whose, n, err, want)
	}
}

// tcp6 sends streams both ways, between global addresses and link-local ones.
func tcp6(t *testing.T, k *kernel, h *lab.Node) {
	local := *k
	local.Addr = k.linkLocal(t)
	bound := ourEnd{h, ourLinkLocal(h, 0).WithZone(h.Eth(0).Name())}
	for _, pair := range [...][2]tcpEnd{{ourEnd{Node: h}, linuxEnd{k}}, {bound, linuxEnd{&local}}} {
		bulkTCP(t, pair[0], pair[1], 1<<20)
		bulkTCP(t, pair[1], pair[0], 1<<20)
		refusedTCP(t, pair[0], pair[1])
		refusedTCP(t, pair[1], pair[0])
	}
}

// askNeighbor has ndisc6 ask for our addresses.
func askNeighbor(t *testing.T, k *kernel, h *lab.Node) {
	need(t, "ndisc6")
	mac := strings.ToUpper(h.Eth(0).Net().HardwareAddr.String())
	for _, a := range []netip.Addr{h.Addr(), ourLinkLocal(h, 0)} {
		if got := string(k.program(t, "ndisc6", "-q", "-1", a.String(), linuxlab.NIC)); strings.TrimSpace(got) != mac {
			t.Errorf("ndisc6 has %q for %v, want %s", got, a, mac)
		}
	}
}
