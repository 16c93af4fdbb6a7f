package interop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
	"golang.org/x/sys/unix"
)

// Addresses around our router. The link on the right takes packets of smallMTU.
const (
	leftAddr    = "10.77.0.1"
	leftRouter  = "10.77.0.254"
	rightAddr   = "10.78.0.1"
	rightRouter = "10.78.0.254"
	nobodyAddr  = "10.78.0.99"
	smallMTU    = 1000
)

// TestKernelRouter is a router of ours between two Linux hosts.
func TestKernelRouter(t *testing.T) {
	eachOffload(t, func(t *testing.T, cfg tap.Config) {
		n := lab.New(t)
		left := addKernel(t, n, "left", leftAddr+"/24", 1500, cfg, false)
		right := addKernel(t, n, "right", rightAddr+"/24", smallMTU, cfg, false)
		r := n.Router("r")
		n.Link(r, left.seg, lab.LinkConfig{A: netip.MustParsePrefix(leftRouter + "/24")})
		n.Link(r, right.seg, lab.LinkConfig{A: netip.MustParsePrefix(rightRouter + "/24")})
		left.IP(t, "route", "add", "default", "via", leftRouter)
		right.IP(t, "route", "add", "default", "via", rightRouter)

		t.Run("echo", func(t *testing.T) {
			c := left.rawICMP(t, 64, false)
			for seq, size := range []int{0, 56, smallMTU - 28} {
				wantReply(t, c, right.Addr, seq, size)
			}
			if got := r.Counters()["ip.fragmented"]; got != 0 {
				t.Errorf("the router fragmented %d packets that fit", got)
			}
		})
		t.Run("fragments fragmented again", func(t *testing.T) {
			c := left.rawICMP(t, 64, false)
			for seq, size := range []int{smallMTU - 27, 1472, 3000} {
				wantReply(t, c, right.Addr, seq, size)
			}
			// One packet, one of full length, and of 3,000 bytes the two first fragments.
			if got := r.Counters()["ip.fragmented"]; got != 4 {
				t.Errorf("the router fragmented %d packets, want 4: %v", got, r.Counters())
			}
		})
		t.Run("UDP", func(t *testing.T) { acrossUDP(t, left, right) })
		t.Run("errors", func(t *testing.T) { routerErrors(t, r, left) })
		left.wantCleanCounters(t)
		right.wantCleanCounters(t)
	})
}

func acrossUDP(t *testing.T, left, right *kernel) {
	var c [2]*net.UDPConn
	for i, k := range []*kernel{left, right} {
		err := k.Do(func() (err error) {
			c[i], err = net.ListenUDP("udp4", &net.UDPAddr{IP: k.Addr.AsSlice()})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c[i].Close()
		// Linux would discover the path's MTU, and lose a datagram in doing so.
		setIP(t, c[i], unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	}
	for _, size := range udpSizes {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(i*31 + size)
		}
		deliver(t, "to the right", c[0], c[1], payload)
		deliver(t, "to the left", c[1], c[0], payload)
	}
}

// routerErrors has our router say what the kernel did wrong.
func routerErrors(t *testing.T, r *lab.Node, left *kernel) {
	if err := r.SetSysctl("net.link.ether.inet.maxtries", 1); err != nil {
		t.Fatal(err)
	}

	c, once, whole := left.rawICMP(t, 64, false), left.rawICMP(t, 1, false), left.rawICMP(t, 64, true)
	// The first packet asks for the host; the second is told that there is none.
	if _, err := c.WriteTo(echoRequest(99, 8), &net.IPAddr{IP: net.ParseIP(nobodyAddr)}); err != nil {
		t.Fatal(err)
	}
	for i, e := range []struct {
		name      string
		from      net.PacketConn
		to        string
		size      int
		ttl       uint8
		typ, code uint8
		mtu       int
	}{
		{name: "TTL exceeded", from: once, to: rightAddr, size: 56, ttl: 1, typ: 11},
		{name: "no such host", from: c, to: nobodyAddr, size: 56, ttl: 64, typ: 3, code: 1},
		{name: "no route", from: c, to: "10.99.0.1", size: 56, ttl: 64, typ: 3, code: 1},
		{name: "fragmentation needed", from: whole, to: rightAddr, size: 1372, ttl: 64, typ: 3, code: 4, mtu: smallMTU},
	} {
		m, from := echo(t, e.from, netip.MustParseAddr(e.to), 100+i, e.size)
		if m.Type() != e.typ || m.Code() != e.code || m.MTU() != e.mtu || from.String() != leftRouter {
			t.Errorf("%s: type %d code %d MTU %d of %v, want %d %d %d of %s", e.name, m.Type(), m.Code(), m.MTU(), from, e.typ, e.code, e.mtu, leftRouter)
		}
		if q := wire.IPv4(m.Payload()); q.TTL() != e.ttl || wire.Checksum(q[:q.HeaderLen()]) != 0 {
			t.Errorf("%s: the packet is quoted with TTL %d, not as it was sent: % x", e.name, q.TTL(), q[:20])
		}
	}
	ns.Poll(t, patience, func() (bool, string) {
		route := left.IP(t, "route", "get", rightAddr)
		return strings.Contains(route, fmt.Sprintf("mtu %d ", smallMTU)), "the kernel believes: " + route
	})
	var u net.Conn
	if err := left.Do(func() (err error) { u, err = net.Dial("udp4", rightAddr+":9"); return err }); err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	setIP(t, u.(*net.UDPConn), unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	if _, err := u.Write(make([]byte, smallMTU-27)); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("a datagram that is too long for the path: %v, want EMSGSIZE", err)
	}
}
