package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

// Lab is the network of a topology file, of which one segment is listened to. It
// changes nothing about the network: frames are recorded where they begin.
type Lab struct {
	*topo.Network
	links map[string]topo.SegmentLink
	r     *pcapng.Reader
}

// growing is what the network writes and we read.
type growing struct {
	mu sync.Mutex // a leaf
	b  bytes.Buffer
}

// Write implements io.Writer.
func (g *growing) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.Write(p)
}

// Read implements io.Reader.
func (g *growing) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.Read(p)
}

// OpenLab builds a file's network. at names the segment, as topo.File.Segment
// has it.
func OpenLab(file *topo.File, at string, cfg lab.Config) (*Lab, error) {
	links, err := file.Segment(at)
	if err != nil {
		return nil, err
	}
	g := new(growing)
	l := &Lab{links: make(map[string]topo.SegmentLink), r: pcapng.NewReader(g)}
	c := topo.Capture{Link: links[0].Name, W: g}
	for i, s := range links {
		l.links[s.Name] = s
		if i > 0 {
			c.More = append(c.More, s.Name)
		}
	}
	l.Network, err = topo.Build(file, cfg, c)
	return l, err
}

// Now returns the network's time.
func (l *Lab) Now() int64 { return l.Lab.World.Now().UnixNano() }

// Take hands what was recorded since to visit, which borrows it.
func (l *Lab) Take(visit func(*Frame)) error {
	if err := l.Lab.FlushCapture(); err != nil {
		return err
	}
	for {
		var f pcapng.Frame
		if err := l.r.Next(&f); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if k := l.links[f.Name]; k.Begins(f.Dir) {
			visit(&Frame{At: f.Time, LinkType: f.LinkType, Len: f.Len, Data: f.Data})
		}
	}
}

// Sender is a node's interface, on which frames are put that its stack knows
// nothing of.
type Sender struct {
	sched *netisr.Sched
	port  link.Port
	MAC   wire.MAC
	Addr  netip.Addr // of IPv4, not valid if it has none
	Local netip.Addr // link-local, of IPv6
}

// Sender returns a node's first interface, and has its link show it every frame.
func (l *Lab) Sender(name string) (*Sender, error) {
	n := l.Lab.Node(name)
	if n == nil {
		return nil, fmt.Errorf("there is no node %s", name)
	}
	ifi := n.Eth(0)
	if err := ifi.SetPromiscuous(true); err != nil {
		return nil, err
	}
	c := n.Internal().View().Conf(uint32(ifi.Index()))
	s := &Sender{sched: l.Lab.World.Internal().Sched(), port: c.Port, MAC: c.MAC}
	for _, a := range ifi.Addrs() {
		switch ip := a.Addr(); {
		case ip.Is4() && !s.Addr.IsValid():
			s.Addr = ip
		case ip.Is6() && ip.IsLinkLocalUnicast():
			s.Local = ip.WithZone("")
		}
	}
	return s, nil
}

// Send puts a frame on the link.
func (s *Sender) Send(frame []byte) { send(s.sched, s.port, frame) }

// step is how often what has happened is looked at.
const step = 100 * time.Millisecond

// Run runs the network as topo.Network.Run does, and then on until so much time
// has passed in all. each is called every so often.
func (l *Lab) Run(ctx context.Context, limit time.Duration, each func() error) error {
	began := l.Now()
	var errs []error
	err := l.Network.Run(ctx, limit, func(time.Duration, time.Duration) { errs = append(errs, each()) })
	if err = errors.Join(append(errs, err, each())...); err != nil {
		return err
	}
	for left := limit - time.Duration(l.Now()-began); left > 0; left = limit - time.Duration(l.Now()-began) {
		if err := l.Pass(ctx, min(left, step)); err != nil {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
	return nil
}

// Pass lets time pass.
func (l *Lab) Pass(ctx context.Context, d time.Duration) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if l.Lab.World.Simulated() {
		l.Lab.Run(d)
		return nil
	}
	return Pass(ctx, d)
}

// Pass waits, or returns why ctx has ended.
func Pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
