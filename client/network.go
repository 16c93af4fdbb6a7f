package client

import (
	"context"
	"net/url"
)

// Spec describes something that is added to the network, as a topology file does: the
// fields that stand there behind its name. Values may be numbers, lists and mappings, or
// text as in the file ("10ms").
type Spec map[string]any

// Node is a host or a router.
type Node struct {
	Name      string   `json:"name"`
	Router    bool     `json:"router" doc:"It forwards"`
	FIBs      int      `json:"fibs" doc:"Routing tables"`
	Links     []string `json:"links"`
	Addresses []string `json:"addresses" doc:"That its interfaces were given"`
}

// Switch is a switch or a hub.
type Switch struct {
	Name    string   `json:"name"`
	Hub     bool     `json:"hub"`
	Subnet  string   `json:"subnet"`
	Subnet6 string   `json:"subnet6,omitempty"`
	Links   []string `json:"links"`
}

// Link is a link between two nodes, a node and a switch, or two switches.
type Link struct {
	Name       string              `json:"name"`
	Between    [2]string           `json:"between"`
	Interfaces [2]string           `json:"interfaces" doc:"Of the nodes at the ends; empty at a switch"`
	Subnet     string              `json:"subnet"`
	Subnet6    string              `json:"subnet6,omitempty"`
	Toward     []map[string]string `json:"toward" doc:"What happens to what goes toward each end, as a topology file has it"`
	Down       bool                `json:"down" doc:"It is cut, both ways"`
}

// Flow is a sequence of datagrams, and what has come of it.
type Flow struct {
	Name      string     `json:"name"`
	From      string     `json:"from"`
	To        string     `json:"to"`
	Sent      uint64     `json:"sent"`
	Refused   uint64     `json:"refused" doc:"Of these, by the sender's own stack"`
	Reason    string     `json:"reason,omitempty" doc:"Why it refused the last"`
	Done      bool       `json:"done" doc:"All has been sent"`
	Receivers []Receiver `json:"receivers"`
}

// Receiver is what came of a flow to one receiver.
type Receiver struct {
	At         string  `json:"at" doc:"Node, or name of a join"`
	Delivered  uint64  `json:"delivered" doc:"Different datagrams"`
	Duplicates uint64  `json:"duplicates"`
	Overtaken  uint64  `json:"overtaken"`
	LatencyMin float64 `json:"latency_ms_min"`
	Latency    float64 `json:"latency_ms_mean"`
	LatencyMax float64 `json:"latency_ms_max"`
}

// Join is a membership of a host in a group.
type Join struct {
	Name    string   `json:"name" doc:"The host's, where it has none of its own"`
	Host    string   `json:"host"`
	Group   string   `json:"group"`
	Link    string   `json:"link"`
	Sources []string `json:"sources,omitempty" doc:"The only ones it listens to"`
	Exclude []string `json:"exclude,omitempty" doc:"Those that it does not listen to"`
}

// NewNode says which host or router is added.
type NewNode struct {
	Name   string   `json:"name"`
	Router bool     `json:"router,omitempty" doc:"It forwards"`
	Spec   Spec     `json:"spec,omitempty" doc:"As behind its name in a topology file"`
	Links  []string `json:"links,omitempty" doc:"Switches and nodes that a link is added to"`
}

// NewSwitch says which switch is added.
type NewSwitch struct {
	Name string `json:"name"`
	Spec Spec   `json:"spec,omitempty" doc:"As behind its name in a topology file"`
}

// NewPart says which link, flow or join is added.
type NewPart struct {
	Spec Spec `json:"spec" doc:"As an item of the list in a topology file"`
}

// Named is the answer to what gave something a name.
type Named struct {
	Name string `json:"name"`
}

// SavedFile is a network as a topology file.
type SavedFile struct {
	File   string   `json:"file"`
	Unsaid []string `json:"unsaid" doc:"What a file cannot say; comments at its end list it too"`
}

// Nodes returns hosts and routers in the order of the file.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var l struct{ Nodes []Node }
	return l.Nodes, c.Do(ctx, "GET", "/v1/nodes", nil, nil, &l)
}

// Switches returns the switches.
func (c *Client) Switches(ctx context.Context) ([]Switch, error) {
	var l struct{ Switches []Switch }
	return l.Switches, c.Do(ctx, "GET", "/v1/switches", nil, nil, &l)
}

// Links returns the links.
func (c *Client) Links(ctx context.Context) ([]Link, error) {
	var l struct{ Links []Link }
	return l.Links, c.Do(ctx, "GET", "/v1/links", nil, nil, &l)
}

// Flows returns the flows.
func (c *Client) Flows(ctx context.Context) ([]Flow, error) {
	var l struct{ Flows []Flow }
	return l.Flows, c.Do(ctx, "GET", "/v1/flows", nil, nil, &l)
}

// Joins returns the joins.
func (c *Client) Joins(ctx context.Context) ([]Join, error) {
	var l struct{ Joins []Join }
	return l.Joins, c.Do(ctx, "GET", "/v1/joins", nil, nil, &l)
}

// AddNode adds a host or router with its links, all or, after an error, nothing.
func (c *Client) AddNode(ctx context.Context, n NewNode) error {
	return c.Do(ctx, "POST", "/v1/nodes", nil, n, nil)
}

// AddSwitch adds a switch, without links.
func (c *Client) AddSwitch(ctx context.Context, n NewSwitch) error {
	return c.Do(ctx, "POST", "/v1/switches", nil, n, nil)
}

// AddLink adds a link and returns its name.
func (c *Client) AddLink(ctx context.Context, s Spec) (string, error) {
	return c.addPart(ctx, "/v1/links", s)
}

// AddFlow adds a flow, which begins now, and returns its name.
func (c *Client) AddFlow(ctx context.Context, s Spec) (string, error) {
	return c.addPart(ctx, "/v1/flows", s)
}

// AddJoin makes a host a member of a group and returns the join's name.
func (c *Client) AddJoin(ctx context.Context, s Spec) (string, error) {
	return c.addPart(ctx, "/v1/joins", s)
}

func (c *Client) addPart(ctx context.Context, path string, s Spec) (string, error) {
	var n Named
	return n.Name, c.Do(ctx, "POST", path, nil, newPart(s), &n)
}

// newPart is a part as the lab wants it: a description must be there, however empty.
func newPart(s Spec) NewPart {
	if s == nil {
		s = Spec{}
	}
	return NewPart{s}
}

// SetLink changes faults of a link: those that s has, both ways or in "toward". "none" is
// the absence of one.
func (c *Client) SetLink(ctx context.Context, name string, s Spec) error {
	return c.Do(ctx, "PATCH", "/v1/links/"+url.PathEscape(name), nil, newPart(s), nil)
}

// SetSwitch changes how a switch behaves: what s has, but not its subnets, its MTU and
// whether it is a hub. "none" is as switches do of which nothing is said.
func (c *Client) SetSwitch(ctx context.Context, name string, s Spec) error {
	return c.Do(ctx, "PATCH", "/v1/switches/"+url.PathEscape(name), nil, newPart(s), nil)
}

// RemoveNode removes a host or router with its links, flows and joins, and all in it.
func (c *Client) RemoveNode(ctx context.Context, name string) error {
	return c.Do(ctx, "DELETE", "/v1/nodes/"+url.PathEscape(name), nil, nil, nil)
}

// RemoveSwitch removes a switch with its links.
func (c *Client) RemoveSwitch(ctx context.Context, name string) error {
	return c.Do(ctx, "DELETE", "/v1/switches/"+url.PathEscape(name), nil, nil, nil)
}

// RemoveLink removes a link with the interfaces at its ends.
func (c *Client) RemoveLink(ctx context.Context, name string) error {
	return c.Do(ctx, "DELETE", "/v1/links/"+url.PathEscape(name), nil, nil, nil)
}

// RemoveFlow ends a flow.
func (c *Client) RemoveFlow(ctx context.Context, name string) error {
	return c.Do(ctx, "DELETE", "/v1/flows/"+url.PathEscape(name), nil, nil, nil)
}

// RemoveJoin leaves a group. group says which, where joins share a name; it may be empty.
func (c *Client) RemoveJoin(ctx context.Context, name, group string) error {
	return c.Do(ctx, "DELETE", "/v1/joins/"+url.PathEscape(name), values("group", group), nil, nil)
}

// Save returns the network as it is now as a topology file.
func (c *Client) Save(ctx context.Context) (SavedFile, error) {
	var f SavedFile
	return f, c.Do(ctx, "GET", "/v1/lab/file", nil, nil, &f)
}
