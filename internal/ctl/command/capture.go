package command

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed88948545/vimage/client"
)

func captureCommand() *Command {
	return &Command{
		Name:     "capture",
		Short:    "record packets of any links and interfaces, while they are in use",
		Synopsis: []string{"[-c count] [-s snaplen] [-B KiB] [-C MB] [-G seconds] [-W files] link|interface ... [-w file|-] [filter]"},
		Long: `Links are named as the lab names them, interfaces as JAIL:IF. With -j, or in a jail, those
are interfaces of it by their name, or of jails in it, and no links. All go into one stream of pcapng, each as an interface of its own, with the
direction of each packet (of a link: as its first end sees it), and the packets that a
stack has lost, with the reason as a comment.

What follows the names is a filter in the language of tcpdump; a "--" before it ends the
names. Without -w the stream goes to the standard output, for a program that reads it.

The network does not wait for the reader: packets that find no room to wait for it (-B)
are missing, and counted in the stream. Once a second, and at the end, a line on the
standard error says how many there have been.`,
		Options: []Option{
			{"-w", "FILE", "write to a file; -: the standard output", nil},
			{"-c", "COUNT", "end after so many packets", nil},
			{"-s", "SNAPLEN", "keep so many bytes of each packet; 0: all", nil},
			{"-B", "KIB", "room for packets that wait for the reader, 8192 unless said", nil},
			{"-C", "MB", "go on in another file, FILE1, FILE2 ..., once one has so many million bytes", nil},
			{"-G", "SECONDS", "go on in another file after so many; %H%M%S and such in FILE are the time", nil},
			{"-W", "FILES", "with -C: write over the first after so many files; with -G: end after them", nil},
			{"-U", "", "write each packet at once, which is so in any case", nil},
			{"-q", "", "say nothing on the standard error but what is wrong", nil},
		},
		Own:      "-fib",
		Example:  []string{"capture a-b | tshark -r -", "capture web:eth0 lan | wireshark -k -i -", "capture a-b -w lab.pcapng -C 10 -W 5 tcp port 80"},
		Linux:    "ip netns exec NAME tcpdump -i eth0 -w -",
		Run:      runCapture,
		Complete: completeCapture,
	}
}

func completeCapture(e *Env, args []string, word string) []string {
	c := e.quiet()
	if c == nil {
		return nil
	}
	p, _ := c.CapturePoints(e.Ctx, e.Jail, word)
	return slices.Concat(p.Links, p.Interfaces)
}

func runCapture(e *Env, o *Opts, args []string) int {
	c := e.Client()
	if c == nil {
		return 1
	}
	r := &client.CaptureRequest{In: e.Jail}
	jails := o.Count("-j")
	args, status := capturePoints(e, c, o, r, args)
	switch {
	case status != 0:
		return status
	case o.Count("-j") > jails:
		return e.Failf("-j stands before the names")
	}
	r.Filter = strings.Join(args, " ")
	f, err := newSaver(e, o)
	for name, to := range map[string]*int{"-c": &r.Count, "-s": &r.SnapLen, "-B": &r.Buffer} {
		if err == nil && o.Has(name) {
			*to, err = captureNumber(o, name)
		}
	}
	if err != nil {
		return e.Fail(err)
	}
	if f.name == "" && e.Terminal {
		return e.Failf("packets are not for a terminal: say -w FILE, or | tshark -r -, or | wireshark -k -i -")
	}
	x, err := c.Capture(e.Ctx, r)
	if err != nil {
		return captureRefused(e, r, err)
	}
	defer x.Close()
	err = f.save(x)
	if e.JSON && f.name != "" {
		e.PrintJSON(f.document())
	} else if !o.Has("-q") {
		f.report()
	}
	if err != nil {
		return e.Fail(err)
	}
	return 0
}

func captureNumber(o *Opts, name string) (int, error) {
	n, err := strconv.Atoi(o.Value(name))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is not a number", name, o.Value(name))
	}
	return n, nil
}

// capturePoints takes the names of links and interfaces off the arguments, with options
// between and behind them. What is left is the filter.
func capturePoints(e *Env, c *client.Client, o *Opts, r *client.CaptureRequest, args []string) (rest []string, status int) {
	if len(args) == 0 {
		return nil, misused
	}
	self := captureCommand()
	for len(args) > 0 {
		if args[0] == "--" {
			args = args[1:]
			break
		}
		if len(args[0]) > 1 && args[0][0] == '-' {
			var err error
			if args, err = self.take(o, args); err != nil {
				return nil, e.Fail(err)
			}
			continue
		}
		if len(r.At) > 0 {
			is, err := isCapturePoint(e, c, args[0])
			if err != nil {
				return nil, e.Fail(err)
			}
			if !is {
				break
			}
		}
		r.At, args = append(r.At, args[0]), args[1:] // what the first word is, the lab will say
	}
	return args, 0
}

// isCapturePoint tells whether a word is the name of something that can be captured.
func isCapturePoint(e *Env, c *client.Client, word string) (bool, error) {
	if strings.HasPrefix(word, "link:") || strings.HasPrefix(word, "interface:") {
		return true, nil
	}
	p, err := c.CapturePoints(e.Ctx, e.Jail, word)
	return slices.Contains(p.Links, word) || slices.Contains(p.Interfaces, word), err
}

// captureRefused says why there is no capture: of a filter, which word it is.
func captureRefused(e *Env, r *client.CaptureRequest, err error) int {
	m, ok := client.FindFilterMistake(err)
	if !ok || m.Position > len(r.Filter) {
		return e.Fail(captureText(err))
	}
	why := m.Why
	if m.Position == 0 {
		why += "; nor is it a link or an interface"
	}
	status := e.Failf("filter: %s", why)
	fmt.Fprintf(e.Err, "  %s\n  %s%s\n", r.Filter,
		strings.Repeat(" ", utf8.RuneCountInString(r.Filter[:m.Position])), strings.Repeat("^", max(1, utf8.RuneCountInString(m.Word))))
	return status
}

// captureText is what went wrong without the name of the system's error.
func captureText(err error) error {
	var said *client.Error
	if errors.As(err, &said) && said.Strerror() != "" {
		if _, text, ok := strings.Cut(said.Message, ": "); ok {
			return errors.New(text)
		}
	}
	return err
}
