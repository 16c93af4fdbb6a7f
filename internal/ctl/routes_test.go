package ctl_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/ctltest"
)

const threeTables = "hosts:\n  a: {fibs: 3}\n  b: {}\nlinks: [{between: [a, b]}]\n"

func routeLines(all []client.RouteEntry) (lines []string) {
	for _, r := range all {
		l := []string{strconv.Itoa(r.FIB), r.Dst.String(), r.Flags, r.Interface}
		if r.Gateway.IsValid() {
			l = append(l, r.Gateway.String())
		}
		lines = append(lines, strings.Join(l, " "))
	}
	return lines
}

// TestRoutes adds, changes, looks up, deletes and flushes routes.
func TestRoutes(t *testing.T) {
	bubble(t, threeTables, func(t *testing.T, _ *ctltest.Lab, c *client.Client) {
		ctx := t.Context()
		want := func(fib string, lines ...string) {
			t.Helper()
			all, err := c.Routes(ctx, "a", fib)
			all = slices.DeleteFunc(all, func(r client.RouteEntry) bool { return r.Interface == "lo0" || r.Dst.Addr().Is6() })
			if got := routeLines(all); err != nil || !slices.Equal(got, lines) {
				t.Errorf("table %s has %q, %v; want %q", fib, got, err, lines)
			}
		}
		must := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		r := client.Route{Dst: netip.MustParsePrefix("172.16.0.0/12"), Gateway: netip.MustParseAddr("10.0.0.2"), MTU: 1400}
		must(c.AddRoute(ctx, "a", "1", r))
		want("1", "1 10.0.0.0/24 U eth0", "1 172.16.0.0/12 UGS eth0 10.0.0.2")
		want("", "0 10.0.0.0/24 U eth0")
		want("all", "0 10.0.0.0/24 U eth0", "1 10.0.0.0/24 U eth0", "1 172.16.0.0/12 UGS eth0 10.0.0.2", "2 10.0.0.0/24 U eth0")
		if _, err := c.AddRoute(ctx, "a", "1", r); !errors.Is(err, syscall.EEXIST) {
			t.Errorf("added twice: %v", err)
		}
		if _, err := c.ChangeRoute(ctx, "a", "2", r); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("changed where there is none: %v", err)
		}
		got, err := c.GetRoute(ctx, "a", "1", netip.MustParseAddr("172.16.1.1"))
		if err != nil || got.Dst != r.Dst || got.MTU != 1400 || got.LinkMTU != 1500 || got.Index != 2 || got.FIB != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := c.GetRoute(ctx, "a", "2", netip.MustParseAddr("172.16.1.1")); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("found where there is none: %v", err)
		}
		r.MTU, r.Expire = 0, time.Minute
		must(c.ChangeRoute(ctx, "a", "1", r))
		if got, err := c.GetRoute(ctx, "a", "1", netip.MustParseAddr("172.16.1.1")); err != nil || got.Expire != time.Minute || got.MTU != 0 {
			t.Errorf("changed to %+v, %v", got, err)
		}
		must(c.AddRoute(ctx, "a", "1", client.Route{Dst: netip.MustParsePrefix("172.32.0.0/16"), Interface: "eth0"}))
		gone, err := c.FlushRoutes(ctx, "a", "1", "inet6")
		if err != nil || len(gone) != 0 {
			t.Errorf("of IPv6 went %v, %v", gone, err)
		}
		gone, err = c.FlushRoutes(ctx, "a", "1", "")
		if err != nil || len(gone) != 1 || gone[0].Dst != r.Dst {
			t.Errorf("%v went, %v", gone, err)
		}
		want("1", "1 10.0.0.0/24 U eth0", "1 172.32.0.0/16 US eth0")
		must(c.DelRoute(ctx, "a", "1", client.Route{Dst: netip.MustParsePrefix("172.32.0.0/16")}))
		if _, err := c.DelRoute(ctx, "a", "1", client.Route{Dst: netip.MustParsePrefix("172.32.0.0/16")}); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("deleted twice: %v", err)
		}
	})
}

// TestRoutesOfSeveralTables makes a change in several tables by one request: each has a
// result, and what is wrong with the request leaves all of them alone.
func TestRoutesOfSeveralTables(t *testing.T) {
	bubble(t, threeTables, func(t *testing.T, _ *ctltest.Lab, c *client.Client) {
		ctx := t.Context()
		r := client.Route{Dst: netip.MustParsePrefix("172.16.0.0/12"), Gateway: netip.MustParseAddr("10.0.0.2")}
		said := func(all []client.RouteResult, err error) string {
			text := fmt.Sprint(err)
			for _, res := range all {
				text += fmt.Sprintf(" %d:%s", res.FIB, res.Errno)
				if (res.Err() != nil) != (res.Errno != "") {
					t.Errorf("%+v: %v", res, res.Err())
				}
			}
			return text
		}
		for _, x := range []struct {
			got  string
			want string
		}{
			{said(c.AddRoute(ctx, "a", "1", r)), "<nil> 1:"},
			{said(c.AddRoute(ctx, "a", "0-2", r)), "<nil> 0: 1:EEXIST 2:"},
			{said(c.DelRoute(ctx, "a", "2,0", r)), "<nil> 2: 0:"},
			{said(c.ChangeRoute(ctx, "a", "all", r)), "<nil> 0:ESRCH 1: 2:ESRCH"},
		} {
			if x.got != x.want {
				t.Errorf("%s, want %s", x.got, x.want)
			}
		}
		revision := c.Revision()
		for _, list := range []string{"0-3", "0,9", "2-1", "0,", "x", "0,-1"} {
			var said *client.Error
			if _, err := c.AddRoute(ctx, "a", list, r); !errors.As(err, &said) || len(said.Fields) != 1 || said.Fields[0].Field != "query.fib" {
				t.Errorf("%s: %v", list, err)
			}
		}
		if l, err := c.Lab(ctx); err != nil || l.Revision != revision {
			t.Errorf("revision %d, %v: nothing has changed since %d", l.Revision, err, revision)
		}
		if _, err := c.AddRoute(ctx, "a", "2", r); err != nil {
			t.Fatal(err)
		}
		gone, err := c.FlushRoutes(ctx, "a", "all", "")
		if err != nil || len(gone) != 2 || gone[0].FIB != 1 || gone[1].FIB != 2 {
			t.Errorf("%+v went, %v", gone, err)
		}
	})
}

// TestEvents hears of a route in one table.
func TestEvents(t *testing.T) {
	bubble(t, threeTables, func(t *testing.T, _ *ctltest.Lab, c *client.Client) {
		ctx := t.Context()
		u, err := c.Events(ctx, "a", client.EventQuery{FIB: "1", Kinds: []string{"route add", "route delete"}})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		r := client.Route{Dst: netip.MustParsePrefix("172.16.0.0/12"), Gateway: netip.MustParseAddr("10.0.0.2")}
		for _, fib := range []string{"2", "1"} {
			if _, err := c.AddRoute(ctx, "a", fib, r); err != nil {
				t.Fatal(err)
			}
		}
		e, err := u.Next()
		if err != nil || e.Kind != "route add" || e.FIB != 1 || e.Prefix != r.Dst || e.Gateway != r.Gateway {
			t.Errorf("%+v, %v", e, err)
		}
		if _, err := c.Events(ctx, "a", client.EventQuery{Kinds: []string{"quake"}}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("of no kind: %v", err)
		}
	})
}
