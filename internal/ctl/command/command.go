// Package command is the commands with which one lives in a running lab, as BSD has
// them: their options, their output, their messages, their exit status. Each goes
// through package client; none knows how it is called, or where its output goes.
//
// A command is an entry of Table: it says how it is used, in words from which help,
// manual pages and completion are made, and has a function that runs it. To add one,
// write its file and name it in Table; jls.go is an example.
package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed88948545/vimage/client"
)

// Command is one command.
type Command struct {
	Name     string
	Short    string   // what it does, in a few words without a capital or a full stop
	Synopsis []string // how it is used, a line each, without its name
	Long     string   // more of what it does
	Example  []string // lines to try, as they are typed
	Linux    string   // what somebody who knows Linux would type instead; "" if the same
	Options  []Option // beside the common ones: see Parse

	Own    string // common options that it does not have, or has with another meaning: "-j -fib"
	Whole  bool   // it acts on the network as a whole, and so in no jail
	Nested bool   // what follows its operands is another command's
	Raw    bool   // it reads its arguments itself, all but the common options in front
	Misuse int    // exit status after a mistake in the arguments; 0 means 1

	// Run runs it with what Parse has left of the arguments, and returns the exit
	// status.
	Run func(e *Env, o *Opts, args []string) int
	// Complete returns what may stand in the place of word, after these operands.
	// What does not begin with word is left out. It may be nil.
	Complete func(e *Env, args []string, word string) []string
}

// Table returns the commands, by name.
func Table() []*Command {
	return []*Command{
		arpCommand(),
		captureCommand(),
		flowCommand(),
		groupCommand(),
		hostCommand(),
		ifconfigCommand(),
		ifmcstatCommand(),
		jailCommand(),
		jexecCommand(),
		jlsCommand(),
		linkCommand(),
		ndpCommand(),
		netstatCommand(),
		pingCommand(),
		routeCommand(),
		saveCommand(),
		setfibCommand(),
		sockstatCommand(),
		switchCommand(),
		sysctlCommand(),
		topCommand(),
		tracerouteCommand(),
	}
}

// Lookup returns the command of that name, nil where there is none.
func Lookup(name string) *Command {
	all := Table()
	if i := slices.IndexFunc(all, func(c *Command) bool { return c.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// Env is what a command finds around it.
type Env struct {
	Ctx  context.Context
	In   io.Reader
	Out  *bufio.Writer // is flushed when the command has run; one that goes on flushes it itself
	Err  io.Writer
	Open func(lab string) (*client.Client, error) // client.Open

	Lab  string // which lab; "": see client.Open
	Jail string // in which jail; "": jail 0
	FIB  string // routing table, by number or name; "": the process's own
	JSON bool   // print one JSON document instead of text

	Terminal bool   // Out is one: no place for what only programs read
	Screen   Screen // the terminal that In and Out are, for commands that draw; nil: none

	name string
	c    *client.Client
}

// Client returns a client of the lab. Its failure has been reported where it is nil.
func (e *Env) Client() *client.Client {
	if e.c == nil {
		c, err := e.Open(e.Lab)
		if err != nil {
			e.Fail(err)
			return nil
		}
		e.c = c
	}
	return e.c
}

// Fail prints what went wrong behind the command's name and returns 1.
func (e *Env) Fail(err error) int {
	if jail, no := noJail(err); no {
		return e.Failf("%s", jail)
	}
	return e.Failf("%v", err)
}

// noJail returns what is said where there is no such jail as was named, if that is the
// error.
func noJail(err error) (text string, ok bool) {
	at, name := blamed(err)
	return fmt.Sprintf("jail %q not found", name), at == "path.jail" || at == "query.in" || at == "body.in"
}

// Failf is Fail for a message of its own.
func (e *Env) Failf(format string, args ...any) int {
	e.Out.Flush()
	fmt.Fprintf(e.Err, "%s: %s\n", e.name, fmt.Sprintf(format, args...))
	return 1
}

// Strerror returns what BSD says of the system error in err, or what err says itself
// where there is none, or where it is the jail or the routing table that is wrong.
func Strerror(err error) string {
	said, ok := err.(*client.Error)
	if !ok {
		return err.Error()
	}
	if text, no := noJail(err); no {
		return text
	}
	switch at, _ := blamed(said); {
	case at == "query.fib" || said.Strerror() == "":
		return err.Error()
	}
	return said.Strerror()
}

// blamed returns which part of a request an error is due to, and what it was.
func blamed(err error) (field, value string) {
	var said *client.Error
	if !errors.As(err, &said) || len(said.Fields) == 0 {
		return "", ""
	}
	return said.Fields[0].Field, fmt.Sprint(said.Fields[0].Value)
}

// Main runs the command with its arguments and returns its exit status.
func (c *Command) Main(e *Env, args []string) int {
	e.name = c.Name
	o, rest, err := c.Parse(e, args)
	switch {
	case err != nil:
		e.Out.Flush()
		fmt.Fprintf(e.Err, "%s: %v\n%s", c.Name, err, c.usage())
		return c.misuse()
	case o.Has("--help"):
		c.Help(e.Out)
		e.Out.Flush()
		return 0
	}
	status := c.Run(e, o, rest)
	if status == misused {
		e.Out.Flush()
		fmt.Fprint(e.Err, c.usage())
		status = c.misuse()
	}
	if err := e.Out.Flush(); err != nil && status == 0 {
		status = 1
	}
	return status
}

// misused is what Run returns to have the command's usage printed.
const misused = -1

func (c *Command) misuse() int {
	if c.Misuse != 0 {
		return c.Misuse
	}
	return 1
}

// usage returns the lines that follow a mistake.
func (c *Command) usage() string {
	var b strings.Builder
	for i, s := range c.Synopsis {
		head := "usage: "
		if i > 0 {
			head = "       "
		}
		b.WriteString(strings.TrimRight(head+c.Name+" "+s, " ") + "\n")
	}
	return b.String()
}
