// Package topo reads networks from YAML files, builds them with package lab,
// runs them, and checks what the file expects of them.
//
//	f, err := topo.Load(r, "net.yaml")   // every mistake, each with its line
//	n, err := topo.Build(f, lab.Config{Simulated: true, Seed: 1})
//	defer n.Close()
//	err = n.Run(ctx, 0, nil)
//	report := n.Report(1)                // counters, outcomes, PASS or FAIL
//
// A network that was begun by Start instead of Run lives on, and is changed by
// AddNode, AddLink, AddFlow, … in the same terms; Save writes what it is then.
//
// It works in real time, in a testing/synctest bubble and in simulated time,
// where the same seed gives the same report and the same captures.
//
// # A file
//
// A complete one; all sections may be left out but one of hosts and routers:
//
//	hosts:                               # a mapping, or a list of names
//	  source: {}
//	  viewer: {autoconf: true}           # finds its IPv6 addresses by itself
//	  idle: {}
//	routers:
//	  edge:
//	    fibs: [main, spare]              # routing tables, 0 and 1
//	    sysctl: {net.inet.ip.ttl: 32}
//	    routes:
//	      - {to: 203.0.113.0/24, via: core}
//	      - {to: default, via: 10.9.0.2, fib: spare}
//	      - {to: 198.51.100.0/24, blackhole: true}
//	  core: {}
//
//	switches:
//	  lan: {subnet: 192.0.2.0/24, subnet6: "2001:db8:1::/64", fast_leave: true}
//
//	links:
//	  - {between: [source, lan]}
//	  - {between: [viewer, lan], addrs: {viewer: 192.0.2.77}}
//	  - {between: [idle, lan]}
//	  - {between: [edge, lan], querier: edge, advertise: edge}
//	  - between: [edge, core]
//	    name: uplink
//	    addrs: {edge: 10.9.0.1/30, core: [10.9.0.2, 203.0.113.1/24]}
//	    delay: 30ms
//	    rate: 10Mbit/s
//	    loss: 0.1%
//	  - {between: [edge, core], name: backup, fibs: {edge: spare}, subnet: 10.10.0.0/30}
//
//	tunnels:
//	  - {between: [edge, core], kind: gre, key: 7, fibs: {edge: spare}}
//
//	routing: auto
//
//	joins:
//	  - {host: viewer, group: 232.1.1.1, sources: [source]}
//
//	flows:
//	  - {name: show, from: source, to: 232.1.1.1, rate: 50, for: 2s, start: 1s}
//	  - {name: call, from: source, to: core, port: 5060, count: 20, rate: 20}
//	  - {name: six, from: source, to: viewer, ipv6: true, count: 10, start: 5s}
//
//	expect:
//	  - delivered: {flow: show, at: viewer, is: 100%}
//	  - delivered: {flow: call, min: 15}
//	  - wrong_source: {at: viewer}
//	  - latency: {flow: call, min: 30ms, max: 150ms}
//	  - loss: {link: uplink, max: 20%}
//	  - counter: {node: idle, name: ip.notmember, is: 0}
//	  - joined: {on: edge, group: 232.1.1.1, source: source}
//	  - route: {node: edge, to: 203.0.113.0/24, via: core}
//	  - path: {from: source, to: core, is: [source, edge, core]}
//	  - address: {node: viewer, in: "2001:db8:1::/64"}
//	  - delivered: {flow: six}
//
// Nothing is guessed: an unknown field, a name that is not there, an address
// outside its subnet are mistakes, and a file with a mistake builds nothing.
// There are no anchors and no second document.
//
// # Nodes
//
// hosts and routers, which forward, have
//
//	fibs      routing tables, 1 to 65536, or a list of their names: 0, 1, … may be
//	          named so wherever a table is; one whose name is its number has none; 1
//	jail      {PARAMETER: VALUE, …} of its own jail, as jail(8) names them
//	jails     {NAME: {PARAMETER: VALUE, …}, …}: those in it: see Jails
//	loopback  addresses of lo0, a list or one, beside 127.0.0.1
//	shards    parts of the stack that work in parallel, 1 to 64; 1
//	sysctl    {NAME: VALUE, …}, of this node only
//	routes    a list of: to (a prefix, an address, default, or the name of a
//	          switch or link for its subnet), via (a neighbour, or its address)
//	          or reject: true or blackhole: true; fib, mtu, metric, ipv6, and link:
//	          via is then anybody's address there, or, left out, everybody is;
//	          interface, instead of link, is one that interfaces has
//	interfaces  {NAME: {…}, …}, of no link: see Interfaces
//	mroutes   static multicast routes, a list of: group (one, or a prefix), in (the
//	          link by which its packets come), out (links), listeners: true (and
//	          every link that the node is the querier of and where somebody
//	          listens), source (only this one's packets)
//	proxy     {upstream: LINK, downstream: [LINK, …]}: it is the querier downstream,
//	          asks upstream for what is wanted there, and passes packets on (RFC 4605)
//	autoconf  of hosts: see IPv6
//
// With routing: auto every node also gets routes in table 0 to every subnet, by
// the fewest routers. The default is routing: static.
//
// # Jails
//
// Jails in a host or router persist, and one in another is called OTHER.NAME. They share
// its stack; those with vnet: new have one of their own, and beside parameters the fields
// fibs, shards, loopback (all addresses of lo0: there are no others), sysctl, interfaces,
// routes, mroutes and proxy of nodes. Wherever a node is named a jail WEB with a stack, in the
// host A, is A.WEB: at the ends of links and tunnels, in routes, joins, flows and
// expectations. Its interfaces are made in its host and lent to it; they go back when it
// is removed. It is handed out addresses as other nodes are, and no routes by routing: auto.
//
// There may be jails outside of hosts, in a section jails of the file; they are in jail 0,
// which is called 0. Its own stack has the same fields in the section jail0.
//
// # Switches
//
// switches have subnet, subnet6, mtu, snooping (true), flood_unregistered (multicast that
// nobody has reported floods), fast_leave (for ports with one host each), max_groups
// (16384, that hosts behind one port may listen to), max_sources (1024, of one
// group), member_age (how long a port listens to what is not reported again) and
// router_age (how long it leads to a router that is not heard again; both as the
// querier has it), querier (the switch itself asks while no router does: {}, or
// with addr, addr6, interval and response), ask_new (a port that comes up is asked
// in the querier's name) and hub (every frame goes everywhere). There is no
// spanning tree: a loop is a mistake.
//
// # Links
//
// A link is between two nodes, a node and a switch, or two switches. Its name is
// "a-b" unless it is given one. A node's interfaces are eth0, eth1, … in the
// order of its links.
//
//	subnet    of a link without switch; otherwise the switch has it
//	subnet6   of IPv6, likewise
//	addrs     {NODE: ADDRESS, …}, or a list of them of which the first of each
//	          family is in the subnet; whoever has none gets the next free one
//	fibs      {NODE: TABLE, …}: the table that routes what comes in there
//	querier   the node that asks the link's hosts what they listen to, by IGMPv3 and,
//	          with IPv6, by MLDv2; or several, one of whom will ask
//	advertise the routers that tell the link's hosts of themselves: see IPv6
//	ports     {SWITCH: {…}, …}: how a switch treats its port at this link, with
//	          router (learn; always: all multicast goes there; never), fast_leave,
//	          flood_unregistered, flood_reports (hosts' reports go there too),
//	          max_groups, max_sources
//	interfaces {NODE: {…}, …}: what the interface is otherwise than others are, with
//	          name, addrs: all it has, in any subnets, [] for none, overlaps: true where
//	          another link of the node may have its subnet too, made: the node that has
//	          lent it, if that is not the host of the jail, and what any interface has
//	mtu       1500
//
// and faults, the same both ways, which are those of link.FaultConfig, or in toward:
// {NODE: {…}, …}, for what goes there:
//
//	delay jitter       as 10ms
//	rate queue         as 2Mbit/s and 64KiB
//	loss duplicate corrupt reorder       as 0.01 or 1%
//	reorder_gap reorder_wait             by how many frames, how long at most
//	jitter_reorders: true, limit, corrupt_bits
//	down: true         the cable is cut
//
// Subnets that are not given are the next 10.x.y.0/24, switches first, that
// overlap none that is.
//
// # Tunnels
//
// A tunnel is a link made of packets between two nodes, which carries IPv4. It is an
// interface of both, to which routes lead by via, as over a link; routing: auto does not
// use it. It has subnet, addrs, fibs and mtu like a link (fibs say which table routes
// what comes out), and
//
//	kind        gif, gre, gretap or vxlan
//	name        of the interfaces; tun0, tun1, … in the order of the file
//	outer       {NODE: ADDRESS, …}: whoever has none uses its first one of IPv4, or
//	            with ipv6: true of IPv6
//	tunnelfibs  {NODE: TABLE, …}: the table that routes the outer packets; 0
//	ttl         of outer packets; the stack's
//	key checksum sequence      of gre and gretap; none
//	vni port                   of vxlan; 0, and 4789
//
// # Interfaces
//
// Any interface may have
//
//	mac mtu down: true
//	promisc: true    it takes every frame
//	carrier: false   its link is down
//	arp              static (it does not ask or learn) or off
//	autoconf         as hosts have it; the host's
//	neighbors        {ADDRESS: MAC, …} that are set by hand; or {mac, published: true}
//
// The interfaces of a node, beside those at its links and the ends of tunnels, have also
//
//	kind       epair, gif, gre, gretap or vxlan; none of lo0
//	addrs      all it has, a list of addresses, or of {addr, peer, broadcast, anycast}
//	fib querier
//	pair       of epair: a word that the other end has, in whatever node that is
//	local remote tunnelfib ttl key checksum sequence vni port check_source
//	           the outer side of a tunnel, which leads nowhere without remote
//	out        of vxlan: the interface that leads to a group
//	learning   of vxlan; true
//
// Here a tunnel's other end is a matter of who has the address remote. A pair is made where
// both its ends are inside, be it jail 0, and lent to the jails where they are.
//
// # IPv6
//
// A link has IPv6 where it has a subnet6, or an address of IPv6 with a length.
// With ipv6: true, beside hosts and links, all others have too: the next
// fd00:0:0:n::/64; but for those with an MTU below 1280. Addresses that are
// given, or handed out, may be used at once. Every interface of IPv6 also has a
// link-local address.
//
// Names, and default, mean IPv4; of a route, flow, or expectation with ipv6: true
// they mean IPv6.
//
// A host with autoconf: true is handed out none, but forms addresses of what
// routers advertise, as it takes its routes from them. It takes some 3 s: flows
// from and to it start later, and the network runs 10 s at least. Instead of true
// it may have
//
//	stable         addresses that do not show the MAC (RFC 7217); false
//	network        a word that goes into these
//	optimistic     use addresses before it is known that nobody has them; false
//	routers        listen to them; true
//	default_route  take one; true
//
// (and temporary addresses by sysctl: {net.inet6.ip6.use_tempaddr: 1}). A link's
// advertise is a router or several, or {NODE: …, …} with
//
//	prefixes       a list, each a prefix or {prefix, valid, preferred, on_link,
//	               autonomous}; the link's subnet6, for 30 and 7 days
//	lifetime       as default router, 0s if it is none; 3 times max_interval
//	preference     low, medium, high; medium
//	max_interval min_interval     of its advertisements; 600s, a third of it
//	rdnss dnssl    DNS servers, nodes or addresses, and domains
//	routes         a list of {to, preference, lifetime}
//	mtu hop_limit reachable retransmit managed other     as RFC 4861 has them
//	stop           when it takes its leave; never
//
// Lifetimes are times in whole seconds, or forever.
//
// # Joins
//
// A join is a socket of a host that is a member of a group of IPv4.
//
//	host group     who, and of what
//	sources        the only sources it listens to: nodes or addresses
//	exclude        or those it does not listen to
//	link           by which of the host's links, where it has several
//	start stop     when it joins and leaves; 0s, and never
//	name           what expectations call it; the host's name
//	unfiltered     the socket takes what others on the host have asked for too
//
// # Flows
//
// A flow is UDP datagrams from a node to a node, an address or a group of IPv4.
//
//	from to        a group needs link where the node has several
//	name           FROM-TO
//	port size      5000, and 64 bytes of payload, 24 to 65507
//	count or for   how many (1), or for how long
//	rate           datagrams per second; 10
//	start          0s
//	ttl fib        those of the stack; 0
//	ipv6           what to means; false
//
// # Expectations
//
// What must hold when all has ended and nothing is under way any more:
//
//	delivered      flow, at: how many different datagrams came, of those sent; 100%
//	not_delivered  flow, at: none came
//	wrong_source   at: datagrams a join was given from sources it does not want; 0
//	latency        flow, at: min and max of every datagram
//	loss           flow, at; or link, toward: what did not come, what was dropped; 0%
//	counter        name, and node (with interface: of that), switch, or link (with
//	               toward: one direction)
//	joined         on a querier or a switch, group, source; is: true or false
//	route          node, to, fib, ipv6, and via: a node, an address, direct, none,
//	               refused
//	path           from, to, fib, ipv6, is: the nodes packets go by, both ends included
//	address        in: how many IPv6 addresses in a prefix, or link-local, node has, or
//	               each host with autoconf; state: preferred (or deprecated,
//	               tentative, duplicate); 1
//
// Where at is left out each receiver must hold. Amounts are given by is, min and
// max, as numbers or, of delivered and loss, percentages.
package topo
