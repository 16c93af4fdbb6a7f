package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed88948545/vimage/internal/ctl/command"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "write manual pages",
		Long:    "It writes a page of section 1 for each command into a folder, to be read with man -l, or\nto be put where man finds them.",
		Example: "  vimage man /usr/local/share/man/man1\n  man vimage-ifconfig",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%d arguments for %q: name one folder", len(args), c.CommandPath())}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(c *cobra.Command, args []string) error { return writePages(c.Root(), args[0]) },
	}
}

// writePages writes the page of a command and of those below it.
func writePages(c *cobra.Command, dir string) error {
	f, err := os.Create(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
	if err != nil {
		return err
	}
	p := page(c)
	if err := p.Man(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, below := range documented(c) {
		if err := writePages(below, dir); err != nil {
			return err
		}
	}
	return nil
}

// documented returns the commands below one that have pages: all but cobra's own.
func documented(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(b *cobra.Command) bool {
		return !b.IsAvailableCommand() || b.Name() == "completion" || b.Name() == "help"
	})
}

// page returns what a command's manual page is made of.
func page(c *cobra.Command) command.Page {
	if own := command.Lookup(c.Name()); own != nil && c.DisableFlagParsing {
		return own.Page()
	}
	path := strings.TrimSpace(strings.TrimPrefix(c.CommandPath(), "vimage"))
	usage := strings.TrimSpace(strings.TrimPrefix(c.UseLine(), c.CommandPath()))
	p := command.Page{Name: path, Short: c.Short, Synopsis: []string{usage}, Long: c.Long}
	if p.Long == "" {
		p.Long = c.Short
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		arg, help := pflag.UnquoteUsage(f)
		p.Options = append(p.Options, [2]string{strings.TrimSpace(name + " " + arg), help})
	})
	for line := range strings.Lines(c.Example) {
		p.Example = append(p.Example, strings.TrimSpace(line))
	}
	for _, below := range documented(c) {
		p.See = append(p.See, strings.TrimSpace(path+" "+below.Name()))
	}
	return p
}
