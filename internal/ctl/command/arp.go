package command

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/client"
)

func arpCommand() *Command {
	return &Command{
		Name:  "arp",
		Short: "show and change a stack's ARP tables",
		Synopsis: []string{
			"[-n] [-i interface] hostname",
			"[-n] [-i interface] -a",
			"-d [-i interface] hostname [pub]",
			"-d [-i interface] -a",
			"-s [-i interface] hostname ether_addr [temp] [reject | blackhole] [pub]",
			"-S [-i interface] hostname ether_addr [temp] [reject | blackhole] [pub]",
			"-f filename",
		},
		Long: `A hostname is an address or the name of a host of the lab. An ether_addr of auto is
the address of the interface, to answer for others with pub. Entries do not refuse
packets: reject and blackhole are taken and, as in FreeBSD since 8.0, do nothing; for
that see route add. In a file each line is what follows -s; # begins a comment.`,
		Options: []Option{
			{"-a", "", "all entries", nil},
			{"-d", "", "delete an entry, or with -a all but the stack's own", nil},
			{"-f", "FILE", "set the entries that a file has", nil},
			{"-i", "IF", "on that interface", interfaceNames},
			{"-n", "", "do not look names up: there are none for addresses", nil},
			{"-S", "", "set an entry, having deleted what there was", nil},
			{"-s", "", "set an entry", nil},
		},
		Example:  []string{"arp -j a -an", "arp -j a -s 192.0.2.9 02:00:00:00:00:09 temp", "arp -j a -da"},
		Linux:    "ip neigh",
		Run:      runArp,
		Complete: completeNeighbor(false),
	}
}

// completeNeighbor offers the addresses of neighbours.
func completeNeighbor(inet6 bool) func(*Env, []string, string) []string {
	return func(e *Env, args []string, _ string) (all []string) {
		c := e.quiet()
		if c == nil || len(args) > 0 {
			return nil
		}
		list, _, _ := c.Neighbors(e.Ctx, e.Jail, client.NeighborQuery{IPv6: inet6})
		for _, n := range list {
			all = append(all, n.Address.String())
		}
		return all
	}
}

func runArp(e *Env, o *Opts, args []string) int {
	q := client.NeighborQuery{Interface: o.Value("-i")}
	verbs := 0
	for _, v := range []string{"-d", "-s", "-S", "-f"} {
		verbs += o.Count(v)
	}
	c := e.Client()
	switch {
	case c == nil:
		return 1
	case verbs > 1 || o.Has("-a") && (verbs > 0 && !o.Has("-d") || len(args) > 0):
		return misused
	case o.Has("-f"):
		return arpFile(e, c, o, args)
	case o.Has("-s") || o.Has("-S"):
		return arpSet(e, c, args, q.Interface, o.Has("-S"))
	case o.Has("-d") && o.Has("-a"):
		return deleteNeighbors(e, c, q)
	case o.Has("-d") && (len(args) == 1 || len(args) == 2 && args[1] == "pub"):
		q.Address, q.Published = args[0], len(args) == 2
		return deleteNeighbors(e, c, q)
	case !o.Has("-d") && (o.Has("-a") || len(args) == 1):
		if len(args) == 1 {
			q.Address = args[0]
		}
		return arpShow(e, c, q)
	}
	return misused
}

// arpShow prints entries.
func arpShow(e *Env, c *client.Client, q client.NeighborQuery) int {
	list, status := neighbors(e, c, q, arpDocument, "arp", "arp-cache")
	for _, n := range list {
		printArp(e.Out, &n)
	}
	return status
}

// neighbors returns the neighbours to be printed, unless it has printed them itself: as
// JSON, below these names. The status is 1 where there are none that were asked for.
func neighbors(e *Env, c *client.Client, q client.NeighborQuery, doc func(*client.Neighbor) map[string]any, names ...string) (list []client.Neighbor, status int) {
	list, asked, err := c.Neighbors(e.Ctx, e.Jail, q)
	if err != nil {
		return nil, neighborFail(e, q, err)
	}
	if q.Address != "" && len(list) == 0 {
		status = 1
	}
	switch {
	case e.JSON:
		docs := []map[string]any{}
		for _, n := range list {
			docs = append(docs, doc(&n))
		}
		e.PrintJSON(map[string]any{names[0]: map[string]any{names[1]: docs}})
		return nil, status
	case status != 0:
		noEntry(e, q, asked)
	}
	return list, status
}

func noEntry(e *Env, q client.NeighborQuery, asked netip.Addr) {
	fmt.Fprintf(e.Out, "%s (%s) -- no entry", q.Address, asked)
	if q.Interface != "" {
		fmt.Fprintf(e.Out, " on %s", q.Interface)
	}
	fmt.Fprintln(e.Out)
}

// neighborFail says what is wrong with a request about neighbours.
func neighborFail(e *Env, q client.NeighborQuery, err error) int {
	switch at, value := blamed(err); at {
	case "query.address", "body.address":
		return e.Failf("%s: Unknown host", value)
	case "query.interface", "body.interface":
		return e.Failf("interface %s does not exist", value)
	}
	return e.Failf("%s", strings.TrimPrefix(q.Address+": "+Strerror(err), ": "))
}

func printArp(w io.Writer, n *client.Neighbor) {
	mac := n.Ether
	if mac == "" {
		mac = "(incomplete)"
	}
	fmt.Fprintf(w, "? (%s) at %s on %s", n.Address, mac, n.Interface)
	switch left := seconds(n.Expires); {
	case n.Permanent:
		fmt.Fprint(w, " permanent")
	case left > 0 && n.Ether != "":
		fmt.Fprintf(w, " expires in %d seconds", left)
	default:
		fmt.Fprint(w, " expired")
	}
	if n.Published {
		fmt.Fprint(w, " published")
	}
	fmt.Fprintln(w, " [ethernet]")
}

// seconds returns how many seconds are begun.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func arpDocument(n *client.Neighbor) map[string]any {
	d := map[string]any{"hostname": "?", "ip-address": n.Address, "interface": n.Interface, "type": "ethernet"}
	if n.Ether == "" {
		d["incomplete"] = true
	} else {
		d["mac-address"] = n.Ether
	}
	switch left := seconds(n.Expires); {
	case n.Permanent:
		d["permanent"] = true
	case left > 0 && n.Ether != "":
		d["expires"] = left
	default:
		d["expired"] = true
	}
	if n.Published {
		d["published"] = true
	}
	return d
}

// deleteNeighbors removes one neighbour, or with no address all.
func deleteNeighbors(e *Env, c *client.Client, q client.NeighborQuery) int {
	gone, _, err := c.DeleteNeighbors(e.Ctx, e.Jail, q)
	switch {
	case err != nil:
		return neighborFail(e, q, err)
	case len(gone) == 0 && q.Address != "":
		return e.Failf("delete: cannot locate %s", q.Address)
	case e.JSON:
		return e.PrintJSON(map[string]any{e.name: map[string]any{"deleted": gone}})
	}
	for _, n := range gone {
		name := q.Address
		if name == "" {
			name = n.Address.String()
		}
		fmt.Fprintf(e.Out, "%s (%s) deleted\n", name, n.Address)
	}
	return 0
}

// arpSet sets an entry.
func arpSet(e *Env, c *client.Client, args []string, on string, replace bool) int {
	if len(args) < 2 {
		return misused
	}
	n := client.NewNeighbor{Address: args[0], Ether: args[1], Interface: on, Replace: replace}
	temp := false
	for _, w := range args[2:] {
		switch w {
		case "temp":
			temp = true
		case "pub":
			n.Published = true
		case "only": // without a route to the host: ours never makes one
		case "reject", "blackhole":
			fmt.Fprintf(e.Err, "%s: %s: entries do not refuse packets: see route add -host %s -%s\n", e.name, w, args[0], w)
		default:
			return misused
		}
	}
	if temp {
		var err error
		if n.For, err = maxAge(e, c); err != nil {
			return e.Fail(err)
		}
	}
	return setNeighbor(e, c, n)
}

// setNeighbor sets a neighbour, or says why not.
func setNeighbor(e *Env, c *client.Client, n client.NewNeighbor) int {
	err := c.SetNeighbor(e.Ctx, e.Jail, e.FIB, n)
	at, value := blamed(err)
	switch {
	case err == nil:
		return 0
	case at == "body.ether":
		return e.Failf("invalid Ethernet address '%s'", value)
	case errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ENOMEM):
		return e.Failf("cannot intuit interface index and type for %s", n.Address)
	}
	return neighborFail(e, client.NeighborQuery{Address: n.Address}, err)
}

// maxAge returns how long an entry is kept that nobody confirms.
func maxAge(e *Env, c *client.Client) (time.Duration, error) {
	list, err := c.Sysctls(e.Ctx, e.Jail, "", "net.link.ether.inet.max_age", false)
	if err != nil {
		return 0, err
	}
	return time.Duration(list[0].Value) * time.Second, nil
}

// arpFile sets the entries that a file has.
func arpFile(e *Env, c *client.Client, o *Opts, args []string) int {
	if len(args) > 0 {
		return misused
	}
	text, err := os.ReadFile(o.Value("-f"))
	if err != nil {
		return e.Failf("cannot open %s", o.Value("-f"))
	}
	return eachEntry(e, string(text), func(words []string) int { return arpSet(e, c, words, o.Value("-i"), false) })
}

// eachEntry calls set with the words of each line of a file, and returns the last status
// that is not 0.
func eachEntry(e *Env, text string, set func(words []string) int) (status int) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		s := 0
		switch {
		case len(words) == 1:
			s = e.Failf("bad line: %s", words[0])
		case len(words) > 1:
			s = set(words)
		}
		if s == misused {
			s = e.Failf("bad line: %s", strings.Join(words, " "))
		}
		if s != 0 {
			status = s
		}
	}
	return status
}
