package client

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"
)

// Event is one thing that has happened to a jail's stack.
type Event struct {
	Kind      string       `json:"kind" doc:"arrival, departure, rename, lladdr, mtu, link up, link down, up, down; address, route or neighbour and what became of it" example:"route add"`
	Time      time.Time    `json:"time" doc:"Of the network"`
	Interface string       `json:"interface,omitempty" doc:"Its name at that time"`
	Index     int          `json:"interface-index,omitempty"`
	FIB       int          `json:"fib" doc:"Of a route's table; -1 in events that are about no table, or all"`
	Prefix    netip.Prefix `json:"prefix,omitzero" doc:"Of a route, an address or a neighbour"`
	Gateway   netip.Addr   `json:"gateway,omitzero"`
	Ether     string       `json:"ether,omitempty" doc:"Hardware address"`
	OldName   string       `json:"old-name,omitempty"`
	Missed    uint64       `json:"missed,omitempty" doc:"Events lost just before this one, since they were not taken in time"`
}

// Events is a stream of what happens to a jail's stack.
type Events struct{ stream *Stream }

// EventQuery says which events are wanted.
type EventQuery struct {
	FIB       string // of routes, only those of this table; "": of all
	Interface string // only those of this interface; "": of all
	Kinds     []string
}

// Events begins to collect what happens, from the time of its return on, until Close or
// the end of ctx.
func (c *Client) Events(ctx context.Context, jail string, q EventQuery) (*Events, error) {
	v := values("fib", q.FIB, "interface", q.Interface)
	for _, k := range q.Kinds {
		v.Add("kind", k)
	}
	s, err := c.Stream(ctx, "GET", jailPath(jail, "events"), v, nil)
	if err != nil {
		return nil, err
	}
	if err := s.Read("ready", &Done{}); err != nil {
		s.Close()
		return nil, err
	}
	return &Events{s}, nil
}

// Next returns the next event; it waits for one. The error is io.EOF at the end.
func (e *Events) Next() (ev Event, err error) {
	_, data, err := e.stream.Next()
	if err != nil {
		return ev, err
	}
	return ev, json.Unmarshal(data, &ev)
}

// Close ends the stream.
func (e *Events) Close() error { return e.stream.Close() }
