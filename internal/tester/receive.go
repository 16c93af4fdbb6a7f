package tester

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// Receive says what a test with receivers is like.
type Receive struct {
	Hosts    int
	Groups   Groups
	Port     int // of UDP; 0 means 5000
	Mode     Mode
	Sources  []netip.Addr // of the filter; none: where the network is made, the senders or, to exclude, the impostor
	Schedule Schedule     // nil: DefaultSchedule
	// For is how long the test runs from the schedule's beginning; 0: until its last
	// step, and three seconds more where somebody leaves, else one.
	For time.Duration
	// Packets, if not 0, ends the test before For, once every membership has had so
	// many datagrams and the schedule is done.
	Packets int
	Traffic
	Bystanders   int // on a network that is made, or with AwayOpen
	Net          netip.Prefix
	FastLeave    bool          // of the switch that is made
	MaxGroups    int           // that it takes at one port; 0: what a switch takes
	Warmup       time.Duration // before the schedule begins: for queriers out there to be known
	Break        string        // "", source-filter, snooping, report or link: turn one part off
	FindCapacity bool          // instead of the schedule
	Limits       Limits
	Seed         uint64
	Virtual      bool      // in simulated time: the same seed, the same bytes
	Capture      io.Writer // pcapng of every link or, on a wire, of the receivers'; if not nil
	Progress     func(stage string, done, of int)

	// Network, if not nil, makes the network that hosts are added to; a querier is its
	// own business. From names those of its hosts that send; nobody: hosts are
	// added for that too. A Capture is of the added hosts' links.
	Network func(lab.Config) (*Place, error)
	From    []string
	// Open opens the wire that the receivers are put on; nil: the network is made.
	// SendOpen and AwayOpen open the senders' and the bystanders'; nil: none
	// of ours is out there.
	Open, SendOpen, AwayOpen func() (link.Device, error)
}

// Place is where hosts are added to a network that is there.
type Place struct {
	Lab       *lab.Lab
	Switch    *lab.Switch
	Net, Net6 netip.Prefix        // the switch's; Net6 is invalid where there is no IPv6
	Taken     map[netip.Addr]bool // addresses that hosts have already

	last, last6 netip.Addr
}

// Traffic is what senders send.
type Traffic struct {
	Senders int     // hosts that send, each to all groups
	Rate    float64 // datagrams a second from each to each group
	Size    int     // bytes of payload; 0 means PayloadLen
	Count   int     // datagrams from each to each group; 0: as long as the test runs
	TTL     int     // of the datagrams, or hop limit; 0 means 1
}

// Breaks are the parts of a network that is made which can be turned off, to
// show that the test notices.
func Breaks() []string { return []string{"source-filter", "snooping", "report", "link"} }

// defaultPort is where datagrams go.
const defaultPort = 5000

// DefaultSchedule is what is done where no schedule is given.
func DefaultSchedule() Schedule {
	return Schedule{{Do: Join}, {Do: Leave, At: 3 * time.Second}}
}

// ZapSchedule has each host join one group, and change to the next again and
// again.
func ZapSchedule(every time.Duration) Schedule {
	return Schedule{{Do: Join, Own: true}, {Do: Zap, At: every, Every: every}}
}

// defaults fills in what was left out.
func (c *Receive) defaults() {
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	if c.Port == 0 {
		c.Port = defaultPort
	}
	if c.Size == 0 {
		c.Size = PayloadLen
	}
	if c.TTL == 0 {
		c.TTL = 1
	}
	if c.Mode == 0 {
		c.Mode = Include
	}
	if c.Schedule == nil {
		c.Schedule = DefaultSchedule()
	}
	if c.For == 0 {
		c.For = c.Schedule.length(c.Hosts)
	}
	if !c.Net.IsValid() && c.Open == nil {
		c.Net = netip.MustParsePrefix("10.0.0.0/8")
		if c.Groups.First.Is6() {
			c.Net = netip.MustParsePrefix("fd00::/64")
		}
	}
}

// RunReceive runs a test and returns what was measured. Where ctx ends first it
// returns the cause; the capture is complete as far as it got, and on a wire the
// receivers have left.
func RunReceive(ctx context.Context, c Receive) (r *Result, err error) {
	if err := c.Ready(); err != nil {
		return nil, err
	}
	t, err := newTest(ctx, c)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if c.Capture != nil {
		t.capture(c.Capture)
		defer func() { err = errors.Join(err, t.endCapture()) }()
	}
	if err := t.build(); err != nil {
		return nil, err
	}
	run := t.run
	if c.FindCapacity {
		run = t.findCapacity
	}
	err = run()
	t.depart()
	if err != nil {
		return nil, err
	}
	r = t.result()
	c.Limits.judge(r)
	return r, nil
}
