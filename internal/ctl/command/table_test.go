//go:build !novimage

package command

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTable holds each command to what all of them owe a user: help with an example
// that is right. Those that Linux has too have a word for who comes from there.
func TestTable(t *testing.T) {
	all := Table()
	if !slices.IsSortedFunc(all, func(a, b *Command) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not sorted")
	}
	ours := []string{"flow", "save"} // of labs, not of hosts: Linux has no such thing
	for _, c := range all {
		if c.Linux == "" && !slices.Contains(ours, c.Name) {
			t.Errorf("%s has no word for who comes from Linux", c.Name)
		}
		if c.Name == "" || c.Short == "" || len(c.Synopsis) == 0 || c.Long == "" || len(c.Example) == 0 || c.Run == nil {
			t.Errorf("%s is not described in full: %+v", c.Name, c)
		}
		if strings.HasSuffix(c.Short, ".") || strings.ToUpper(c.Short[:1]) == c.Short[:1] {
			t.Errorf("%s: %q has a capital or a full stop", c.Name, c.Short)
		}
		for _, x := range c.Example {
			w := words(x)
			other := Lookup(w[0])
			if other == nil {
				if w[0] != "up" { // which makes a lab, and is not of those that act on one
					t.Errorf("%s: %q is an example of no command", c.Name, x)
				}
				continue
			}
			if _, _, err := other.Parse(new(Env), w[1:]); err != nil {
				t.Errorf("%s: %q: %v", c.Name, x, err)
			}
		}
		for _, o := range c.options() {
			if o.Help == "" || o.Name[0] != '-' {
				t.Errorf("%s %s: %q", c.Name, o.Name, o.Help)
			}
		}
	}
}

// TestMan compares one page, and looks at what all must have.
func TestMan(t *testing.T) {
	for _, c := range Table() {
		var b bytes.Buffer
		p := c.Page()
		if err := p.Man(&b); err != nil {
			t.Fatal(err)
		}
		heads := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "SEE ALSO"}
		if c.Linux != "" {
			heads = append(heads, "IF YOU COME FROM LINUX")
		}
		for _, head := range heads {
			if !strings.Contains(b.String(), "\n.SH "+head+"\n") {
				t.Errorf("%s has no section %s", c.Name, head)
			}
		}
	}
	odd := Page{
		Name: "odd", Short: `a \ and a -`, Synopsis: []string{"[-x]"}, Example: []string{".dots", "'quotes"},
		Long: "One.\n\n.Two\n\n  as\n\n  is\nThree.", Options: [][2]string{{"-x N", "'x"}}, See: []string{"mcast send"},
	}
	var b bytes.Buffer
	if err := odd.Man(&b); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/odd.1"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || b.String() != string(want) {
		t.Errorf("%v:\n%s", err, firstDifference(string(want), b.String()))
	}
}

func TestParse(t *testing.T) {
	c := &Command{Name: "x", Options: []Option{{"-a", "", "a", nil}, {"-n", "", "n", nil}, {"-i", "IF", "i", nil}, {"-net", "", "net", nil}, {"--long", "L", "l", nil}}}
	for _, x := range []struct{ line, want string }{
		{"", ""},
		{"-an", "-a -n"},
		{"-ani eth0 rest", "-a -n -i=eth0 | rest"},
		{"-ieth0", "-i=eth0"},
		{"-i -a", "-i=-a"},
		{"-net 10", "-net | 10"},
		{"-n et", "-n | et"},
		{"-fib 3 x", "-fib=3 | x"},
		{"-a -- -n", "-a | -n"},
		{"-a - -n", "-a | - -n"},
		{"x -n --json", "--json | x -n"},
		{"x --long y z", "--long=y | x z"},
		{"--long=y -j b x", "--long=y -j=b | x"},
		{"--long", "option --long needs an argument: L"},
		{"--json=x", "option --json takes no argument"},
		{"-x", "illegal option -- x"},
		{"-anx", "illegal option -- x"},
		{"--x", "illegal option --x"},
		{"-ai", "option requires an argument -- i"},
	} {
		o, rest, err := c.Parse(new(Env), words(x.line))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			var all []string
			for _, g := range o.given {
				all = append(all, strings.TrimSuffix(g.name+"="+g.value, "="))
			}
			if rest != nil {
				all = append(append(all, "|"), rest...)
			}
			got = strings.Join(all, " ")
		}
		if got != x.want {
			t.Errorf("%q: %q, want %q", x.line, got, x.want)
		}
	}
}
