package ctl_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// TestSockets asks for what is open.
func TestSockets(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		ctx := t.Context()
		none, err := c.Sockets(ctx, "a")
		if err != nil || none == nil || len(none) != 0 {
			t.Errorf("a stack without sockets has %v, %v", none, err)
		}
		p, err := l.Net.Lab.World.Stack("a").ListenPacket("udp4", "10.0.0.1:53")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		all, err := c.Sockets(ctx, "a")
		want := client.Socket{Protocol: "udp", Number: 17, IPv4: true, Local: netip.MustParseAddrPort("10.0.0.1:53")}
		if err != nil || len(all) != 1 || all[0] != want {
			t.Errorf("%+v, %v; want %+v", all, err, want)
		}
		if _, err := c.Sockets(ctx, "c"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("of no jail: %v", err)
		}
	})
}

// TestGroups asks for memberships.
func TestGroups(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, _ *ctltest.Lab, c *client.Client) {
		all, err := c.Groups(t.Context(), "a", "eth0")
		if err != nil || len(all) != 1 || all[0].Protocol != "igmp" || all[0].Version != 3 || all[0].Address != netip.MustParseAddr("10.0.0.1") {
			t.Fatalf("%+v, %v", all, err)
		}
		g := all[0].Groups
		if len(g) != 1 || g[0].Group != netip.MustParseAddr("224.0.0.1") || g[0].Mode != "exclude" || g[0].Ether != "01:00:5e:00:00:01" {
			t.Errorf("%+v", g)
		}
		if _, err := c.Groups(t.Context(), "a", "eth7"); !errors.Is(err, syscall.ENXIO) {
			t.Errorf("of no interface: %v", err)
		}
	})
}

// TestStatistics asks for counters and makes them zero.
func TestStatistics(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		ctx := t.Context()
		out, err := l.Net.Lab.World.Stack("a").Dial("udp4", "10.0.0.2:9")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if _, err := out.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		n, err := c.Statistics(ctx, "a")
		if zero, ok := n["igmp.badsum"]; err != nil || n["udp.sent"] != 1 || !ok || zero != 0 {
			t.Errorf("%v, %v", n, err)
		}
		if err := c.ResetStatistics(ctx, "a", "udp"); err != nil {
			t.Error(err)
		}
		if n, _ := c.Statistics(ctx, "a"); n["udp.sent"] != 0 || n["ip.sent"] == 0 {
			t.Errorf("after those of udp were made zero: %v", n)
		}
		if err := c.ResetStatistics(ctx, "a", "xns"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("of no protocol: %v", err)
		}
		isr, err := c.Netisr(ctx, "b")
		if err != nil || isr.Dispatch != "direct" || len(isr.Workstreams) != 1 || isr.Workstreams[0].Handled == 0 {
			t.Errorf("%+v, %v", isr, err)
		}
	})
}

// TestRates counts what passes in each interval.
func TestRates(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		ctx := t.Context()
		r, err := c.Rates(ctx, "a", "eth0", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		in, err := l.Net.Lab.World.Stack("b").ListenPacket("udp4", ":9")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		out, err := l.Net.Lab.World.Stack("a").Dial("udp4", "10.0.0.2:9")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		for range 3 {
			if _, err := out.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		first, err := r.Next()
		if err != nil || first.OutPackets < 3 || first.OutBytes < 3*43 {
			t.Errorf("%+v, %v", first, err)
		}
		if second, err := r.Next(); err != nil || second != (client.Counters{}) {
			t.Errorf("when nothing was sent: %+v, %v", second, err)
		}
		if _, err := c.Rates(ctx, "a", "eth7", time.Second); !errors.Is(err, syscall.ENXIO) {
			t.Errorf("of no interface: %v", err)
		}
		if _, err := c.Rates(ctx, "a", "", 0); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("of no time: %v", err)
		}
	})
}
