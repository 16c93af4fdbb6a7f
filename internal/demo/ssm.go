// Package demo holds the worked demonstrations that cmd/vimage runs: whole
// networks, built with package lab, that measure themselves and can fail.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/tester"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// SSM says how the demonstration of source-specific multicast is run.
type SSM struct {
	Receivers int // hosts that join (S,G), 1 to 1,000,000
	Groups    int // receivers spread over so many groups
	Sources   int // and so many sources for each
	Packets   int // datagrams of each source to each group
	Seed      uint64
	Virtual   bool      // in simulated time: the same seed, the same bytes
	Break     string    // "", source-filter, snooping, report or link: turn one part off
	Capture   io.Writer // pcapng of every link, if not nil
	Progress  func(stage string, done, of int)
}

// Breaks are the parts that can be turned off.
func Breaks() []string { return tester.Breaks() }

// Result is what was measured, as --json prints it.
type Result struct {
	Receivers   int     `json:"receivers"`
	Joined      int     `json:"joined"`
	JoinDelay   Delays  `json:"join_delay_ms"`
	Expected    uint64  `json:"expected"`
	Delivered   uint64  `json:"delivered"`
	WrongSource uint64  `json:"wrong_source"`
	Leaked      uint64  `json:"leaked"`
	Stopped     Stopped `json:"stopped"`
	Reports     uint64  `json:"reports"`
	Elapsed     float64 `json:"elapsed_s"`
	MaxRSS      uint64  `json:"max_rss_bytes"`
	Verdict     string  `json:"verdict"`
}

// Delays are percentiles in milliseconds.
type Delays struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Stopped says where unwanted copies ended: kept back by the switch, refused by
// a host's interface or network layer, or by a socket's source filter.
type Stopped struct {
	Switch    uint64 `json:"switch"`
	Interface uint64 `json:"interface"`
	Socket    uint64 `json:"socket"`
}

// Pass and Fail are the verdicts.
const (
	Pass = tester.Pass
	Fail = tester.Fail
)

// judge fills in the verdict.
func (r *Result) judge() {
	r.Verdict = Fail
	if r.Joined == r.Receivers && r.Delivered == r.Expected && r.WrongSource == 0 && r.Leaked == 0 {
		r.Verdict = Pass
	}
}

// Line is the result in one line.
func (r *Result) Line() string {
	return fmt.Sprintf("%d/%d joined (p50 %.3f ms, p99 %.3f ms, max %.3f ms)   delivered %s   wrong-source packets: %d   leaked to non-members: %d   %s",
		r.Joined, r.Receivers, r.JoinDelay.P50, r.JoinDelay.P99, r.JoinDelay.Max,
		tester.Percent(r.Delivered, r.Expected), r.WrongSource, r.Leaked, r.Verdict)
}

// Check returns what is wrong with the options, or nil.
func (c *SSM) Check() error {
	var errs []error
	limit := func(name string, v, lo, hi int) {
		if v < lo || v > hi {
			errs = append(errs, fmt.Errorf("%s %d: must be %d to %d", name, v, lo, hi))
		}
	}
	limit("receivers", c.Receivers, 1, 1_000_000)
	limit("groups", c.Groups, 1, 10_000)
	limit("sources", c.Sources, 1, 1_000)
	limit("packets", c.Packets, 1, 1_000_000)
	known := c.Break == ""
	for _, b := range Breaks() {
		known = known || b == c.Break
	}
	if !known {
		errs = append(errs, fmt.Errorf("break %q: must be one of %v", c.Break, Breaks()))
	}
	return errors.Join(errs...)
}

// network is the demonstration's network while it runs.
type network struct {
	SSM
	*lab.Lab
	ctx       context.Context
	lan       *lab.Switch
	querier   *lab.Node
	sources   []*sender
	impostor  *sender
	receivers []*receiver
	near      []*lab.Node // members of (impostor, G) behind the same hub as a receiver
	away      []*lab.Node // members of nothing
	began     time.Time
}

const (
	port      = 5000
	bystander = 10 // a receiver in so many has a hub, and a non-member beside the switch
	joinBatch = 100
)

func (n *network) group(i int) netip.Addr {
	i %= n.Groups
	return netip.AddrFrom4([4]byte{232, 1, byte(i >> 8), byte(i)})
}

// RunSSM builds the network, runs it, and returns what was measured. Where ctx
// ends first it returns the cause, with the capture complete as far as it got.
func RunSSM(ctx context.Context, c SSM) (r *Result, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	n := &network{SSM: c, ctx: ctx, began: time.Now(), Lab: lab.Open(lab.Config{Seed: c.Seed, Simulated: c.Virtual})}
	defer n.Close()
	if c.Capture != nil {
		n.CaptureAll(c.Capture)
		defer func() { err = errors.Join(err, n.EndCapture()) }()
	}
	for _, stage := range []func() error{n.build, n.join, n.send} {
		if err := stage(); err != nil {
			return nil, err
		}
	}
	r = n.result()
	r.Elapsed = time.Since(n.began).Seconds()
	r.MaxRSS = tester.MaxRSS()
	return r, nil
}

// build makes the LAN: querier, sources, impostor, receivers and bystanders.
func (n *network) build() error {
	var err error
	n.lan, err = n.AddSwitch("lan", lab.SwitchConfig{
		Subnet:       netip.MustParsePrefix("10.0.0.0/8"),
		BridgeConfig: link.BridgeConfig{NoSnooping: n.Break == "snooping"},
	})
	if err != nil {
		return err
	}
	if n.querier, err = n.host("querier", n.lan); err != nil {
		return err
	}
	for i := range n.Sources {
		s, err := n.sender(fmt.Sprintf("source%d", i))
		if err != nil {
			return err
		}
		n.sources = append(n.sources, s)
	}
	if n.impostor, err = n.sender("impostor"); err != nil {
		return err
	}
	for i := range n.Receivers {
		if err := n.addReceiver(i); err != nil {
			return err
		}
		if err := context.Cause(n.ctx); err != nil {
			return err
		}
		if i%joinBatch == joinBatch-1 || i == n.Receivers-1 {
			n.Progress("building", i+1, n.Receivers)
		}
	}
	return n.querier.Eth(0).SetQuerier(true)
}

// host adds a host to the LAN or to a hub.
func (n *network) host(name string, at *lab.Switch) (*lab.Node, error) {
	h, err := n.AddNode(name, lab.NodeConfig{})
	if err != nil {
		return nil, err
	}
	_, err = n.AddLink(h, at, lab.LinkConfig{})
	return h, err
}

// addReceiver adds a receiver; every tenth with a hub and a member of the
// impostor's channel beside it, and with a bystander on a port of its own that
// looks at every frame it is shown.
func (n *network) addReceiver(i int) error {
	at := n.lan
	if i%bystander == 0 {
		hub, err := n.AddSwitch(fmt.Sprintf("hub%d", i), lab.SwitchConfig{Within: n.lan, BridgeConfig: link.BridgeConfig{Hub: true}})
		if err != nil {
			return err
		}
		if _, err := n.AddLink(hub, n.lan, lab.LinkConfig{}); err != nil {
			return err
		}
		h, err := n.host(fmt.Sprintf("near%d", i), hub)
		if err != nil {
			return err
		}
		n.near = append(n.near, h)
		at = hub
		if h, err = n.host(fmt.Sprintf("away%d", i), n.lan); err != nil {
			return err
		}
		h.Eth(0).SetPromiscuous(true)
		n.away = append(n.away, h)
	}
	r, err := n.receiver(i, at)
	if err == nil {
		n.receivers = append(n.receivers, r)
	}
	return err
}
