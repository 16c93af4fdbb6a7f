package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed88948545/vimage/internal/demo"
)

func newDemo() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "networks that measure themselves",
		Args:  noArgs,
		RunE:  help,
	}
	c.AddCommand(newDemoSSM())
	c.AddCommand(newDemoMillion())
	return c
}

// ssmFlags are the options of demo ssm.
type ssmFlags struct {
	demo.SSM
	capture string
	json    bool
	wire    wireFlags
}

func newDemoSSM() *cobra.Command {
	f := new(ssmFlags)
	c := &cobra.Command{
		Use:   "ssm",
		Short: "thousands of receivers join (S,G); an impostor sends to the same group",
		Long: `A source sends to a group, an impostor to the same; a router asks (IGMPv3), one
switch snoops. Receivers, each a host of its own, join (S,G); one in ten shares a
hub with a host that joined the impostor. As many hosts again join nothing. The
last line tells whether all joined and got everything, and whether anything else
got through; the exit status is 0 if so, else 1.

With --wire the receivers are put on a real TAP device, and switch, querier and
source are whatever is out there; the run ends when every receiver has had
--packets datagrams of the source, or after --for.`,
		Example: `  vimage demo ssm
  vimage demo ssm --receivers 10000 --packets 100 --json
  vimage demo ssm --virtual --seed 7 --capture ssm.pcapng
  vimage demo ssm --break snooping
  vimage demo ssm --wire tap:vm0 --source 10.9.0.100 --group 232.1.1.1 --net 10.9.0.0/16`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.add(c.Flags())
	c.RegisterFlagCompletionFunc("break", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return demo.Breaks(), cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

func (f *ssmFlags) add(fl *pflag.FlagSet) {
	fl.IntVar(&f.Receivers, "receivers", 2000, "hosts that join")
	fl.IntVar(&f.Groups, "groups", 1, "groups they are spread over")
	fl.IntVar(&f.Sources, "sources", 1, "sources that send to each group")
	fl.IntVar(&f.Packets, "packets", 10, "datagrams from each source to each group")
	fl.Uint64Var(&f.Seed, "seed", 1, "seed of everything random")
	fl.BoolVar(&f.Virtual, "virtual", false, "simulated time: the same seed gives the same bytes")
	fl.StringVar(&f.Break, "break", "", "turn one part off: source-filter, snooping, report or link")
	fl.StringVar(&f.capture, "capture", "", "write every link's frames to this pcapng `file`")
	f.wire.add(fl)
	fl.BoolVar(&f.json, "json", false, "print one JSON document; progress goes to stderr")
}

func (f *ssmFlags) run(c *cobra.Command) (err error) {
	if f.wire.device != "" {
		return f.runWire(c)
	}
	if err := f.wire.unused(c.Flags()); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return usageError{err}
	}
	if f.capture != "" {
		file, err := os.Create(f.capture)
		if err != nil {
			return err
		}
		defer func() {
			if e := file.Close(); err == nil {
				err = e
			}
		}()
		f.Capture = file
	}
	p := newProgress(c.ErrOrStderr())
	f.Progress = p.show
	r, err := demo.RunSSM(c.Context(), f.SSM)
	p.end()
	if err != nil {
		return err
	}
	return printResult(c.OutOrStdout(), r, r.Line(), r.Verdict, f.json)
}

// printResult prints what a demonstration measured, as JSON or as text; the exit status
// is its verdict's.
func printResult(w io.Writer, r any, text, verdict string, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(w, text)
	}
	if verdict != demo.Pass {
		return errFail
	}
	return nil
}
