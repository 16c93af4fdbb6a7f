package command

import (
	"fmt"
	"os"
)

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
		Whole:   true,
		Example: []string{"save", "save now.yaml", "up now.yaml -d"},
		Linux:   "ip address save, ip route save",
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
