package command

import (
	"bufio"
	"bytes"
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// TestRouteMonitor watches one table while others change, and ends when interrupted.
func TestRouteMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ctltest.Start(t, "hosts:\n  a: {fibs: 2}\n  b: {}\nlinks:\n  - {between: [a, b], subnet: 192.0.2.0/24}\n")
		defer l.Close()
		ctx, interrupt := context.WithCancel(t.Context())
		c := l.Client()
		var b bytes.Buffer
		e := &Env{Ctx: ctx, Out: bufio.NewWriter(&b), Err: &b, Open: func(string) (*client.Client, error) { return c, nil }}
		status := make(chan int)
		go func() { status <- Lookup("route").Main(e, strings.Fields("-j a monitor -fib 1")) }()
		synctest.Wait()
		for _, line := range []string{
			"route -j a add default 192.0.2.2", "route -j a add default 192.0.2.2 -fib 1", "route -j a change default 192.0.2.2 -mtu 1400 -fib 1",
			"route -j a add 10.0.0.1 -interface eth0 -fib 1", "ifconfig -j a eth0 192.0.2.7/24 alias", "ifconfig -j a eth0 192.0.2.7 -alias",
			"ifconfig -j a eth0 mtu 1400", "ifconfig -j a eth0 name wan", "route -j a delete default -fib 1", "ifconfig -j a wan destroy",
		} {
			run(t, l, line)
		}
		synctest.Wait()
		interrupt()
		if s := <-status; s != 0 {
			t.Errorf("exit %d", s)
		}
		c.Close()
		const golden = "testdata/route-monitor.golden"
		if *update {
			if err := os.WriteFile(golden, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("rewrite it with -update if that is right:\n%s", firstDifference(string(want), b.String()))
		}
	})
}

// TestParseFIBs reads lists of tables.
func TestParseFIBs(t *testing.T) {
	fibs := []client.FIB{{Number: 0}, {Number: 1, Name: "blue"}, {Number: 2}, {Number: 3, Name: "wide-1"}, {Number: 4}}
	for _, c := range []struct {
		list string
		want []int // nil: an error
	}{
		{"", []int{0}}, {"default", []int{0}}, {"all", []int{0, 1, 2, 3, 4}}, {"blue", []int{1}}, {"wide-1,blue", []int{1, 3}},
		{"0-3,4", []int{0, 1, 2, 3, 4}}, {"4,1-2,2", []int{1, 2, 4}},
		{"5", nil}, {"3-5", nil}, {"3-2", nil}, {"red", nil}, {"1,", nil}, {"-1", nil}, {"0-99999999", nil},
	} {
		if got, err := parseFIBs(c.list, fibs); !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%q: %v, %v; want %v", c.list, got, err, c.want)
		}
	}
}

// TestRouteDestinations reads destinations as BSD does.
func TestRouteDestinations(t *testing.T) {
	lookup := func(name, family string) (a netip.Addr, err error) {
		switch {
		case name == "web" && family != "inet6":
			return netip.MustParseAddr("192.0.2.80"), nil
		case name == "six" && family != "inet":
			return netip.MustParseAddr("2001:db8::80"), nil
		}
		return a, syscall.EADDRNOTAVAIL
	}
	for _, c := range []struct {
		args, want string // want: the prefix, and h for a host
	}{
		{"10.0.0.0 g", "10.0.0.0/8"}, {"10.0.0.1 g", "10.0.0.1/32 h"}, {"-net 10.0.0.1 g", "10.0.0.0/8"}, {"-host 10.0.0.0 g", "10.0.0.0/32 h"},
		{"172.16/12 g", "172.16.0.0/12"}, {"-net 172.16 g", "172.16.0.0/16"}, {"192.168.1.0 g", "192.168.1.0/24"}, {"192.168.1.0 g 255.255.255.128", "192.168.1.0/25"},
		{"192.168.1.0 g -netmask 255.255.0.0", "192.168.0.0/16"}, {"192.168.1.0 -prefixlen 30 g", "192.168.1.0/30"}, {"10.0.0.1/32 g", "10.0.0.1/32"},
		{"default g", "0.0.0.0/0"}, {"-6 default g", "::/0"}, {"default fe80::1%eth0", "::/0"}, {"2001:db8:: g6", "2001:db8::/64"},
		{"2001:db8::1 g6", "2001:db8::1/128 h"}, {"2001:db8::/32 g6", "2001:db8::/32"}, {"fe80:: -prefixlen 10 g6", "fe80::/10"},
		{"10.0.0.0/33 g", ""}, {"10.0.0 g", ""}, {"10.0.0.0 g 255.0.255.0", ""}, {"-6 10.0.0.0 g", ""}, {"host g", ""}, {"10/x g", ""}, {"10.0.0.0 gate", ""},
		{"web g", "192.0.2.80/32 h"}, {"-net web -prefixlen 24 g", ""}, {"six g6", "2001:db8::80/128 h"}, {"-6 web g6", ""}, {"-4 six g", ""},
		{"10.0.0.0 web", "10.0.0.0/8"}, {"default web", "0.0.0.0/0"}, {"default six", "::/0"}, {"web/32 g", ""},
	} {
		a := routeArgs{lookup: lookup}
		args := strings.Fields(strings.NewReplacer("g6", "2001:db8::9", " gate", " gate", " g", " 192.0.2.9").Replace(c.args))
		got := ""
		if err := a.parse(args); err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		if host, err := a.resolve(); err == nil {
			got = a.route.Dst.String()
			if host {
				got += " h"
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
	}
}
