package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
