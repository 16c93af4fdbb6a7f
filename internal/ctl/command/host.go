package command

import (
	"fmt"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func hostCommand() *Command {
	return &Command{
		Name:     "host",
		Short:    "add, remove and list hosts and routers",
		Synopsis: []string{"[list]", "add [-r] [-l switch|node] ... name [field=value ...]", "remove name ..."},
		Long: `A host is added without links, or with one to each -l; its fields are those of hosts in
a topology file, such as fibs=2 or sysctl.net.inet.ip.ttl=40. Removing one removes its links,
the flows from and to it, its joins, and the jails in it.`,
		Options: []Option{
			{"-r", "", "it is a router: it forwards", nil},
			{"-l", "NAME", "link it to that switch or node", endNames},
		},
		Own:      "-j -fib",
		Whole:    true,
		Example:  []string{"host add -l lan pc", "host add -r edge fibs=2", "host remove pc"},
		Linux:    "ip netns add, ip netns del",
		Complete: completeVerbs([]string{"list", "add", "remove"}, nodeNames),
		Run: runVerb(
			verb{"list", 0, 0, false, listHosts}, verb{"add", 1, 1, true, addHost},
			verb{"remove", 1, many, false, func(e *Env, c *client.Client, _ *Opts, args []string, _ client.Spec) error {
				return each(args, func(n string) error { return c.RemoveNode(e.Ctx, n) })
			}},
		),
	}
}

func listHosts(e *Env, c *client.Client, _ *Opts, _ []string, _ client.Spec) error {
	all, err := c.Nodes(e.Ctx)
	if err != nil {
		return err
	}
	return list(e, "nodes", all, "NAME KIND FIBS LINKS ADDRESSES", func(n client.Node) []string {
		kind := "host"
		if n.Router {
			kind = "router"
		}
		return []string{n.Name, kind, fmt.Sprint(n.FIBs), dash(strings.Join(n.Links, ",")), dash(strings.Join(n.Addresses, " "))}
	})
}

// addHost adds a host with its links.
func addHost(e *Env, c *client.Client, o *Opts, args []string, s client.Spec) error {
	return c.AddNode(e.Ctx, client.NewNode{Name: args[0], Router: o.Has("-r"), Spec: s, Links: o.Values("-l")})
}

func switchCommand() *Command {
	return &Command{
		Name:     "switch",
		Short:    "add, remove, change and list switches",
		Synopsis: []string{"[list]", "add name [field=value ...]", "set name field=value ...", "remove name ..."},
		Long: `The fields are those of switches in a topology file, such as subnet=192.0.2.0/24 or hub=true.
A switch that is linked to another before anything else is shares the subnet of that one.
Set changes how a switch treats multicast: snooping, flood_unregistered, fast_leave, max_groups,
querier.interval and their like; none is as if nothing had been said. Removing a switch removes its links.`,
		Own:      "-j -fib",
		Whole:    true,
		Example:  []string{"switch add lan subnet=192.0.2.0/24", "switch set lan snooping=false", "switch remove lan"},
		Linux:    "ip link add type bridge",
		Complete: completeVerbs([]string{"list", "add", "set", "remove"}, switchNames),
		Run: runVerb(
			verb{"list", 0, 0, false, listSwitches},
			verb{"add", 1, 1, true, func(e *Env, c *client.Client, _ *Opts, args []string, s client.Spec) error {
				return c.AddSwitch(e.Ctx, client.NewSwitch{Name: args[0], Spec: s})
			}},
			verb{"set", 1, 1, true, func(e *Env, c *client.Client, _ *Opts, args []string, s client.Spec) error {
				return c.SetSwitch(e.Ctx, args[0], s)
			}},
			verb{"remove", 1, many, false, func(e *Env, c *client.Client, _ *Opts, args []string, _ client.Spec) error {
				return each(args, func(n string) error { return c.RemoveSwitch(e.Ctx, n) })
			}},
		),
	}
}

func listSwitches(e *Env, c *client.Client, _ *Opts, _ []string, _ client.Spec) error {
	all, err := c.Switches(e.Ctx)
	if err != nil {
		return err
	}
	return list(e, "switches", all, "NAME SUBNET SUBNET6 LINKS", func(s client.Switch) []string {
		return []string{s.Name, s.Subnet, dash(s.Subnet6), dash(strings.Join(s.Links, ","))}
	})
}
