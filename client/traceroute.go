package client

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"
)

// TracerouteRequest says to whom the way is to be found, and how.
type TracerouteRequest struct {
	Host      string        `json:"host" minLength:"1" doc:"An address, the name of a host of the lab, or what the stack's resolver knows" example:"192.0.2.2"`
	Family    string        `json:"family,omitempty" enum:"inet,inet6" doc:"What a name means; none means whichever there is"`
	Protocol  string        `json:"protocol,omitempty" enum:"udp,icmp" doc:"Of the probes; none means udp"`
	Source    string        `json:"source,omitempty" doc:"Address to send from"`
	Interface string        `json:"interface,omitempty" doc:"Send from the address that this interface has"`
	FirstTTL  int           `json:"first-ttl,omitempty" minimum:"0" maximum:"255" doc:"0: 1"`
	MaxTTL    int           `json:"max-ttl,omitempty" minimum:"0" maximum:"255" doc:"0: 64"`
	Probes    int           `json:"probes,omitempty" minimum:"0" maximum:"255" doc:"For each hop; 0: 3"`
	Port      int           `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"Of udp, that of the first probe less one; 0: 33434"`
	Size      int           `json:"size,omitempty" minimum:"0" maximum:"65535" doc:"Bytes of a probe with its IP header; 0: as few as there can be, 12 of data"`
	Wait      time.Duration `json:"wait-ns,omitempty" minimum:"0" maximum:"86400000000000" doc:"For an answer; 0: 5 seconds"`
	Pause     time.Duration `json:"pause-ns,omitempty" minimum:"0" maximum:"3600000000000" doc:"Between probes"`
	DontFrag  bool          `json:"dont-fragment,omitempty"`
	TOS       int           `json:"tos,omitempty" minimum:"0" maximum:"255" doc:"Type of service, or traffic class"`
}

// TracerouteEvent is one thing that happens on the way: Kind says which of the others is
// set.
type TracerouteEvent struct {
	Kind   string // "start", "probe" or "end"
	Start  TracerouteStart
	Answer TracerouteAnswer
}

// TracerouteStart is what a traceroute begins with.
type TracerouteStart struct {
	Address netip.Addr  `json:"address"`
	Source  *netip.Addr `json:"source,omitempty"`
	MaxTTL  int         `json:"max-ttl"`
	Size    int         `json:"size" doc:"Bytes of a probe with its IP header, of IPv6 without"`
}

// TracerouteAnswer is what has become of a probe.
type TracerouteAnswer struct {
	TTL   int           `json:"ttl"`
	Probe int           `json:"probe" doc:"The first of a hop is 0"`
	From  *netip.Addr   `json:"from,omitempty" doc:"Who answered; none where nobody did in time"`
	RTT   time.Duration `json:"rtt-ns,omitempty"`
	Mark  string        `json:"mark,omitempty" doc:"What the answer says beside that the time to live was over: !H, !N, !P, !X, !F-1280 …"`
	Errno string        `json:"errno,omitempty" doc:"The probe could not be sent"`
}

// Traceroute finds the way from a jail's stack to a host and calls event for all that
// happens, until the host is found, ctx ends or event returns false. fib is the routing
// table, "" meaning 0.
func (c *Client) Traceroute(ctx context.Context, jail, fib string, r TracerouteRequest, event func(*TracerouteEvent) bool) error {
	return c.probe(ctx, jailPath(jail, "traceroute"), fib, r, func(kind string, data []byte) (bool, error) {
		e := &TracerouteEvent{Kind: kind}
		var err error
		switch kind {
		case "start":
			err = json.Unmarshal(data, &e.Start)
		case "probe":
			err = json.Unmarshal(data, &e.Answer)
		}
		return err == nil && event(e), err
	})
}
