package client

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Activity is what happened in a lab in an interval. Everything that is counted is what
// was counted in it, unless it says that it is so far.
type Activity struct {
	Time    time.Time           `json:"time" doc:"Of the network, at the end of the interval"`
	Seconds float64             `json:"seconds" doc:"How long the interval was; it is longer than was asked for where documents were not taken in time"`
	Stacks  *Top[StackActivity] `json:"stacks,omitempty"`
	Links   *Top[LinkActivity]  `json:"links,omitempty"`
	Groups  *Top[GroupActivity] `json:"groups,omitempty"`
	Flows   *Top[FlowActivity]  `json:"flows,omitempty"`
}

// Top is the things of one kind of which there is most to say, and how many there are.
type Top[T ActivityRow] struct {
	Count int `json:"count" doc:"How many there are"`
	Total T   `json:"total" doc:"Of all of them together, without a name"`
	Top   []T `json:"top" doc:"As many as were asked for, sorted"`
}

// ActivityRow is one thing of a kind.
type ActivityRow interface {
	// Title returns what it is called.
	Title() string
	// Value returns by what it is sorted, for one of the ActivityKeys of its kind but
	// "name".
	Value(key string) float64
}

// StackActivity is what a stack did. Its loopback is not counted, and a super-segment
// counts as one packet.
type StackActivity struct {
	Name       string `json:"name,omitempty" doc:"That of the jail that owns it"`
	InPackets  uint64 `json:"received-packets"`
	InBytes    uint64 `json:"received-bytes"`
	OutPackets uint64 `json:"sent-packets"`
	OutBytes   uint64 `json:"sent-bytes"`
	Drops      uint64 `json:"dropped-packets" doc:"That were lost within it, on their way in or through"`
	Sockets    int    `json:"sockets,omitempty" doc:"That there are"`
}

// LinkActivity is what passed on a link.
type LinkActivity struct {
	Name    string          `json:"name,omitempty"`
	Between [2]string       `json:"between,omitzero" doc:"What it ends at"`
	Toward  [2]LinkCounters `json:"toward" doc:"Each end"`
	Cut     bool            `json:"cut,omitempty" doc:"Both ways"`
}

// LinkCounters is what went one way on a link.
type LinkCounters struct {
	Packets uint64 `json:"packets" doc:"That an interface got; toward a switch that is linked to an interface, that this sent"`
	Bytes   uint64 `json:"bytes" doc:"Of these"`
	Lost    uint64 `json:"lost" doc:"Packets that were lost on the way"`
}

// GroupActivity is what was sent to a multicast group. Groups that do not leave a link,
// in which all hosts are (224.0.0.0/24, ff02::/16), are none of these.
type GroupActivity struct {
	Group     string `json:"group,omitempty" doc:"Or the prefix of a multicast route"`
	Members   int    `json:"members" doc:"Interfaces that listen to it"`
	Hosts     int    `json:"hosts" doc:"Stacks that do"`
	Sent      uint64 `json:"sent" doc:"Packets that flows sent to it"`
	Delivered uint64 `json:"delivered" doc:"That came of these, at all receivers together"`
	Forwarded uint64 `json:"forwarded" doc:"Packets that multicast routes forwarded, at all routers together"`
}

// FlowActivity is what became of a flow.
type FlowActivity struct {
	Name      string  `json:"name,omitempty"`
	From      string  `json:"from,omitempty"`
	To        string  `json:"to,omitempty"`
	Receivers int     `json:"receivers"`
	Sent      uint64  `json:"sent"`
	Delivered uint64  `json:"delivered" doc:"At all receivers together, without duplicates"`
	Lost      uint64  `json:"lost" doc:"So far: what a receiver has not got since the first that it got, or that is under way"`
	Latency   float64 `json:"latency_ms" doc:"Mean, of those delivered"`
	Done      bool    `json:"done,omitempty" doc:"All has been sent"`
}

// Title implements ActivityRow.
func (s StackActivity) Title() string { return s.Name }

// Title implements ActivityRow.
func (l LinkActivity) Title() string { return l.Name }

// Title implements ActivityRow.
func (g GroupActivity) Title() string { return g.Group }

// Title implements ActivityRow.
func (f FlowActivity) Title() string { return f.Name }

// Value implements ActivityRow.
func (s StackActivity) Value(key string) float64 {
	switch key {
	case "bytes":
		return float64(s.InBytes + s.OutBytes)
	case "packets":
		return float64(s.InPackets + s.OutPackets)
	}
	return float64(s.Drops)
}

// Value implements ActivityRow.
func (l LinkActivity) Value(key string) float64 {
	a, b := l.Toward[0], l.Toward[1]
	switch key {
	case "bytes":
		return float64(a.Bytes + b.Bytes)
	case "packets":
		return float64(a.Packets + b.Packets)
	}
	return float64(a.Lost + b.Lost)
}

// Value implements ActivityRow.
func (g GroupActivity) Value(key string) float64 {
	if key == "members" {
		return float64(g.Members)
	}
	return float64(g.Sent + g.Delivered + g.Forwarded)
}

// Value implements ActivityRow.
func (f FlowActivity) Value(key string) float64 {
	switch key {
	case "packets":
		return float64(f.Sent + f.Delivered)
	case "lost":
		return float64(f.Lost)
	}
	return f.Latency
}

// ActivityKinds returns the kinds of things in an Activity.
func ActivityKinds() []string { return []string{"stacks", "links", "groups", "flows"} }

// ActivityKeys returns by what the things of a kind may be sorted, that by which they
// are first; nil where there is no such kind.
func ActivityKeys(kind string) []string {
	switch kind {
	case "stacks":
		return []string{"bytes", "packets", "drops", "name"}
	case "links":
		return []string{"bytes", "packets", "lost", "name"}
	case "groups":
		return []string{"packets", "members", "name"}
	case "flows":
		return []string{"packets", "lost", "latency", "name"}
	}
	return nil
}

// FirstActivity returns up to n rows, those with most of a key first, or those whose
// names come first. Others stay in the order that they have.
func FirstActivity[T ActivityRow](rows []T, key string, n int) []T {
	type place struct {
		value float64
		at    int
	}
	order := make([]place, len(rows))
	for i, r := range rows {
		order[i].at = i
		if key != "name" {
			order[i].value = r.Value(key)
		}
	}
	slices.SortFunc(order, func(a, b place) int {
		byName := 0
		if key == "name" {
			byName = cmp.Compare(rows[a.at].Title(), rows[b.at].Title())
		}
		return cmp.Or(byName, cmp.Compare(b.value, a.value), a.at-b.at)
	})
	first := make([]T, min(n, len(rows)))
	for i := range first {
		first[i] = rows[order[i].at]
	}
	return first
}

// ActivityQuery says what is wanted of an Activity.
type ActivityQuery struct {
	Every time.Duration // length of an interval, 100 ms to a day
	Top   int           // how many things of each kind, up to 500; 0 means 10
	Kinds []string      // of ActivityKinds; nil: all
	Sort  []string      // such as "links.lost": see ActivityKeys
	In    string        // only what has to do with the stack of this jail, and of those in it
}

// Activities is a stream of what happens in a lab.
type Activities struct {
	stream *Stream
	closed chan struct{}
	close  func()
}

// ActivityNews is what Next returns.
type ActivityNews struct {
	Activity *Activity
	Err      error
}

// Activity begins to count, until Close or the end of ctx.
func (c *Client) Activity(ctx context.Context, q ActivityQuery) (*Activities, error) {
	v := values("every", q.Every.String(), "in", q.In)
	if q.Top != 0 {
		v.Set("top", strconv.Itoa(q.Top))
	}
	for _, k := range q.Kinds {
		v.Add("kind", k)
	}
	for _, k := range q.Sort {
		v.Add("sort", k)
	}
	s, err := c.Stream(ctx, "GET", "/v1/activity", v, nil)
	if err != nil {
		return nil, err
	}
	if err := s.Read("ready", &Done{}); err != nil {
		s.Close()
		return nil, err
	}
	closed := make(chan struct{})
	return &Activities{s, closed, sync.OnceFunc(func() { close(closed) })}, nil
}

// Next returns what happened in the next interval, when that is over. The error is
// io.EOF at the end.
func (a *Activities) Next() (*Activity, error) {
	_, data, err := a.stream.Next()
	if err != nil {
		return nil, err
	}
	d := new(Activity)
	return d, json.Unmarshal(data, d)
}

// News calls Next for one who waits for other things, too, until an error or Close. It
// is called once, and then Next is not.
func (a *Activities) News() <-chan ActivityNews {
	news := make(chan ActivityNews)
	go func() {
		for {
			d, err := a.Next()
			select {
			case news <- ActivityNews{d, err}:
			case <-a.closed:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return news
}

// Close ends the stream.
func (a *Activities) Close() error {
	a.close()
	return a.stream.Close()
}
