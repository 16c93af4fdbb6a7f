package auto

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// The captures in testdata/linux show two Linux hosts at 02:00:00:00:00:0a and
// 02:00:00:00:00:0b; in the second one the first of them runs radvd.

// icmp is one ICMPv6 message of a capture.
type icmp struct {
	at clock.Time // since the capture's beginning
	ip wire.IPv6
}

// capture returns the ICMPv6 messages of one type in a little-endian microsecond
// pcap file.
func capture(t testing.TB, name string, typ uint8) (list []icmp) {
	t.Helper()
	b, err := os.ReadFile("testdata/linux/" + name + ".pcap")
	if err != nil {
		t.Fatal(err)
	}
	u32 := binary.LittleEndian.Uint32
	if u32(b) != 0xa1b2c3d4 {
		t.Fatal("unknown capture format")
	}
	var first clock.Time
	for b = b[24:]; len(b) > 0; {
		n := u32(b[8:])
		at := clock.Time(time.Duration(u32(b))*time.Second + time.Duration(u32(b[4:]))*time.Microsecond)
		if first == 0 {
			first = at
		}
		e, _ := wire.ParseEther(b[16 : 16+n])
		ip, fault := wire.ParseIPv6(e.Payload())
		if fault != wire.OK {
			t.Fatal(fault)
		}
		if ip.NextHeader() == wire.ProtoICMPv6 && ip.Payload()[0] == typ {
			list = append(list, icmp{at - first, ip})
		}
		b = b[16+n:]
	}
	return list
}

// TestLinuxSolicits compares our solicitation with Linux's, byte for byte, and
// when they were sent.
func TestLinuxSolicits(t *testing.T) {
	n := 0
	for _, name := range []string{"ndp_linkup_dad_mld_rs", "ndp_ra_radvd_slaac"} {
		for _, m := range capture(t, name, wire.ICMP6RouterSolicit) {
			d := newDriver(t)
			src := m.ip.Src().As16()
			d.host.Start(0, Link{MAC: wire.MAC{2, 0, 0, 0, 0, src[15]}, AcceptRA: true, LinkLocal: true, MTU: 1500})
			d.pull()
			d.host.Ready(0, m.ip.Src())
			d.now = clock.Time(time.Second)
			var o Out
			if !d.host.Next(d.now, &o) || o.Kind != SendRS || o.Src != m.ip.Src() {
				t.Fatalf("%s: %+v", name, o)
			}
			pull(&d.host, d.now)
			b := d.host.AppendSolicit(nil, &o)
			wire.ICMP6(b).SetChecksum(o.Src, m.ip.Dst())
			if !bytes.Equal(b, m.ip.Payload()) {
				t.Errorf("%s: %x, Linux's is %x", name, b, m.ip.Payload())
			}
			// Ours is four seconds later give or take a tenth, as Linux's.
			if wait := d.host.Deadline().Sub(d.now); wait < 3600*time.Millisecond || wait > 4400*time.Millisecond {
				t.Errorf("the next after %v", wait)
			}
			n++
		}
	}
	if n != 5 {
		t.Errorf("%d solicitations compared", n)
	}
	rs := capture(t, "ndp_linkup_dad_mld_rs", wire.ICMP6RouterSolicit)
	if wait := rs[2].at.Sub(rs[0].at); wait < 3600*time.Millisecond || wait > 4400*time.Millisecond {
		t.Errorf("Linux's next after %v", wait)
	}
}

// TestLinuxRadvd hears radvd's advertisements, the last of which is its
// farewell, and ends with the address that Linux formed.
func TestLinuxRadvd(t *testing.T) {
	d := newDriver(t)
	d.tun.MaxSolicits = 1
	d.host.Start(0, Link{MAC: wire.MAC{2, 0, 0, 0, 0, 0xb}, AcceptRA: true, LinkLocal: true, MTU: 1500, Transmits: 1})
	d.pull()
	ras := capture(t, "ndp_ra_radvd_slaac", wire.ICMP6RouterAdvert)
	if len(ras) != 5 {
		t.Fatalf("%d advertisements", len(ras))
	}
	for _, m := range ras {
		ra, fault := wire.ParseRouterAdvert(m.ip.Payload())
		if fault != wire.OK {
			t.Fatal(fault)
		}
		d.advance(m.at.Sub(d.now))
		msg := &Message{RA: ra, Src: m.ip.Src(), HopLimit: m.ip.HopLimit()}
		if v := d.host.Input(d.now, msg); v != Accepted {
			t.Fatal(v)
		}
		if !msg.HasLinkAddr || msg.LinkAddr != (wire.MAC{2, 0, 0, 0, 0, 0xa}) {
			t.Errorf("link address %v", msg.LinkAddr)
		}
		d.pull()
	}
	const want = `0s add address fe80::ff:fe00:b/64 link-local (forever, forever)
0s mtu 1400
0s hop limit 64
0s add address fd0a::ff:fe00:b/64 autoconf (1h0m0s, 2h0m0s)
0s add route ::/0 via fe80::ff:fe00:a pref 0 (12s)
0s add route fd0b::/48 via fe80::ff:fe00:a pref 0 (12s)
0s add route fd0a::/64 on-link (2h0m0s)
0s dns changed
240ms rs from ::
8.998s delete route ::/0 via fe80::ff:fe00:a pref 0 (0s)
8.998s delete route fd0b::/48 via fe80::ff:fe00:a pref 0 (0s)
8.998s dns changed
`
	if got := d.out.String(); got != want {
		t.Errorf("now it is\n%s", got)
	}
	if !contains(d.host.AppendAddresses(nil), addr("fd0a::ff:fe00:b")) {
		t.Error("not Linux's address")
	}
}

func contains(list []Address, ip netip.Addr) bool {
	for _, a := range list {
		if a.Prefix.Addr() == ip {
			return true
		}
	}
	return false
}
