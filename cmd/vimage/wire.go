package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed88948545/vimage/internal/demo"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// wireFlags are the options of demo ssm that go with --wire.
type wireFlags struct {
	device             string
	source, group, net string
	port               int
	wait               time.Duration
}

func (w *wireFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&w.device, "wire", "", "put the receivers on a real wire: tap:NAME, created if need be")
	fl.StringVar(&w.source, "source", "", "with --wire: `address` of the host that sends")
	fl.StringVar(&w.group, "group", "232.1.1.1", "with --wire: `address` of the group")
	fl.IntVar(&w.port, "port", 5000, "with --wire: port the source sends to")
	fl.StringVar(&w.net, "net", "", "with --wire: `prefix` whose addresses the receivers take, from .2 upwards")
	fl.DurationVar(&w.wait, "for", 30*time.Second, "with --wire: how long to wait for the datagrams")
}

// unused refuses the options that mean something on a wire only.
func (w *wireFlags) unused(fl *pflag.FlagSet) error {
	for _, name := range []string{"source", "group", "port", "net", "for"} {
		if fl.Changed(name) {
			return usageError{fmt.Errorf("--%s goes with --wire tap:NAME", name)}
		}
	}
	return nil
}

// runWire runs the demonstration on a TAP.
func (f *ssmFlags) runWire(c *cobra.Command) error {
	for _, name := range []string{"groups", "sources", "virtual", "break", "capture"} {
		if c.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s does not go with --wire: the rest of the network is not ours", name)}
		}
	}
	kind, name, ok := strings.Cut(f.wire.device, ":")
	if !ok || kind != "tap" || name == "" {
		return usageError{fmt.Errorf("--wire %q: must be tap:NAME, such as tap:vm0", f.wire.device)}
	}
	w := demo.WireSSM{Receivers: f.Receivers, Packets: f.Packets, Port: f.wire.port, For: f.wire.wait, Seed: f.Seed}
	var err error
	if w.Source, err = netip.ParseAddr(f.wire.source); err != nil {
		return usageError{fmt.Errorf("--source %q: must be the address of the host that sends", f.wire.source)}
	}
	if w.Group, err = netip.ParseAddr(f.wire.group); err != nil {
		return usageError{fmt.Errorf("--group %q: must be a multicast address", f.wire.group)}
	}
	if w.Net, err = netip.ParsePrefix(f.wire.net); err != nil {
		return usageError{fmt.Errorf("--net %q: must be a prefix, such as 10.9.0.0/16", f.wire.net)}
	}
	if err := w.Check(); err != nil {
		return usageError{err}
	}
	w.Open = func() (link.Device, error) { return tap.Open(tap.Config{Name: name, Create: true}) }
	p := newProgress(c.ErrOrStderr())
	w.Progress = p.show
	r, err := demo.RunWireSSM(c.Context(), w)
	p.end()
	if err != nil {
		return err
	}
	return printResult(c.OutOrStdout(), r, r.Line(), r.Verdict, f.json)
}
