package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/rundir"
)

// endWait is how long a lab may take to end.
const endWait = 30 * time.Second

func newLs() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls",
		Short: "list the labs that are running",
		Long: `One that has crashed is listed once more, as such, and what it left behind is removed,
but for what its daemon had to say.`,
		Example: "  vimage ls\n  vimage ls --json",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return listLabs(c, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

func listLabs(c *cobra.Command, asJSON bool) (err error) {
	labs, err := client.Labs()
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range labs {
			if l.Running {
				continue
			}
			if e := rundir.Default().Forget(l.Name); !errors.Is(e, rundir.ErrRunning) { // it may run again
				err = errors.Join(err, e)
			}
		}
	}()
	if asJSON {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"labs": append([]client.LabInfo{}, labs...)})
	}
	if len(labs) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tSTATE\tPID\tSINCE\tFILE")
	for _, l := range labs {
		state := "running"
		if !l.Running {
			state = "crashed"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", l.Name, state, l.PID, l.Started.Local().Format(time.DateTime), l.File)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, l := range labs {
		if !l.Running {
			fmt.Fprintf(c.ErrOrStderr(), "vimage: %s has crashed; its last words are in %s\n", l.Name, rundir.Default().Log(l.Name))
		}
	}
	return nil
}

func newDown() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:               "down [NAME]",
		Short:             "end a lab that was started with up -d",
		Long:              "It waits until the lab is gone, and nothing is left of it. Without a name it ends the only\nlab that runs, or that which VIMAGE_LAB names.",
		Example:           "  vimage down\n  vimage down two-hosts\n  vimage down --all",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeLabs,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usageError{fmt.Errorf("%d arguments for %q: name one lab, or say --all", len(args), c.CommandPath())}
			case all && len(args) > 0:
				return usageError{errors.New("--all and a name do not go together")}
			case all:
				return downAll(c.Context())
			}
			return downOne(c.Context(), append(args, "")[0])
		},
	}
	c.Flags().BoolVar(&all, "all", false, "end all of them")
	return c
}

func completeLabs(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	labs, _ := client.Labs() // what cannot be found is not offered
	for _, l := range labs {
		if len(args) == 0 && l.Running {
			names = append(names, l.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func downAll(ctx context.Context) error {
	labs, err := client.Labs()
	for _, l := range labs {
		err = errors.Join(err, downOne(ctx, l.Name))
	}
	return err
}

// downOne ends a lab, or removes what one that has crashed left.
func downOne(ctx context.Context, name string) error {
	c, err := client.Open(name)
	if err != nil {
		if name == "" || rundir.CheckName(name) != nil {
			return err
		}
		if left, e := rundir.Default().Clean(name); left && e == nil {
			return nil
		}
		return err
	}
	if err := c.Down(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.Name(), err)
	}
	gone := make(chan error, 1)
	go func() { gone <- rundir.Default().Wait(c.Name()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, endWait, fmt.Errorf("%s has not ended after %v: see its PID in vimage ls", c.Name(), endWait))
	defer cancel()
	select {
	case err := <-gone:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
