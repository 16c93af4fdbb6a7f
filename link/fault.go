package link

import (
	"fmt"
	"time"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// FaultConfig says what a Fault does to the frames of one direction. The zero
// value lets everything through at once and in order.
//
// A frame first waits until those before it have been sent at the Rate. On its
// way it may then be lost, duplicated, damaged, held back, and takes its time.
// Everything random comes from the Seed: the same frames at the same moments
// meet the same fate.
type FaultConfig struct {
	Seed uint64 // of everything random; the two directions differ even if it is the same
	Down bool   // the cable is cut: whatever is sent, or was under way, is lost

	Rate  int64 // bits of frame per second, up to 10^12; 0 is no limit
	Queue int   // bytes that may wait to be sent, those being sent included; 0 means 256 KiB

	Loss        float64 // probability that a frame is lost, 0 to 1, as of all that follow
	Duplicate   float64 // that it arrives twice
	Corrupt     float64 // that bits of it are flipped, anywhere in the frame
	CorruptBits int     // how many, up to 16; 0 means 1

	Delay          time.Duration // how long a frame takes, up to a day
	Jitter         time.Duration // how much longer at most; every length is as likely
	JitterReorders bool          // frames may overtake each other because of it; otherwise they queue up

	Reorder     float64       // probability that a frame is held back and overtaken
	ReorderGap  int           // by how many frames; 0 means 1
	ReorderWait time.Duration // how long it waits for so many at most; 0 means 10 ms

	Limit int // frames under way at most; 0 means 4,096
}

// Defaults and bounds of a FaultConfig.
const (
	defaultQueue = 256 << 10
	defaultWait  = 10 * time.Millisecond
	defaultLimit = 4096
	maxRate      = 1e12
	maxQueue     = 1 << 28
	maxFaultTime = 24 * time.Hour
	maxBits      = 16
	maxLimit     = 1 << 20
)

// Check returns an error that names the first field whose value cannot be.
func (c *FaultConfig) Check() error {
	for _, p := range [...]struct {
		name string
		p    float64
	}{{"Loss", c.Loss}, {"Duplicate", c.Duplicate}, {"Corrupt", c.Corrupt}, {"Reorder", c.Reorder}} {
		if !(p.p >= 0 && p.p <= 1) { // so that NaN fails
			return fmt.Errorf("link: fault: %s is %v, a probability is 0 to 1", p.name, p.p)
		}
	}
	for _, n := range [...]struct {
		name   string
		v, max int64
	}{
		{"Rate", c.Rate, maxRate}, {"Queue", int64(c.Queue), maxQueue}, {"CorruptBits", int64(c.CorruptBits), maxBits},
		{"ReorderGap", int64(c.ReorderGap), maxLimit}, {"Limit", int64(c.Limit), maxLimit},
	} {
		if n.v < 0 || n.v > n.max {
			return fmt.Errorf("link: fault: %s is %d, it can be 0 to %d", n.name, n.v, n.max)
		}
	}
	for _, d := range [...]struct {
		name string
		d    time.Duration
	}{{"Delay", c.Delay}, {"Jitter", c.Jitter}, {"ReorderWait", c.ReorderWait}} {
		if d.d < 0 || d.d > maxFaultTime {
			return fmt.Errorf("link: fault: %s is %v, it can be 0 to %v", d.name, d.d, maxFaultTime)
		}
	}
	return nil
}

// filled returns c with its defaults in place of zeros.
func (c FaultConfig) filled() FaultConfig {
	if c.Queue == 0 {
		c.Queue = defaultQueue
	}
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	if c.ReorderWait == 0 {
		c.ReorderWait = defaultWait
	}
	c.CorruptBits = max(c.CorruptBits, 1)
	c.ReorderGap = max(c.ReorderGap, 1)
	return c
}

// perFrame tells whether c does anything to single frames, so that a
// super-segment must not count as one.
func (c *FaultConfig) perFrame() bool {
	return c.Rate > 0 || c.Loss > 0 || c.Duplicate > 0 || c.Corrupt > 0 || c.Reorder > 0
}

// plain tells whether c does nothing at all.
func (c *FaultConfig) plain() bool {
	return !c.Down && !c.perFrame() && c.Delay == 0 && c.Jitter == 0
}

// FaultStats is what has become of the frames of one direction. Entered plus
// Duplicated equals Delivered plus Waiting plus the sum of Dropped.
type FaultStats struct {
	Entered    uint64                 `stat:"fault.entered"`    // the parts of a super-segment one by one
	Delivered  uint64                 `stat:"fault.delivered"`  // copies included
	Duplicated uint64                 `stat:"fault.duplicated"` // copies made
	Reordered  uint64                 `stat:"fault.reordered"`  // delivered after a frame that came later
	Corrupted  uint64                 `stat:"fault.corrupted"`
	Waiting    uint64                 `stat:"fault.waiting"` // under way at present
	Dropped    [pkt.NumReasons]uint64 `stat:"fault.dropped"` // LinkLoss, LinkRate, QueueFull; NoPeer also where the cable is cut
}

// FaultDir is a direction of a Fault.
type FaultDir uint8

// Directions.
const (
	AtoB FaultDir = iota
	BtoA
)

// Fault is a virtual Ethernet cable with faults, which can be changed while it
// is in use. Unlike an Epair it must be closed: frames may be under way.
type Fault struct{ a, b faultEnd }

type faultEnd struct {
	unfiltered
	out lane  // what is put in at this end
	in  *lane // what comes out
	mtu int
}

// NewFault returns a cable for IP packets of up to mtu bytes, 1500 if it is 0.
// a is what happens to what is put in at A, b to what is put in at B. It panics
// where one of them fails its Check.
func NewFault(s *netisr.Sched, mtu int, a, b FaultConfig) *Fault {
	if mtu == 0 {
		mtu = 1500
	}
	f := new(Fault)
	for _, c := range [...]*FaultConfig{&a, &b} {
		if err := c.Check(); err != nil {
			panic(err)
		}
	}
	f.a.mtu, f.b.mtu = mtu, mtu
	f.a.in, f.b.in = &f.b.out, &f.a.out
	f.a.out.init(s, AtoB, a)
	f.b.out.init(s, BtoA, b)
	return f
}

// A returns one end.
func (f *Fault) A() Port { return &f.a }

// B returns the other end.
func (f *Fault) B() Port { return &f.b }

func (f *Fault) lane(dir FaultDir) *lane {
	if dir == AtoB {
		return &f.a.out
	}
	return &f.b.out
}

// Set changes what happens in one direction from now on. Frames that are on
// their way take the time they were given; those that still wait to be sent go
// at the new rate. The random sequence goes on unless Seed changes. It returns
// the error of c.Check, or net.ErrClosed. No lock of the network may be held.
//
// A frame that comes without its checksum is given it before it is damaged. A
// super-segment is cut, unless nothing but Down, Delay or Jitter is done to it.
func (f *Fault) Set(dir FaultDir, c FaultConfig) error {
	if err := c.Check(); err != nil {
		return err
	}
	return f.lane(dir).set(c)
}

// Config returns what happens in one direction, as Set was told; what is 0 there, to
// mean a default, is 0 here.
func (f *Fault) Config(dir FaultDir) FaultConfig {
	c := f.lane(dir).config()
	var zero FaultConfig
	d := zero.filled()
	for _, n := range [...]struct{ v, d *int }{{&c.Queue, &d.Queue}, {&c.Limit, &d.Limit}, {&c.CorruptBits, &d.CorruptBits}, {&c.ReorderGap, &d.ReorderGap}} {
		if *n.v == *n.d {
			*n.v = 0
		}
	}
	if c.ReorderWait == d.ReorderWait {
		c.ReorderWait = 0
	}
	return c
}

// Stats returns the counters of one direction.
func (f *Fault) Stats(dir FaultDir) FaultStats { return f.lane(dir).stats() }

// Close loses everything under way and all that is put in later. It may be
// called twice, and under no lock of the network.
func (f *Fault) Close() {
	f.a.out.close()
	f.b.out.close()
}

// Put implements Port.
func (e *faultEnd) Put(r *netisr.Runner, b *pkt.Buf) { e.out.put(r, b) }

// Attach implements Port.
func (e *faultEnd) Attach(to netisr.Lender) { e.in.to.set(to) }

// Detach implements Port.
func (e *faultEnd) Detach() { e.in.to.clear() }

// Props implements Port: they are those of the faults at present.
func (e *faultEnd) Props() Props {
	c := e.out.config()
	return Props{MTU: e.mtu, Raw: c.Corrupt > 0}
}
