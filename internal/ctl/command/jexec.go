package command

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/seed88948545/vimage/client"
)

// The exit statuses of commands that run others.
const (
	exitCannotRun = 126
)

func jexecCommand() *Command {
	return &Command{
		Name:     "jexec",
		Short:    "run a command in a jail",
		Synopsis: []string{"[-l] [-u user] jail command [argument ...]"},
		Long: `The command is one of vimage's own: other programs cannot be run in a jail yet. While
it runs there is a process in the jail, which keeps one alive that does not persist.
There are no users and no environment in a jail: -l, -u and -U change nothing.`,
		Options: []Option{
			{"-l", "", "in a clean environment", nil},
			{"-u", "USER", "as a user of the host", nil},
			{"-U", "USER", "as a user of the jail", nil},
		},
		Own:     "-fib",
		Nested:  true,
		Example: []string{"jexec web ifconfig", "jexec web setfib 1 netstat -rn"},
		Linux:   "ip netns exec web ip address",
		Run:     runJexec,
		Complete: func(e *Env, args []string, word string) []string {
			if len(args) == 0 {
				return jailNames(e, word)
			}
			e.Jail = within(e.Jail, args[0])
			return nestedCompletions(e, args[1:], word)
		},
	}
}

func runJexec(e *Env, _ *Opts, args []string) int {
	if len(args) == 0 {
		return misused
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	p, err := c.Attach(e.Ctx, within(e.Jail, args[0]), client.ProcessConfig{FIB: e.FIB})
	switch {
	case errors.Is(err, syscall.ENOENT):
		return e.Failf("jail %q not found", args[0])
	case err != nil:
		return e.Fail(err)
	}
	defer p.Release()
	inner := *e
	inner.Jail = p.Jail
	return nested(&inner, args[1:])
}

// nested runs a command of the table within the process that e is.
func nested(e *Env, args []string) int {
	if len(args) == 0 {
		e.Failf("there is no shell to be run: name one of vimage's commands")
		return exitCannotRun
	}
	c := Lookup(args[0])
	if c == nil {
		e.Failf("%s: it cannot be run here: only vimage's own commands can, until programs can be run unmodified", args[0])
		return exitCannotRun
	}
	if c.Whole && !e.everywhere() {
		e.Failf("%s: it cannot be run here: it acts on the network as a whole, and not in a jail", args[0])
		return exitCannotRun
	}
	return c.Main(e, args[1:])
}

// everywhere tells whether e is in no jail but that which all are in.
func (e *Env) everywhere() bool { return e.Jail == "" || e.Jail == "0" }

// nestedCompletions completes a command that follows another.
func nestedCompletions(e *Env, args []string, word string) []string {
	if len(args) > 0 {
		if c := Lookup(args[0]); c != nil {
			return c.Completions(e, args[1:], word)
		}
		return nil
	}
	var all []string
	for _, c := range Table() {
		if !c.Whole || e.everywhere() {
			all = append(all, fmt.Sprintf("%s\t%s", c.Name, c.Short))
		}
	}
	return all
}
