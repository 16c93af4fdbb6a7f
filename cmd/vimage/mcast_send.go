package main

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed88948545/vimage/internal/tester"
)

// sendFlags are the options of mcast send.
type sendFlags struct {
	tester.Send
	groups, net, source, wire string
	json                      bool
}

func newMcastSend() *cobra.Command {
	f := new(sendFlags)
	c := &cobra.Command{
		Use:   "send",
		Short: "hosts on a wire that send numbered datagrams to groups",
		Long: `Each of --source-count hosts, on a TAP device, sends to all of --groups, --rate
datagrams a second to each. A datagram carries its number and the time, so that
"vimage mcast receive" elsewhere counts what is lost, comes twice or late and, on
the same machine, how long it was under way. It ends after --count, after --for,
or when it is interrupted. The exit status is 0 if all was sent, else 1.

In a lab "vimage mcast receive" makes senders by itself.`,
		Example: `  vimage mcast send --wire tap:vm1 --net 10.9.0.0/16 --source 10.9.255.254 --groups 232.1.1.1+4
  vimage mcast send --wire tap:vm1 --net fd00:9::/64 --source fd00:9::5 --groups ff3e::1 --rate 1000 --size 1316 --for 10s`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	fl := c.Flags()
	fl.StringVar(&f.wire, "wire", "", "send on a real wire: tap:NAME, created if need be")
	fl.StringVar(&f.net, "net", "", "`prefix` of the senders' addresses")
	fl.StringVar(&f.source, "source", "", "`address` of the first sender; the others follow (default the last of --net)")
	fl.IntVar(&f.Senders, "source-count", 1, "hosts that send")
	fl.StringVar(&f.groups, "groups", "232.1.1.1", "first `group` and how many, as in 232.1.1.1+4 or ff3e::1+4")
	fl.IntVar(&f.Port, "port", 5000, "UDP port to send to")
	addTraffic(fl, &f.Traffic)
	fl.DurationVar(&f.For, "for", 0, "how long to send; 0: until --count, or an interrupt")
	fl.Uint64Var(&f.Seed, "seed", 1, "seed of everything random; another each time if it is not given")
	fl.BoolVar(&f.json, "json", false, "print one JSON document; progress goes to stderr")
	return c
}

func (f *sendFlags) read(fl *pflag.FlagSet) (err error) {
	if f.wire == "" {
		return fmt.Errorf("--wire: which? say --wire tap:NAME; without a wire, vimage mcast receive makes senders by itself")
	}
	if f.Open, err = opener("wire", f.wire); err != nil {
		return err
	}
	if f.Groups, err = tester.ParseGroups(f.groups); err != nil {
		return err
	}
	if f.Net, err = netip.ParsePrefix(f.net); err != nil {
		return fmt.Errorf("--net %q: must be a prefix, such as 10.9.0.0/16", f.net)
	}
	if f.source != "" {
		if f.Source, err = netip.ParseAddr(f.source); err != nil {
			return fmt.Errorf("--source %q: must be an address in --net", f.source)
		}
	}
	if f.Seed, err = wireSeed(fl, f.Seed); err != nil {
		return err
	}
	return f.Ready()
}

func (f *sendFlags) run(c *cobra.Command) error {
	if err := f.read(c.Flags()); err != nil {
		return usageError{err}
	}
	p := newProgress(c.ErrOrStderr())
	f.Progress = p.show
	s, err := tester.RunSend(c.Context(), f.Send)
	p.end()
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(c.OutOrStdout(), s)
	} else {
		printSent(c.OutOrStdout(), s)
	}
	if err == nil && s.Verdict != tester.Pass {
		err = errFail
	}
	return err
}

func printSent(w io.Writer, s *tester.Sent) {
	for _, r := range s.Sources {
		fmt.Fprintf(w, "%s  sent %d\n", r.Source, r.Sent)
	}
	fmt.Fprintf(w, "%d datagrams of %d bytes to %s, %d refused, %.1f a second from each to each group (of %.1f), %.3f ms late at worst   %s\n",
		s.Sent, s.Size, s.Groups, s.Refused, s.Reached, s.Rate, s.Behind, s.Verdict)
}
