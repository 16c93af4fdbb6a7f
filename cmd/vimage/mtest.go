package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed88948545/vimage/internal/mtest"
	"github.com/seed88948545/vimage/internal/watch/live"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// mtestFlags are the options of mtest.
type mtestFlags struct {
	on, at, wire string
	addrs        []string
	seed         uint64
	virtual      bool
	capture      string
	lab          *lab.Lab
	host         *lab.Node
}

func newMtest() *cobra.Command {
	f := new(mtestFlags)
	c := &cobra.Command{
		Use:   "mtest [FILE]...",
		Short: "join, leave and filter groups by hand, with BSD's mtest commands",
		Long: `Reads commands, one per line, from the files or from stdin, and obeys them on one UDP
socket of each family of a host:

  j GROUP IF [SOURCE]       join a group, or one source of it
  l GROUP IF [SOURCE]       leave it
  i GROUP IF N SOURCE…      set a filter: hear only these N sources
  e GROUP IF N SOURCE…      set a filter: hear all but these
  t GROUP IF SOURCE         allow a source
  b GROUP IF SOURCE         block it
  g GROUP IF N              show the filter, and up to N of its sources
  a IF MAC, d IF MAC        receive frames to an Ethernet group, or no longer
  p IF 1/0                  promiscuous mode (m, all groups, is not supported)
  s SECONDS                 sleep
  f FILE                    obey the commands of a file
  ?                         help
  q                         quit

IF is a name such as eth0, an address of the interface, or 0.0.0.0 for any. The
sources of i and e may also stand on the lines that follow. A command that worked
prints ok, another -1, and why on stderr. Lines that begin with # are passed over.

The host is one on a switch with a querier, both IPv4 and IPv6; or, with --on, a
node of a topology file, whose joins have been made; or, with --wire, one on a
real wire. Groups are left when the commands end.

The exit status is 1 if any command failed.`,
		Example: `  vimage mtest
  echo 'j 232.1.1.1 eth0 10.0.0.9' | vimage mtest --virtual --capture join.pcapng
  vimage mtest --on examples/ssm.yaml --at bystander commands.txt
  vimage mtest --wire tap:vm0 --addr 10.9.0.50/24`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	fl := c.Flags()
	fl.StringVar(&f.on, "on", "", "use a node of this topology `file`'s network")
	fl.StringVar(&f.at, "at", "", "with --on: the `node`")
	fl.StringVar(&f.wire, "wire", "", "put the host on a real wire: tap:NAME, created if need be")
	fl.StringArrayVar(&f.addrs, "addr", nil, "with --wire: the host's `address` and prefix length; one of each family")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of everything random")
	fl.BoolVar(&f.virtual, "virtual", false, "simulated time: it moves by s only")
	fl.StringVar(&f.capture, "capture", "", "write the frames of the host's link to this pcapng `file`")
	c.RegisterFlagCompletionFunc("on", completeYAML)
	return c
}

func (f *mtestFlags) check(c *cobra.Command) error {
	switch {
	case f.on != "" && f.wire != "":
		return fmt.Errorf("give --on FILE.yaml or --wire tap:NAME, not both")
	case f.on != "" && f.at == "":
		return fmt.Errorf("--on %s: name the node with --at NODE", f.on)
	case f.at != "" && f.on == "":
		return fmt.Errorf("--at goes with --on FILE.yaml")
	case f.wire != "" && f.virtual:
		return fmt.Errorf("--virtual does not go with --wire: the rest of the network is not ours")
	case f.wire != "" && len(f.addrs) == 0:
		return fmt.Errorf("--wire %s: give the host an address with --addr, such as 10.9.0.50/24", f.wire)
	case f.wire == "" && len(f.addrs) > 0:
		return fmt.Errorf("--addr goes with --wire tap:NAME")
	}
	return nil
}

func (f *mtestFlags) run(c *cobra.Command, files []string) (err error) {
	if err := f.check(c); err != nil {
		return usageError{err}
	}
	for _, name := range files {
		if _, err := os.Stat(name); err != nil {
			return usageError{err}
		}
	}
	var to io.Writer
	if f.capture != "" {
		file, err := os.Create(f.capture)
		if err != nil {
			return err
		}
		defer file.Close()
		to = file
	}
	close, err := f.build(c, to)
	if err != nil {
		return err
	}
	defer close()
	failed, err := f.obey(c, files)
	if to != nil {
		err = errors.Join(err, f.lab.EndCapture())
	}
	if err == nil && failed > 0 {
		return errFail
	}
	return err
}

// build makes the host.
func (f *mtestFlags) build(c *cobra.Command, capture io.Writer) (close func(), err error) {
	if f.on != "" {
		return f.ofFile(c, capture)
	}
	f.lab = lab.Open(lab.Config{Seed: f.seed, Simulated: f.virtual, IPv6: f.wire == ""})
	if capture != nil {
		f.lab.CaptureAll(capture)
	}
	if f.wire != "" {
		err = f.onWire()
	} else {
		err = f.alone()
	}
	if err != nil {
		f.lab.Close()
	}
	return f.lab.Close, err
}

// alone makes a host on a switch with a querier.
func (f *mtestFlags) alone() error {
	sw, err := f.lab.AddSwitch("lan", lab.SwitchConfig{})
	if err != nil {
		return err
	}
	for _, name := range []string{"host", "querier"} {
		h, err := f.lab.AddNode(name, lab.NodeConfig{Router: name == "querier"})
		if err != nil {
			return err
		}
		if _, err := f.lab.AddLink(h, sw, lab.LinkConfig{}); err != nil {
			return err
		}
	}
	f.host = f.lab.Node("host")
	return f.lab.Node("querier").Eth(0).SetQuerier(true)
}

// ofFile builds a topology file's network, and makes its joins.
func (f *mtestFlags) ofFile(c *cobra.Command, capture io.Writer) (close func(), err error) {
	file, err := loadTopology(c, f.on)
	if err != nil {
		return nil, err
	}
	name, err := file.NodeLink(f.at)
	if err != nil {
		return nil, usageError{fmt.Errorf("--at: %w", err)}
	}
	var captures []topo.Capture
	if capture != nil {
		captures = append(captures, topo.Capture{Link: name, W: capture})
	}
	n, err := topo.Build(file, lab.Config{Seed: f.seed, Simulated: f.virtual}, captures...)
	if err != nil {
		return nil, err
	}
	if err := n.Run(c.Context(), time.Millisecond, nil); err != nil {
		n.Close()
		return nil, err
	}
	f.lab, f.host = n.Lab, n.Lab.Node(f.at)
	return n.Close, nil
}

// onWire puts the host on a device.
func (f *mtestFlags) onWire() error {
	name, err := tapName(f.wire)
	if err != nil {
		return err
	}
	cfg := lab.LinkConfig{}
	for _, s := range f.addrs {
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil:
			return usageError{fmt.Errorf("--addr %q: must be an address and a prefix length, such as 10.9.0.50/24", s)}
		case p.Addr().Is6():
			cfg.A6 = append(cfg.A6, p)
		case cfg.A.IsValid():
			return usageError{fmt.Errorf("--addr %v: the host has %v already", p, cfg.A)}
		default:
			cfg.A = p
		}
	}
	if !cfg.A.IsValid() {
		return usageError{fmt.Errorf("--addr: the host needs an IPv4 address, too")}
	}
	dev, err := tap.Open(tap.Config{Name: name, Create: true})
	if err != nil {
		return err
	}
	w, err := link.NewWire(f.lab.World.Internal().Sched(), dev)
	if err != nil {
		dev.Close()
		return err
	}
	f.lab.OnClose(func() { w.Close() })
	seg, err := f.lab.AddSwitch("wire", lab.SwitchConfig{Subnet: cfg.A.Masked(), BridgeConfig: link.BridgeConfig{NoSnooping: true, MTU: w.Props().MTU}})
	if err != nil {
		return err
	}
	link.Join(seg.Bridge().AddPort(), w)
	if f.host, err = f.lab.AddNode("host", lab.NodeConfig{}); err != nil {
		return err
	}
	_, err = f.lab.AddLink(f.host, seg, cfg)
	return err
}

// pass lets the host's time pass.
func (f *mtestFlags) pass(ctx context.Context, d time.Duration) error {
	if f.virtual {
		f.lab.Run(d)
		return context.Cause(ctx)
	}
	return live.Pass(ctx, d)
}

// obey runs the interpreter and returns how many commands failed.
func (f *mtestFlags) obey(c *cobra.Command, files []string) (failed int, err error) {
	cfg := mtest.Config{
		Stack: f.host.Stack, Out: c.OutOrStdout(), Err: c.ErrOrStderr(), Sleep: f.pass,
		Open: func(name string) (io.ReadCloser, error) { return os.Open(name) },
	}
	in := c.InOrStdin()
	if len(files) == 0 && isTerminal(in) {
		cfg.Prompt = "> "
		fmt.Fprintf(c.ErrOrStderr(), "%s has eth0 %v; ? lists the commands\n", f.host.Name(), f.host.Eth(0).Addrs())
	}
	sh, err := mtest.New(cfg)
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		err = f.read(c.Context(), sh, in)
	}
	for _, name := range files {
		if err == nil {
			err = f.readFile(c.Context(), sh, name)
		}
	}
	sh.Close()
	if f.wire != "" || f.capture != "" {
		f.settle(sh)
	}
	return sh.Failed(), err
}

func (f *mtestFlags) readFile(ctx context.Context, sh *mtest.Shell, name string) error {
	r, err := os.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	return f.read(ctx, sh, r)
}

// read obeys what is read, and ends at an interrupt even where a read does not.
func (f *mtestFlags) read(ctx context.Context, sh *mtest.Shell, in io.Reader) error {
	done := make(chan error, 1)
	go func() { done <- sh.Run(ctx, in) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits until the reports that all groups were left have gone out.
func (f *mtestFlags) settle(sh *mtest.Shell) {
	for range 500 {
		if sh.Settled(f.host.Eth(0)) {
			break
		}
		f.pass(context.Background(), 10*time.Millisecond)
	}
}

// isTerminal tells whether somebody types what is read: the only other device that
// looks so gives nothing.
func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	null, e := os.Stat(os.DevNull)
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && (e != nil || !os.SameFile(info, null))
}
