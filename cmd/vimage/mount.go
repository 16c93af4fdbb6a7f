package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl/command"
)

// exitStatus is the end of a command that has said itself what there was to say.
type exitStatus int

// Error implements error.
func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// mount adds the commands that act on a running lab. They read their arguments
// themselves: BSD's are not cobra's.
func mount(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: "networks", Title: "Networks:"}, &cobra.Group{ID: "live", Title: "In a running lab:"})
	for _, c := range root.Commands() {
		c.GroupID = "networks"
	}
	for _, c := range command.Table() {
		root.AddCommand(mounted(c))
	}
}

func mounted(c *command.Command) *cobra.Command {
	m := &cobra.Command{
		Use: strings.TrimSpace(c.Name + " " + c.Synopsis[0]), Short: c.Short, GroupID: "live",
		DisableFlagParsing: true,
		RunE: func(m *cobra.Command, args []string) error {
			if s := c.Main(environment(m), args); s != 0 {
				return exitStatus(s)
			}
			return nil
		},
		ValidArgsFunction: func(m *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			return c.Completions(environment(m), args, word), cobra.ShellCompDirectiveNoFileComp
		},
	}
	m.SetHelpFunc(func(m *cobra.Command, _ []string) { c.Help(m.OutOrStdout()) })
	return m
}

// environment is what commands find around them when a user calls them.
func environment(m *cobra.Command) *command.Env {
	e := &command.Env{
		Ctx: m.Context(), In: m.InOrStdin(), Out: bufio.NewWriter(m.OutOrStdout()), Err: m.ErrOrStderr(), Open: client.Open,
	}
	in, typed := m.InOrStdin().(*os.File)
	out, seen := m.OutOrStdout().(*os.File)
	e.Terminal = seen && term.IsTerminal(int(out.Fd()))
	if e.Terminal && typed && term.IsTerminal(int(in.Fd())) && os.Getenv("TERM") != "dumb" {
		e.Screen = screen{in, out}
	}
	return e
}

// screen is the terminal that the program is used from.
type screen struct{ in, out *os.File }

// Size implements command.Screen.
func (s screen) Size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 1 || height < 1 {
		return 80, 24
	}
	return width, height
}

// Raw implements command.Screen.
func (s screen) Raw() (keys <-chan []byte, restore func(), err error) {
	was, err := term.MakeRaw(int(s.in.Fd()))
	if err != nil {
		return nil, nil, err
	}
	typed, done := make(chan []byte), make(chan struct{})
	go s.read(typed, done)
	return typed, func() {
		close(done)
		_ = term.Restore(int(s.in.Fd()), was) // what it is for has gone where that fails
	}, nil
}

// read passes on what is typed. One read more is under way when nobody wants it any
// longer: then the program ends.
func (s screen) read(typed chan<- []byte, done <-chan struct{}) {
	for {
		b := make([]byte, 64)
		n, err := s.in.Read(b)
		if err != nil {
			return // there will be no more keys
		}
		select {
		case typed <- b[:n]:
		case <-done:
			return
		}
	}
}
