package policy

import "strings"

// rule says what the packages of a pattern may use. A pattern is a path below
// the module ("." is its root); "x/..." is everything below x, not x itself.
// The first rule that matches a package holds. Lists are separated by spaces.
// Test files may import and do what they like, but for what is said elsewhere.
type rule struct {
	pkg     string
	may     string // packages of this module it may import, as patterns
	mods    string // other modules; "any" outside the core
	ban     string // packages of the standard library it must not import
	time    bool   // may ask package time what time it is, and have it wake it
	goFiles int    // how many of its files may have go statements
	vars    bool   // may have package-level variables
	why     string
}

const (
	many  = 1 << 30
	bart  = "github.com/gaissmai/bart"
	xmods = "golang.org/x/sys golang.org/x/net"

	// pure is what an engine must not use: it is given time, randomness and
	// bytes, and gives back values, so that a test can replay it.
	pure = "sync sync/atomic context net os os/... log log/... math/rand math/rand/... crypto/rand unsafe hash/maphash"

	leaves = "internal/wire internal/clock internal/table"
	below  = leaves + " internal/sysctl internal/ifaddr internal/pkt internal/sockbuf internal/netisr internal/socket internal/pfil internal/vars internal/vvar internal/event internal/roster internal/rooms internal/ifnet link internal/proto/..." // the hall
	core   = below + " internal/vnet internal/usrreq internal/control internal/tunnel internal/jail ."
	house  = core + " ipv4 ipv6 lab lab/... link/..."
)

// rules is the order of the house, from the leaves up (ARCHITECTURE.md draws it).
var rules = []rule{
	{pkg: "internal/wire", ban: pure,
		why: "a leaf: bytes and values, no state and no time"},
	{pkg: "internal/clock", time: true,
		why: "a leaf: the one package that asks package time"},
	{pkg: "internal/table",
		why: "a leaf: one hash table for all packet paths"},
	{pkg: "internal/sysctl",
		why: "a leaf: names for the fields of plain structs, of any package"},
	{pkg: "internal/vvar",
		why: "a leaf: variables that modules declare and every stack has its own of"},
	{pkg: "internal/event", may: "internal/wire internal/clock",
		why: "a leaf: what has happened to a stack, and the queues of those who want to know"},
	{pkg: "internal/dns", mods: "golang.org/x/net", ban: pure,
		why: "a leaf: what a stub resolver says to servers; knows no socket"},
	{pkg: "internal/filter", mods: "golang.org/x/net", ban: pure,
		why: "a leaf: the language of capture filters, a function from a text and a frame to a verdict"},
	{pkg: "internal/ifaddr", may: "internal/wire",
		why: "which of several addresses suits; knows no interface"},
	{pkg: "internal/pkt", may: leaves,
		why: "buffers know the layout of packets, nothing of who handles them"},
	{pkg: "internal/netisr", may: leaves + " internal/pkt", goFiles: 1,
		why: "schedules packets between stacks and links, so it lies below both; a drainer past its budget goes on in a goroutine"},

	{pkg: "internal/sockbuf", may: leaves + " internal/pkt",
		why: "the receive queue of a socket: where packets wait for goroutines"},
	{pkg: "internal/socket", may: leaves + " internal/pkt internal/sockbuf internal/netisr internal/proto/pcb internal/proto/tcp internal/proto/tcp/syn",
		why: "a socket as its user sees it: options, queue, ports; knows no stack"},
	{pkg: "internal/pfil", may: leaves + " internal/pkt internal/netisr",
		why: "what a packet filter sees and may decide: filters need no stack"},
	{pkg: "internal/vars", may: leaves + " internal/pkt internal/proto/...",
		why: "puts the rooms' plain structs together, in a page of tunables and in a list of names"},

	{pkg: "internal/ifnet", may: leaves + " internal/event internal/ifaddr internal/pkt internal/netisr internal/socket internal/pfil internal/vars link internal/proto/...",
		why: "what packets meet and seldom changes: interfaces, with what the rooms keep for each, and routes"},

	{pkg: "internal/roster", may: leaves,
		why: "who is in a world, and what none may share; knows no stack"},
	{pkg: "internal/rooms", may: leaves + " internal/sysctl internal/pkt internal/vars internal/proto/...",
		why: "what the rooms of one shard keep, with their counters; knows no socket"},

	{pkg: "internal/proto/fib", may: leaves, mods: bart, ban: without(pure, "sync/atomic"),
		why: "a room; the compiled table is read while its words are stored atomically, bart is its truth"},
	{pkg: "internal/proto/gmp/gmptest", may: leaves + " internal/proto/mcast internal/proto/gmp", vars: true,
		why: "what the tests of IGMP and MLD share: test files alone import it"},
	{pkg: "internal/proto/gmp", may: leaves + " internal/proto/mcast", ban: pure,
		why: "a room; speaks for the membership layer: what IGMP and MLD have in common"},
	{pkg: "internal/proto/igmp", may: leaves + " internal/proto/mcast internal/proto/gmp", ban: pure,
		why: "a room; the messages of the shared engine, for IPv4"},
	{pkg: "internal/proto/mld", may: leaves + " internal/proto/mcast internal/proto/gmp", ban: pure,
		why: "a room; the messages of the shared engine, for IPv6"},
	{pkg: "internal/proto/mroute", may: leaves + " internal/proto/mcast", ban: pure,
		why: "a room; what a proxy asks for is a filter"},
	{pkg: "internal/proto/udp", may: leaves + " internal/proto/mcast", ban: pure,
		why: "a room; delivers by source filters"},
	{pkg: "internal/proto/bridge", may: leaves + " internal/proto/mcast internal/proto/gmp internal/proto/igmp internal/proto/mld", ban: pure,
		why: "a room; snooping reads what hosts report"},
	{pkg: "internal/proto/tcp/loss", may: leaves + " internal/proto/tcp/cc", ban: pure,
		why: "a room in the room tcp: finds what was lost; congestion control is a part of it that can be exchanged"},
	{pkg: "internal/proto/tcp", may: leaves + " internal/proto/tcp/cc internal/proto/tcp/loss", ban: pure,
		why: "a room; loss recovery is a room of its own in it"},
	{pkg: "internal/proto/ipfw", may: leaves + " internal/proto/ipfw/dummynet internal/proto/nat", ban: pure,
		why: "a room; its pipes and translations are rooms of their own"},
	{pkg: "internal/proto/addrsel", ban: pure,
		why: "pure functions over addresses: not even packets or time"},
	{pkg: "internal/proto/...", may: leaves, ban: pure,
		why: "rooms are siblings without edges: what two of them share, the hall hands over"},

	{pkg: "link", may: leaves + " internal/pkt internal/netisr internal/proto/bridge internal/proto/gmp internal/proto/mcast internal/proto/ipfw/dummynet link/pcapng", mods: xmods, goFiles: many,
		why: "links carry frames; they know no stack. A capture of one needs a format to write, a switch lists what hosts listen to"},
	{pkg: "link/pcapng",
		why: "a leaf: a file format"},
	{pkg: "link/...", may: leaves + " internal/pkt link", mods: "any", goFiles: many,
		why: "real devices: one operating system or dependency each, one reader goroutine each"},
	{pkg: "internal/vnet", may: below, mods: xmods,
		why: "the hall: the only package that imports the rooms together; starts no goroutine, netisr does"},
	{pkg: "internal/usrreq", may: below + " internal/vnet", mods: xmods,
		why: "what users of sockets ask for: packets run below it"},
	{pkg: "internal/control/stacktest", may: below + " internal/vnet internal/control",
		why: "what tests of stacks share: test files alone import it"},
	{pkg: "internal/control", may: below + " internal/vnet internal/usrreq", mods: xmods,
		why: "changes stacks: packets run below it"},
	{pkg: "internal/tunnel", may: below + " internal/vnet internal/usrreq internal/control", mods: xmods,
		why: "links that lead into a stack again: packets run below it, and outer ones through its ordinary path"},
	{pkg: "internal/jail", may: below + " internal/vnet internal/usrreq internal/control", mods: xmods,
		why: "owns stacks"},
	{pkg: ".", may: below + " internal/vnet internal/usrreq internal/control internal/tunnel internal/jail internal/dns", mods: xmods, goFiles: many,
		why: "the front door: what users import"},
	{pkg: "internal/xnet", may: below + " internal/vnet internal/usrreq internal/control", mods: xmods,
		why: "what ipv4 and ipv6 have in common: sockets in the ways of golang.org/x/net"},
	{pkg: "ipv4", may: core + " internal/xnet", mods: xmods, goFiles: many,
		why: "drop-in for golang.org/x/net/ipv4"},
	{pkg: "ipv6", may: core + " internal/xnet", mods: xmods, goFiles: many,
		why: "drop-in for golang.org/x/net/ipv6"},
	{pkg: "lab", may: core + " ipv4 ipv6 link/pcapng internal/filter", mods: xmods, time: true, goFiles: many,
		why: "networks in ten lines: on top of the front door, and the keeper of time modes"},
	{pkg: "lab/topo", may: core + " ipv4 ipv6 lab link/pcapng", mods: "any", time: true, goFiles: many, vars: true,
		why: "topology files: outside the core, because of YAML"},

	{pkg: "internal/ctl/rundir", time: true,
		why: "a leaf: where the labs of a user are found, which package client must know too"},
	{pkg: "client", may: "internal/ctl/rundir", goFiles: many,
		why: "drives running labs from other programs: the standard library and nothing of the stacks"},
	{pkg: "internal/ctl/command", may: "client", time: true,
		why: "BSD's commands: they see a lab through its API and nothing else, and reach their terminal through their caller"},
	{pkg: "internal/ctl/ctltest", may: house + " client internal/ctl", time: true, goFiles: many,
		why: "labs with their API, for tests: test files alone import it"},
	{pkg: "internal/ctl", may: house + " client internal/filter", mods: "any", time: true, goFiles: many,
		why: "the control API of a running lab: outside the core"},
	{pkg: "internal/web", may: house + " client internal/ctl", mods: "any", goFiles: many, vars: true,
		why: "the read-only page: outside the core"},
	{pkg: "internal/tester", may: house, mods: "any", time: true, goFiles: many,
		why: "measures multicast: labs and wires with thousands of hosts, run by a command"},
	{pkg: "internal/demo", may: house + " internal/tester", time: true, goFiles: many,
		why: "worked demonstrations: labs that measure themselves, run by a command"},
	{pkg: "internal/watch", may: "internal/wire internal/proto/mcast", ban: without(pure, "net"),
		why: "what frames say of who listens to what: values from bytes and times"},
	{pkg: "internal/watch/live", may: house + " internal/watch", time: true, goFiles: many,
		why: "where those frames come from: captures, wires, labs"},
	{pkg: "internal/mtest", may: house,
		why: "BSD's tester of memberships, on a host of ours; time and files are given to it"},
	{pkg: "cmd/...", may: house + " internal/demo internal/tester internal/watch internal/watch/live internal/mtest client internal/ctl internal/ctl/command internal/ctl/rundir internal/web cmd/...", mods: "any", time: true, goFiles: many, vars: true,
		why: "programs: outside the core"},
	{pkg: "examples/...", may: house, mods: xmods, goFiles: many,
		why: "programs that show how: outside the core"},
	{pkg: "internal/policy", time: true, goFiles: many,
		why: "these tests: nothing imports them, and they import nothing of the house"},
	{pkg: "internal/policy/typecheck", goFiles: many,
		why: "a program for tests: as they"},
}

// outsideTime are the functions of package time that look at a clock.
const outsideTime = "Now Since Until After AfterFunc NewTimer NewTicker Tick Sleep"

// The sizes of the code, in lines.
const (
	fileSoft, fileHard = 500, 800
	funcP90, funcHard  = 35, 80
	hallHard           = 5000
)

// immutable are types of other packages whose values nobody can change, whatever
// pointers they hold.
const immutable = "net/netip.Addr net/netip.Prefix net/netip.AddrPort error"

func without(list, item string) string {
	return strings.Join(strings.Fields(strings.Replace(" "+list+" ", " "+item+" ", " ", 1)), " ")
}

// matches tells whether a path is covered by one of the patterns of a list.
func matches(list, path string) bool {
	for _, p := range strings.Fields(list) {
		tree, below := strings.CutSuffix(p, "/...")
		if p == path || below && strings.HasPrefix(path, tree+"/") {
			return true
		}
	}
	return false
}

func ruleFor(pkg string) (rule, bool) {
	for _, r := range rules {
		if matches(r.pkg, pkg) {
			return r, true
		}
	}
	return rule{}, false
}
