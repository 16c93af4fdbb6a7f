package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/seed88948545/vimage/client"
)

// This file has what the commands that change the network itself have in common: host,
// switch, link, flow and group. Their first operand is a verb.

// verb is one of the things that such a command does. min and max bound its operands,
// without those of the form FIELD=VALUE, which only those have that take fields.
type verb struct {
	name     string
	min, max int
	fields   bool
	run      func(e *Env, c *client.Client, o *Opts, args []string, s client.Spec) error
}

const many = 1 << 30

// runVerb runs the verb that the operands begin with; "" is the first.
func runVerb(verbs ...verb) func(e *Env, o *Opts, args []string) int {
	return func(e *Env, o *Opts, args []string) int {
		v := verbs[0]
		if len(args) > 0 {
			i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == args[0] })
			if i < 0 {
				e.Failf("%s: there is no such verb", args[0])
				return misused
			}
			v, args = verbs[i], args[1:]
		}
		args, err := Lookup(e.name).leading(o, args) // options may follow the verb
		if err != nil {
			e.Fail(err)
			return misused
		}
		s := client.Spec{}
		if v.fields {
			if args, err = fields(s, args); err != nil {
				return e.Fail(err)
			}
		}
		if len(args) < v.min || len(args) > v.max {
			return misused
		}
		c := e.Client()
		if c == nil {
			return 1
		}
		if err := v.run(e, c, o, args, s); err != nil {
			return e.failSpec(err)
		}
		return 0
	}
}

// failSpec prints what is wrong with a description, a line for each field.
func (e *Env) failSpec(err error) int {
	var said *client.Error
	if !errors.As(err, &said) || len(said.Fields) < 2 {
		return e.Fail(err)
	}
	for line := range strings.Lines(said.Message) {
		e.Failf("%s", strings.TrimSuffix(line, "\n"))
	}
	return 1
}

// fields takes the operands FIELD=VALUE and returns the others. A value is text as in a
// topology file, a list with commas, or JSON; FIELD may lead into a mapping: addrs.a.
func fields(s client.Spec, args []string) (rest []string, err error) {
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok {
			rest = append(rest, arg)
			continue
		}
		var value any = text
		switch {
		case text != "" && strings.ContainsAny(text[:1], "[{"):
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				return nil, fmt.Errorf("%s: no JSON: %v", name, err)
			}
		case strings.Contains(text, ","):
			value = strings.Split(text, ",")
		}
		set(s, path(name), value)
	}
	return rest, nil
}

// path takes the name of a field apart. Names of sysctls, and of nodes, have dots.
func path(name string) []string {
	field, below, ok := strings.Cut(name, ".")
	if !ok {
		return []string{name}
	}
	if at := strings.LastIndexByte(below, '.'); at > 0 && slices.Contains([]string{"toward", "interfaces", "ports", "advertise"}, field) {
		return []string{field, below[:at], below[at+1:]}
	}
	return []string{field, below}
}

func set(m map[string]any, path []string, value any) {
	for ; len(path) > 1; path = path[1:] {
		below, ok := m[path[0]].(map[string]any)
		if !ok {
			below = make(map[string]any)
			m[path[0]] = below
		}
		m = below
	}
	m[path[0]] = value
}

// each calls f for every name.
func each(names []string, f func(name string) error) error {
	for _, n := range names {
		if err := f(n); err != nil {
			return err
		}
	}
	return nil
}

// table prints lines of columns.
func table(w io.Writer, head string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range append([][]string{strings.Split(head, " ")}, rows...) {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	t.Flush()
}

// list prints what there is as a table, or as JSON below a name.
func list[T any](e *Env, name string, all []T, head string, row func(T) []string) error {
	if e.JSON {
		e.PrintJSON(map[string]any{name: all})
		return nil
	}
	rows := make([][]string, len(all))
	for i, x := range all {
		rows[i] = row(x)
	}
	table(e.Out, head, rows)
	return nil
}

// named prints the name that something was given, as JSON, or where it is not what was
// expected.
func (e *Env) named(name, expected string) {
	switch {
	case e.JSON:
		e.PrintJSON(map[string]any{"name": name})
	case name != expected:
		fmt.Fprintln(e.Out, name)
	}
}

// dash is how an empty column is shown.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

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

// addHost adds a host with its links: all, or, after an error, nothing.
func addHost(e *Env, c *client.Client, o *Opts, args []string, s client.Spec) error {
	if err := c.AddNode(e.Ctx, client.NewNode{Name: args[0], Router: o.Has("-r"), Spec: s}); err != nil {
		return err
	}
	for _, to := range o.Values("-l") {
		if _, err := c.AddLink(e.Ctx, client.Spec{"between": []string{args[0], to}}); err != nil {
			return errors.Join(err, c.RemoveNode(e.Ctx, args[0]))
		}
	}
	return nil
}

func switchCommand() *Command {
	return &Command{
		Name:     "switch",
		Short:    "add, remove and list switches",
		Synopsis: []string{"[list]", "add name [field=value ...]", "remove name ..."},
		Long: `The fields are those of switches in a topology file, such as subnet=192.0.2.0/24 or hub=true.
A switch that is linked to another before anything else is shares the subnet of that one.
Removing a switch removes its links.`,
		Own:      "-j -fib",
		Example:  []string{"switch add lan subnet=192.0.2.0/24", "switch remove lan"},
		Linux:    "ip link add type bridge",
		Complete: completeVerbs([]string{"list", "add", "remove"}, switchNames),
		Run: runVerb(
			verb{"list", 0, 0, false, listSwitches},
			verb{"add", 1, 1, true, func(e *Env, c *client.Client, _ *Opts, args []string, s client.Spec) error {
				return c.AddSwitch(e.Ctx, client.NewSwitch{Name: args[0], Spec: s})
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

func flowCommand() *Command {
	return &Command{
		Name:     "flow",
		Short:    "add, remove and list flows of datagrams",
		Synopsis: []string{"[list]", "add from to [field=value ...]", "remove name ..."},
		Long: `A flow is UDP datagrams from a node to a node, an address or a group, counted where they
arrive. Its fields are those of flows in a topology file, such as rate=100, for=10s or
name=call; it begins at once, or after start.`,
		Own:      "-j -fib",
		Example:  []string{"flow add pc server rate=100 for=10s", "flow list", "flow remove pc-server"},
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

func saveCommand() *Command {
	return &Command{
		Name:     "save",
		Short:    "write the network as it is now as a topology file",
		Synopsis: []string{"[file | -]"},
		Long: `What is written gives the same network when it is given to up: hosts, links and faults,
addresses, routes, tables and sysctls as they are now, however they came to be. Without a file,
or with -, it goes to the standard output. What a topology file cannot say is listed in
comments at its end, and on the standard error.`,
		Own:     "-j -fib",
		Example: []string{"save", "save now.yaml", "vimage up now.yaml -d"},
		Run:     runSave,
	}
}

func runSave(e *Env, _ *Opts, args []string) int {
	if len(args) > 1 {
		return misused
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	f, err := c.Save(e.Ctx)
	if err != nil {
		return e.Fail(err)
	}
	switch {
	case e.JSON:
		return e.PrintJSON(f)
	case len(args) == 0 || args[0] == "-":
		fmt.Fprint(e.Out, f.File)
	default:
		if err := os.WriteFile(args[0], []byte(f.File), 0o666); err != nil {
			return e.Fail(err)
		}
	}
	for _, u := range f.Unsaid {
		e.Failf("not saved: %s", u)
	}
	return 0
}

// completeVerbs completes a verb, and then names.
func completeVerbs(verbs []string, names func(*Env, string) []string) func(*Env, []string, string) []string {
	return func(e *Env, args []string, word string) []string {
		switch {
		case len(args) == 0:
			return verbs
		case args[0] == "list":
			return nil
		case args[0] == "add":
			return endNames(e, word)
		}
		return names(e, word)
	}
}

// namesOf returns the names in what a client has been asked for.
func namesOf[T any](e *Env, ask func(*client.Client) ([]T, error), name func(T) string) (all []string) {
	if c := e.quiet(); c != nil {
		found, _ := ask(c)
		for _, x := range found {
			all = append(all, name(x))
		}
	}
	return all
}

func nodeNames(e *Env, _ string) []string {
	return namesOf(e, func(c *client.Client) ([]client.Node, error) { return c.Nodes(e.Ctx) }, func(n client.Node) string { return n.Name })
}

func switchNames(e *Env, _ string) []string {
	return namesOf(e, func(c *client.Client) ([]client.Switch, error) { return c.Switches(e.Ctx) }, func(s client.Switch) string { return s.Name })
}

func linkNames(e *Env, _ string) []string {
	return namesOf(e, func(c *client.Client) ([]client.Link, error) { return c.Links(e.Ctx) }, func(l client.Link) string { return l.Name })
}

func flowNames(e *Env, _ string) []string {
	return namesOf(e, func(c *client.Client) ([]client.Flow, error) { return c.Flows(e.Ctx) }, func(f client.Flow) string { return f.Name })
}

// endNames are what a link may end at.
func endNames(e *Env, word string) []string {
	return append(nodeNames(e, word), switchNames(e, word)...)
}
