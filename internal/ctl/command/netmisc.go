package command

import (
	"fmt"
	"strings"

	"github.com/seed88948545/vimage/client"
)

// netisr prints how packets are dispatched.
func (n *netstat) netisr() int {
	isr, err := n.c.Netisr(n.e.Ctx, n.e.Jail)
	if err != nil {
		return n.e.Fail(err)
	}
	if n.e.JSON {
		return n.document("netisr", netisrDocument(isr))
	}
	w := n.e.Out
	limit := 0
	for _, s := range isr.Workstreams {
		limit = s.Limit
	}
	fmt.Fprintf(w, "Configuration:\n%-25s %12s %12s\n", "Setting", "Current", "Limit")
	fmt.Fprintf(w, "%-25s %12d %12d\n", "Workstreams", len(isr.Workstreams), maxWorkstreams)
	fmt.Fprintf(w, "%-25s %12d %12s\n", "Default queue limit", limit, "n/a")
	fmt.Fprintf(w, "%-25s %12s %12s\n", "Dispatch policy", isr.Dispatch, "n/a")
	fmt.Fprintf(w, "%-25s %12s %12s\n", "Threads bound to CPUs", "disabled", "n/a")
	fmt.Fprintf(w, "\nProtocols:\n%-6s %5s %6s %-6s %-8s %s\n", "Name", "Proto", "QLimit", "Policy", "Dispatch", "Flags")
	fmt.Fprintf(w, "%-6s %5s %6d %-6s %-8s %s\n", "all", "-", limit, "flow", isr.Dispatch, "---")
	fmt.Fprintf(w, "\nWorkstreams:\n%4s %3s %-6s %5s %5s %8s %8s %8s %8s %8s\n",
		"WSID", "CPU", "Name", "Len", "WMark", "Disp'd", "HDisp'd", "QDrops", "Queued", "Handled")
	for _, s := range isr.Workstreams {
		fmt.Fprintf(w, "%4d %3s %-6s %5d %5d %8d %8s %8d %8d %8d\n", s.ID, "-", "all", s.Len, s.Watermark, s.Direct, "-", s.Drops, s.Queued, s.Handled)
	}
	return 0
}

// maxWorkstreams is how many a stack may have.
const maxWorkstreams = 64

func netisrDocument(isr client.Netisr) any {
	all := []any{}
	for _, s := range isr.Workstreams {
		all = append(all, map[string]any{
			"workstream": s.ID, "length": s.Len, "watermark": s.Watermark, "queue-limit": s.Limit,
			"dispatched": s.Direct, "queue-drops": s.Drops, "queued": s.Queued, "handled": s.Handled,
		})
	}
	return map[string]any{"dispatch-policy": isr.Dispatch, "workstream": all}
}

// multicast prints the multicast routes.
func (n *netstat) multicast() int {
	all, err := n.c.MulticastRoutes(n.e.Ctx, n.e.Jail)
	if err != nil {
		return n.e.Fail(err)
	}
	doc := map[string]any{}
	for _, f := range n.families() {
		var routes []client.MulticastRoute
		for _, r := range all {
			if r.Group.Addr().Is4() == (f == "inet") {
				routes = append(routes, r)
			}
		}
		title := "IPv4"
		if f == "inet6" {
			title = "IPv6"
		}
		switch {
		case n.e.JSON:
			doc[strings.ToLower(title)] = mrouteDocuments(routes)
		default:
			n.printMroutes(title, routes)
		}
	}
	if n.e.JSON {
		return n.document("multicast-forwarding", doc)
	}
	return 0
}

func (n *netstat) printMroutes(title string, routes []client.MulticastRoute) {
	w := n.e.Out
	if len(routes) == 0 {
		fmt.Fprintf(w, "\n%s Multicast Forwarding Table is empty\n", title)
		return
	}
	origin, group := 15, 18
	for _, r := range routes {
		origin, group = max(origin, len(mrouteOrigin(r))), max(group, len(routeDst(r.Group)))
	}
	fmt.Fprintf(w, "\n%s Multicast Forwarding Table\n", title)
	fmt.Fprintf(w, " %-*s %-*s %8s %8s  %-8s %s\n", origin, "Origin", group, "Group", "Packets", "WrongIf", "In-If", "Out-Ifs")
	for _, r := range routes {
		out := strings.Join(r.Out, " ")
		if r.Listeners {
			out = strings.TrimSpace(out + " (listeners)")
		}
		fmt.Fprintf(w, " %-*s %-*s %8d %8d  %-8s %s\n", origin, mrouteOrigin(r), group, routeDst(r.Group), r.Packets, r.WrongInterface, r.In, out)
	}
}

func mrouteOrigin(r client.MulticastRoute) string {
	if !r.Source.IsValid() {
		return "*"
	}
	return r.Source.String()
}

func mrouteDocuments(routes []client.MulticastRoute) []any {
	all := []any{}
	for _, r := range routes {
		all = append(all, map[string]any{
			"origin": mrouteOrigin(r), "group": routeDst(r.Group), "packets": r.Packets, "bytes": r.Bytes, "wrong-interface": r.WrongInterface,
			"incoming-interface": r.In, "outgoing-interface": r.Out, "listeners": r.Listeners,
		})
	}
	return all
}
