package topo

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/link"
)

// File is a network that was read from a file and can be built.
type File struct {
	name     string
	auto     bool // routing: auto
	ipv6     bool // every segment has a subnet of IPv6
	nodes    []*node
	world    *node // jail 0; nil in a description of a node
	switches []*swtch
	links    []*cable
	tunnels  []*tunnel
	segments []*segment
	joins    []*join
	flows    []*flow
	expects  []expectation

	expectNodes             []*yaml.Node // what expects were read from
	lastSubnet, lastSubnet6 int          // the next of their own that segments are given

	node   map[string]*node
	swtch  map[string]*swtch
	cable  map[string]*cable
	join   map[string]*join
	flow   map[string]*flow
	sinks  map[sinkKey]*sink
	listed []*sink // sinks in the order they were needed
}

// node is a host or a router; or a jail in one that has a stack of its own, or jail 0.
type node struct {
	name         text
	host         *node // that the jail is in, nil of others
	router       bool
	autoconf     *vimage.AutoconfConfig // nil: it does not configure itself
	autoconfLine int
	fibs, shards int
	fibNames     []string // of the tables, "" of those without; none, or as many as tables
	loopback     []addr   // of lo0, beside those that every node has
	jail         jail     // its own
	jails        []*jail  // in it; of a jail, those of its host
	sysctls      []sysctl
	routes       []*route
	mroutes      []*mroute
	proxy        *mproxy // nil: it is none
	ports        []*end  // in the order of the links
	tunnels      []*end
	others       []*other // interfaces of no link
}

type sysctl struct {
	name  text
	value int64
}

// cable is a link, or what goes through a tunnel.
type cable struct {
	name    text
	line    int
	between []text
	subnet  subnet
	subnet6 subnet
	addrs   map[string][]addr
	fibs    map[string]text
	adverts []*advert
	named   []text // the keys of addrs, fibs and adverts
	ports   []*swport
	querier []text
	mtu     int
	fault   link.FaultConfig
	toward  []*toward
	dirs    [2]link.FaultConfig // what both say, by link.FaultDir
	ifaces  []*iface
	tunnel  bool
	lost    bool // it is none any more that a file can have
	ends    [2]end
}

// end is one end of a link: a node's interface, or a switch's port.
type end struct {
	node  *node
	sw    *swtch
	link  *cable
	seg   *segment
	addrs []netip.Prefix // of IPv4
	six   []netip.Prefix // of IPv6
	fib   int
	name  string          // of the interface
	was   *ifnet.Iface    // what it was when it was last looked at
	iface *iface          // what the file says of it, or nil
	port  link.PortConfig // of a switch
}

// addr is an address of the file; bits is -1 where no length was given.
type addr struct {
	ip   netip.Addr
	bits int
	line int
}

type subnet struct {
	netip.Prefix
	line int
}

// route is a static route.
type route struct {
	line              int
	to, via, link     text
	iface             text // one that is of no link
	table             text
	fib, mtu, metric  int
	ipv6              bool // what names mean
	reject, blackhole bool

	dst     netip.Prefix
	gateway netip.Addr
	out     *end
}

// join is a membership of a host.
type join struct {
	name, host, link text
	line             int
	group            addr
	sources, exclude []text
	unfiltered       bool
	start, stop      time.Duration

	node  *node
	port  *end
	addrs []netip.Addr // of sources or exclude
	began time.Time    // what start and stop count from, once it has begun
}

// flow is a sequence of datagrams.
type flow struct {
	name, from, to, link text
	table                text
	line, index          int
	port, size, count    int
	rate                 float64
	length, start        time.Duration
	fib, ttl             int
	ipv6                 bool // what names mean

	node  *node
	out   *end // of a flow to a group
	dst   netip.Addr
	whose *node // whose address dst is, where that is found out by itself
	sinks []*sink
}

// sinkKey says what a socket that receives flows is bound to.
type sinkKey struct {
	node *node
	join *join
	addr netip.AddrPort
}

// sink is such a socket.
type sink struct {
	sinkKey
	name  string // of the node or of the join
	flows []*flow
}

// expectation is something that must hold in the end.
type expectation interface {
	resolve(c *checker)
	check(n *Network) []Outcome
}

// Load reads a file. name is what mistakes call it. The error is a *Mistakes
// with everything that is wrong.
func Load(r io.Reader, name string) (*File, error) {
	d := &decoder{&Mistakes{File: name}}
	f := &File{name: name}
	root := d.tree(r)
	if root == nil {
		return nil, d.err()
	}
	d.file(root, f)
	c := &checker{File: f, Mistakes: d.Mistakes}
	c.resolve()
	if err := d.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// Name returns the file's name as it was given to Load.
func (f *File) Name() string { return f.name }

// Links returns the names of the links, in order.
func (f *File) Links() []string {
	names := make([]string, len(f.links))
	for i, l := range f.links {
		names[i] = l.name.s
	}
	return names
}

// CheckLink returns an error that says what would be right where the file has no
// link of that name.
func (f *File) CheckLink(name string) error {
	if f.cable[name] != nil {
		return nil
	}
	return fmt.Errorf("%s has no link %q: %s", f.name, name, OneOf("its links", f.Links(), name))
}

func (d *decoder) file(root *yaml.Node, f *File) {
	d.object(root, "the file",
		key{name: "hosts", to: func(name string, v *yaml.Node) { d.nodes(name, v, false, f) }},
		key{name: "routers", to: func(name string, v *yaml.Node) { d.nodes(name, v, true, f) }},
		key{name: "switches", to: func(name string, v *yaml.Node) { d.switches(name, v, f) }},
		key{name: "links", to: func(name string, v *yaml.Node) {
			d.list(name, v, func(v *yaml.Node) { f.links = append(f.links, d.cable(v)) })
		}},
		key{name: "tunnels", to: func(name string, v *yaml.Node) {
			d.list(name, v, func(v *yaml.Node) { f.tunnels = append(f.tunnels, d.tunnel(v)) })
		}},
		key{name: "jails", to: func(name string, v *yaml.Node) { d.jails(name, v, f.needWorld(v.Line)) }},
		key{name: "jail0", to: func(name string, v *yaml.Node) { d.object(v, name, d.stackKeys(f.needWorld(v.Line))...) }},
		d.boolean("ipv6", &f.ipv6),
		value(d, "routing", &f.auto, "write static (routes as given) or auto (to every subnet)", func(s string) (bool, bool) {
			return s == "auto", s == "auto" || s == "static"
		}),
		key{name: "joins", to: func(name string, v *yaml.Node) {
			d.list(name, v, func(v *yaml.Node) { f.joins = append(f.joins, d.join(v)) })
		}},
		key{name: "flows", to: func(name string, v *yaml.Node) {
			d.list(name, v, func(v *yaml.Node) { f.flows = append(f.flows, d.flow(v)) })
		}},
		key{name: "expect", to: func(name string, v *yaml.Node) {
			d.list(name, v, func(v *yaml.Node) {
				if e := d.expectation(v); e != nil {
					f.expects, f.expectNodes = append(f.expects, e), append(f.expectNodes, v)
				}
			})
		}},
	)
}

// named reads things that have names: a mapping from names, or a list of them.
func (d *decoder) named(section string, n *yaml.Node, f func(name text, v *yaml.Node)) {
	each := func(k, v *yaml.Node) {
		if goodName(k.Value) {
			f(text{k.Value, k.Line}, v)
			return
		}
		d.at(k.Line, "%s has the name %q: a name is letters, digits, dots, underlines and hyphens, up to 64, no address, and none of 0, default, direct, none and refused", section, k.Value)
	}
	switch {
	case null(n):
	case n.Kind == yaml.MappingNode:
		d.pairs(n, section, make(map[string]int), each)
	case n.Kind == yaml.SequenceNode:
		for _, k := range n.Content {
			if k.Kind != yaml.ScalarNode {
				d.at(k.Line, "an item of %s is %s: write a name", section, kind(k))
				continue
			}
			each(k, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: k.Line})
		}
	default:
		d.at(n.Line, "%s is %s: write a list of names, or a mapping with a name for each", section, kind(n))
	}
}

func goodName(s string) bool {
	if s == "" || len(s) > 64 || s == "direct" || s == "none" || s == "refused" || s == "default" || s == world {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._-", c) >= 0) {
			return false
		}
	}
	_, err := netip.ParseAddr(s)
	return err != nil
}

func newNode(name text, host *node) *node {
	return &node{name: name, host: host, fibs: 1, shards: 1}
}

// needWorld returns jail 0, of which something is said.
func (f *File) needWorld(line int) *node {
	if f.world == nil {
		f.world = newNode(text{world, line}, nil)
	}
	return f.world
}

func (d *decoder) nodes(section string, v *yaml.Node, router bool, f *File) {
	d.named(section, v, func(name text, v *yaml.Node) {
		n := newNode(name, nil)
		n.router = router
		f.nodes = append(f.nodes, n)
		d.object(v, name.s, append(d.stackKeys(n),
			key{name: "autoconf", to: func(_ string, v *yaml.Node) { d.autoconf(v, n) }},
			key{name: "jail", to: func(key string, v *yaml.Node) { d.jailParams(key, v, &n.jail) }},
			key{name: "jails", to: func(key string, v *yaml.Node) { d.jails(key, v, n) }},
		)...)
	})
}

// stackKeys makes the keys of what is said of a stack.
func (d *decoder) stackKeys(n *node) []key {
	return []key{
		{name: "fibs", to: func(key string, v *yaml.Node) { d.fibs(key, v, n) }},
		d.integer("shards", &n.shards, 1, 64),
		{name: "loopback", to: func(key string, v *yaml.Node) { d.loopback(key, v, n) }},
		{name: "sysctl", to: func(key string, v *yaml.Node) { d.sysctls(key, v, n) }},
		{name: "interfaces", to: func(key string, v *yaml.Node) { d.others(key, v, n) }},
		{name: "routes", to: func(key string, v *yaml.Node) {
			d.list(key, v, func(v *yaml.Node) { n.routes = append(n.routes, d.route(v)) })
		}},
		{name: "mroutes", to: func(key string, v *yaml.Node) {
			d.list(key, v, func(v *yaml.Node) { n.mroutes = append(n.mroutes, d.mroute(v)) })
		}},
		{name: "proxy", to: func(_ string, v *yaml.Node) { d.mproxy(v, n) }},
	}
}

func (d *decoder) sysctls(name string, v *yaml.Node, n *node) {
	if v.Kind != yaml.MappingNode {
		d.at(v.Line, "%s is %s: write {NAME: VALUE, …}", name, kind(v))
		return
	}
	d.pairs(v, name, make(map[string]int), func(k, v *yaml.Node) {
		s := sysctl{name: text{k.Value, k.Line}}
		var value int
		before := len(d.List)
		d.integer(k.Value, &value, -1<<31, 1<<31-1).to(k.Value, v)
		if s.value = int64(value); len(d.List) == before {
			n.sysctls = append(n.sysctls, s)
		}
	})
}

func (d *decoder) route(v *yaml.Node) *route {
	r := &route{line: v.Line}
	d.object(v, "a route",
		needed(d.word("to", &r.to)),
		d.word("via", &r.via),
		d.table("fib", &r.table),
		d.integer("mtu", &r.mtu, 68, 65535),
		d.integer("metric", &r.metric, 0, math.MaxInt32),
		d.word("link", &r.link),
		d.word("interface", &r.iface),
		d.boolean("ipv6", &r.ipv6),
		d.boolean("reject", &r.reject),
		d.boolean("blackhole", &r.blackhole),
	)
	return r
}

func newCable(v *yaml.Node) *cable {
	return &cable{line: v.Line, addrs: make(map[string][]addr), fibs: make(map[string]text)}
}

func (d *decoder) cable(v *yaml.Node) *cable {
	l := newCable(v)
	d.object(v, "a link", append([]key{
		needed(d.words("between", &l.between)),
		d.word("name", &l.name),
		d.subnet("subnet", &l.subnet),
		d.subnet6("subnet6", &l.subnet6),
		{name: "addrs", to: func(name string, v *yaml.Node) { d.linkAddrs(name, v, l) }},
		{name: "fibs", to: func(name string, v *yaml.Node) { d.tables(name, v, l, l.fibs) }},
		d.words("querier", &l.querier),
		{name: "ports", to: func(name string, v *yaml.Node) { d.ports(name, v, l) }},
		{name: "advertise", to: func(name string, v *yaml.Node) { d.adverts(name, v, l) }},
		d.integer("mtu", &l.mtu, 68, 65535),
		{name: "toward", to: func(name string, v *yaml.Node) { d.towards(name, v, l) }},
		{name: "interfaces", to: func(name string, v *yaml.Node) { d.interfaces(name, v, l) }},
	}, d.faults(&l.fault)...)...)
	for _, t := range l.toward { // now that all is known that is meant for both ways
		t.cfg = l.fault
		d.object(t.value, "what goes toward "+t.at.s, d.faults(&t.cfg)...)
	}
	return l
}

func (d *decoder) linkAddrs(name string, v *yaml.Node, l *cable) {
	d.byNode(name, v, "ADDRESS", l, func(node string, v *yaml.Node) {
		one := func(v *yaml.Node) {
			var a addr
			before := len(d.List)
			d.anyAddress("the address of "+node, &a).to("the address of "+node, v)
			if len(d.List) == before {
				l.addrs[node] = append(l.addrs[node], a)
			}
		}
		if v.Kind == yaml.SequenceNode {
			d.list(name, v, one)
			return
		}
		one(v)
	})
}

// byNode reads what a link says of its nodes, each by f.
func (d *decoder) byNode(name string, v *yaml.Node, what string, l *cable, f func(node string, v *yaml.Node)) {
	if v.Kind != yaml.MappingNode {
		d.at(v.Line, "%s is %s: write {NODE: %s, …}", name, kind(v), what)
		return
	}
	d.pairs(v, name, make(map[string]int), func(k, v *yaml.Node) {
		l.named = append(l.named, text{k.Value, k.Line})
		f(k.Value, v)
	})
}

// tables reads which routing tables a link's nodes use.
func (d *decoder) tables(name string, v *yaml.Node, l *cable, to map[string]text) {
	d.byNode(name, v, "TABLE", l, func(node string, v *yaml.Node) {
		var t text
		d.table("the table of "+node, &t).to("the table of "+node, v)
		to[node] = t
	})
}

func (d *decoder) join(v *yaml.Node) *join {
	j := &join{line: v.Line}
	d.object(v, "a join",
		needed(d.word("host", &j.host)),
		needed(d.address("group", &j.group)),
		d.words("sources", &j.sources),
		d.words("exclude", &j.exclude),
		d.word("name", &j.name),
		d.word("link", &j.link),
		d.boolean("unfiltered", &j.unfiltered),
		d.duration("start", &j.start, maxTime),
		d.duration("stop", &j.stop, maxTime),
	)
	return j
}

func (d *decoder) flow(v *yaml.Node) *flow {
	f := &flow{line: v.Line, port: 5000, size: 64, rate: 10}
	d.object(v, "a flow",
		needed(d.word("from", &f.from)),
		needed(d.word("to", &f.to)),
		d.word("name", &f.name),
		d.integer("port", &f.port, 1, 65535),
		d.integer("size", &f.size, payload, 65507),
		d.integer("count", &f.count, 1, 1e9),
		value(d, "rate", &f.rate, "write datagrams per second, 0.001 to 1000000", func(s string) (float64, bool) {
			r, ok := decimal(s)
			return r, ok && r >= 0.001 && r <= 1e6
		}),
		d.duration("for", &f.length, maxTime),
		d.duration("start", &f.start, maxTime),
		d.table("fib", &f.table),
		d.integer("ttl", &f.ttl, 1, 255),
		d.boolean("ipv6", &f.ipv6),
		d.word("link", &f.link),
	)
	return f
}
