package client

import (
	"context"
	"time"
)

// Lab is a running lab as its daemon sees it.
type Lab struct {
	Name      string    `json:"name"`
	File      string    `json:"file" doc:"Topology file that it was made of"`
	PID       int       `json:"pid" doc:"Process of its daemon"`
	Started   time.Time `json:"started"`
	Now       time.Time `json:"now" doc:"Time of the network"`
	Simulated bool      `json:"simulated" doc:"Its time moves only when it is told to"`
	Revision  uint64    `json:"revision" doc:"Changes so far"`
	Stacks    int       `json:"stacks" doc:"Network stacks, that of jail 0 among them"`
	Failed    string    `json:"failed,omitempty" doc:"What went wrong with the joins and flows of the file"`
}

// Done is the answer to a change of which there is nothing more to say.
type Done struct{}

// Lab returns what there is to know of the lab as a whole.
func (c *Client) Lab(ctx context.Context) (Lab, error) {
	var l Lab
	return l, c.Do(ctx, "GET", "/v1/lab", nil, nil, &l)
}

// Down ends the lab. It returns when the daemon has taken notice: LabInfo tells when it
// is gone.
func (c *Client) Down(ctx context.Context) error {
	return c.Do(ctx, "POST", "/v1/lab/down", nil, nil, nil)
}
