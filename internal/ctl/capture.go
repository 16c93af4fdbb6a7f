package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/filter"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// maxCaptures bounds what captures keep for clients who are slow.
const maxCaptures = 64

// captures are those that run.
type captures struct {
	mu   sync.Mutex // a leaf; guards all
	last int
	all  map[string]context.CancelFunc
}

// add gives a capture a name; end ends it. EBUSY: there are too many.
func (cs *captures) add(end context.CancelFunc) (name string, err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.all) == maxCaptures {
		return "", fmt.Errorf("%w: %d captures run, and that is all there may be", syscall.EBUSY, maxCaptures)
	}
	if cs.all == nil {
		cs.all = make(map[string]context.CancelFunc)
	}
	cs.last++
	name = strconv.Itoa(cs.last)
	cs.all[name] = end
	return name, nil
}

func (cs *captures) remove(name string) (end context.CancelFunc) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	end = cs.all[name]
	delete(cs.all, name)
	return end
}

type captureRequest struct {
	At      []string `query:"at,explode" required:"true" minItems:"1" maxItems:"1024" doc:"A link by its name, or an interface as JAIL:IF; link:NAME and interface:JAIL:IF where that is both" example:"a-b"`
	In      string   `query:"in" doc:"Jail that the request comes from: only its interfaces, named without it, and those below it are meant" example:"web"`
	Filter  string   `query:"filter" doc:"Chooses the packets, in tcpdump's language" example:"tcp port 80"`
	SnapLen int      `query:"snaplen" minimum:"0" maximum:"262144" doc:"Bytes to keep of each packet; 0: all"`
	Buffer  int      `query:"buffer" minimum:"0" maximum:"65536" doc:"KiB that may wait for the client; 0: 8 MiB"`
	Count   int      `query:"count" minimum:"0" doc:"End after so many packets; 0: do not"`
}

type pointsRequest struct {
	In     string `query:"in" doc:"Jail that the request comes from" example:"web"`
	Begins string `query:"begins" doc:"What names must begin with"`
}

func registerCapture(s *Server) {
	read(s, op{"GET", "/v1/capture/points", "capture-points", "What can be captured"}, s.capturePoints)
	type id struct {
		ID string `path:"id" doc:"What the header Vimage-Capture of the stream says"`
	}
	read(s, op{"DELETE", "/v1/capture/{id}", "end-capture", "End a capture: its statistics follow"}, func(in *id) (client.Done, error) {
		end := s.captures.remove(in.ID)
		if end == nil {
			return client.Done{}, blame(fmt.Errorf("%w: there is no capture %s", syscall.ESRCH, in.ID), "path.id", in.ID)
		}
		end()
		return client.Done{}, nil
	})
	h := op{"GET", "/v1/capture", "capture", "Packets of links and interfaces, until either side ends it"}.huma()
	h.Responses = map[string]*huma.Response{"200": {
		Description: "A pcapng section, with statistics at its end", Content: map[string]*huma.MediaType{"application/x-pcapng": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	huma.Register(s.api, h, s.capture)
}

// capture begins a capture, and streams it.
func (s *Server) capture(_ context.Context, in *captureRequest) (*huma.StreamResponse, error) {
	out := new(sink)
	x, err := s.net.Lab.NewCapture(out, lab.CaptureConfig{Filter: in.Filter, SnapLen: in.SnapLen, Buffer: in.Buffer << 10, Count: in.Count})
	if err != nil {
		return nil, refuse(blameFilter(err))
	}
	ended, end := context.WithCancel(context.Background())
	name, err := s.captures.add(end)
	if err == nil {
		err = s.observe(x, in)
	}
	if err != nil {
		end()
		s.captures.remove(name)
		_ = x.Run(ended) // nothing can go wrong where nothing is written
		return nil, refuse(blameFilter(err))
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer func() { s.captures.remove(name) }()
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", "application/x-pcapng")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set(client.CaptureHeader, name)
		c := http.NewResponseController(w)
		_ = c.SetReadDeadline(time.Time{}) // what has no deadlines is no connection
		_ = c.SetWriteDeadline(time.Time{})
		out.to = flusher{w, c}
		gone := context.AfterFunc(ctx.Context(), end)
		defer gone()
		defer end()
		_ = x.Run(ended) // what goes wrong is that the client has gone
	}}, nil
}

// sink is a writer that is known later.
type sink struct{ to io.Writer }

// Write implements io.Writer.
func (k *sink) Write(b []byte) (int, error) {
	if k.to == nil {
		return len(b), nil
	}
	return k.to.Write(b)
}

// flusher hands on what is written at once: it has been gathered before.
type flusher struct {
	w io.Writer
	c *http.ResponseController
}

// Write implements io.Writer.
func (f flusher) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err == nil {
		err = f.c.Flush()
	}
	return n, err
}

// blameFilter says where a filter is wrong, if that is the error.
func blameFilter(err error) error {
	var f *filter.Error
	if !errors.As(err, &f) {
		return err
	}
	return blame(err, "query.filter", client.FilterMistake{Position: f.Pos, Word: f.Word, Why: f.Why})
}

// observe adds what a request names to a capture.
func (s *Server) observe(x *lab.Capture, in *captureRequest) error {
	for i, at := range in.At {
		p, err := s.point(in.In, at)
		if err != nil {
			return blame(err, fmt.Sprintf("query.at[%d]", i), at)
		}
		if p.link != "" {
			err = x.Link(p.link)
		} else {
			err = x.Interface(p.jail.Name()+":"+p.iface, p.jail.Stack(), p.iface)
		}
		if err != nil {
			return blame(err, fmt.Sprintf("query.at[%d]", i), at)
		}
	}
	return nil
}

// point is something that can be captured: a link, or an interface.
type point struct {
	link  string
	jail  *vimage.Jail
	iface string
}

// The words that say what a name is that two things have.
const (
	asLink      = "link:"
	asInterface = "interface:"
)

// point finds what a name means. ENOENT: nothing. EINVAL: two things. EPERM: a link,
// which is nothing that is in a jail.
func (s *Server) point(in, name string) (point, error) {
	var all []point
	bare, isLink := strings.CutPrefix(name, asLink)
	if l := s.net.Lab.FindLink(bare); l != nil {
		all = append(all, point{link: bare})
	}
	bare, isIface := strings.CutPrefix(name, asInterface)
	if !isLink {
		if found := s.ifacePoints(in, bare); isIface || len(found) > 0 && inside(in) {
			all = found
		} else {
			all = append(all, found...)
		}
	}
	if len(all) == 1 && all[0].link != "" && inside(in) {
		return point{}, fmt.Errorf("%w: %s is a link of the network as a whole: in a jail interfaces can be captured", syscall.EPERM, name)
	}
	switch len(all) {
	case 0:
		return point{}, fmt.Errorf("%w: there is no link or interface %s: %s", syscall.ENOENT, name, s.near(in, name))
	case 1:
		return all[0], nil
	case 2:
		if all[0].link == "" { // as JAIL:IF, and in the jail
			break
		}
		return point{}, fmt.Errorf("%w: %s is both a link and an interface: say %s%s or %s%s:%s", syscall.EINVAL, name, asLink, name, asInterface, all[1].jail.Name(), all[1].iface)
	}
	return point{}, fmt.Errorf("%w: %s is several interfaces: say %s%s:%s or %s%s:%s", syscall.EINVAL, name,
		asInterface, all[0].jail.Name(), all[0].iface, asInterface, all[1].jail.Name(), all[1].iface)
}

// inside tells whether a request comes from a jail, so that it finds what is there and
// below.
func inside(in string) bool { return in != "" && in != "0" }

// inJail returns what the lab calls a jail that is called so in another.
func inJail(in, name string) string {
	if inside(in) {
		return in + "/" + name
	}
	return name
}

// ifacePoints returns the interfaces that a name means.
func (s *Server) ifacePoints(in, name string) (all []point) {
	add := func(jail, iface string) {
		if j, err := s.jail(jail, ""); err == nil && j.Stack() != nil {
			if _, err := j.Stack().Interface(iface); err == nil {
				all = append(all, point{jail: j, iface: iface})
			}
		}
	}
	if in != "" {
		add(in, name)
	}
	if jail, iface, ok := cutLast(name); ok {
		add(inJail(in, jail), iface)
	}
	return all
}

// near says what there is instead of a name that means nothing.
func (s *Server) near(in, name string) string {
	p, err := s.capturePoints(&pointsRequest{In: in})
	if err != nil {
		return err.Error()
	}
	what := "links and interfaces"
	if inside(in) {
		what = "interfaces"
	}
	jail, iface, ok := cutLast(name)
	if _, err := s.jail(inJail(in, jail), ""); ok && err == nil {
		var names []string
		for _, n := range p.Interfaces {
			if of, i, _ := cutLast(n); of == jail {
				names = append(names, i)
			}
		}
		return topo.OneOf("interfaces of "+jail, names, iface)
	}
	if ok {
		return topo.OneOf(what, slices.Concat(p.Links, p.Interfaces), name)
	}
	own := slices.DeleteFunc(p.Interfaces, func(n string) bool { return strings.Contains(n, ":") })
	return topo.OneOf(what, slices.Concat(p.Links, own), name)
}

func cutLast(name string) (before, after string, ok bool) {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		return name[:i], name[i+1:], true
	}
	return name, "", false
}

// capturePoints lists what can be captured.
func (s *Server) capturePoints(in *pointsRequest) (client.CapturePoints, error) {
	p := client.CapturePoints{Links: []string{}, Interfaces: []string{}}
	for _, l := range s.net.Lab.Links() {
		if strings.HasPrefix(l.Name(), in.Begins) && !inside(in.In) {
			p.Links = append(p.Links, l.Name())
		}
	}
	top := s.world.Root()
	if in.In != "" {
		var err error
		if top, err = s.jail(in.In, "query.in"); err != nil {
			return p, err
		}
		p.Interfaces = slices.Concat(p.Interfaces, capturable(top, "", in.Begins))
	}
	if jail, _, one := cutLast(in.Begins); one {
		if j, err := s.jail(inJail(in.In, jail), ""); err == nil {
			p.Interfaces = slices.Concat(p.Interfaces, capturable(j, jail+":", in.Begins))
		}
		return p, nil
	}
	if inside(in.In) {
		p.Interfaces = slices.Concat(p.Interfaces, capturableBelow(top, top.Name()+".", in.Begins))
	} else {
		p.Interfaces = slices.Concat(p.Interfaces, capturable(top, "0:", in.Begins), capturableBelow(top, "", in.Begins))
	}
	return p, nil
}

// capturableBelow lists the interfaces of the jails below one that have a stack of their
// own and whose names, without what is in front of them, begin so.
func capturableBelow(j *vimage.Jail, front, begins string) (all []string) {
	for _, c := range j.Children() {
		a, b := j.Stack(), c.Stack()
		if a == nil || b == nil || a.Internal() == b.Internal() {
			continue
		}
		if name := strings.TrimPrefix(c.Name(), front); strings.HasPrefix(name, begins) {
			all = append(all, capturable(c, name+":", "")...)
		}
		all = append(all, capturableBelow(c, front, begins)...)
	}
	return all
}

// capturable lists the interfaces of a jail that have a link, behind its name.
func capturable(j *vimage.Jail, prefix, begins string) (all []string) {
	if j.Stack() == nil {
		return nil
	}
	list, err := j.Stack().Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range list {
		if name := prefix + i.Name; i.Flags&net.FlagLoopback == 0 && strings.HasPrefix(name, begins) {
			all = append(all, name)
		}
	}
	return all
}
