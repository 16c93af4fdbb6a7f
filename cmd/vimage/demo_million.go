package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed88948545/vimage/internal/demo"
)

// millionFlags are the options of demo million.
type millionFlags struct {
	demo.Million
	json bool
}

func newDemoMillion() *cobra.Command {
	f := new(millionFlags)
	c := &cobra.Command{
		Use:   "million",
		Short: "a million idle hosts on one switch, some of which are pinged",
		Long: `Makes hosts, each a network stack of its own with one interface, one address and
one membership of 239.1.1.1, all on one switch that snoops; waits until each has
repeated its report and nothing is under way; and pings some, chosen at random.
It prints how long that took, and how much memory by the kernel's count and by
Go's. The exit status is 0 if every ping was answered in less than a millisecond,
else 1.

A host is a member itself; with --sockets it is because of a UDP socket, which
takes more. The garbage collector allows for half as much garbage as there is in
use, within the memory that is meant to be enough; GOGC and GOMEMLIMIT say
otherwise. What was in force is printed.`,
		Example: `  vimage demo million
  vimage demo million --n 100000 --json
  vimage demo million --n 10000 --sockets --pings 100`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.add(c.Flags())
	return c
}

func (f *millionFlags) add(fl *pflag.FlagSet) {
	fl.IntVar(&f.N, "n", 1_000_000, "hosts")
	fl.IntVar(&f.Pings, "pings", 1000, "how many of them are pinged")
	fl.BoolVar(&f.Sockets, "sockets", false, "a UDP socket of each host joins")
	fl.BoolVar(&f.NoSnooping, "no-snooping", false, "the switch does not look at reports")
	fl.Uint64Var(&f.Seed, "seed", 1, "seed of everything random")
	fl.BoolVar(&f.json, "json", false, "print one JSON document; progress goes to stderr")
}

func (f *millionFlags) run(c *cobra.Command) error {
	if err := f.Check(); err != nil {
		return usageError{err}
	}
	p := newProgress(c.ErrOrStderr())
	f.Progress = p.show
	r, err := demo.RunMillion(c.Context(), f.Million)
	p.end()
	if err != nil {
		return err
	}
	return printResult(c.OutOrStdout(), r, r.Lines(), r.Verdict, f.json)
}
