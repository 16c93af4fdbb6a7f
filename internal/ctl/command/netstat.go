package command

import (
	"slices"
	"strconv"

	"github.com/seed88948545/vimage/client"
)

func netstatCommand() *Command {
	return &Command{
		Name:  "netstat",
		Short: "show routes, interfaces, sockets and statistics",
		Synopsis: []string{
			"[-46aLnW] [-f family | -p protocol]",
			"-r [-46nW] [-F fib] [-f family]",
			"-i | -I interface [-46abdnW] [-f family]",
			"-w wait [-I interface] [-d] [-q howmany]",
			"-s [-46sz] [-f family | -p protocol]",
			"-rs | -gs [-sz]",
			"-g [-46n] [-f family]",
			"-Q",
		},
		Long: `Without -r, -i, -s, -g or -Q it shows sockets: connections, with -a also who listens,
with -L the queues of listeners. Where the stack does not count something, such as
collisions, or errors apart from drops, there is a "-"; next hops have no numbers.

Families are inet, inet6 and, for -i, link. Protocols are those whose names -s prints;
"drop" is packets that were lost, by reason. -rs and -gs are the statistics of routing
and of multicast routing. -z makes what was printed zero, but for lost packets.

In -Q a workstream is a part of the stack with its own queue, and a flow always takes
the same; a packet is dispatched where its sender found the workstream at rest.
Addresses are always printed as numbers.`,
		Options: []Option{
			{"-4", "", "IPv4 only", nil},
			{"-6", "", "IPv6 only", nil},
			{"-a", "", "with sockets that listen; with -i, with groups", nil},
			{"-b", "", "with bytes", nil},
			{"-d", "", "with dropped packets", nil},
			{"-f", "FAMILY", "that family only", fixed("inet", "inet6", "link")},
			{"-F", "FIB", "that routing table", fibNames},
			{"-g", "", "multicast routes", nil},
			{"-i", "", "interfaces", nil},
			{"-I", "IF", "that interface", interfaceNames},
			{"-L", "", "queues of sockets that listen", nil},
			{"-n", "", "numbers, as is always done", nil},
			{"-p", "PROTO", "that protocol only", func(*Env, string) []string { return append(protocols(), "drop") }},
			{"-q", "N", "end after N lines", nil},
			{"-Q", "", "how packets are dispatched", nil},
			{"-r", "", "routes", nil},
			{"-s", "", "statistics; twice: only what is not zero", nil},
			{"-w", "SEC", "traffic of each SEC seconds, until interrupted", nil},
			{"-W", "", "with MTUs", nil},
			{"-z", "", "make the statistics zero that were printed", nil},
		},
		Example: []string{"netstat -j a -rn", "netstat -j a -an", "netstat -j a -s -p igmp", "netstat -j a -I eth0 -w 1 -q 5", "jexec a setfib 1 netstat -rnW"},
		Linux:   "ip route, ss -an, ip -s link, nstat, ip maddress",
		Run:     runNetstat,
	}
}

// fixed offers always the same.
func fixed(words ...string) func(*Env, string) []string {
	return func(*Env, string) []string { return slices.Clone(words) }
}

// netstat is one call of the command.
type netstat struct {
	e       *Env
	o       *Opts
	c       *client.Client
	inet    bool
	inet6   bool
	link    bool
	nonzero bool
}

func runNetstat(e *Env, o *Opts, args []string) int {
	if len(args) > 0 {
		return misused
	}
	n := &netstat{e: e, o: o, inet: true, inet6: true, link: true, nonzero: o.Count("-s") > 1}
	switch f := o.Value("-f"); {
	case f == "inet" || f == "" && o.Has("-4") && !o.Has("-6"):
		n.inet6, n.link = false, false
	case f == "inet6" || f == "" && o.Has("-6") && !o.Has("-4"):
		n.inet, n.link = false, false
	case f == "link":
		n.inet, n.inet6 = false, false
	case f != "":
		return e.Failf("%s: unknown address family", f)
	}
	if p := o.Value("-p"); p != "" && p != "drop" && !slices.Contains(protocols(), p) {
		return e.Failf("%s: unknown or uninstrumented protocol", p)
	}
	if n.c = e.Client(); n.c == nil {
		return 1
	}
	var status int
	switch {
	case o.Has("-Q"):
		status = n.netisr()
	case o.Has("-w"):
		status = n.rates()
	case o.Has("-r") && o.Has("-s"):
		status = n.statistics([]string{"routing"})
	case o.Has("-r"):
		status = n.routes()
	case o.Has("-g") && o.Has("-s"):
		status = n.statistics([]string{"mroute"})
	case o.Has("-g"):
		status = n.multicast()
	case o.Has("-s"):
		status = n.statistics(n.asked())
	case o.Has("-i") || o.Has("-I"):
		status = n.interfaces()
	default:
		status = n.sockets()
	}
	return status
}

// families returns the families of routes that are wanted.
func (n *netstat) families() (all []string) {
	if n.inet {
		all = append(all, "inet")
	}
	if n.inet6 {
		all = append(all, "inet6")
	}
	return all
}

// routes prints a routing table.
func (n *netstat) routes() int {
	fib := n.e.FIB
	if n.o.Has("-F") {
		fib = n.o.Value("-F")
	}
	fibs, err := n.c.FIBs(n.e.Ctx, n.e.Jail)
	if err != nil {
		return n.e.Fail(err)
	}
	list, err := parseFIBs(fib, fibs)
	if err != nil {
		return n.e.Fail(err)
	}
	t := routeTables{wide: n.o.Has("-W"), families: n.families()}
	for _, f := range list {
		routes, err := n.c.Routes(n.e.Ctx, n.e.Jail, strconv.Itoa(f))
		if err != nil {
			return n.e.Fail(err)
		}
		t.tables = append(t.tables, routeTable{f, routes})
	}
	return t.print(n.e)
}

// document puts what netstat prints as JSON where libxo has it.
func (n *netstat) document(name string, doc any) int {
	return n.e.PrintJSON(map[string]any{"statistics": map[string]any{name: doc}})
}
