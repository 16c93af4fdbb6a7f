package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

func topCommand() *Command {
	return &Command{
		Name:     "top",
		Short:    "show what stacks, links, groups and flows do",
		Synopsis: []string{"[-b] [-s seconds] [-n count] [-o key] [view ...] [rows]"},
		Long: `Views are stacks, links, groups and flows; without one it shows all, or the first where
the window has no room. Of each it shows those in which most happens, per second of the
last interval, and all of them together; what flows have lost is so far. The column by
which they are sorted has its title in capitals.

On a terminal these keys are known:
  s l g f   stacks, links, groups or flows alone
  a Tab     all of them; the next
  < >       sort by another column
  arrows, PgUp, PgDn
            scroll, in one view alone
  space     stop, and go on
  h ?       help
  q Ctrl-C  end

Elsewhere, and with -b, it prints a block of lines for each interval, with --json a
document. Within a jail (-j, jexec) it shows what has to do with the stack of that.

Toward a switch a link counts what was sent to it by an interface, whether it came or not.`,
		Options: []Option{
			{"-b", "", "print blocks of lines, as is done where there is no terminal", nil},
			{"-s", "SECONDS", "length of an interval, 1 unless said; 0.1 at least", nil},
			{"-n", "COUNT", "end after so many intervals", nil},
			{"-d", "COUNT", "the same", nil},
			{"-o", "KEY", "sort by name, packets, bytes, drops, lost, members or latency, where a view has it", topSortKeys},
		},
		Own:      "-fib",
		Example:  []string{"top", "top links flows", "top -b -n 1 -o drops stacks 20", "top -s 5 --json | jq .links.total", "jexec a top"},
		Linux:    "iftop, nload, sar -n DEV 1, ip -s link, ss -s",
		Run:      runTop,
		Complete: func(_ *Env, args []string, _ string) []string { return without(client.ActivityKinds(), args) },
	}
}

// without returns all but those that are there already.
func without(all, there []string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return slices.Contains(there, s) })
}

func topSortKeys(*Env, string) (all []string) {
	for _, kind := range client.ActivityKinds() {
		all = append(all, without(client.ActivityKeys(kind), all)...)
	}
	return all
}

// Rows of each view: in a block, and on a terminal, where one can scroll.
const (
	blockRows    = 10
	terminalRows = 100
	maxTopRows   = 500
)

// top is one call of the command.
type top struct {
	e     *Env
	c     *client.Client
	q     client.ActivityQuery
	view  topView
	count int // intervals until the end; 0: there is none
}

func runTop(e *Env, o *Opts, args []string) int {
	t := &top{e: e, q: client.ActivityQuery{Every: time.Second, In: e.Jail}, view: topView{every: time.Second}}
	args, err := operands(topCommand(), o, args)
	if err != nil {
		e.Fail(err)
		return misused
	}
	if err := t.parse(o, args); err != nil {
		return e.Fail(err)
	}
	if t.c = e.Client(); t.c == nil {
		return 1
	}
	lab, err := t.c.Lab(e.Ctx)
	if err != nil {
		return e.Fail(err)
	}
	t.view.title = "lab " + lab.Name
	if e.Jail != "" && e.Jail != "0" {
		t.view.title += ", jail " + e.Jail
	}
	if e.Screen == nil || e.JSON || o.Has("-b") {
		return t.blocks()
	}
	return t.onScreen()
}

// operands takes the options out of the operands: people say what they want to see
// first.
func operands(c *Command, o *Opts, args []string) (rest []string, err error) {
	for len(args) > 0 {
		if len(args[0]) < 2 || args[0][0] != '-' {
			rest, args = append(rest, args[0]), args[1:]
			continue
		}
		if args, err = c.take(o, args); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// parse understands options and operands.
func (t *top) parse(o *Opts, args []string) error {
	if o.Has("-s") {
		s, err := strconv.ParseFloat(o.Value("-s"), 64)
		if err != nil || !(s >= 0.1 && s <= 86400) {
			return fmt.Errorf("illegal interval: %s", o.Value("-s"))
		}
		t.q.Every = time.Duration(s * float64(time.Second))
		t.view.every = t.q.Every
	}
	for _, name := range []string{"-d", "-n"} {
		if !o.Has(name) {
			continue
		}
		var err error
		if t.count, err = strconv.Atoi(o.Value(name)); err != nil || t.count < 1 {
			return fmt.Errorf("illegal number of intervals: %s", o.Value(name))
		}
	}
	kinds := client.ActivityKinds()
	for _, a := range args {
		n, err := strconv.Atoi(a)
		switch {
		case slices.Contains(kinds, a):
			t.view.shown = append(without(t.view.shown, []string{a}), a)
		case err != nil:
			return fmt.Errorf("%s: there is no such view: they are %s", a, strings.Join(kinds, ", "))
		case n < 1 || n > maxTopRows:
			return fmt.Errorf("illegal number of rows: %s", a)
		default:
			t.q.Top = n
		}
	}
	if t.view.shown == nil {
		t.view.shown = kinds
	}
	return t.sortBy(o.Value("-o"))
}

// sortBy sorts the views by a key that they have.
func (t *top) sortBy(key string) error {
	t.view.keys = make(map[string]string)
	found := key == ""
	for _, kind := range client.ActivityKinds() {
		keys := client.ActivityKeys(kind)
		t.view.keys[kind] = keys[0]
		if slices.Contains(keys, key) {
			t.view.keys[kind] = key
			found = found || slices.Contains(t.view.shown, kind)
		}
	}
	if !found {
		return fmt.Errorf("-o: nothing of %s is sorted by %q", strings.Join(t.view.shown, ", "), key)
	}
	t.q.Sort = t.view.sorts()
	return nil
}

// blocks prints a block of lines, or a document, for each interval.
func (t *top) blocks() int {
	t.q.Kinds = t.view.shown
	if t.q.Top == 0 {
		t.q.Top = blockRows
	}
	x, err := t.c.Activity(t.e.Ctx, t.q)
	if err != nil {
		return t.ended(err)
	}
	defer x.Close()
	for i := 0; t.count == 0 || i < t.count; i++ {
		a, err := x.Next()
		if err != nil {
			return t.ended(err)
		}
		if t.e.JSON {
			b, err := json.Marshal(a)
			if err != nil {
				return t.e.Fail(err)
			}
			t.e.Out.Write(append(b, '\n'))
		} else {
			if i > 0 {
				fmt.Fprintln(t.e.Out)
			}
			for _, l := range t.view.block(a) {
				fmt.Fprintln(t.e.Out, l)
			}
		}
		if err := t.e.Out.Flush(); err != nil {
			return 1
		}
	}
	return 0
}

// ended says why there is no more to be shown, unless it is the user's doing.
func (t *top) ended(err error) int {
	var said *client.Error
	at, value := blamed(err)
	switch {
	case t.e.Ctx.Err() != nil:
		return 0
	case at == "query.in":
		return t.e.Failf("jail %q not found", value)
	case errors.As(err, &said):
		return t.e.Fail(err)
	}
	return t.e.Failf("the lab has ended")
}
