package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage/client"
)

// exitMisuse is jail's exit status after a mistake in its arguments: EX_USAGE.
const exitMisuse = 64

func jailCommand() *Command {
	return &Command{
		Name:  "jail",
		Short: "make, change and remove jails",
		Synopsis: []string{
			"[-iqv] [-J file] [-n name] -c | -m | -cm parameter[=value] ... [command=command ...]",
			"[-qv] -r | -R name ...",
			"[-qv] -rc name parameter[=value] ...",
			"[-iqv] -f file -c | -m | -r | -rc [name ...]",
		},
		Long: `A jail is a part of a lab with an owner of its own: with vnet it has a network stack
with lo0 alone, else it shares that of the jail it is made in. Parameters: name, vnet,
vnet.interface=IF,…, persist, children.max, host.hostname, exec.fib, ip4, ip4.addr, ip6,
ip6.addr, allow.raw_sockets, allow.socket_af. Those that are on or off need no value, and
are off with "no" in front. A jail that does not persist lasts as long as the commands
that are run in it: exec.start, and command, which is all that follows it.

With -f the jails are those of a jail.conf(5), all or those that are named: "web { vnet;
persist; children.max = 2; }", and before it what is to be said of all. Of -r, * means
all. Removing a host of the lab's file takes it out of the lab.`,
		Options: []Option{
			{"-c", "", "create a jail", nil},
			{"-m", "", "change one; with -c, create it if it is not there", nil},
			{"-r", "", "remove jails; with -c, make one anew", nil},
			{"-R", "", "remove jails whatever happens", nil},
			{"-f", "FILE", "take jails and their parameters from a file in the form of jail.conf", nil},
			{"-i", "", "print the jail's number", nil},
			{"-n", "NAME", "the jail's name", jailNames},
			{"-J", "FILE", "write the parameters of the jail to a file", nil},
			{"-q", "", "print nothing of what is done", nil},
			{"-v", "", "print what is done", nil},
		},
		Own:      "-j -fib",
		Nested:   true,
		Misuse:   exitMisuse,
		Example:  []string{"jail -c name=web vnet persist vnet.interface=epair0b", "jail -m name=web children.max=2", "jail -r web"},
		Linux:    "ip netns add, ip netns del",
		Run:      runJail,
		Complete: completeJail,
	}
}

func completeJail(e *Env, args []string, word string) []string {
	var all []string
	for _, name := range jailParams(e) {
		all = append(all, name+"=")
	}
	return append(all, jailNames(e, word)...)
}

// jailRequest is what a line of jail asks for.
type jailRequest struct {
	params map[string]string
	start  string   // exec.start
	cmd    []string // command
}

// readJail reads parameters.
func readJail(o *Opts, args []string) jailRequest {
	r := jailRequest{params: make(map[string]string)}
	if o.Has("-n") {
		r.params["name"] = o.Value("-n")
	}
	for n, a := range args {
		name, value, has := strings.Cut(a, "=")
		switch {
		case name == "command":
			r.cmd = append([]string{value}, args[n+1:]...)
			return r
		case name == "exec.start":
			r.start = value
		case !has && switchOff(name) != "":
			r.params[switchOff(name)] = "0"
		case !has && name != "vnet":
			r.params[name] = "1"
		default:
			r.params[name] = value
		}
	}
	return r
}

// switchOff returns the parameter that nopersist or allow.noraw_sockets turn off, ""
// for any other word.
func switchOff(word string) string {
	at := strings.LastIndexByte(word, '.') + 1
	rest, no := strings.CutPrefix(word[at:], "no")
	if name := word[:at] + rest; no && onOff(name) {
		return name
	}
	return ""
}

func runJail(e *Env, o *Opts, args []string) int {
	c := e.Client()
	if c == nil {
		return 1
	}
	if o.Has("-f") {
		return runJailFile(e, c, o, args)
	}
	return oneJail(e, c, o, args)
}

// runJailFile does what is asked for with jails of a file, one after the other: those
// that come last are removed first.
func runJailFile(e *Env, c *client.Client, o *Opts, names []string) int {
	text, err := os.ReadFile(o.Value("-f"))
	if err != nil {
		return e.Fail(err)
	}
	blocks, err := readJailConf(string(text))
	if err != nil {
		return e.Failf("%s:%v", o.Value("-f"), err)
	}
	for _, n := range names {
		if !slices.ContainsFunc(blocks, func(b jailBlock) bool { return b.name == n }) {
			return e.Failf("%q not found in %s", n, o.Value("-f"))
		}
	}
	removal := (o.Has("-r") || o.Has("-R")) && !o.Has("-c") && !o.Has("-m")
	if removal {
		slices.Reverse(blocks)
	}
	for _, b := range blocks {
		args := b.params
		if removal {
			args = []string{b.name}
		}
		if len(names) > 0 && !slices.Contains(names, b.name) {
			continue
		}
		if status := oneJail(e, c, o, args); status != 0 {
			return status
		}
	}
	return 0
}

// oneJail does what is asked for with a jail.
func oneJail(e *Env, c *client.Client, o *Opts, args []string) int {
	create, modify, remove := o.Has("-c"), o.Has("-m"), o.Has("-r") || o.Has("-R")
	switch {
	case remove && !create && !modify:
		if len(args) == 0 {
			return misused
		}
		return removeJails(e, c, o, args)
	case !create && !modify || len(args) == 0 && !o.Has("-n"):
		return misused
	}
	r := readJail(o, args)
	name := cmp.Or(r.params["name"], "jail")
	if remove {
		if status := removeJails(e, c, o, []string{name}); status != 0 {
			return status
		}
	}
	if modify {
		_, err := c.Jail(e.Ctx, within(e.Jail, name))
		if err == nil && r.params["name"] != "" {
			return modifyJail(e, c, o, name, r)
		}
		if !create {
			return e.Failf("jail %q not found", name)
		}
	}
	return createJail(e, c, o, name, r)
}

func createJail(e *Env, c *client.Client, o *Opts, name string, r jailRequest) int {
	if r.params["persist"] != "1" && r.start == "" && r.cmd == nil {
		return e.Failf("%s: a new jail must have persist, exec.start or command: else it would go at once", name)
	}
	n := client.NewJail{In: e.Jail, Parameters: r.params}
	if r.start == "" && r.cmd == nil {
		j, err := c.CreateJail(e.Ctx, n)
		if err != nil {
			return e.jailFail(name, err)
		}
		return reportJail(e, o, j.JID, j.Name, r)
	}
	p, err := c.CreateAttached(e.Ctx, n)
	if err != nil {
		return e.jailFail(name, err)
	}
	defer p.Release()
	if status := reportJail(e, o, p.JID, p.Jail, r); status != 0 {
		return status
	}
	return runInJail(e, p, r)
}

// reportJail says that a jail has been made.
func reportJail(e *Env, o *Opts, jid int, name string, r jailRequest) int {
	if o.Has("-v") {
		fmt.Fprintf(e.Out, "%d: created\n", jid)
	}
	if o.Has("-i") {
		fmt.Fprintln(e.Out, jid)
	}
	if o.Has("-J") {
		if err := os.WriteFile(o.Value("-J"), []byte(jidFile(jid, r.params)), 0o666); err != nil {
			return e.Fail(err)
		}
	}
	if e.JSON {
		return e.PrintJSON(map[string]any{"jail": map[string]any{"jid": jid, "name": relative(e.Jail, name)}})
	}
	return 0
}

// jidFile returns what -J writes: the number, and the parameters as they were given.
func jidFile(jid int, params map[string]string) string {
	words := []string{fmt.Sprintf("jid=%d", jid)}
	for name, v := range params {
		words = append(words, name+"="+quoted(v))
	}
	slices.Sort(words[1:])
	return strings.Join(words, " ") + "\n"
}

// runInJail runs the commands that a jail starts with.
func runInJail(e *Env, p *client.Process, r jailRequest) int {
	inner := *e
	inner.Jail, inner.FIB, inner.JSON = p.Jail, fmt.Sprint(p.FIB), false
	for _, line := range [][]string{strings.Fields(r.start), r.cmd} {
		if len(line) == 0 {
			continue
		}
		if status := nested(&inner, line); status != 0 {
			return status
		}
	}
	return 0
}

func modifyJail(e *Env, c *client.Client, o *Opts, name string, r jailRequest) int {
	delete(r.params, "name")
	if err := c.SetJail(e.Ctx, within(e.Jail, name), r.params); err != nil {
		return e.jailFail(name, err)
	}
	if o.Has("-v") {
		fmt.Fprintf(e.Out, "%s: modified\n", name)
	}
	if o.Has("-i") {
		j, err := c.Jail(e.Ctx, within(e.Jail, name))
		if err != nil {
			return e.jailFail(name, err)
		}
		fmt.Fprintln(e.Out, j.JID)
	}
	return 0
}

func removeJails(e *Env, c *client.Client, o *Opts, names []string) int {
	if slices.Contains(names, "*") {
		jails, err := c.Jails(e.Ctx, &client.JailQuery{In: e.Jail})
		if err != nil {
			return e.Fail(err)
		}
		names = nil
		for _, j := range slices.Backward(jails) { // those within others first
			names = append(names, relative(e.Jail, j.Name))
		}
	}
	status := 0
	for _, name := range names {
		switch err := c.RemoveJail(e.Ctx, within(e.Jail, name)); {
		case err != nil:
			status = e.jailFail(name, err)
		case o.Has("-v"):
			fmt.Fprintf(e.Out, "%s: removed\n", name)
		}
	}
	return status
}

// why returns what a message says behind what was to be done and the system error, or
// that error where it says no more.
func why(err error) string {
	if parts := strings.SplitN(err.Error(), ": ", 3); len(parts) == 3 {
		return parts[2]
	}
	return Strerror(err)
}

// jailFail reports what went wrong with a jail.
func (e *Env) jailFail(name string, err error) int {
	var said *client.Error
	switch {
	case !errors.As(err, &said):
		return e.Fail(err)
	case len(said.Fields) > 0 && said.Fields[0].Field == "path.jail":
		return e.Failf("%q not found", name)
	case len(said.Fields) > 0 && said.Fields[0].Field == "body.parameters.exec.fib":
		return e.Failf("%s: exec.fib: %s: %s", name, Strerror(err), why(err))
	case errors.Is(err, syscall.EEXIST) && strings.Contains(said.Message, "there is a jail"):
		return e.Failf("jail %q already exists", name)
	}
	if what, is := strings.CutPrefix(why(err), "there is no parameter "); is {
		return e.Failf("%s: unknown parameter: %s", name, strings.Trim(what, `"`))
	}
	return e.Failf("%s: %s", name, why(err))
}
