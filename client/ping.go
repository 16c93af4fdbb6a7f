package client

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"
)

// PingRequest says whom to ask for echoes, and how.
type PingRequest struct {
	Host      string        `json:"host" minLength:"1" doc:"An address, the name of a host of the lab, or what the stack's resolver knows" example:"192.0.2.2"`
	Family    string        `json:"family,omitempty" enum:"inet,inet6" doc:"What a name means; none means whichever there is"`
	Source    string        `json:"source,omitempty" doc:"Address to send from"`
	Interface string        `json:"interface,omitempty" doc:"Where packets to groups leave"`
	Count     int           `json:"count,omitempty" minimum:"0" doc:"Packets to send; 0: until the client ends it"`
	Preload   int           `json:"preload,omitempty" minimum:"0" maximum:"65536" doc:"Packets to send at once at the beginning"`
	Interval  time.Duration `json:"interval-ns,omitempty" minimum:"0" doc:"Between packets, at least a millisecond; 0: a second"`
	Wait      time.Duration `json:"wait-ns,omitempty" minimum:"0" doc:"For a reply, after which it is late; 0: 10 seconds"`
	Timeout   time.Duration `json:"timeout-ns,omitempty" minimum:"0" doc:"For all of it; 0: none"`
	Size      *int          `json:"size,omitempty" minimum:"0" maximum:"65507" doc:"Bytes of data in a packet; none means 56"`
	Pattern   []byte        `json:"pattern,omitempty" maxLength:"16" doc:"What the data consists of"`
	TTL       int           `json:"ttl,omitempty" minimum:"0" maximum:"255" doc:"Time to live, or hop limit; 0: the stack's"`
	TOS       int           `json:"tos,omitempty" minimum:"0" maximum:"255" doc:"Type of service, or traffic class"`
	GroupTTL  *int          `json:"multicast-ttl,omitempty" minimum:"0" maximum:"255" doc:"Time to live of packets to groups"`
	NoLoop    bool          `json:"no-loop,omitempty" doc:"What is sent to groups is not heard here"`
	DontFrag  bool          `json:"dont-fragment,omitempty"`
	DontRoute bool          `json:"dont-route,omitempty" doc:"To neighbours only"`
	First     bool          `json:"first,omitempty" doc:"End after the first reply"`
}

// PingEvent is one thing that happens while there is a ping: Kind says which of the
// others is set.
type PingEvent struct {
	Kind   string // "start", "sent", "reply", "report", "failed", or "end"
	Start  PingStart
	Sent   PingSent
	Reply  PingReply
	Report PingReport
	Failed PingFailed
}

// PingStart is what a ping begins with.
type PingStart struct {
	Address netip.Addr  `json:"address"`
	Source  *netip.Addr `json:"source,omitempty" doc:"Address that it sends from; none where there is no way"`
	Size    int         `json:"size" doc:"Bytes of data in a packet"`
}

// PingSent is a request that has been sent.
type PingSent struct {
	Seq uint16 `json:"seq"`
}

// PingReply is an echo.
type PingReply struct {
	Seq       uint16        `json:"seq"`
	From      netip.Addr    `json:"from"`
	To        *netip.Addr   `json:"to,omitempty" doc:"Address that it came to"`
	Size      int           `json:"size" doc:"Bytes of ICMP"`
	TTL       int           `json:"ttl"`
	RTT       time.Duration `json:"rtt-ns"`
	Duplicate bool          `json:"duplicate,omitempty" doc:"Not the first with its number"`
	Late      bool          `json:"late,omitempty"`
}

// PingReport is an error message about a request.
type PingReport struct {
	Seq  uint16     `json:"seq"`
	From netip.Addr `json:"from"`
	Size int        `json:"size" doc:"Bytes of ICMP"`
	Type int        `json:"type"`
	Code int        `json:"code"`
	MTU  int        `json:"mtu,omitempty" doc:"Of the next hop, where the packet was too big"`
	Text string     `json:"text" doc:"What it says, in words"`
}

// PingFailed is a request that could not be sent.
type PingFailed struct {
	Seq uint16 `json:"seq"`
	Error
}

// Ping asks a host for echoes from a jail's stack and calls event for all that happens,
// until everything asked for is done, ctx ends or event returns false. fib is the
// routing table, "" meaning 0.
func (c *Client) Ping(ctx context.Context, jail, fib string, r PingRequest, event func(*PingEvent) bool) error {
	return c.probe(ctx, jailPath(jail, "ping"), fib, r, func(kind string, data []byte) (bool, error) {
		e := &PingEvent{Kind: kind}
		doc, known := map[string]any{
			"start": &e.Start, "sent": &e.Sent, "reply": &e.Reply, "report": &e.Report, "failed": &e.Failed, "end": &struct{}{},
		}[kind]
		if !known {
			return true, nil
		}
		err := json.Unmarshal(data, doc)
		return err == nil && event(e), err
	})
}

// probe asks for something that answers with a stream, and calls event for all that it
// says, until "end" or until event wants no more.
func (c *Client) probe(ctx context.Context, path, fib string, request any, event func(kind string, data []byte) (more bool, err error)) error {
	s, err := c.Stream(ctx, "POST", path, values("fib", fib), request)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		kind, data, err := s.Next()
		if err != nil {
			return err
		}
		if more, err := event(kind, data); err != nil || !more || kind == "end" {
			return err
		}
	}
}
