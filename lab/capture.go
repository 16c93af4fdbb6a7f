package lab

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

// captures is what is recorded of a lab, and where.
type captures struct {
	all   *recording            // every link, or nil
	links map[string]*recording // by name of the link, until it is made
	open  []*recording
	live  []*Capture

	mu    sync.Mutex // a leaf; guards ports
	ports map[portKey]*link.Capture
}

type portKey struct {
	stack *vnet.Stack
	index uint32
}

// recording is one file.
type recording struct {
	rec *link.Recorder
	w   *pcapng.Writer
}

func (n *Lab) record(w io.Writer) *recording {
	r := &recording{w: pcapng.NewWriter(w, pcapng.Section{Application: "vimage"})}
	r.rec = link.NewRecorder(n.inner().Sched(), r.w, 0)
	n.captures.open = append(n.captures.open, r)
	n.followTracer()
	return r
}

// CaptureAll records every link that is made from now on in one pcapng stream,
// a link an interface, with direction as the link's first end sees it, and
// packets that a stack dropped, with the reason as their comment. EndCapture
// completes it.
func (n *Lab) CaptureAll(w io.Writer) {
	n.building.Lock()
	defer n.building.Unlock()
	n.captures.all = n.record(w)
}

// CaptureLink records the link of that name, "a-b", in a stream of its own. It
// must be called before the link is made.
func (n *Lab) CaptureLink(name string, w io.Writer) { n.CaptureLinks(w, name) }

// CaptureLinks records several links in one stream, in which all frames stand in
// order. It must be called before the links are made.
func (n *Lab) CaptureLinks(w io.Writer, names ...string) {
	n.building.Lock()
	defer n.building.Unlock()
	if n.captures.links == nil {
		n.captures.links = make(map[string]*recording)
	}
	r := n.record(w)
	for _, name := range names {
		n.captures.links[name] = r
	}
}

// FlushCapture hands all that was recorded so far to the streams' writers, for
// somebody who reads along.
func (n *Lab) FlushCapture() error {
	n.building.Lock()
	open := slices.Clone(n.captures.open)
	n.building.Unlock()
	var errs []error
	for _, r := range open {
		errs = append(errs, r.rec.Flush())
	}
	return errors.Join(errs...)
}

// EndCapture completes all streams, and returns what went wrong with any.
func (n *Lab) EndCapture() error {
	n.building.Lock()
	defer n.building.Unlock()
	var errs []error
	for _, r := range n.captures.open {
		errs = append(errs, r.rec.Close(), r.w.Close())
	}
	for name := range n.captures.links {
		errs = append(errs, fmt.Errorf("capture of %s: there is no such link", name))
	}
	n.captures.open, n.captures.links, n.captures.all = nil, nil, nil
	n.followTracer()
	return errors.Join(errs...)
}

// followTracer has what stacks lose be told while there are captures.
func (n *Lab) followTracer() {
	if len(n.captures.open)+len(n.captures.live) > 0 {
		n.inner().SetTracer(n)
	} else {
		n.inner().SetTracer(nil)
	}
}

// tap puts the captures that want to see a link between it and the node that
// is plugged into p.
func (n *Lab) tap(l *Link, p link.Port) link.Port {
	if r := n.captures.links[l.name]; r != nil {
		delete(n.captures.links, l.name)
		l.capture = r.rec.Capture(p, link.CaptureOptions{Name: l.name})
		p = l.capture
	}
	if r := n.captures.all; r != nil {
		l.capture = r.rec.Capture(p, link.CaptureOptions{Name: l.name})
		p = l.capture
	}
	return p
}

// traced says that what a link's nodes drop of its packets belongs to its capture.
func (n *Lab) traced(l *Link) {
	if l.capture == nil {
		return
	}
	n.captures.mu.Lock()
	defer n.captures.mu.Unlock()
	if n.captures.ports == nil {
		n.captures.ports = make(map[portKey]*link.Capture)
	}
	for _, e := range l.ends {
		if e.port != nil {
			n.captures.ports[portKey{e.Node.Internal(), uint32(e.port.iface().Index())}] = l.capture
		}
	}
}

// untraced ends that.
func (n *Lab) untraced(l *Link) {
	n.captures.mu.Lock()
	defer n.captures.mu.Unlock()
	maps.DeleteFunc(n.captures.ports, func(_ portKey, c *link.Capture) bool { return c == l.capture })
}

// Trace implements vnet.Tracer.
func (n *Lab) Trace(st *vnet.Stack, ifIndex uint32, b *pkt.Buf, why pkt.Reason) {
	if c := st.View().Conf(ifIndex); c != nil {
		if t := c.Tee.Load(); t != nil {
			t.Drop(b, why)
		}
	}
	n.captures.mu.Lock()
	c := n.captures.ports[portKey{st, ifIndex}]
	n.captures.mu.Unlock()
	if c != nil {
		c.Drop(b, why)
	}
}
