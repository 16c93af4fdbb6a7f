package client

import (
	"context"
	"net/netip"
	"net/url"
)

// Jail is a jail: every host and router of a lab is one too.
type Jail struct {
	JID        int               `json:"jid"`
	Name       string            `json:"name" doc:"With the names of the jails it is in: a.b"`
	Parent     int               `json:"parent" doc:"JID of the jail that it is in"`
	Hostname   string            `json:"hostname"`
	Path       string            `json:"path"`
	VNET       bool              `json:"vnet" doc:"It has a network stack of its own"`
	Persist    bool              `json:"persist" doc:"It stays when its last process ends"`
	Dying      bool              `json:"dying"`
	IP4        []netip.Addr      `json:"ip4.addr,omitempty" doc:"Addresses that it uses of the stack it shares"`
	IP6        []netip.Addr      `json:"ip6.addr,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty" doc:"Those that were asked for, as jail(8) writes them"`
}

// JailQuery says which jails are wanted, and what of them.
type JailQuery struct {
	In     string   // below this jail; "": all
	Params []string // parameters for Jail.Parameters; "all": every one
}

type jailList struct {
	Jails []Jail `json:"jails"`
}

// Jails returns jails, by number. q may be nil.
func (c *Client) Jails(ctx context.Context, q *JailQuery) ([]Jail, error) {
	v := url.Values{}
	if q != nil {
		v = values("in", q.In)
		v["param"] = q.Params
	}
	var l jailList
	return l.Jails, c.Do(ctx, "GET", "/v1/jails", v, nil, &l)
}

// Jail returns a jail by name or number, with the parameters that are named.
func (c *Client) Jail(ctx context.Context, jail string, params ...string) (Jail, error) {
	var j Jail
	return j, c.Do(ctx, "GET", jailPath(jail), url.Values{"param": params}, nil, &j)
}

// Process is somebody in a jail, for as long as his connection lasts: he keeps a jail
// alive that does not persist.
type Process struct {
	Jail string `json:"jail" doc:"Name of the jail"`
	JID  int    `json:"jid"`
	FIB  int    `json:"fib" doc:"Routing table that it uses"`

	stream *Stream
}

// ProcessConfig says what a process is like.
type ProcessConfig struct {
	FIB   string // routing table, by number or name; "": 0, or with Start the jail's exec.fib
	Start bool   // it is one that starts the jail (jail(8)): exec.fib counts
}

// Attach starts a process in a jail. It ends with Release, with ctx, or with this one.
func (c *Client) Attach(ctx context.Context, jail string, pc ProcessConfig) (*Process, error) {
	start := ""
	if pc.Start {
		start = "true"
	}
	s, err := c.Stream(ctx, "POST", jailPath(jail, "processes"), values("fib", pc.FIB, "start", start), nil)
	if err != nil {
		return nil, err
	}
	p := &Process{stream: s}
	if err := s.Read("process", p); err != nil {
		s.Close()
		return nil, err
	}
	return p, nil
}

// Release ends the process.
func (p *Process) Release() { p.stream.Close() }
