package client

import (
	"context"
	"strconv"
)

// FIB is a routing table.
type FIB struct {
	Number int    `json:"fib"`
	Name   string `json:"name,omitempty"`
}

// String returns the table's number.
func (f FIB) String() string { return strconv.Itoa(f.Number) }

type fibList struct {
	FIBs []FIB `json:"fibs"`
}

// FIBs returns the routing tables of a jail's stack, by number.
func (c *Client) FIBs(ctx context.Context, jail string) ([]FIB, error) {
	var l fibList
	return l.FIBs, c.Do(ctx, "GET", jailPath(jail, "fibs"), nil, nil, &l)
}
