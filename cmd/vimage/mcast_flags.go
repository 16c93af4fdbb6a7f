package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed88948545/vimage/internal/tester"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

func (f *receiveFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.IntVar(&f.Hosts, "hosts", 100, "hosts that join")
	fl.StringVar(&f.groups, "groups", "232.1.1.1", "first `group` and how many, as in 232.1.1.1+4 or ff3e::1+4")
	fl.StringVar(&f.mode, "mode", "include", "of the source filter: include or exclude")
	fl.StringVar(&f.source, "source", "", "of the source filter: `addresses`, separated by commas; default the senders or, to exclude, the impostor")
	fl.StringVar(&f.schedule, "schedule", "", "who joins and leaves when; @`FILE` reads it from a file (default \"join@0s leave@3s\")")
	fl.DurationVar(&f.zap, "zap", 0, "instead of a schedule: each host is in one group, and changes to the next every so often")
	fl.DurationVar(&f.For, "for", 0, "how long the test runs; 0: until a while after the schedule's last step")
	fl.IntVar(&f.Packets, "packets", 0, "end earlier, once every membership has had so many datagrams; 0: do not")
	fl.IntVar(&f.Port, "port", 5000, "UDP port that is sent to")
	addTraffic(fl, &f.Traffic)
	fl.IntVar(&f.Senders, "senders", 1, "hosts that send, each to all groups")
	fl.IntVar(&f.Bystanders, "bystanders", 10, "hosts that join nothing and look at every frame")
	fl.BoolVar(&f.FastLeave, "fast-leave", false, "the switch forgets a host at its leave, without asking first")
	fl.IntVar(&f.MaxGroups, "max-groups", 0, "groups that the switch takes at one port; 0: what a switch takes")
	fl.DurationVar(&f.Warmup, "warm-up", 0, "time before the schedule begins, for a querier out there to be known")
	fl.StringVar(&f.net, "net", "", "`prefix` whose addresses the hosts take (default 10.0.0.0/8 or fd00::/64; needed with --wire)")
	fl.StringVar(&f.Break, "break", "", "turn one part off: source-filter, snooping, report or link")
	fl.BoolVar(&f.FindCapacity, "find-capacity", false, "search how many of --groups the network takes")
	fl.StringVar(&f.on, "on", "", "add the hosts to the network of this topology `file`, instead of making one")
	fl.StringVar(&f.at, "at", "", "with --on: to this `switch` (default the first)")
	fl.StringSliceVar(&f.From, "from", nil, "with --on: `hosts` of the file that send, instead of --senders")
	fl.StringVar(&f.wire, "wire", "", "put the hosts on a real wire: tap:NAME, created if need be")
	fl.StringVar(&f.sendWire, "send-wire", "", "with --wire: put senders on this one")
	fl.StringVar(&f.awayWire, "away-wire", "", "with --wire: put bystanders on this one")
	f.addLimits(fl)
	fl.Uint64Var(&f.Seed, "seed", 1, "seed of everything random; with --wire another each time")
	fl.BoolVar(&f.Virtual, "virtual", false, "simulated time: the same seed gives the same bytes")
	fl.StringVar(&f.capture, "capture", "", "write every link's frames, or the wire's, to this pcapng `file`")
	fl.BoolVar(&f.json, "json", false, "print one JSON document; progress goes to stderr")
	complete(c, "break", tester.Breaks())
	complete(c, "mode", []string{"include", "exclude"})
}

func addTraffic(fl *pflag.FlagSet, t *tester.Traffic) {
	fl.Float64Var(&t.Rate, "rate", 10, "datagrams a second from each sender to each group")
	fl.IntVar(&t.Size, "size", tester.PayloadLen, "bytes of payload")
	fl.IntVar(&t.TTL, "ttl", 1, "TTL, or hop limit, of the datagrams")
	fl.IntVar(&t.Count, "count", 0, "datagrams from each sender to each group; 0: as long as it runs")
}

func (f *receiveFlags) addLimits(fl *pflag.FlagSet) {
	l := &f.Limits
	fl.Float64Var(&l.Loss, "expect-loss", 0, "per cent of datagrams that may be lost")
	fl.Uint64Var(&l.WrongSource, "expect-wrong-source", 0, "datagrams from a wrong source that may be delivered")
	fl.Uint64Var(&l.Leaked, "expect-leaked", 0, "datagrams that bystanders may be shown")
	fl.IntVar(&l.Capacity, "expect-capacity", 0, "with --find-capacity: groups there must be room for; 0: any")
	fl.DurationVar(&l.JoinDelay, "max-join-delay", 0, "longest join delay; 0: any, as of the next two")
	fl.DurationVar(&l.LeaveDelay, "max-leave-delay", 0, "longest leave delay")
	fl.DurationVar(&l.ZapTime, "max-zap-time", 0, "longest time from a zap to the first datagram of the new group")
}

// complete offers words for a flag.
func complete(c *cobra.Command, flag string, words []string) {
	c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	})
}

// read turns what was given as text into values, and refuses what does not go
// together.
func (f *receiveFlags) read(fl *pflag.FlagSet) (err error) {
	if f.Groups, err = tester.ParseGroups(f.groups); err != nil {
		return err
	}
	if f.Mode, err = tester.ParseMode(f.mode); err != nil {
		return err
	}
	if f.source != "" {
		if f.Sources, err = tester.ParseSources(f.source); err != nil {
			return fmt.Errorf("--source %w", err)
		}
	}
	if f.net != "" {
		if f.Net, err = netip.ParsePrefix(f.net); err != nil {
			return fmt.Errorf("--net %q: must be a prefix, such as 10.9.0.0/16", f.net)
		}
	}
	if err := f.readSteps(fl); err != nil {
		return err
	}
	if err := f.readNetwork(fl); err != nil {
		return err
	}
	if f.wire == "" {
		return without(fl, "--wire tap:NAME", "send-wire", "away-wire")
	}
	return f.readWires(fl)
}

// readSteps reads the schedule.
func (f *receiveFlags) readSteps(fl *pflag.FlagSet) (err error) {
	for _, name := range []string{"schedule", "zap", "packets"} {
		if f.FindCapacity && fl.Changed(name) {
			return fmt.Errorf("--%s does not go with --find-capacity, which joins and leaves by itself", name)
		}
	}
	if f.FindCapacity && !fl.Changed("hosts") {
		f.Hosts = 2 // each has a port of its own, and each port its limit
	}
	switch {
	case fl.Changed("schedule") && fl.Changed("zap"):
		return errors.New("--zap is a schedule: leave --schedule out, or write zap@TIME into it")
	case fl.Changed("schedule"):
		f.Schedule, err = readSchedule(f.schedule)
	case f.zap != 0:
		f.Schedule = tester.ZapSchedule(f.zap)
	}
	return err
}

// readNetwork reads the topology file, if there is one.
func (f *receiveFlags) readNetwork(fl *pflag.FlagSet) error {
	if f.on == "" {
		return without(fl, "--on FILE", "at", "from")
	}
	for _, name := range []string{"net", "fast-leave", "max-groups"} {
		if fl.Changed(name) {
			return fmt.Errorf("--%s does not go with --on: the file says what its network is like", name)
		}
	}
	file, err := loadFile(f.on)
	if err != nil {
		return err
	}
	f.Network = func(c lab.Config) (*tester.Place, error) {
		n, err := topo.Build(file, c)
		if err != nil {
			return nil, err
		}
		p, err := n.Place(f.at)
		for _, name := range f.From {
			if err == nil && n.Lab.Node(name) == nil {
				err = fmt.Errorf("--from %s: %s has no such host", name, f.on)
			}
		}
		if err != nil {
			n.Close()
			return nil, usageError{err}
		}
		return &tester.Place{Lab: n.Lab, Switch: p.Switch, Net: p.Net, Net6: p.Net6, Taken: p.Taken}, nil
	}
	return nil
}

// readWires opens nothing yet.
func (f *receiveFlags) readWires(fl *pflag.FlagSet) (err error) {
	if f.net == "" {
		return errors.New("--net: which? with --wire the hosts take addresses of a prefix that is free there, such as 10.9.0.0/16")
	}
	for _, name := range []string{"break", "virtual", "fast-leave", "max-groups", "on"} {
		if fl.Changed(name) {
			return fmt.Errorf("--%s does not go with --wire: the rest of the network is not ours", name)
		}
	}
	if f.Open, err = opener("wire", f.wire); err != nil {
		return err
	}
	if f.SendOpen, err = opener("send-wire", f.sendWire); err != nil {
		return err
	}
	if f.AwayOpen, err = opener("away-wire", f.awayWire); err != nil {
		return err
	}
	if f.sendWire == "" {
		if err := without(fl, "--send-wire tap:NAME", "senders", "rate", "size", "count", "ttl"); err != nil {
			return err
		}
	}
	if f.awayWire == "" {
		if err := without(fl, "--away-wire tap:NAME", "bystanders"); err != nil {
			return err
		}
		f.Bystanders = 0
	}
	f.Seed, err = wireSeed(fl, f.Seed)
	return err
}

// without refuses options that mean something only together with another.
func without(fl *pflag.FlagSet, other string, names ...string) error {
	for _, name := range names {
		if fl.Changed(name) {
			return fmt.Errorf("--%s goes with %s", name, other)
		}
	}
	return nil
}

// opener returns what opens a TAP, nil for none.
func opener(flag, device string) (func() (link.Device, error), error) {
	if device == "" {
		return nil, nil
	}
	kind, name, ok := strings.Cut(device, ":")
	if !ok || kind != "tap" || name == "" {
		return nil, fmt.Errorf("--%s %q: must be tap:NAME, such as tap:vm0", flag, device)
	}
	return func() (link.Device, error) { return tap.Open(tap.Config{Name: name, Create: true}) }, nil
}

// wireSeed returns a seed that no other process on the wire has, unless one was
// given: it makes the MAC addresses.
func wireSeed(fl *pflag.FlagSet, given uint64) (uint64, error) {
	if fl.Changed("seed") {
		return given, nil
	}
	var b [8]byte
	_, err := rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]), err
}
