package command

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

func ifmcstatCommand() *Command {
	return &Command{
		Name:     "ifmcstat",
		Short:    "show which groups interfaces listen to, and how they report that",
		Synopsis: []string{"[-i interface] [-f address_family] [-v] [-v]"},
		Long: `Of each interface and family: the address, the protocol with its version and the
timing that the querier asks for in seconds, and the groups with their source filters.
-v adds what is being reported of a group: the state, the seconds until its timer ends
and how many reports of a change are left; a second -v adds the timers of queriers of
older versions.`,
		Options: []Option{
			{"-f", "FAMILY", "inet, inet6, or link for hardware addresses", func(*Env, string) []string { return []string{"inet", "inet6", "link"} }},
			{"-i", "IF", "that interface only", interfaceNames},
			{"-v", "", "print more; twice: even more", nil},
		},
		Example: []string{"ifmcstat -j a", "ifmcstat -j a -i eth0 -f inet -vv"},
		Linux:   "ip maddr, and /proc/net/mcfilter",
		Run:     runIfmcstat,
	}
}

func runIfmcstat(e *Env, o *Opts, args []string) int {
	family := o.Value("-f")
	switch family {
	case "", "inet", "inet6", "link":
	default:
		return e.Failf("unknown address family: %s", family)
	}
	if len(args) > 0 {
		return misused
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	all, err := c.Groups(e.Ctx, e.Jail, o.Value("-i"))
	if err != nil {
		if at, value := blamed(err); at == "query.interface" {
			return e.Failf("%s: no such interface", value)
		}
		return e.Failf("%s", Strerror(err))
	}
	var shown []client.Listening
	for _, l := range all {
		if family == "" || family == "link" || (family == "inet") == (l.Protocol == "igmp") {
			shown = append(shown, l)
		}
	}
	switch {
	case e.JSON:
		return e.PrintJSON(map[string]any{"ifmcstat": map[string]any{"interface": listeningDocuments(shown)}})
	case family == "link":
		printLinkGroups(e.Out, shown)
	default:
		printListening(e.Out, shown, o.Count("-v"))
	}
	return 0
}

// printLinkGroups prints the hardware addresses that interfaces listen to.
func printLinkGroups(w io.Writer, all []client.Listening) {
	name := ""
	seen := map[string]bool{}
	for _, l := range all {
		if l.Interface != name {
			name, seen = l.Interface, map[string]bool{}
			fmt.Fprintf(w, "%s:\n\tlink\n", name)
		}
		for _, g := range l.Groups {
			if g.Ether != "" && !seen[g.Ether] { // 32 groups of IPv4 share each
				fmt.Fprintf(w, "\t\tgroup %s\n", g.Ether)
				seen[g.Ether] = true
			}
		}
	}
}

func printListening(w io.Writer, all []client.Listening, verbose int) {
	name := ""
	for _, l := range all {
		if l.Interface != name {
			name = l.Interface
			fmt.Fprintf(w, "%s:\n", name)
		}
		inet := "inet"
		if l.Protocol == "mld" {
			inet = "inet6"
		}
		if l.Address.IsValid() {
			fmt.Fprintf(w, "\t%s %s\n", inet, scoped(l.Address, &l))
		}
		fmt.Fprintf(w, "\t%sv%d%s", l.Protocol, l.Version, listeningFlags(&l))
		if l.Version == newestVersion(l.Protocol) {
			fmt.Fprintf(w, " rv %d qi %d qri %d uri %d", l.Robustness, seconds(l.QueryInterval), seconds(l.QueryResponse), seconds(l.Unsolicited))
		}
		if verbose > 1 {
			printOlder(w, &l)
		}
		fmt.Fprintln(w)
		for _, g := range l.Groups {
			printGroup(w, &g, &l, verbose)
		}
	}
}

// newestVersion is the version of a protocol whose timing a querier says.
func newestVersion(protocol string) int {
	if protocol == "mld" {
		return 2
	}
	return 3
}

// scoped writes an address that is good on one link only with that.
func scoped(a netip.Addr, l *client.Listening) string {
	if a.Is4() || !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() && !a.IsInterfaceLocalMulticast() {
		return a.String()
	}
	return fmt.Sprintf("%s%%%s scopeid 0x%x", a.WithZone(""), l.Interface, l.Index)
}

// listeningFlags writes the flags as ifmcstat does.
func listeningFlags(l *client.Listening) string {
	bits := 0
	var names []string
	if l.Silent {
		bits, names = bits|1, append(names, "SILENT")
	}
	if l.UseAllow && l.Protocol == "mld" { // of IGMP it is always so, and no flag
		bits, names = bits|2, append(names, "USEALLOW")
	}
	if bits == 0 {
		return ""
	}
	return fmt.Sprintf(" flags=%x<%s>", bits, strings.Join(names, ","))
}

// printOlder prints how long older queriers are believed to be there, and the timer of
// the answer to a general query, in the terms of ifmcstat.
func printOlder(w io.Writer, l *client.Listening) {
	left := map[int]time.Duration{}
	for _, o := range l.Older {
		left[o.Version] = o.Left
	}
	newest := newestVersion(l.Protocol)
	left[newest] = l.General
	for v := 1; v <= newest; v++ {
		fmt.Fprintf(w, " v%dtimer %d", v, seconds(left[v]))
	}
}

func printGroup(w io.Writer, g *client.Membership, l *client.Listening, verbose int) {
	fmt.Fprintf(w, "\t\tgroup %s mode %s", scoped(g.Group, l), g.Mode)
	if len(g.Sources) > 0 {
		var all []string
		for _, s := range g.Sources {
			all = append(all, s.String())
		}
		fmt.Fprintf(w, " srcs %s", strings.Join(all, ","))
	}
	if verbose > 0 {
		fmt.Fprintf(w, " state %s timer %d rec %d", g.State, seconds(g.Left), g.Pending)
	}
	fmt.Fprintln(w)
	if g.Ether != "" {
		fmt.Fprintf(w, "\t\t\tmcast-macaddr %s\n", g.Ether)
	}
}

// listeningDocuments is what --json prints: a document for each interface.
func listeningDocuments(all []client.Listening) []map[string]any {
	docs := []map[string]any{}
	for _, l := range all {
		if len(docs) == 0 || docs[len(docs)-1]["name"] != l.Interface {
			docs = append(docs, map[string]any{"name": l.Interface})
		}
		groups := []map[string]any{}
		for _, g := range l.Groups {
			groups = append(groups, map[string]any{
				"address": g.Group, "mode": g.Mode, "sources": append([]netip.Addr{}, g.Sources...), "mcast-macaddr": g.Ether,
				"state": g.State, "timer": seconds(g.Left), "rec": g.Pending,
			})
		}
		docs[len(docs)-1][l.Protocol] = map[string]any{
			"version": l.Version, "rv": l.Robustness, "qi": seconds(l.QueryInterval), "qri": seconds(l.QueryResponse),
			"uri": seconds(l.Unsolicited), "silent": l.Silent, "group": groups,
		}
	}
	return docs
}
