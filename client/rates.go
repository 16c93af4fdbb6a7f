package client

import (
	"context"
	"encoding/json"
	"time"
)

// Rates is a stream of what passes through the interfaces of a jail's stack.
type Rates struct{ stream *Stream }

// Rates begins to count, until Close or the end of ctx. every is how long each count
// lasts, 1 ms at least; an interface of "" means all, those that come later too.
func (c *Client) Rates(ctx context.Context, jail, iface string, every time.Duration) (*Rates, error) {
	s, err := c.Stream(ctx, "GET", jailPath(jail, "rates"), values("interface", iface, "every", every.String()), nil)
	if err != nil {
		return nil, err
	}
	if err := s.Read("ready", &Done{}); err != nil {
		s.Close()
		return nil, err
	}
	return &Rates{s}, nil
}

// Next returns what has passed since the last call, or the beginning, when its time is
// over. The error is io.EOF at the end.
func (r *Rates) Next() (n Counters, err error) {
	_, data, err := r.stream.Next()
	if err != nil {
		return n, err
	}
	return n, json.Unmarshal(data, &n)
}

// Close ends the stream.
func (r *Rates) Close() error { return r.stream.Close() }
