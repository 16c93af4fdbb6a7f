// Command vimage runs whole networks inside one process: demonstrations,
// topology files, testers. Every command has --help with an example.
//
// Exit status: 0 for success and a verdict of PASS, 1 for failure and a verdict
// of FAIL, 2 for a mistake in the command line or in a file, 130 after an
// interrupt.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitOK        = 0
	exitFail      = 1
	exitUsage     = 2
	exitInterrupt = 130
)

func main() { os.Exit(run(os.Args[1:])) }

// errFail says that everything worked and the verdict is FAIL: it has been
// printed.
var errFail = errors.New("the verdict is FAIL")

// usageError is a mistake of the caller's.
type usageError struct{ error }

// Unwrap returns what the mistake is.
func (e usageError) Unwrap() error { return e.error }

var errInterrupt = errors.New("interrupted")

func run(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel(errInterrupt)
		signal.Stop(signals) // a second one ends the process at once
	}()
	root := newRoot()
	root.SetArgs(args)
	return statusTo(os.Stderr, root.ExecuteContext(ctx))
}

// statusTo prints an error that has not been printed and returns the exit status.
func statusTo(w io.Writer, err error) int {
	var usage usageError
	var said exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &said):
		return int(said)
	case errors.Is(err, errFail):
		return exitFail
	case errors.Is(err, errInterrupt):
		fmt.Fprintln(w, "vimage: interrupted")
		return exitInterrupt
	case errors.As(err, &usage):
		fmt.Fprintf(w, "vimage: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(w, "vimage: %v\n", err)
	return exitFail
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "vimage",
		Short:         "a complete network inside one process",
		Long:          "vimage builds networks of hosts, routers and switches inside one ordinary process:\neach has its own IP stack, several routing tables and source-specific multicast.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          help,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	root.AddCommand(newDemo())
	root.AddCommand(newUp())
	root.AddCommand(newMcast())
	root.AddCommand(newMtest())
	root.AddCommand(newLs())
	root.AddCommand(newDown())
	root.AddCommand(newDaemon())
	root.AddCommand(newMan())
	mount(root)
	return root
}

// help is what a command that only has others does. A command must do something
// for its arguments to be looked at.
func help(c *cobra.Command, _ []string) error { return c.Help() }

// noArgs refuses arguments and says what would be right.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	right := fmt.Sprintf("see %s --help", c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		right = fmt.Sprintf("did you mean %s?", near[0])
	}
	return usageError{fmt.Errorf("unknown argument %q for %q: %s", args[0], c.CommandPath(), right)}
}
