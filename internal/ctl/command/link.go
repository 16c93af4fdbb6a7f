package command

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func linkCommand() *Command {
	return &Command{
		Name:     "link",
		Short:    "add, remove, change, cut, heal and list links",
		Synopsis: []string{"[list]", "add a b [field=value ...]", "set name field=value ...", "cut | heal | remove name ..."},
		Long: `A link is between two nodes, a node and a switch, or two switches. Its fields are those of
links in a topology file, such as name=uplink, delay=30ms, loss=1% or addrs.a=192.0.2.1; set
changes delay, jitter, loss, rate, queue, duplicate, corrupt, reorder and their like, both
ways or, as toward.NODE.loss=1%, one way; none is the absence of one. Cut loses all that is
sent and was under way, heal ends that. Removing a link removes the interfaces at its ends.`,
		Own:      "-j -fib",
		Whole:    true,
		Example:  []string{"link add pc lan", "link set uplink loss=5% delay=20ms", "link set uplink toward.pc.rate=1Mbit/s", "link cut uplink", "link heal uplink"},
		Linux:    "ip link add type veth, tc qdisc add netem",
		Complete: completeVerbs([]string{"list", "add", "set", "cut", "heal", "remove"}, linkNames),
		Run: runVerb(
			verb{"list", 0, 0, false, listLinks},
			verb{"add", 2, 2, true, func(e *Env, c *client.Client, _ *Opts, args []string, s client.Spec) error {
				s["between"] = args
				name, err := c.AddLink(e.Ctx, s)
				if err == nil {
					e.named(name, name)
				}
				return err
			}},
			verb{"set", 1, 1, true, func(e *Env, c *client.Client, _ *Opts, args []string, s client.Spec) error {
				return c.SetLink(e.Ctx, args[0], s)
			}},
			down("cut", true), down("heal", false),
			verb{"remove", 1, many, false, func(e *Env, c *client.Client, _ *Opts, args []string, _ client.Spec) error {
				return each(args, func(n string) error { return c.RemoveLink(e.Ctx, n) })
			}},
		),
	}
}

func down(name string, on bool) verb {
	return verb{name, 1, many, false, func(e *Env, c *client.Client, _ *Opts, args []string, _ client.Spec) error {
		return each(args, func(n string) error { return c.SetLink(e.Ctx, n, client.Spec{"down": on}) })
	}}
}

func listLinks(e *Env, c *client.Client, _ *Opts, _ []string, _ client.Spec) error {
	all, err := c.Links(e.Ctx)
	if err != nil {
		return err
	}
	return list(e, "links", all, "NAME BETWEEN SUBNET FAULTS", func(l client.Link) []string {
		var ends []string
		for i, n := range l.Between {
			if l.Interfaces[i] != "" {
				n += ":" + l.Interfaces[i]
			}
			ends = append(ends, n)
		}
		return []string{l.Name, strings.Join(ends, " "), l.Subnet, dash(faultsOf(&l))}
	})
}

// faultsOf writes what happens on a link.
func faultsOf(l *client.Link) string {
	if maps.Equal(l.Toward[0], l.Toward[1]) {
		return pairs(l.Toward[0])
	}
	var all []string
	for i, m := range l.Toward {
		if len(m) > 0 {
			all = append(all, "toward "+l.Between[i]+": "+pairs(m))
		}
	}
	return strings.Join(all, "; ")
}

func pairs(m map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, k+"="+m[k])
	}
	return strings.Join(all, " ")
}
