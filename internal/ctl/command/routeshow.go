package command

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage/client"
)

// get prints the route to a destination.
func (r *routeRun) get() int {
	if r.a.dst == "" {
		return misused
	}
	written := r.a.dst
	if _, err := r.a.resolve(); err != nil {
		r.e.Fail(err)
		return exitNoHost
	}
	to := r.a.route.Dst.Addr()
	if a, err := netip.ParseAddr(written); err == nil {
		to = a // the address of a host, or with a zone
	}
	found := []client.RouteEntry{}
	for _, n := range r.fibs {
		rt, err := r.c.GetRoute(r.e.Ctx, r.e.Jail, strconv.Itoa(n), to)
		switch {
		case errors.Is(err, syscall.ESRCH):
			return r.e.Failf("route has not been found")
		case err != nil:
			return r.e.Fail(err)
		}
		found = append(found, rt)
	}
	if r.e.JSON {
		return r.e.PrintJSON(map[string]any{"route": map[string]any{"command": "get", "route-to": r.a.dst, "route-entry": routeDocuments(found)}})
	}
	for _, rt := range found {
		r.printRoute(written, rt)
	}
	return 0
}

func (r *routeRun) printRoute(to string, rt client.RouteEntry) {
	w := r.e.Out
	dst, mask := rt.Dst.Addr().String(), netmask(rt.Dst)
	if rt.Dst.Bits() == 0 {
		dst, mask = "default", "default"
	}
	fmt.Fprintf(w, "   route to: %s\ndestination: %s\n", to, dst)
	if !rt.Dst.IsSingleIP() {
		fmt.Fprintf(w, "       mask: %s\n", mask)
	}
	if rt.Gateway.IsValid() {
		fmt.Fprintf(w, "    gateway: %s\n", rt.Gateway)
	}
	fmt.Fprintf(w, "        fib: %d\n", rt.FIB)
	if rt.Interface != "" {
		fmt.Fprintf(w, "  interface: %s\n", rt.Interface)
	}
	mtu := rt.MTU
	if mtu == 0 {
		mtu = rt.LinkMTU
	}
	fmt.Fprintf(w, "      flags: <%s>\n", strings.Join(routeFlags(rt), ","))
	fmt.Fprint(w, " recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire\n")
	fmt.Fprintf(w, "%8d  %8d  %8d  %8d  %8d  %8d  %8d\n", 0, 0, 0, 0, mtu, 1, seconds(rt.Expire))
}

// netmask writes the mask of a prefix as its family does.
func netmask(p netip.Prefix) string {
	b := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // it has the length of an address
	return a.String()
}

// routeFlags returns the names of a route's flags, in the order of their bits.
func routeFlags(rt client.RouteEntry) (all []string) {
	for _, f := range []struct {
		letter rune
		name   string
	}{
		{'U', "UP"}, {'G', "GATEWAY"}, {'H', "HOST"}, {'R', "REJECT"}, {'D', "DYNAMIC"}, {'M', "MODIFIED"},
		{0, "DONE"}, {'S', "STATIC"}, {'B', "BLACKHOLE"}, {'2', "PROTO2"}, {'1', "PROTO1"}, {'3', "PROTO3"},
	} {
		if f.letter == 0 || strings.ContainsRune(rt.Flags, f.letter) {
			all = append(all, f.name)
		}
	}
	if rt.Own {
		all = append(all, "PINNED")
	}
	return all
}

// show prints the tables.
func (r *routeRun) show() int {
	t := routeTables{wide: false, families: families(r.a.family)}
	for _, n := range r.fibs {
		routes, err := r.c.Routes(r.e.Ctx, r.e.Jail, strconv.Itoa(n))
		if err != nil {
			return r.e.Fail(err)
		}
		t.tables = append(t.tables, routeTable{n, routes})
	}
	return t.print(r.e)
}

// families returns the families that are to be shown.
func families(one string) []string {
	if one != "" {
		return []string{one}
	}
	return []string{"inet", "inet6"}
}

// routeTable is one table.
type routeTable struct {
	fib    int
	routes []client.RouteEntry
}

// routeTables is what netstat -r and route show print.
type routeTables struct {
	tables   []routeTable
	families []string
	wide     bool // with MTUs
}

func (t *routeTables) print(e *Env) int {
	if e.JSON {
		var all []any
		for _, tab := range t.tables {
			for _, f := range t.families {
				all = append(all, map[string]any{"fib": tab.fib, "address-family": familyTitle(f), "rt-entry": routeDocuments(tab.of(f))})
			}
		}
		return e.PrintJSON(map[string]any{"statistics": map[string]any{"route-information": map[string]any{"route-table": map[string]any{"rt-family": all}}}})
	}
	for i, tab := range t.tables {
		if i > 0 {
			fmt.Fprintln(e.Out)
		}
		fmt.Fprint(e.Out, "Routing tables")
		if tab.fib != 0 {
			fmt.Fprintf(e.Out, " (fib: %d)", tab.fib)
		}
		fmt.Fprintln(e.Out)
		for _, f := range t.families {
			if routes := tab.of(f); len(routes) > 0 {
				fmt.Fprintf(e.Out, "\n%s:\n", familyTitle(f))
				t.printFamily(e, f, routes)
			}
		}
	}
	return 0
}

func familyTitle(f string) string {
	if f == "inet6" {
		return "Internet6"
	}
	return "Internet"
}

func (t *routeTable) of(family string) []client.RouteEntry {
	return slices.DeleteFunc(slices.Clone(t.routes), func(r client.RouteEntry) bool { return r.Dst.Addr().Is4() != (family == "inet") })
}

func (t *routeTables) printFamily(e *Env, family string, routes []client.RouteEntry) {
	dst, gw := 18, 18
	if family == "inet6" {
		dst, gw = 33, 29
	}
	for _, r := range routes {
		dst, gw = max(dst, len(routeDst(r.Dst))), max(gw, len(routeGateway(r)))
	}
	line := func(d, g, flags, hop, mtu, netif, expire string) {
		l := fmt.Sprintf("%-*s %-*s %-6s ", dst, d, gw, g, flags)
		if t.wide {
			l += fmt.Sprintf("%6s %6s ", hop, mtu)
		}
		fmt.Fprintln(e.Out, strings.TrimRight(l+fmt.Sprintf("%8s %s", netif, expire), " "))
	}
	line("Destination", "Gateway", "Flags", "Nhop#", "Mtu", "Netif", "Expire")
	for _, r := range routes {
		expire := ""
		if r.Expire != 0 {
			expire = strconv.FormatInt(seconds(r.Expire), 10)
		}
		mtu := r.MTU
		if mtu == 0 {
			mtu = r.LinkMTU
		}
		line(routeDst(r.Dst), routeGateway(r), r.Flags, "-", strconv.Itoa(mtu), r.Interface, expire)
	}
}

// routeDst writes a destination as netstat does.
func routeDst(p netip.Prefix) string {
	switch {
	case p.Bits() == 0:
		return "default"
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

// routeGateway writes where a route leads.
func routeGateway(r client.RouteEntry) string {
	switch {
	case r.Gateway.IsValid():
		return r.Gateway.String()
	case r.Index != 0:
		return "link#" + strconv.Itoa(r.Index)
	}
	return "-"
}

// routeDocuments is routes as --json prints them.
func routeDocuments(routes []client.RouteEntry) []any {
	all := []any{}
	for _, r := range routes {
		d := map[string]any{"destination": routeDst(r.Dst), "gateway": routeGateway(r), "flags": r.Flags, "flags-pretty": routeFlags(r), "fib": r.FIB}
		if r.Interface != "" {
			d["interface-name"] = r.Interface
		}
		if m := r.MTU; m != 0 {
			d["mtu"] = m
		} else if r.LinkMTU != 0 {
			d["mtu"] = r.LinkMTU
		}
		if r.Expire != 0 {
			d["expire-time"] = seconds(r.Expire)
		}
		if r.Metric != 0 {
			d["metric"] = r.Metric
		}
		all = append(all, d)
	}
	return all
}
