package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed88948545/vimage/internal/watch"
	"github.com/seed88948545/vimage/internal/watch/live"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
)

// queryFlags are the options of mcast query.
type queryFlags struct {
	wire, on, at string
	as           string
	from, group  string
	sources      []string
	after        time.Duration
	seed         uint64
	virtual      bool
	json         bool

	watch.Ask
	w *watch.Watcher
	a *watch.Answers
	c *cobra.Command
}

func newMcastQuery() *cobra.Command {
	f := new(queryFlags)
	c := &cobra.Command{
		Use:   "query (--wire tap:NAME --from ADDRESS | --on FILE.yaml --at NODE)",
		Short: "ask who listens, and show who answers and when",
		Long: `Sends one query of IGMP (version 1, 2 or 3) or MLD (1 or 2): about all groups, about
one with --group, about some of its sources with --source. Then it waits for as
long as hosts may take, prints each answer with its delay, and last percentiles of
the delays of the hosts, whether they are spread as evenly as they should be, and
what was odd. Of older versions one host answers for all that hear it.

The query is sent on a TAP device, from an address that need not be anybody's; or
on the first link of a node of a topology file, whose network has run for --after.

The exit status is 0 if somebody answered, else 1.`,
		Example: `  vimage mcast query --on examples/ssm.yaml --at querier --virtual
  vimage mcast query --wire tap:vm0 --from 10.9.0.2 --max-response 2s
  vimage mcast query --wire tap:vm0 --from 10.9.0.2 --group 232.1.1.1 --source 10.9.0.100
  vimage mcast query --wire tap:vm0 --as mldv1`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	fl := c.Flags()
	fl.StringVar(&f.wire, "wire", "", "ask on a real wire: tap:NAME, created if need be")
	fl.StringVar(&f.on, "on", "", "ask in the network of this topology `file`")
	fl.StringVar(&f.at, "at", "", "with --on: the `node` that asks")
	fl.StringVar(&f.as, "as", "", "protocol: igmpv1, igmpv2, igmpv3, mldv1 or mldv2 (default igmpv3, or mldv2 for an IPv6 group or sender)")
	fl.StringVar(&f.from, "from", "", "sender's `address`; of MLD link-local (default the node's; of MLD on a wire one made from the MAC)")
	fl.StringVar(&f.group, "group", "", "ask about this `group` only")
	fl.StringArrayVar(&f.sources, "source", nil, "and about this `address` as its source; may be repeated")
	fl.DurationVar(&f.MaxResp, "max-response", time.Second, "how long hosts may take; igmpv1 always gives them 10s")
	fl.Uint8Var(&f.Robustness, "qrv", 2, "robustness variable to announce, 0 to 7")
	fl.DurationVar(&f.Interval, "qqi", 125*time.Second, "query interval to announce")
	fl.BoolVar(&f.Suppress, "suppress", false, "set the S flag: routers do not change their timers")
	fl.DurationVar(&f.after, "after", 2*time.Second, "with --on: how long the network runs before")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of everything random")
	fl.BoolVar(&f.virtual, "virtual", false, "with --on: simulated time")
	fl.BoolVar(&f.json, "json", false, "print one JSON document")
	c.RegisterFlagCompletionFunc("on", completeYAML)
	c.RegisterFlagCompletionFunc("as", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return watch.Protocols(), cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

// read takes the options over into the query.
func (f *queryFlags) read(c *cobra.Command) error {
	if (f.wire == "") == (f.on == "") {
		return fmt.Errorf("give one of --wire tap:NAME and --on FILE.yaml (see %s --help)", c.CommandPath())
	}
	for _, name := range []string{"at", "after", "virtual"} {
		if c.Flags().Changed(name) && f.on == "" {
			return fmt.Errorf("--%s goes with --on FILE.yaml", name)
		}
	}
	if f.on != "" && f.at == "" {
		return fmt.Errorf("--on %s: name the node that asks with --at NODE", f.on)
	}
	var err error
	address := func(option, s string, to *netip.Addr) {
		if s == "" || err != nil {
			return
		}
		if *to, err = netip.ParseAddr(s); err != nil || to.Zone() != "" {
			err = fmt.Errorf("--%s %q: must be an address", option, s)
		}
	}
	address("from", f.from, &f.From)
	address("group", f.group, &f.Group)
	for _, s := range f.sources {
		var a netip.Addr
		address("source", s, &a)
		f.Sources = append(f.Sources, a)
	}
	if err != nil {
		return err
	}
	if f.Six, f.Version = f.Group.Is6() || f.From.Is6(), 3; f.Six {
		f.Version = 2
	}
	if f.as != "" {
		if f.Six, f.Version, err = watch.ParseProtocol(f.as); err != nil {
			return fmt.Errorf("--as %w", err)
		}
	}
	return nil
}

func (f *queryFlags) run(c *cobra.Command) error {
	if err := f.read(c); err != nil {
		return usageError{err}
	}
	f.c = c
	ask := f.onWire
	if f.on != "" {
		ask = f.inLab
	}
	if err := ask(); err != nil {
		return err
	}
	f.a.End()
	out := c.OutOrStdout()
	var err error
	if f.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(f.a)
	} else {
		err = f.a.WriteText(out)
	}
	if err == nil && f.a.Hosts == 0 {
		err = errFail
	}
	return err
}

// begin is called when the query is about to be sent.
func (f *queryFlags) begin(now int64) {
	f.w = watch.New(watch.Config{Records: true})
	f.w.Begin(now)
	f.a = watch.NewAnswers(&f.Ask)
	if f.json {
		return
	}
	what := "all groups"
	if f.Group.IsValid() {
		what = f.Group.String()
	}
	fmt.Fprintf(f.c.OutOrStdout(), "%s query about %s from %v, max response %v\n", f.Protocol(), what, f.From, f.Response())
}

// see looks at what has come.
func (f *queryFlags) see(fr *live.Frame) {
	fr.Give(f.w)
	var e watch.Event
	for f.w.Next(&e) {
		if f.a.Event(&e) && !f.json {
			fmt.Fprintln(f.c.OutOrStdout(), &f.a.Answers[len(f.a.Answers)-1])
		}
	}
}

// late is how long after the time that hosts have answers are waited for.
const late = 500 * time.Millisecond

func (f *queryFlags) onWire() error {
	if f.Six && !f.From.IsValid() {
		f.From = netip.MustParseAddr("fe80::1") // until the MAC is known
	}
	if err := f.Check(); err != nil {
		return usageError{err}
	}
	w, err := openWire(f.wire, f.seed)
	if err != nil {
		return err
	}
	defer w.Close()
	if f.Six && f.from == "" {
		f.From = linkLocal(w.MAC())
	}
	w.Take(func(*live.Frame) {})
	f.begin(w.Now())
	ours := f.Frame(w.MAC())
	f.see(&live.Frame{At: w.Now(), LinkType: watch.Ethernet, Len: len(ours), Data: ours})
	w.Send(ours)
	for end := w.Now() + int64(f.Response()+late); w.Now() < end; {
		if err := live.Pass(f.c.Context(), 10*time.Millisecond); err != nil {
			return err
		}
		if err := w.Take(f.see); err != nil {
			return fmt.Errorf("%s: %w", f.wire, err)
		}
	}
	return nil
}

// linkLocal is the address of a MAC (RFC 4291 App. A).
func linkLocal(m wire.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

func (f *queryFlags) inLab() error {
	file, err := loadTopology(f.c, f.on)
	if err != nil {
		return err
	}
	link, err := file.NodeLink(f.at)
	if err != nil {
		return usageError{fmt.Errorf("--at: %w", err)}
	}
	l, err := live.OpenLab(file, link, lab.Config{Seed: f.seed, Simulated: f.virtual})
	if err != nil {
		return err
	}
	defer l.Close()
	s, err := l.Sender(f.at)
	if err != nil {
		return err
	}
	if !f.From.IsValid() {
		if f.From = s.Addr; f.Six {
			f.From = s.Local
		}
		if !f.From.IsValid() {
			return usageError{fmt.Errorf("%s has no address that %s is sent from: give one with --from", f.at, f.Protocol())}
		}
	}
	if err := f.Check(); err != nil {
		return usageError{err}
	}
	nothing := func() error { return l.Take(func(*live.Frame) {}) }
	if err := errors.Join(l.Run(f.c.Context(), max(f.after, time.Millisecond), nothing), nothing()); err != nil {
		return err
	}
	f.begin(l.Now())
	s.Send(f.Frame(s.MAC))
	return f.collect(f.c.Context(), l)
}

// collect takes the answers of a lab.
func (f *queryFlags) collect(ctx context.Context, l *live.Lab) error {
	for end := l.Now() + int64(f.Response()+late); l.Now() < end; {
		if err := errors.Join(l.Pass(ctx, 50*time.Millisecond), l.Take(f.see)); err != nil {
			return err
		}
	}
	return nil
}
