package topo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage/link"
)

// delivered expects how many datagrams of a flow come to a receiver, or to
// each.
type delivered struct {
	kind     string
	flow, at text
	bounds
	of    *flow
	sinks []*sink
}

func (d *decoder) delivered(k, v *yaml.Node) expectation {
	e := &delivered{kind: k.Value}
	keys := []key{needed(d.word("flow", &e.flow)), d.word("at", &e.at)}
	e.line = k.Line
	if k.Value == "delivered" {
		keys = append(keys, d.bounds(&e.bounds, k.Line, true, true)...)
	} else {
		e.is = new(amount)
	}
	d.object(v, k.Value, keys...)
	return e
}

func (e *delivered) resolve(c *checker) {
	e.bounds.resolve(c, &amount{percent: 100, part: true})
	e.of, e.sinks = c.sinksOf(e.flow, e.at, e.line)
}

// sinksOf finds the receivers that an expectation of a flow is about.
func (c *checker) sinksOf(flow, at text, line int) (*flow, []*sink) {
	f := c.findFlow(flow)
	if f == nil || !f.dst.IsValid() && f.whose == nil {
		return nil, nil
	}
	var names []string
	for _, s := range f.sinks {
		if at.line != 0 && s.name == at.s {
			return f, []*sink{s}
		}
		names = append(names, s.name)
	}
	switch {
	case at.line != 0 && c.whole:
		c.at(at.line, "%s receives nothing of the flow %s: %s", at.s, f.name.s, OneOf("its receivers", names, at.s))
	case len(f.sinks) == 0 && c.whole:
		c.at(line, "nobody receives the flow %s: no node has the address %v, or has joined it", f.name.s, f.dst)
	}
	return f, slices.Clone(f.sinks)
}

func (e *delivered) check(n *Network) []Outcome {
	var all []Outcome
	sent := n.flows[e.of].sent.Load()
	for _, s := range e.sinks {
		got := n.tally(s, e.of).got
		all = append(all, Outcome{e.line, e.kind, e.of.name.s + " at " + s.name, e.String(), share(got, sent), e.hold(got, sent)})
	}
	return all
}

// wrongSource expects how many datagrams a join is given from sources that it
// does not listen to.
type wrongSource struct {
	at text
	bounds
	sinks []*sink
}

func (d *decoder) wrongSource(k, v *yaml.Node) expectation {
	e := new(wrongSource)
	d.object(v, k.Value, append(d.bounds(&e.bounds, k.Line, true, false), d.word("at", &e.at))...)
	return e
}

func (e *wrongSource) resolve(c *checker) {
	e.bounds.resolve(c, new(amount))
	var names []string
	for _, j := range c.joins {
		names = append(names, j.name.s)
	}
	for _, s := range c.listed {
		if s.join != nil && (e.at.line == 0 || e.at.s == s.name) {
			e.sinks = append(e.sinks, s)
		}
	}
	switch {
	case len(e.sinks) > 0:
	case e.at.line != 0:
		c.at(e.at.line, "%s joins no group: %s", e.at.s, OneOf("joins", names, e.at.s))
	default:
		c.at(e.line, "there are no joins: add one")
	}
}

func (e *wrongSource) check(n *Network) []Outcome {
	var all []Outcome
	for _, s := range e.sinks {
		r := n.sinks[s]
		r.mu.Lock()
		wrong := r.wrong
		r.mu.Unlock()
		all = append(all, Outcome{e.line, "wrong_source", fmt.Sprintf("%v at %s", s.addr, s.name), e.String(), fmt.Sprint(wrong), e.hold(wrong, 0)})
	}
	return all
}

// latency expects how long every datagram of a flow takes.
type latency struct {
	line     int
	flow, at text
	min, max time.Duration
	of       *flow
	sinks    []*sink
}

func (d *decoder) latency(k, v *yaml.Node) expectation {
	e := &latency{line: k.Line, min: -1, max: -1}
	d.object(v, k.Value,
		needed(d.word("flow", &e.flow)),
		d.word("at", &e.at),
		d.duration("min", &e.min, maxTime),
		d.duration("max", &e.max, maxTime),
	)
	return e
}

func (e *latency) resolve(c *checker) {
	switch {
	case e.min < 0 && e.max < 0:
		c.at(e.line, "a latency has no min or max: add one")
	case e.min > e.max && e.max >= 0:
		c.at(e.line, "min is more than max: exchange them")
	}
	e.of, e.sinks = c.sinksOf(e.flow, e.at, e.line)
}

func (e *latency) check(n *Network) []Outcome {
	var want []string
	if e.min >= 0 {
		want = append(want, "at least "+e.min.String())
	}
	if e.max >= 0 {
		want = append(want, "at most "+e.max.String())
	}
	var all []Outcome
	for _, s := range e.sinks {
		t := n.tally(s, e.of)
		got, ok := "nothing came", false
		if t.got > 0 {
			got = fmt.Sprintf("%v to %v", t.least, t.most)
			ok = (e.min < 0 || t.least >= e.min) && (e.max < 0 || t.most <= e.max)
		}
		all = append(all, Outcome{e.line, "latency", e.of.name.s + " at " + s.name, strings.Join(want, ", "), got, ok})
	}
	return all
}

// loss expects what part of a flow does not arrive, or of a link's frames.
type loss struct {
	flow, at, link, toward text
	bounds
	of    *flow
	sinks []*sink
	cable *cable
	dirs  []link.FaultDir
}

func (d *decoder) loss(k, v *yaml.Node) expectation {
	e := new(loss)
	d.object(v, k.Value, append(d.bounds(&e.bounds, k.Line, true, true),
		d.word("flow", &e.flow), d.word("at", &e.at), d.word("link", &e.link), d.word("toward", &e.toward))...)
	return e
}

func (e *loss) resolve(c *checker) {
	e.bounds.resolve(c, &amount{})
	switch {
	case (e.flow.line == 0) == (e.link.line == 0):
		c.at(e.line, "a loss is of a flow or of a link: write flow or link")
	case e.flow.line != 0:
		e.of, e.sinks = c.sinksOf(e.flow, e.at, e.line)
	default:
		e.cable, e.dirs = c.lanes(e.link, e.toward)
	}
}

// lanes finds the directions of a link with faults that an expectation is
// about.
func (c *checker) lanes(name, toward text) (*cable, []link.FaultDir) {
	l := c.findLink(name)
	switch {
	case l == nil:
		return nil, nil
	case l.perfect():
		c.at(name.line, "the link %s is perfect and counts nothing: give it a delay, a loss, a rate, …", name.s)
	case toward.line == 0:
		return l, []link.FaultDir{link.AtoB, link.BtoA}
	case l.end(toward.s) == nil:
		c.at(toward.line, "%s is not at the link %s, which is between %s and %s", toward.s, name.s, l.between[0].s, l.between[1].s)
	case l.end(toward.s) == &l.ends[1]:
		return l, []link.FaultDir{link.AtoB}
	}
	return l, []link.FaultDir{link.BtoA}
}

func (e *loss) check(n *Network) []Outcome {
	if e.cable != nil {
		var entered, lost uint64
		for _, d := range e.dirs {
			s := n.links[e.cable].Fault().Stats(d)
			entered += s.Entered
			for _, n := range s.Dropped {
				lost += n
			}
		}
		return []Outcome{{e.line, "loss", "link " + e.cable.name.s + direction(e.toward), e.String(), share(lost, entered), e.hold(lost, entered)}}
	}
	var all []Outcome
	sent := n.flows[e.of].sent.Load()
	for _, s := range e.sinks {
		lost := sent - min(n.tally(s, e.of).got, sent)
		all = append(all, Outcome{e.line, "loss", e.of.name.s + " at " + s.name, e.String(), share(lost, sent), e.hold(lost, sent)})
	}
	return all
}

func direction(toward text) string {
	if toward.line == 0 {
		return ""
	}
	return " toward " + toward.s
}
