package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed88948545/vimage/internal/watch"
	"github.com/seed88948545/vimage/internal/watch/live"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// watchFlags are the options of mcast watch.
type watchFlags struct {
	wire, read, on string
	at             string
	links          []string
	sent           bool
	limit, every   time.Duration
	seed           uint64
	virtual        bool
	json           bool
	quiet          bool
	strict         bool

	w    *watch.Watcher
	out  io.Writer
	next int64 // when the tables are due
}

func newMcastWatch() *cobra.Command {
	f := new(watchFlags)
	c := &cobra.Command{
		Use:   "watch (--wire tap:NAME | --read FILE | --on FILE.yaml)",
		Short: "who joined what, from the frames seen",
		Long: `Reads IGMP (versions 1 to 3), MLD (1 and 2) and the data of groups from frames,
and sends nothing. It prints a line for each join, change, leave, query and
malformed message, and for each anomaly when it is first seen; and at the end, or
with --every again and again, tables: each host's groups with filter mode and
sources, groups, queriers, data with those who want it, anomalies. Anomalies are
members that did not answer a query or have run out, messages without Router
Alert, with a TTL that is not 1 or a wrong destination, and several queriers.

Frames come from a TAP device; from a capture, pcap or pcapng, "-" for stdin; or
from one segment of a topology file's network, which runs as up runs it. A switch
that snoops shows reports to routers only: what is plugged into one must be made a
router port there (on Linux: ip link set DEV type bridge_slave mcast_router 2).

Without --for a wire is watched until an interrupt, which is then no failure. The
exit status is 0, or with --strict 1 if anything was malformed or an anomaly.`,
		Example: `  vimage mcast watch --read capture.pcapng
  tcpdump -i br0 -U -w - igmp | vimage mcast watch --read - --json
  vimage mcast watch --wire tap:vm0 --every 10s
  vimage mcast watch --on examples/ssm.yaml --virtual`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	fl := c.Flags()
	fl.StringVar(&f.wire, "wire", "", "listen to a real wire: tap:NAME, created if need be")
	fl.StringVar(&f.read, "read", "", "read the capture `file`, pcap or pcapng; - for stdin")
	fl.StringVar(&f.on, "on", "", "run the network of this topology `file`")
	fl.StringVar(&f.at, "at", "", "with --on: the switch, link or node whose `segment` is watched (default the first with a querier)")
	fl.StringArrayVar(&f.links, "link", nil, "with --read: only frames of this `interface` of the capture; may be repeated")
	fl.BoolVar(&f.sent, "sent", false, "with --read: only frames that their interface has sent; of a capture of all links of a lab, each frame once")
	fl.DurationVar(&f.limit, "for", 0, "with --wire and --on: end after this time; 0: at an interrupt, or when the flows have ended")
	fl.DurationVar(&f.every, "every", 0, "print the tables so often, too")
	fl.Uint64Var(&f.seed, "seed", 1, "with --on: seed of everything random")
	fl.BoolVar(&f.virtual, "virtual", false, "with --on: simulated time")
	fl.BoolVar(&f.json, "json", false, "print a JSON object per line: events, and last the tables")
	fl.BoolVar(&f.quiet, "quiet", false, "print the tables only")
	fl.BoolVar(&f.strict, "strict", false, "malformed messages and anomalies make the exit status 1")
	c.RegisterFlagCompletionFunc("on", completeYAML)
	c.RegisterFlagCompletionFunc("read", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"pcap", "pcapng"}, cobra.ShellCompDirectiveFilterFileExt
	})
	return c
}

// completeYAML offers topology files.
func completeYAML(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// check finds options that do not go together.
func (f *watchFlags) check(c *cobra.Command) error {
	given := 0
	for _, s := range []string{f.wire, f.read, f.on} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return usageError{fmt.Errorf("give one of --wire tap:NAME, --read FILE and --on FILE.yaml (see %s --help)", c.CommandPath())}
	}
	for _, o := range []struct {
		names, with string
		ok          bool
	}{{"at seed virtual", "--on FILE.yaml", f.on != ""}, {"link sent", "--read FILE", f.read != ""}, {"for", "--wire or --on", f.read == ""}} {
		for _, name := range strings.Fields(o.names) {
			if c.Flags().Changed(name) && !o.ok {
				return usageError{fmt.Errorf("--%s goes with %s", name, o.with)}
			}
		}
	}
	if f.limit < 0 || f.every < 0 {
		return usageError{fmt.Errorf("--for %v --every %v: times of 0s or more", f.limit, f.every)}
	}
	return nil
}

func (f *watchFlags) run(c *cobra.Command) error {
	if err := f.check(c); err != nil {
		return err
	}
	f.w, f.out = watch.New(watch.Config{}), c.OutOrStdout()
	var end int64
	var err error
	switch {
	case f.read != "":
		end, err = f.fromCapture(c)
	case f.on != "":
		end, err = f.fromLab(c)
	default:
		end, err = f.fromWire(c)
	}
	var usage usageError
	if errors.As(err, &usage) || err != nil && f.w.Counts().Frames == 0 {
		return err
	}
	if e := f.events(end); e != nil {
		return e
	}
	r := f.w.Report(end)
	if e := f.events(end); e != nil {
		return e
	}
	if e := f.tables(r); e != nil {
		return e
	}
	if err == nil && f.strict && (r.Counts.Malformed > 0 || len(r.Anomalies) > 0) {
		return errFail
	}
	return err
}

// fromCapture reads a file, or stdin.
func (f *watchFlags) fromCapture(c *cobra.Command) (end int64, err error) {
	in := c.InOrStdin()
	if f.read != "-" {
		file, err := os.Open(f.read)
		if err != nil {
			return 0, usageError{err}
		}
		defer file.Close()
		in = file
	}
	var failed error
	stop := func() error { return errors.Join(failed, context.Cause(c.Context())) }
	end, err = live.ReadCapture(in, f.links, f.sent, stop, func(fr *live.Frame) {
		fr.Give(f.w)
		failed = f.events(fr.At)
	})
	if err != nil && !errors.Is(err, errInterrupt) {
		err = fmt.Errorf("%s: %w", f.read, err)
	}
	return end, err
}

// fromLab runs a topology file's network.
func (f *watchFlags) fromLab(c *cobra.Command) (end int64, err error) {
	l, err := openLab(c, f.on, f.at, lab.Config{Seed: f.seed, Simulated: f.virtual})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	f.w.Begin(l.Now())
	err = l.Run(c.Context(), f.limit, func() error {
		err := l.Take(func(fr *live.Frame) { fr.Give(f.w) })
		f.w.Advance(l.Now())
		return errors.Join(err, f.events(l.Now()))
	})
	err = errors.Join(err, l.Take(func(fr *live.Frame) { fr.Give(f.w) }))
	return l.Now(), err
}

// openLab loads a topology file and builds its network, of which one segment is
// listened to.
func openLab(c *cobra.Command, name, at string, cfg lab.Config) (*live.Lab, error) {
	file, err := loadTopology(c, name)
	if err != nil {
		return nil, err
	}
	if _, err := file.Segment(at); err != nil {
		return nil, usageError{fmt.Errorf("--at: %w", err)}
	}
	return live.OpenLab(file, at, cfg)
}

// fromWire listens to a device.
func (f *watchFlags) fromWire(c *cobra.Command) (end int64, err error) {
	w, err := openWire(f.wire, f.seed)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	f.w.Begin(w.Now())
	began := w.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for f.limit == 0 || w.Now()-began < int64(f.limit) {
		select {
		case <-c.Context().Done():
			if err := context.Cause(c.Context()); f.limit > 0 || !errors.Is(err, errInterrupt) {
				return w.Now(), err
			}
			return w.Now(), nil
		case <-w.Ready():
		case <-tick.C:
		}
		err := w.Take(func(fr *live.Frame) { fr.Give(f.w) })
		f.w.Advance(w.Now())
		if err = errors.Join(err, f.events(w.Now())); err != nil {
			return w.Now(), fmt.Errorf("%s: %w", f.wire, err)
		}
	}
	if n := w.Lost(); n > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "%s: %d frames came faster than they could be looked at\n", f.wire, n)
	}
	return w.Now(), nil
}

// tapName reads tap:NAME.
func tapName(option string) (string, error) {
	kind, name, ok := strings.Cut(option, ":")
	if !ok || kind != "tap" || name == "" {
		return "", usageError{fmt.Errorf("--wire %q: must be tap:NAME, such as tap:vm0", option)}
	}
	return name, nil
}

// openWire listens to the device that an option names.
func openWire(option string, seed uint64) (*live.Wire, error) {
	name, err := tapName(option)
	if err != nil {
		return nil, err
	}
	var dev link.Device
	if dev, err = tap.Open(tap.Config{Name: name, Create: true}); err != nil {
		return nil, err
	}
	return live.OpenWire(dev, seed)
}

// events prints what has happened, and the tables where they are due.
func (f *watchFlags) events(now int64) error {
	var e watch.Event
	for f.w.Next(&e) {
		if f.quiet {
			continue
		}
		if err := f.line(&e); err != nil {
			return err
		}
	}
	if f.every == 0 {
		return nil
	}
	if f.next == 0 {
		f.next = now + int64(f.every)
	}
	if now < f.next {
		return nil
	}
	f.next = now + int64(f.every)
	return f.tables(f.w.Report(now))
}

func (f *watchFlags) line(e *watch.Event) error {
	if f.json {
		return json.NewEncoder(f.out).Encode(e)
	}
	_, err := fmt.Fprintln(f.out, e)
	return err
}

func (f *watchFlags) tables(r *watch.Report) error {
	if f.json {
		return json.NewEncoder(f.out).Encode(struct {
			Event string `json:"event"`
			*watch.Report
		}{"report", r})
	}
	if !f.quiet {
		fmt.Fprintln(f.out)
	}
	return r.WriteText(f.out)
}
