package ctl_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

// TestSysctlsAllOrNone: of several settings the first ones are undone where a later one
// is refused, and the field says which that was.
func TestSysctlsAllOrNone(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		before := c.Revision()
		_, err := c.SetSysctls(t.Context(), "a",
			client.SysctlSetting{Name: "net.fibs", Value: 4},
			client.SysctlSetting{Name: "net.inet.ip.ttl", Value: 7},
			client.SysctlSetting{Name: "net.inet.ip.forwarding", Value: 5})
		var said *client.Error
		if !errors.As(err, &said) || said.Errno != "EINVAL" || len(said.Fields) != 1 || said.Fields[0].Field != "body.set[2]" {
			t.Fatalf("%#v", err)
		}
		for name, want := range map[string]int64{"net.fibs": 1, "net.inet.ip.ttl": 64, "net.inet.ip.forwarding": 0} {
			got, err := c.Sysctls(t.Context(), "a", "", name, false)
			if err != nil || len(got) != 1 || got[0].Value != want {
				t.Errorf("%s: %+v, %v; want %d", name, got, err, want)
			}
		}
		if c.Revision() != before {
			t.Errorf("revision %d after nothing has changed since %d", c.Revision(), before)
		}
		done, err := c.SetSysctls(t.Context(), "a", client.SysctlSetting{Name: "net.fibs", Value: 4}, client.SysctlSetting{Name: "net.inet.ip.ttl", Value: 7})
		if err != nil || !slices.Equal(done, []client.SysctlChange{{Name: "net.fibs", Old: 1, New: 4}, {Name: "net.inet.ip.ttl", Old: 64, New: 7}}) {
			t.Errorf("%+v, %v", done, err)
		}
	})
}

// TestProbesEndWithTheirClient: when whoever asked for a ping or a traceroute is gone, it
// ends, and its sockets and its process are gone too.
func TestProbesEndWithTheirClient(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		open := func() int {
			all, err := c.Sockets(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		for _, x := range []struct {
			name    string
			sockets int
			run     func(ctx context.Context, on func()) error
		}{
			{"ping", 1, func(ctx context.Context, on func()) error {
				return c.Ping(ctx, "a", "", client.PingRequest{Host: "10.0.0.99"}, func(*client.PingEvent) bool { on(); return true })
			}},
			{"traceroute", 2, func(ctx context.Context, on func()) error {
				return c.Traceroute(ctx, "a", "", client.TracerouteRequest{Host: "10.0.0.99"}, func(*client.TracerouteEvent) bool { on(); return true })
			}},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			seen := 0
			err := x.run(ctx, func() {
				if seen++; seen == 1 {
					if n := open(); n != x.sockets {
						t.Errorf("%s: %d sockets while it runs, want %d", x.name, n, x.sockets)
					}
				}
			})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || seen == 0 {
				t.Errorf("%s: %v after %d events", x.name, err, seen)
			}
			synctest.Wait()
			if n := open(); n != 0 {
				t.Errorf("%s: %d sockets are left", x.name, n)
			}
		}
	})
}

// TestPingEndsWithItsJail: a ping in a jail that is removed says so.
func TestPingEndsWithItsJail(t *testing.T) {
	bubble(t, twoHosts, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		err := c.Ping(t.Context(), "a", "", client.PingRequest{Host: "b"}, func(e *client.PingEvent) bool {
			if e.Kind == "reply" {
				if err := l.Net.Lab.World.Root().Find("a").Remove(); err != nil {
					t.Error(err)
				}
			}
			return true
		})
		var said *client.Error
		if !errors.As(err, &said) {
			t.Errorf("%v", err)
		}
	})
}

// TestNeighborsByName: whoever asks for a neighbour by the name of a host gets the
// address in the subnet that both are in, of the family that is asked for.
func TestNeighborsByName(t *testing.T) {
	const file = "hosts: [a, b, c]\nlinks:\n" +
		"  - {between: [a, b], addrs: {a: 10.1.0.1/24, b: 10.1.0.2/24}}\n" +
		"  - {between: [b, c], addrs: {b: [10.2.0.2/24, \"2001:db8::2/64\"], c: [10.2.0.3/24, \"2001:db8::3/64\"]}}\n"
	bubble(t, file, func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		for _, x := range []struct {
			jail, want string
			six        bool
		}{{"a", "10.1.0.2", false}, {"c", "10.2.0.2", false}, {"c", "2001:db8::2", true}, {"a", "2001:db8::2", true}} {
			_, asked, err := c.Neighbors(t.Context(), x.jail, client.NeighborQuery{Address: "b", IPv6: x.six})
			if err != nil || asked.String() != x.want {
				t.Errorf("b from %s is %v, %v; want %s", x.jail, asked, err, x.want)
			}
		}
		_, _, err := c.Neighbors(t.Context(), "a", client.NeighborQuery{Address: "a", IPv6: true})
		if !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("an IPv6 address of a host without: %v", err)
		}
	})
}

// TestJailsListedAndAlone: a list of jails says of each what it says when it is asked for
// alone, parameters and whom it is in included.
func TestJailsListedAndAlone(t *testing.T) {
	bubble(t, "hosts:\n  a: {jail: {children.max: 2}, jails: {b: {ip4.addr: 127.0.0.1, ip4: new}}}\n", func(t *testing.T, l *ctltest.Lab, c *client.Client) {
		for _, params := range [][]string{nil, {"all"}, {"vnet", "jid"}} {
			all, err := c.Jails(t.Context(), &client.JailQuery{Params: params})
			if err != nil || len(all) != 2 || all[0].Parent != 0 || all[1].Parent != all[0].JID {
				t.Fatalf("%q: %+v, %v", params, all, err)
			}
			for _, j := range all {
				one, err := c.Jail(t.Context(), j.Name, params...)
				if err != nil || !reflect.DeepEqual(one, j) || len(params) > 0 && one.Parameters["jid"] == "" {
					t.Errorf("%q: listed %+v, alone %+v, %v", params, j, one, err)
				}
			}
		}
		for _, params := range [][]string{{"nonsense"}, {"all", "nonsense"}, {"nonsense", "all"}} {
			_, err := c.Jails(t.Context(), &client.JailQuery{Params: params})
			_, alone := c.Jail(t.Context(), "a", params...)
			if err == nil || fmt.Sprint(err) != fmt.Sprint(alone) {
				t.Errorf("%q: %v; alone %v", params, err, alone)
			}
		}
	})
}
