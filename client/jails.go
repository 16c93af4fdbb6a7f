package client

import (
	"context"
	"net/netip"
	"net/url"
	"strconv"
	"time"
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
	Parameters []string `json:"parameters"`
	Jails      []struct {
		Jail
		Values []string `json:"values"`
	} `json:"jails"`
}

// Jails returns jails, by number. q may be nil.
func (c *Client) Jails(ctx context.Context, q *JailQuery) ([]Jail, error) {
	v := url.Values{}
	if q != nil {
		v = values("in", q.In)
		v["param"] = q.Params
	}
	var l jailList
	if err := c.Do(ctx, "GET", "/v1/jails", v, nil, &l); err != nil {
		return nil, err
	}
	all := make([]Jail, len(l.Jails))
	for i, j := range l.Jails {
		all[i] = j.Jail
		if len(l.Parameters) == 0 {
			continue
		}
		all[i].Parameters = make(map[string]string, len(l.Parameters))
		for k, value := range j.Values {
			all[i].Parameters[l.Parameters[k]] = value
		}
	}
	return all, nil
}

// Jail returns a jail by name or number, with the parameters that are named.
func (c *Client) Jail(ctx context.Context, jail string, params ...string) (Jail, error) {
	var j Jail
	return j, c.Do(ctx, "GET", jailPath(jail), url.Values{"param": params}, nil, &j)
}

// NewJail says which jail is made.
type NewJail struct {
	In         string            `json:"in,omitempty" doc:"In this one, by name or number; none means jail 0"`
	Parameters map[string]string `json:"parameters" doc:"As jail(8) writes them; switches are 1, 0 or empty" example:"{\"name\":\"web\",\"vnet\":\"new\",\"persist\":\"1\"}"`
}

// CreateJail makes a jail. One that does not persist goes when its last process ends;
// it is still there while it has had none.
func (c *Client) CreateJail(ctx context.Context, n NewJail) (Jail, error) {
	var j Jail
	return j, c.Do(ctx, "POST", "/v1/jails", nil, n, &j)
}

// SetJail changes parameters of a jail, all of them or none.
func (c *Client) SetJail(ctx context.Context, jail string, params map[string]string) error {
	in := struct {
		Parameters map[string]string `json:"parameters"`
	}{params}
	return c.Do(ctx, "PATCH", jailPath(jail), nil, in, nil)
}

// RemoveJail removes a jail and those below it.
func (c *Client) RemoveJail(ctx context.Context, jail string) error {
	return c.Do(ctx, "DELETE", jailPath(jail), nil, nil, nil)
}

// Process is somebody in a jail, for as long as his connection lasts: he keeps a jail
// alive that does not persist.
type Process struct {
	Jail string `json:"jail" doc:"Name of the jail"`
	JID  int    `json:"jid"`
	FIB  int    `json:"fib" doc:"Routing table that it uses"`
	PID  int    `json:"pid" doc:"Number of the process, which no other has had"`

	c      *Client
	stream *Stream
	ended  chan struct{}
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
	return c.process(s)
}

// process waits for the word that a process has been started.
func (c *Client) process(s *Stream) (*Process, error) {
	p := &Process{c: c, stream: s, ended: make(chan struct{})}
	if err := s.Read("process", p); err != nil {
		s.Close()
		return nil, err
	}
	go p.wait()
	return p, nil
}

// wait reads what the lab says meanwhile, which is nothing, until it ends.
func (p *Process) wait() {
	defer close(p.ended)
	for {
		if _, _, err := p.stream.Next(); err != nil {
			return
		}
	}
}

// CreateAttached makes a jail with a process in it, as one that starts it. Without
// persist the jail goes with its last process.
func (c *Client) CreateAttached(ctx context.Context, n NewJail) (*Process, error) {
	s, err := c.Stream(ctx, "POST", "/v1/jail-processes", nil, n)
	if err != nil {
		return nil, err
	}
	return c.process(s)
}

// Done is closed when the process has ended, be it with the lab.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Release ends the process, and returns when it has ended: a jail that does not persist
// and has no other is gone then. Releasing twice is harmless.
func (p *Process) Release() {
	ctx, cancel := context.WithTimeout(context.Background(), releaseWait)
	defer cancel()
	_ = p.c.Do(ctx, "DELETE", jailPath(p.Jail, "processes", strconv.Itoa(p.PID)), nil, nil, nil) // the end of the stream does it, too
	p.stream.stop()
	<-p.ended
	p.stream.Close()
}

// releaseWait is how long Release waits for a lab that does not answer.
const releaseWait = 2 * time.Second
