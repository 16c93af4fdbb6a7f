package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

// monitor prints what happens until it is interrupted. Routes are those of one table, or
// of all.
func (r *routeRun) monitor() int {
	var q client.EventQuery
	switch {
	case len(r.fibs) > 1 && len(r.fibs) < r.tables:
		r.e.Failf("monitor takes one fib, or all")
		return exitUsage
	case len(r.fibs) == 1:
		q.FIB = fmt.Sprint(r.fibs[0])
	}
	u, err := r.c.Events(r.e.Ctx, r.e.Jail, q)
	if err != nil {
		return r.e.Fail(err)
	}
	defer u.Close()
	for {
		ev, err := u.Next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(r.e.Ctx.Err(), context.Canceled):
			return 0
		case err != nil:
			return r.e.Fail(err)
		}
		if r.e.JSON {
			if s := r.e.PrintJSON(ev); s != 0 {
				return s
			}
		} else {
			printEvent(r.e.Out, ev)
		}
		if err := r.e.Out.Flush(); err != nil {
			return 1
		}
	}
}

// printEvent writes an event as messages of a routing socket are written. Deviation:
// messages have no lengths, process numbers and sequence numbers here.
func printEvent(w io.Writer, ev client.Event) {
	if ev.Missed > 0 {
		fmt.Fprintf(w, "got message on %s\n%d messages were lost\n\n", ev.Time.UTC().Format(time.ANSIC), ev.Missed)
	}
	fmt.Fprintf(w, "got message on %s\n", ev.Time.UTC().Format(time.ANSIC))
	switch kind, what, _ := strings.Cut(ev.Kind, " "); kind {
	case "route":
		printRouteEvent(w, what, ev)
	case "neighbour":
		printNeighborEvent(w, what, ev)
	case "address":
		name := map[string]string{"add": "RTM_NEWADDR: address being added to iface", "delete": "RTM_DELADDR: address being removed from iface"}[what]
		if name == "" {
			name = "RTM_NEWADDR: address of iface has changed"
		}
		fmt.Fprintf(w, "%s: if# %d %s\nsockaddrs: <NETMASK,IFA>\n %s %s\n", name, ev.Index, ev.Interface, netmask(ev.Prefix), ev.Prefix.Addr())
	case "arrival", "departure":
		fmt.Fprintf(w, "RTM_IFANNOUNCE: iface arrival/departure: if# %d %s, what: %s\n", ev.Index, ev.Interface, kind)
	case "rename":
		fmt.Fprintf(w, "RTM_IFANNOUNCE: iface arrival/departure: if# %d %s, what: rename, was: %s\n", ev.Index, ev.Interface, ev.OldName)
	default:
		fmt.Fprintf(w, "RTM_IFINFO: iface status change: if# %d %s, %s", ev.Index, ev.Interface, ev.Kind)
		if kind == "lladdr" {
			fmt.Fprint(w, " ", ev.Ether)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func printRouteEvent(w io.Writer, what string, ev client.Event) {
	name := map[string]string{"add": "RTM_ADD: Add Route", "delete": "RTM_DELETE: Delete Route", "change": "RTM_CHANGE: Change Metrics, Flags or Gateway"}[what]
	fmt.Fprint(w, name)
	if ev.FIB >= 0 {
		fmt.Fprintf(w, ": fib %d", ev.FIB)
	}
	fmt.Fprintln(w)
	gateway := ev.Gateway.String()
	if !ev.Gateway.IsValid() {
		gateway = fmt.Sprintf("link#%d", ev.Index)
	}
	dst, mask := ev.Prefix.Addr().String(), netmask(ev.Prefix)
	if ev.Prefix.Bits() == 0 {
		dst, mask = "default", "default"
	}
	if ev.Prefix.IsSingleIP() {
		fmt.Fprintf(w, "sockaddrs: <DST,GATEWAY>\n %s %s\n", dst, gateway)
		return
	}
	fmt.Fprintf(w, "sockaddrs: <DST,GATEWAY,NETMASK>\n %s %s %s\n", dst, gateway, mask)
}

func printNeighborEvent(w io.Writer, what string, ev client.Event) {
	name := "RTM_DELETE: Delete Route"
	switch what {
	case "resolved":
		name = "RTM_ADD: Add Route"
	case "timed out":
		name = "RTM_MISS: Lookup failed on this address"
	}
	fmt.Fprintf(w, "%s: if# %d %s, flags:<HOST,LLDATA>\nsockaddrs: <DST", name, ev.Index, ev.Interface)
	if ev.Ether == "" {
		fmt.Fprintf(w, ">\n %s\n", ev.Prefix.Addr())
		return
	}
	fmt.Fprintf(w, ",GATEWAY>\n %s %s\n", ev.Prefix.Addr(), ev.Ether)
}
