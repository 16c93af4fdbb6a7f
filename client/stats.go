package client

import "context"

type counterList struct {
	Counters map[string]uint64 `json:"counters" doc:"By name: the protocol, a dot, and what is counted"`
}

// Statistics returns what a jail's stack has counted, zeros included. Packets that were
// lost are counted by reason under "drop.…".
func (c *Client) Statistics(ctx context.Context, jail string) (map[string]uint64, error) {
	var l counterList
	return l.Counters, c.Do(ctx, "GET", jailPath(jail, "statistics"), nil, nil, &l)
}

// ResetStatistics makes the counters of a protocol zero, or those of all for "". Those
// of lost packets stay.
func (c *Client) ResetStatistics(ctx context.Context, jail, protocol string) error {
	return c.Do(ctx, "POST", jailPath(jail, "statistics", "reset"), values("protocol", protocol), nil, nil)
}

// Netisr is how the packets of a jail's stack are processed.
type Netisr struct {
	Dispatch    string       `json:"dispatch" doc:"Who processes a packet: direct, whoever sends it; hybrid, he too, for one batch; deferred, a goroutine"`
	Workstreams []Workstream `json:"workstreams"`
}

// Workstream is where packets wait for one part of a stack. A flow always takes the same.
type Workstream struct {
	ID        int    `json:"id"`
	Len       int    `json:"length" doc:"Packets that wait"`
	Watermark int    `json:"watermark" doc:"Most that ever did"`
	Limit     int    `json:"limit" doc:"How many may; a large packet counts as four"`
	Direct    uint64 `json:"dispatched" doc:"Packets processed at once, without a queue"`
	Queued    uint64 `json:"queued"`
	Drops     uint64 `json:"queue-drops"`
	Handled   uint64 `json:"handled"`
}

// Netisr returns how the packets of a jail's stack are processed.
func (c *Client) Netisr(ctx context.Context, jail string) (Netisr, error) {
	var n Netisr
	return n, c.Do(ctx, "GET", jailPath(jail, "netisr"), nil, nil, &n)
}
