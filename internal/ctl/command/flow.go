package command

import (
	"fmt"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func flowCommand() *Command {
	return &Command{
		Name:     "flow",
		Short:    "add, remove and list flows of datagrams",
		Synopsis: []string{"[list]", "add from to [field=value ...]", "remove name ..."},
		Long: `A flow is UDP datagrams from a node to a node, an address or a group, counted where they
arrive. Its fields are those of flows in a topology file, such as rate=100, for=10s or
name=call; it begins at once, or after start.`,
		Own:      "-j -fib",
		Whole:    true,
		Example:  []string{"flow add pc server rate=100 for=10s", "flow list", "flow remove pc-server"},
		Linux:    "iperf3 -u",
		Complete: completeVerbs([]string{"list", "add", "remove"}, flowNames),
		Run: runVerb(
			verb{"list", 0, 0, false, listFlows},
			verb{"add", 2, 2, true, func(e *Env, c *client.Client, _ *Opts, args []string, s client.Spec) error {
				s["from"], s["to"] = args[0], args[1]
				name, err := c.AddFlow(e.Ctx, s)
				if err == nil {
					e.named(name, name)
				}
				return err
			}},
			verb{"remove", 1, many, false, func(e *Env, c *client.Client, _ *Opts, args []string, _ client.Spec) error {
				return each(args, func(n string) error { return c.RemoveFlow(e.Ctx, n) })
			}},
		),
	}
}

func listFlows(e *Env, c *client.Client, _ *Opts, _ []string, _ client.Spec) error {
	all, err := c.Flows(e.Ctx)
	if err != nil {
		return err
	}
	return list(e, "flows", all, "NAME FROM TO SENT DELIVERED STATE", func(f client.Flow) []string {
		var got []string
		for _, r := range f.Receivers {
			got = append(got, fmt.Sprintf("%s:%d", r.At, r.Delivered))
		}
		state := "sending"
		if f.Done {
			state = "done"
		}
		return []string{f.Name, f.From, f.To, fmt.Sprint(f.Sent), dash(strings.Join(got, " ")), state}
	})
}

func groupCommand() *Command {
	return &Command{
		Name:     "group",
		Short:    "make hosts members of groups",
		Synopsis: []string{"[list]", "add host group [field=value ...]", "remove name [group]"},
		Long: `A host listens to a group of IPv4 as a program on it would. Its fields are those of joins in
a topology file: sources, exclude, link, name, start, stop. A membership has the host's name
unless it is given one.`,
		Own:      "-j -fib",
		Whole:    true,
		Example:  []string{"group add pc 232.1.1.1 sources=192.0.2.1", "group add pc 239.1.1.1 name=news", "group remove news"},
		Linux:    "ip maddr",
		Complete: completeVerbs([]string{"list", "add", "remove"}, nodeNames),
		Run: runVerb(
			verb{"list", 0, 0, false, listJoins},
			verb{"add", 2, 2, true, func(e *Env, c *client.Client, _ *Opts, args []string, s client.Spec) error {
				s["host"], s["group"] = args[0], args[1]
				name, err := c.AddJoin(e.Ctx, s)
				if err == nil {
					e.named(name, name)
				}
				return err
			}},
			verb{"remove", 1, 2, false, func(e *Env, c *client.Client, _ *Opts, args []string, _ client.Spec) error {
				return c.RemoveJoin(e.Ctx, args[0], append(args, "")[1])
			}},
		),
	}
}

func listJoins(e *Env, c *client.Client, _ *Opts, _ []string, _ client.Spec) error {
	all, err := c.Joins(e.Ctx)
	if err != nil {
		return err
	}
	return list(e, "joins", all, "NAME HOST GROUP LINK SOURCES", func(j client.Join) []string {
		from := strings.Join(j.Sources, " ")
		if len(j.Exclude) > 0 {
			from = "not " + strings.Join(j.Exclude, " ")
		}
		return []string{j.Name, j.Host, j.Group, j.Link, dash(from)}
	})
}
