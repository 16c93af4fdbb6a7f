package command

import (
	"slices"
	"strings"

	"github.com/seed88948545/vimage/client"
)

// Completions returns what may stand in the place of word, which follows args on the
// command's line.
func (c *Command) Completions(e *Env, args []string, word string) []string {
	e.name = c.Name
	o := new(Opts)
	var operands []string
	var wanted *Option // whose argument it is
	for i := 0; i < len(args); i++ {
		if operands != nil || !strings.HasPrefix(args[i], "-") || c.Raw {
			operands = append(operands, args[i])
			continue
		}
		d, ok := c.expects(args[i])
		switch {
		case !ok || d.Arg == "":
		case i == len(args)-1: // its argument is what is wanted
			wanted = &d
		default:
			o.given = append(o.given, given{d.Name, args[i+1]})
			i++
		}
	}
	c.place(e, o)
	switch {
	case wanted != nil && wanted.Complete == nil:
		return nil
	case wanted != nil:
		return beginning(word, wanted.Complete(e, word))
	}
	if strings.HasPrefix(word, "-") && operands == nil {
		var names []string
		for _, d := range c.options() {
			names = append(names, d.Name+"\t"+d.Help)
		}
		return beginning(word, names)
	}
	if c.Complete == nil {
		return nil
	}
	return beginning(word, c.Complete(e, operands, word))
}

// place puts e into the lab and the jail that options in front name.
func (c *Command) place(e *Env, o *Opts) {
	if o.Has("--lab") {
		e.Lab = o.Value("--lab")
	}
	if o.Has("-j") && !c.owns("-j") {
		e.Jail = within(e.Jail, o.Value("-j"))
	}
}

// expects returns the option whose argument follows an argument.
func (c *Command) expects(arg string) (Option, bool) {
	if d, ok := c.option(arg); ok {
		return d, true
	}
	if strings.HasPrefix(arg, "--") || len(arg) < 2 {
		return Option{}, false
	}
	for i, l := range arg[1:] {
		if d, ok := c.option("-" + string(l)); ok && d.Arg != "" {
			return d, i == len(arg)-2 // else the rest of the bundle is its argument
		}
	}
	return Option{}, false
}

func beginning(word string, all []string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, word) })
}

// quiet returns a client for completion, which says nothing where there is none.
func (e *Env) quiet() *client.Client {
	if e.c == nil {
		e.c, _ = e.Open(e.Lab)
	}
	return e.c
}

func labNames(*Env, string) (all []string) {
	labs, _ := client.Labs() // what cannot be found is not offered
	for _, l := range labs {
		if l.Running {
			all = append(all, l.Name)
		}
	}
	return all
}

func jailNames(e *Env, _ string) (all []string) {
	c := e.quiet()
	if c == nil {
		return nil
	}
	in := ""
	if e.Jail != "" { // may be a number
		j, _ := c.Jail(e.Ctx, e.Jail)
		in = j.Name
	}
	jails, _ := c.Jails(e.Ctx, &client.JailQuery{In: e.Jail})
	for _, j := range jails {
		all = append(all, relative(in, j.Name))
	}
	return all
}

// relative returns the name that a jail has within another.
func relative(base, name string) string { return strings.TrimPrefix(name, base+".") }

func fibNames(e *Env, _ string) (all []string) {
	c := e.quiet()
	if c == nil {
		return nil
	}
	fibs, _ := c.FIBs(e.Ctx, e.Jail)
	for _, f := range fibs {
		all = append(all, f.String())
		if f.Name != "" {
			all = append(all, f.Name)
		}
	}
	return all
}
