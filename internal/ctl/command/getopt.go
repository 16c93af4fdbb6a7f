package command

import (
	"fmt"
	"slices"
	"strings"
)

// Option is an option of a command: a letter ("-n"), which may be bundled with others,
// a word with one dash ("-fib"), or one with two ("--json").
type Option struct {
	Name     string
	Arg      string // what its argument is called; "": it has none
	Help     string
	Complete func(e *Env, word string) []string // what its argument may be
}

// common are the options that all commands have.
func common() []Option {
	return []Option{
		{"-j", "JAIL", "act in the jail of that name or number", jailNames},
		{"-fib", "N", "use the routing table of that number or name", fibNames},
		{"--lab", "NAME", "act on that lab instead of the only one that runs, or that which VIMAGE_LAB names", labNames},
		{"--json", "", "print one JSON document", nil},
		{"--help", "", "say how the command is used", nil},
	}
}

// options returns all options of the command, its own first.
func (c *Command) options() []Option {
	all := slices.Clone(c.Options)
	for _, o := range common() {
		if !slices.Contains(strings.Fields(c.Own), o.Name) {
			all = append(all, o)
		}
	}
	return all
}

func (c *Command) option(name string) (Option, bool) {
	all := c.options()
	if i := slices.IndexFunc(all, func(o Option) bool { return o.Name == name }); i >= 0 {
		return all[i], true
	}
	return Option{}, false
}

// Opts are the options that were given.
type Opts struct{ given []given }

type given struct{ name, value string }

// Has tells whether an option was given.
func (o *Opts) Has(name string) bool { return o.Count(name) > 0 }

// Count returns how often an option was given.
func (o *Opts) Count(name string) (n int) {
	for _, g := range o.given {
		if g.name == name {
			n++
		}
	}
	return n
}

// Value returns the argument of an option, of the last where there are several, and ""
// where there is none.
func (o *Opts) Value(name string) (v string) {
	for _, g := range o.given {
		if g.name == name {
			v = g.value
		}
	}
	return v
}

// Values returns the arguments of an option, in order.
func (o *Opts) Values(name string) (all []string) {
	for _, g := range o.given {
		if g.name == name {
			all = append(all, g.value)
		}
	}
	return all
}

// Parse reads the options in front of the operands, as getopt(3) does: letters may be
// bundled, "--" ends them. Options with two dashes may also stand behind operands,
// unless these are another command. What the common options say is put into e.
func (c *Command) Parse(e *Env, args []string) (*Opts, []string, error) {
	o := new(Opts)
	rest, err := c.leading(o, args)
	if err == nil && !c.Nested {
		rest, err = c.trailing(o, rest)
	}
	if err != nil {
		return nil, nil, err
	}
	e.JSON = e.JSON || o.Has("--json")
	if o.Has("--lab") {
		e.Lab = o.Value("--lab")
	}
	if o.Has("-j") && !c.owns("-j") {
		e.Jail = within(e.Jail, o.Value("-j"))
	}
	if o.Has("-fib") && !c.owns("-fib") {
		e.FIB = o.Value("-fib")
	}
	return o, rest, nil
}

func (c *Command) owns(name string) bool { return slices.Contains(strings.Fields(c.Own), name) }

// within returns what the lab calls a jail that is called so, by name or number, in
// another.
func within(base, name string) string {
	if base == "" || base == "0" {
		return name
	}
	return base + "/" + name
}

// leading takes options until the first operand.
func (c *Command) leading(o *Opts, args []string) ([]string, error) {
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--":
			return args[1:], nil
		case len(arg) < 2 || arg[0] != '-' || c.Raw && !strings.HasPrefix(arg, "--"):
			return args, nil
		}
		var err error
		if args, err = c.take(o, args); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// take takes the option, or bundle of such, that the arguments begin with.
func (c *Command) take(o *Opts, args []string) (rest []string, err error) {
	arg, rest := args[0], args[1:]
	name, value, has := arg, "", false
	if strings.HasPrefix(arg, "--") {
		name, value, has = strings.Cut(arg, "=")
	}
	if d, ok := c.option(name); ok && len(name) > 2 {
		switch {
		case d.Arg == "" && has:
			return nil, fmt.Errorf("option %s takes no argument", name)
		case d.Arg != "" && !has && len(rest) == 0:
			return nil, fmt.Errorf("option %s needs an argument: %s", name, d.Arg)
		case d.Arg != "" && !has:
			value, rest = rest[0], rest[1:]
		}
		o.given = append(o.given, given{name, value})
		return rest, nil
	}
	if strings.HasPrefix(arg, "--") {
		return nil, fmt.Errorf("illegal option %s", name)
	}
	for letters := arg[1:]; letters != ""; {
		d, ok := c.option("-" + letters[:1])
		if !ok {
			return nil, fmt.Errorf("illegal option -- %s", letters[:1])
		}
		letters = letters[1:]
		if d.Arg == "" {
			o.given = append(o.given, given{d.Name, ""})
			continue
		}
		if letters == "" {
			if len(rest) == 0 {
				return nil, fmt.Errorf("option requires an argument -- %s", d.Name[1:])
			}
			letters, rest = rest[0], rest[1:]
		}
		o.given = append(o.given, given{d.Name, letters})
		break
	}
	return rest, nil
}

// trailing takes the options with two dashes out of the operands.
func (c *Command) trailing(o *Opts, args []string) (rest []string, err error) {
	for len(args) > 0 {
		name, _, _ := strings.Cut(args[0], "=")
		if _, known := c.option(name); !known || !strings.HasPrefix(name, "--") {
			rest, args = append(rest, args[0]), args[1:]
			continue
		}
		if args, err = c.take(o, args); err != nil {
			return nil, err
		}
	}
	return rest, nil
}
