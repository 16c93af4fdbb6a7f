package command

import (
	"errors"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func setfibCommand() *Command {
	return &Command{
		Name:     "setfib",
		Short:    "run a command with another routing table",
		Synopsis: []string{"[-F] fib command [argument ...]"},
		Long: `What the command asks for, and what it sends, uses the routing table of that number or
name. The forms -fib, -F fib and -Ffib are understood too. The command is one of
vimage's own.`,
		Options: []Option{{"-F", "N", "the routing table", fibNames}},
		Own:     "-fib -j",
		Nested:  true,
		Raw:     true,
		Example: []string{"setfib 1 netstat -rn", "jexec web setfib 1 ping -c 1 10.0.0.2"},
		Linux:   "ip vrf exec NAME command, or ip rule",
		Run:     runSetfib,
		Complete: func(e *Env, args []string, word string) []string {
			_, rest, ok := fibArg(args)
			if !ok {
				return fibNames(e, word)
			}
			return nestedCompletions(e, rest, word)
		},
	}
}

// fibArg reads the table in one of its forms: N, -N, -F N, -FN.
func fibArg(args []string) (fib string, rest []string, ok bool) {
	if len(args) == 0 {
		return "", nil, false
	}
	fib, rest = args[0], args[1:]
	switch f, is := strings.CutPrefix(fib, "-F"); {
	case is && f != "":
		return f, rest, true
	case is && len(rest) == 0:
		return "", nil, false
	case is:
		return rest[0], rest[1:], true
	}
	return strings.TrimPrefix(fib, "-"), rest, true
}

func runSetfib(e *Env, _ *Opts, args []string) int {
	fib, rest, ok := fibArg(args)
	if !ok || len(rest) == 0 {
		return misused
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	p, err := c.Attach(e.Ctx, e.Jail, client.ProcessConfig{FIB: fib})
	var said *client.Error
	switch {
	case errors.As(err, &said) && len(said.Fields) > 0 && said.Fields[0].Field == "query.fib":
		return e.Failf("%s: Invalid argument", fib)
	case err != nil:
		return e.Fail(err)
	}
	defer p.Release()
	inner := *e
	inner.FIB = fib
	return nested(&inner, rest)
}
