package topo

import (
	"fmt"

	"github.com/seed88948545/vimage/link/pcapng"
)

// SegmentLink is a link of a segment on which frames of nodes begin their way.
type SegmentLink struct {
	Name string
	Both bool // both its ends are nodes
}

// Begins tells whether a frame that a Capture of the link has recorded begins its
// way here: so each frame of a segment is counted once, wherever else it is
// shown.
func (l *SegmentLink) Begins(d pcapng.Direction) bool {
	return d == pcapng.Out || l.Both && d == pcapng.In
}

// Segment returns the links of the segment that a link, a switch, or the first
// port of a node is part of. The empty name is the first segment that has a
// querier, or without one the first of all.
func (f *File) Segment(name string) ([]SegmentLink, error) {
	at := f.segmentOf(name)
	if at == nil {
		if name == "" {
			return nil, fmt.Errorf("%s has no links", f.name)
		}
		var all []string
		for _, s := range f.switches {
			all = append(all, s.name.s)
		}
		all = append(all, f.Links()...)
		return nil, fmt.Errorf("%s has no link, switch or node %q: %s", f.name, name, OneOf("its switches and links", all, name))
	}
	var links []SegmentLink
	for _, l := range f.links {
		a, b := &l.ends[0], &l.ends[1]
		if a.segment() == at && (a.sw == nil || b.sw == nil) {
			links = append(links, SegmentLink{Name: l.name.s, Both: a.sw == nil && b.sw == nil})
		}
	}
	if len(links) == 0 {
		return nil, fmt.Errorf("%s: no node is part of the segment of %s", f.name, name)
	}
	return links, nil
}

// NodeLink returns the name of a node's first link.
func (f *File) NodeLink(name string) (string, error) {
	switch n := f.node[name]; {
	case n == nil:
		var all []string
		for _, n := range f.nodes {
			all = append(all, n.name.s)
		}
		return "", fmt.Errorf("%s has no node %q: %s", f.name, name, OneOf("its nodes", all, name))
	case len(n.ports) == 0:
		return "", fmt.Errorf("%s: %s has no link", f.name, name)
	default:
		return n.ports[0].link.name.s, nil
	}
}

func (f *File) segmentOf(name string) *segment {
	if l := f.cable[name]; l != nil {
		return l.ends[0].segment()
	}
	if s := f.swtch[name]; s != nil {
		return s.seg
	}
	if n := f.node[name]; n != nil && len(n.ports) > 0 {
		return n.ports[0].segment()
	}
	if name != "" || len(f.links) == 0 {
		return nil
	}
	for _, l := range f.links {
		if len(l.querier) > 0 {
			return l.ends[0].segment()
		}
	}
	return f.links[0].ends[0].segment()
}

// segment is what the end is part of.
func (e *end) segment() *segment {
	if e.sw != nil {
		return e.sw.seg
	}
	return e.seg
}
