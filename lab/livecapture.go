package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/filter"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

// CaptureConfig says how a Capture records. The zero value keeps all of every frame.
type CaptureConfig struct {
	Filter  string // chooses the frames, in tcpdump's language; "" chooses all
	SnapLen int    // bytes kept of each frame; 0 keeps all
	Buffer  int    // bytes that may wait to be written, 8 MiB if it is 0
	Count   int    // ends Run when so many packets have been written; 0 does not
}

const (
	liveBuffer = 8 << 20
	// gather is how long what follows a packet may take to be written with it: so
	// who sends much wakes the writer seldom.
	gather = 5 * time.Millisecond
)

// Capture records links and interfaces of a lab that is in use, as one pcapng stream.
// While there is none it costs nothing but the look whether there is. The network does
// not wait for it: what finds no room to wait for the writer is counted in the stream.
type Capture struct {
	lab *Lab
	rec *link.Recorder
	w   *pcapng.Writer
	cfg CaptureConfig

	links map[string]*link.Capture // under lab.building
	all   []*link.Capture          // as is this
}

// NewCapture begins a capture that writes to w, of nothing as yet. A mistake in the
// filter is an error that says where. Run, which must be called, ends it.
func (n *Lab) NewCapture(w io.Writer, c CaptureConfig) (*Capture, error) {
	if _, err := compile(&c, filter.Ethernet); err != nil {
		return nil, err
	}
	if c.Buffer == 0 {
		c.Buffer = liveBuffer
	}
	x := &Capture{lab: n, cfg: c, links: make(map[string]*link.Capture)}
	x.w = pcapng.NewWriter(w, pcapng.Section{Application: "vimage"})
	x.rec = link.NewWaitingRecorder(n.inner().Sched(), x.w, c.Buffer)
	x.rec.SetLimit(c.Count)
	if err := n.change(); err != nil {
		return nil, err
	}
	defer n.building.Unlock()
	n.captures.live = append(n.captures.live, x)
	n.followTracer()
	return x, nil
}

// compile returns the filter for a kind of link, nil for one that chooses all.
func compile(c *CaptureConfig, t filter.LinkType) (link.Filter, error) {
	if c.Filter == "" {
		return nil, nil
	}
	return filter.Compile(c.Filter, t, c.SnapLen)
}

// observe adds an interface to the stream.
func (c *Capture) observe(o link.CaptureOptions) (*link.Capture, error) {
	t := filter.Ethernet
	if o.Bare {
		t = filter.Raw
	}
	var err error
	if o.Filter, err = compile(&c.cfg, t); err != nil {
		return nil, err
	}
	o.FilterText, o.SnapLen = c.cfg.Filter, c.cfg.SnapLen
	x := c.rec.Observe(o)
	c.all = append(c.all, x)
	return x, nil
}

// Link adds the link of that name, with directions as its first end sees them, and what
// the stacks at its ends lose of its packets. It stays the link of that name: when it
// is removed, and one of that name made, then that one is recorded.
func (c *Capture) Link(name string) error {
	n := c.lab
	l := n.FindLink(name)
	if l == nil {
		return fmt.Errorf("%w: there is no link %s", syscall.ENOENT, name)
	}
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	if c.links[name] != nil {
		return nil
	}
	x, err := c.observe(link.CaptureOptions{Name: name})
	if err != nil {
		return err
	}
	c.links[name] = x
	return l.observe(x)
}

// Interface adds the interface of that name, which the stream calls title. It goes on
// when the interface is moved, and ends with it.
func (c *Capture) Interface(title string, st *vimage.Stack, name string) error {
	i, err := st.Interface(name)
	if err != nil {
		return err
	}
	info, err := i.Info()
	if err != nil {
		return err
	}
	n := c.lab
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	in, index := st.Internal(), uint32(i.Index())
	conf := in.View().Conf(index)
	if conf == nil {
		return fmt.Errorf("%w: %s has gone", syscall.ENXIO, name)
	}
	x, err := c.observe(link.CaptureOptions{Name: title, Bare: conf.Props.Bare, MAC: info.MAC, Addrs: i.Addrs()})
	if err != nil {
		return err
	}
	return tee(in, index, x, link.Here)
}

// tee has a capture look at an interface.
func tee(st *vnet.Stack, index uint32, x *link.Capture, as link.Side) error {
	if e := control.EditTee(st, index, func(t *link.Tee) *link.Tee { return t.With(x, as) }); e != 0 {
		return fmt.Errorf("%w: it cannot be captured", e)
	}
	return nil
}

// observe has a capture look at a link, wherever its interfaces are.
func (l *Link) observe(x *link.Capture) error {
	as := link.Here
	for i := range l.ends {
		e := &l.ends[i]
		switch st, index := e.found(); {
		case st != nil:
			if err := tee(st, index, x, as); err != nil {
				return err
			}
			as = link.Drops
		case as == link.Drops:
		case e.teed != nil:
			e.teed.Tee.Store(e.teed.Tee.Load().With(x, as))
			as = link.Drops
		case as == link.Here:
			as = link.There
		}
	}
	return nil
}

// found returns where the interface at a node's end of a link is, nil for none.
func (e *End) found() (*vnet.Stack, uint32) {
	if e.port == nil {
		return nil, 0
	}
	st, index := e.Node.Internal(), uint32(e.port.iface().Index())
	if c := st.View().Conf(index); c != nil && c.Port == e.port.plug {
		return st, index
	}
	for _, st := range e.Node.lab.World.Stacks() { // it has been moved
		for i := range st.Internal().Interfaces() {
			if st.Internal().View().Conf(i.Index).Port == e.port.plug {
				return st.Internal(), i.Index
			}
		}
	}
	return nil, 0
}

// observed has the captures of links of that name look at a new one.
func (n *Lab) observed(l *Link) {
	for _, c := range n.captures.live {
		if x := c.links[l.name]; x != nil {
			l.observe(x)
		}
	}
}

// Run writes what is recorded until ctx ends, or there have been Count packets; then
// the statistics of each link and interface, and ends the capture. It returns the
// writer's first error, which ends it too.
func (c *Capture) Run(ctx context.Context) error {
	err := c.rec.Flush()
	for err == nil && !c.rec.Full() && c.wait(ctx) {
		err = c.rec.Flush()
	}
	c.end()
	return errors.Join(c.rec.Close(), c.w.Close())
}

// wait returns once there is something to write, false when ctx has ended.
func (c *Capture) wait(ctx context.Context) bool {
	select {
	case <-c.rec.Ready():
	case <-ctx.Done():
		return false
	}
	t := time.NewTimer(gather)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// end takes the capture off everything that it looks at.
func (c *Capture) end() {
	n := c.lab
	n.building.Lock()
	defer n.building.Unlock()
	n.captures.live = slices.DeleteFunc(n.captures.live, func(o *Capture) bool { return o == c })
	n.followTracer()
	without := func(t *link.Tee) *link.Tee {
		for _, x := range c.all {
			t = t.Without(x)
		}
		return t
	}
	for _, st := range n.inner().Stacks() {
		for _, i := range st.View().Ifs {
			if i != nil && i.Tee.Load() != nil {
				control.EditTee(st, i.Index, without) // unless it has gone, which ends it as well
			}
		}
	}
	for _, l := range n.Links() {
		for i := range l.ends {
			if j := l.ends[i].teed; j != nil {
				j.Tee.Store(without(j.Tee.Load()))
			}
		}
	}
}
