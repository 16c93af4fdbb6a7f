package command

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func routeCommand() *Command {
	return &Command{
		Name:  "route",
		Short: "show and change routing tables, and watch them",
		Synopsis: []string{
			"[-46nqtv] add [-net | -host] destination gateway [netmask] [modifier ...]",
			"[-46nqtv] delete [-net | -host] destination [gateway [netmask]] [modifier ...]",
			"[-46nqtv] change [-net | -host] destination gateway [netmask] [modifier ...]",
			"[-46n] get destination",
			"[-46nq] flush",
			"[-46n] show",
			"[-n] monitor",
		},
		Long: `A destination is an address, a network with /length, or default. An address of IPv4
without a length is a network if its host part is zero, else a host. The name of a host of
the lab stands for its address, for that in a subnet of the jail's own if it has one.

flush removes all routes that lead to gateways; show prints the table as netstat -r does;
monitor prints what happens to routes, addresses, interfaces and neighbours, until it is
interrupted.

Modifiers, also in front of the destination:

  -net, -host             what the destination is
  -inet, -inet6, -4, -6   family; need not be said where an address says it
  -fib LIST               routing tables: numbers, names, ranges: 0-3,5; all: every one
  -interface, -iface      the gateway is an interface: the destination is on its link
  -gateway G              another way to say the gateway
  -ifp IF                 the interface, beside a gateway
  -netmask M, -prefixlen N
  -reject, -blackhole     refuse the packets, or lose them
  -mtu N                  of packets that take the route
  -expire N               it goes by itself after N seconds
  -metric N               of several routes those with the least are used
  -static, -n, -q, -v     as usual; only -q, say nothing, changes anything

Addresses are always printed as numbers. Times of monitor are UTC.`,
		Options: []Option{
			{"-4", "", "IPv4", nil},
			{"-6", "", "IPv6", nil},
			{"-d", "", "only for debugging: changes nothing", nil},
			{"-n", "", "print numbers, as is always done", nil},
			{"-q", "", "say nothing", nil},
			{"-t", "", "try only: change nothing", nil},
			{"-v", "", "say more: changes nothing", nil},
		},
		Example: []string{
			"route -j a add default 192.0.2.254", "route -j a add -net 10.0.0.0/8 192.0.2.1 -fib 0-3",
			"route -j a get b", "jexec a setfib 1 route delete default", "route -j a monitor",
		},
		Linux:    "ip route add default via 192.0.2.254; ip route get 198.51.100.1; ip monitor route",
		Misuse:   exitUsage,
		Run:      runRoute,
		Complete: completeRoute,
	}
}

// routeRun is one call of the command.
type routeRun struct {
	e      *Env
	c      *client.Client
	quiet  bool
	try    bool
	fibs   []int
	tables int // how many there are
	a      routeArgs
}

func runRoute(e *Env, o *Opts, args []string) int {
	r := &routeRun{e: e, quiet: o.Has("-q"), try: o.Has("-t")}
	r.a.fibs = e.FIB
	switch {
	case o.Has("-4"):
		r.a.family = "inet"
	case o.Has("-6"):
		r.a.family = "inet6"
	}
	if len(args) == 0 || !slices.Contains(routeVerbs(), args[0]) {
		if len(args) > 0 {
			e.Failf("bad keyword: %s", args[0])
		}
		return misused
	}
	if err := r.a.parse(args[1:]); err != nil {
		e.Fail(err)
		return misused
	}
	r.quiet = r.quiet || r.a.quiet
	if r.c = e.Client(); r.c == nil {
		return 1
	}
	r.a.lookup = func(name, family string) (netip.Addr, error) { return r.c.HostAddr(e.Ctx, e.Jail, name, family) }
	if status := r.resolveFIBs(); status != 0 {
		return status
	}
	switch args[0] {
	case "add", "delete", "change":
		return r.set(args[0])
	case "get":
		return r.get()
	case "flush":
		return r.flush()
	case "show":
		return r.show()
	}
	return r.monitor()
}

func routeVerbs() []string {
	return []string{"add", "change", "delete", "flush", "get", "monitor", "show"}
}

// resolveFIBs reads the list of tables.
func (r *routeRun) resolveFIBs() int {
	fibs, err := r.c.FIBs(r.e.Ctx, r.e.Jail)
	if err != nil {
		return r.e.Fail(err)
	}
	r.tables = len(fibs)
	if r.fibs, err = parseFIBs(r.a.fibs, fibs); err != nil {
		r.e.Fail(err)
		return exitUsage
	}
	return 0
}

// parseFIBs reads a list of tables: numbers, names and ranges, separated by commas;
// "all"; or "" and "default" for table 0, that of a process which has asked for none.
func parseFIBs(list string, fibs []client.FIB) (all []int, err error) {
	if list == "all" {
		for _, f := range fibs {
			all = append(all, f.Number)
		}
		return all, nil
	}
	for _, item := range strings.Split(list, ",") {
		named := slices.IndexFunc(fibs, func(f client.FIB) bool { return f.Name == item })
		from, to, ranged := strings.Cut(item, "-")
		first, errFirst := strconv.ParseUint(from, 10, 16)
		last := first
		var errLast error
		if ranged {
			last, errLast = strconv.ParseUint(to, 10, 16)
		}
		switch {
		case item == "" && list != "":
			return nil, fmt.Errorf("invalid fib number: %s", list)
		case item == "" || item == "default":
			all = append(all, 0)
		case named >= 0:
			all = append(all, fibs[named].Number)
		case errFirst != nil || errLast != nil || last < first || last >= uint64(len(fibs)):
			return nil, fmt.Errorf("invalid fib number: %s", item)
		default:
			for n := first; n <= last; n++ {
				all = append(all, int(n))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func completeRoute(e *Env, args []string, _ string) []string {
	if len(args) == 0 {
		return routeVerbs()
	}
	switch args[len(args)-1] {
	case "-fib":
		return append(fibNames(e, ""), "all")
	case "-ifp", "-interface", "-iface":
		return interfaceNames(e, "")
	}
	all := slices.Clone(routeModifiers())
	if args[0] == "flush" || args[0] == "monitor" || args[0] == "show" {
		return append(all, "-fib")
	}
	return slices.Concat(all, []string{"default"}, routePrefixes(e), jailNames(e, ""))
}

// routePrefixes offers the destinations of the table.
func routePrefixes(e *Env) (all []string) {
	c := e.quiet()
	if c == nil {
		return nil
	}
	routes, _ := c.Routes(e.Ctx, e.Jail, e.FIB)
	for _, r := range routes {
		if r.Dst.Bits() != 0 {
			all = append(all, r.Dst.String())
		}
	}
	return all
}
