package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed88948545/vimage/internal/tester"
)

// receiveFlags are the options of mcast receive.
type receiveFlags struct {
	tester.Receive
	groups, mode, source, net, schedule string
	zap                                 time.Duration
	capture                             string
	wire, sendWire, awayWire, on, at    string
	json                                bool
}

func newMcastReceive() *cobra.Command {
	f := new(receiveFlags)
	c := &cobra.Command{
		Use:   "receive",
		Short: "hosts that join groups, and leave them: delays, loss, leaks, capacity",
		Long: `Each of --hosts is a host of its own, with its own stack, MAC, address and IGMPv3 or
MLDv2, and joins all of --groups. Without --wire a LAN is made: one switch that
snoops, a querier, --senders that send to all groups, an impostor that sends to
them too, though nobody wants it, and --bystanders that join nothing and look at
every frame. With --on receivers, impostor and bystanders are added to a switch of a
topology file's network, and its hosts --from send. With --wire the hosts are put on a TAP device, and switch, querier and
senders are whatever is out there; with --send-wire and --away-wire senders and
bystanders are put on two others, and what lies between the three is tested.

A schedule is steps of the form join@TIME, leave@TIME, zap@TIME, filter@TIME, each
followed by what it needs: stagger=10ms (from one host to the next), hosts=0-99,
groups=0-3 or groups=own (one for each host), every=2s times=3 (of zap), mode=exclude
source=A,B (of filter). @FILE reads it from a file, where # begins a comment.

Measured are (RFC 3918): join delay, from the wish to the first datagram; leave
delay, from the wish to the last datagram on the host's link; both for hosts that
zap; datagrams lost, duplicated, reordered, from a wrong source, and leaked to
bystanders; and, with --find-capacity, how many groups the network takes. The last
line is the verdict, by the --expect and --max options; the exit status is 0 if it
is PASS, else 1.`,
		Example: `  vimage mcast receive
  vimage mcast receive --hosts 10000 --groups 232.1.1.1+4 --json
  vimage mcast receive --groups ff3e::1+8 --zap 2s --max-zap-time 150ms
  vimage mcast receive --virtual --seed 7 --capture mcast.pcapng --schedule "join@0s stagger=10ms leave@10s"
  vimage mcast receive --groups 239.1.1.1 --mode exclude --break source-filter
  vimage mcast receive --on examples/ssm.yaml --from source
  vimage mcast receive --wire tap:vm0 --net 10.9.0.0/16 --source 10.9.255.254
  vimage mcast receive --find-capacity --wire tap:vm0 --send-wire tap:vm1 --away-wire tap:vm2 --net 10.9.0.0/16 --groups 232.1.1.1+10000`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	f.add(c)
	return c
}

func (f *receiveFlags) run(c *cobra.Command) (err error) {
	if err := f.read(c.Flags()); err != nil {
		return usageError{err}
	}
	if err := f.Ready(); err != nil {
		return usageError{err}
	}
	if f.capture != "" {
		file, err := os.Create(f.capture)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		f.Capture = file
	}
	p := newProgress(c.ErrOrStderr())
	f.Progress = p.show
	r, err := tester.RunReceive(c.Context(), f.Receive)
	p.end()
	if err != nil {
		return err
	}
	return printMcast(c.OutOrStdout(), r, f.json)
}

func printMcast(w io.Writer, r *tester.Result, asJSON bool) error {
	err := error(nil)
	if asJSON {
		err = printJSON(w, r)
	} else {
		err = printReceived(w, r)
	}
	if err == nil && r.Verdict != tester.Pass {
		err = errFail
	}
	return err
}

// readSchedule reads a schedule from a flag, or from the file it names.
func readSchedule(text string) (tester.Schedule, error) {
	if name, is := strings.CutPrefix(text, "@"); is {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--schedule @%s: %w", name, err)
		}
		text = string(b)
	}
	s, err := tester.ParseSchedule(text)
	if err == nil && len(s) == 0 {
		err = errors.New("schedule: it is empty: begin with join@0s")
	}
	return s, err
}
