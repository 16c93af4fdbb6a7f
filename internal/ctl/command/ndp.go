package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

func ndpCommand() *Command {
	return &Command{
		Name:  "ndp",
		Short: "show and change what a stack knows of IPv6 neighbours and routers",
		Synopsis: []string{
			"[-nt] hostname",
			"[-nt] -a | -A wait | -c | -p | -r",
			"[-n] -d hostname",
			"[-n] -s hostname ether_addr [temp] [proxy]",
			"[-n] -f filename",
			"-i interface [flags]",
			"-H | -I | -P | -R",
		},
		Long: `A hostname is an address or the name of a host of the lab. Of the flags of an
interface accept_rtadv and no_radr can be set, and with - in front taken away; nud and
auto_linklocal are always set. Prefixes are shown as far as the interface has addresses
in them, with the time that these have left. There is no default interface (-I), and
nothing to harmonize (-H); what routers gave goes with -accept_rtadv, not -P or -R.`,
		Options: []Option{
			{"-A", "SECONDS", "all neighbours, again after so many seconds, until interrupted", nil},
			{"-a", "", "all neighbours", nil},
			{"-c", "", "forget all neighbours but the stack's own addresses", nil},
			{"-d", "", "forget a neighbour", nil},
			{"-f", "", "set the neighbours that a file has", nil},
			{"-H", "", "harmonize routing table and router list: they are", nil},
			{"-I", "", "the default interface", nil},
			{"-i", "", "how an interface deals with neighbours and routers", nil},
			{"-n", "", "do not look names up: there are none for addresses", nil},
			{"-P", "", "forget all prefixes: not supported", nil},
			{"-p", "", "the prefixes of links", nil},
			{"-R", "", "forget all routers: not supported", nil},
			{"-r", "", "the routers that advertise themselves", nil},
			{"-s", "", "set a neighbour", nil},
			{"-t", "", "put the time in front of each line", nil},
		},
		Example: []string{"ndp -j a -an", "ndp -j a -i eth0", "ndp -j a -s 2001:db8::9 02:00:00:00:00:09 temp"},
		Linux:   "ip -6 neigh",
		Run:     runNdp,
		Complete: func(e *Env, args []string, word string) []string {
			if len(args) > 0 {
				return []string{"accept_rtadv", "-accept_rtadv", "no_radr", "-no_radr"}
			}
			return append(interfaceNames(e, word), completeNeighbor(true)(e, nil, word)...)
		},
	}
}

func runNdp(e *Env, o *Opts, args []string) int {
	mode := ""
	for _, m := range []string{"-A", "-a", "-c", "-d", "-f", "-H", "-I", "-i", "-P", "-p", "-R", "-r", "-s"} {
		if o.Has(m) && mode != "" {
			return misused
		}
		if o.Has(m) {
			mode = m
		}
	}
	operands := map[string][2]int{"": {1, 1}, "-d": {1, 1}, "-f": {1, 1}, "-s": {2, 4}, "-i": {1, 3}}[mode]
	if len(args) < operands[0] || len(args) > operands[1] {
		return misused
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	switch mode {
	case "-c":
		return deleteNeighbors(e, c, client.NeighborQuery{IPv6: true})
	case "-d":
		return deleteNeighbors(e, c, client.NeighborQuery{IPv6: true, Address: args[0]})
	case "-f":
		return ndpFile(e, c, args[0])
	case "-s":
		return ndpSet(e, c, args)
	case "-i":
		return ndpInterface(e, c, args[0], args[1:])
	case "-P", "-R":
		return e.Failf("%s: what routers gave goes with ndp -i interface -accept_rtadv", mode)
	case "-H":
		return 0
	case "-I", "-p", "-r":
		return ndpLinks(e, c, mode)
	}
	q := client.NeighborQuery{IPv6: true}
	switch mode {
	case "-A":
		return ndpRepeat(e, c, o)
	case "":
		q.Address = args[0]
	}
	return ndpShow(e, c, q, o.Has("-t"))
}

// ndpRepeat prints all neighbours over and over.
func ndpRepeat(e *Env, c *client.Client, o *Opts) int {
	wait, err := strconv.ParseUint(o.Value("-A"), 10, 31)
	if err != nil || wait == 0 {
		return e.Failf("bad repeat time: %s", o.Value("-A"))
	}
	t := time.NewTicker(time.Duration(wait) * time.Second)
	defer t.Stop()
	for {
		if status := ndpShow(e, c, client.NeighborQuery{IPv6: true}, o.Has("-t")); status != 0 {
			return status
		}
		if e.Out.Flush() != nil {
			return 1
		}
		select {
		case <-t.C:
		case <-e.Ctx.Done():
			return 0
		}
		if !e.JSON {
			fmt.Fprintln(e.Out)
		}
	}
}

// ndpShow prints neighbours.
func ndpShow(e *Env, c *client.Client, q client.NeighborQuery, stamped bool) int {
	list, status := neighbors(e, c, q, ndpDocument, "ndp", "neighbor-cache")
	if status != 0 || e.JSON {
		return status
	}
	stamp := ""
	if stamped {
		l, err := c.Lab(e.Ctx)
		if err != nil {
			return e.Fail(err)
		}
		stamp = l.Now.Local().Format("15:04:05.000000 ")
	}
	fmt.Fprintf(e.Out, "%-36s %-17s %6s %-9s %1s %5s\n", "Neighbor", "Linklayer Address", "Netif", "Expire", "S", "Flags")
	for _, n := range list {
		fmt.Fprint(e.Out, stamp)
		printNdp(e.Out, &n)
	}
	return 0
}

// printNdp prints a neighbour: a column that is too narrow takes from the next ones.
func printNdp(w io.Writer, n *client.Neighbor) {
	const addrWidth, linkWidth, ifWidth = 36, 17, 6
	mac := n.Ether
	if mac == "" {
		mac = "(incomplete)"
	}
	addr := n.Address.String()
	aw := max(len(addr), addrWidth)
	lw := max(len(mac), addrWidth+linkWidth-aw)
	iw := max(len(n.Interface), addrWidth+linkWidth+ifWidth-aw-lw)
	fmt.Fprintf(w, "%-*s %-*s %*s %-9.9s %s", aw, addr, lw, mac, iw, n.Interface, ndpExpire(n), ndpState(n))
	if flags := ndpFlags(n); flags != "" {
		fmt.Fprintf(w, " %s", flags)
	}
	if n.Asked > 0 {
		fmt.Fprintf(w, " %d", n.Asked)
	}
	fmt.Fprintln(w)
}

func ndpExpire(n *client.Neighbor) string {
	switch {
	case n.Permanent:
		return "permanent"
	case n.Expires <= 0:
		return "expired"
	}
	return period(n.Expires)
}

// period writes a time as ndp does: 1d2h3m4s, without what is zero in front.
func period(d time.Duration) string {
	s := seconds(d)
	text := ""
	for _, u := range []struct {
		n    int64
		unit string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if s >= u.n || text != "" {
			text += fmt.Sprintf("%d%s", s/u.n, u.unit)
			s %= u.n
		}
	}
	return text + fmt.Sprintf("%ds", s)
}

func ndpState(n *client.Neighbor) string {
	switch n.State {
	case "incomplete":
		return "I"
	case "reachable", "permanent":
		return "R"
	case "stale":
		return "S"
	case "delay":
		return "D"
	case "probe":
		return "P"
	}
	return "N"
}

func ndpFlags(n *client.Neighbor) (flags string) {
	if n.Router {
		flags = "R"
	}
	if n.Published {
		flags += "p"
	}
	return flags
}

func ndpDocument(n *client.Neighbor) map[string]any {
	d := map[string]any{"address": n.Address, "interface": n.Interface, "neighbor-state": ndpState(n), "nd-flags": ndpFlags(n)}
	if n.Ether == "" {
		d["incomplete"] = true
	} else {
		d["mac-address"] = n.Ether
	}
	if n.Permanent {
		d["permanent"] = true
	} else {
		d["expires_sec"] = seconds(n.Expires)
	}
	if n.Asked > 0 {
		d["probes"] = n.Asked
	}
	return d
}

// ndpSet sets a neighbour.
func ndpSet(e *Env, c *client.Client, args []string) int {
	n := client.NewNeighbor{Address: args[0], Ether: args[1], IPv6: true}
	for _, w := range args[2:] {
		switch w {
		case "temp":
			n.For = 20 * time.Minute // as FreeBSD's
		case "proxy":
			n.Published = true
		default:
			return misused
		}
	}
	return setNeighbor(e, c, n)
}

// ndpFile sets the neighbours that a file has.
func ndpFile(e *Env, c *client.Client, name string) int {
	text, err := os.ReadFile(name)
	if err != nil {
		return e.Failf("cannot open %s", name)
	}
	return eachEntry(e, string(text), func(words []string) int {
		if len(words) > 4 {
			return e.Failf("bad line: %s", strings.Join(words, " "))
		}
		return ndpSet(e, c, words)
	})
}

// ndpInterface prints how an interface deals with neighbours, having changed it.
func ndpInterface(e *Env, c *client.Client, name string, flags []string) int {
	var ch client.NDChange
	for _, f := range flags {
		on := !strings.HasPrefix(f, "-")
		switch strings.TrimPrefix(f, "-") {
		case "accept_rtadv":
			ch.AcceptRA = &on
		case "no_radr":
			ch.NoDefault = &on
		case "nud", "auto_linklocal":
			if !on {
				return e.Failf("%s: not supported: it is always set", f)
			}
		default:
			return misused
		}
	}
	if ch != (client.NDChange{}) {
		if err := c.ChangeND(e.Ctx, e.Jail, name, ch); err != nil {
			return ndpFail(e, name, err)
		}
	}
	all, err := c.ND(e.Ctx, e.Jail)
	if err != nil {
		return ndpFail(e, name, err)
	}
	k := slices.IndexFunc(all.Interfaces, func(i client.NDInterface) bool { return i.Name == name })
	if k < 0 {
		return e.Failf("%s: no such interface, or one that does not speak IPv6", name)
	}
	i := &all.Interfaces[k]
	if e.JSON {
		return e.PrintJSON(map[string]any{"ndp": map[string]any{"interface": i}})
	}
	fmt.Fprintf(e.Out, "linkmtu=%d, maxmtu=%d, curhlim=%d, basereachable=%s, reachable=%ds, retrans=%s\nFlags: %s\n",
		i.MTU, i.MTU, i.HopLimit, millis(i.BaseReachable), seconds(i.Reachable), millis(i.Retrans), strings.Join(ndFlags(i), " "))
	return 0
}

func ndpFail(e *Env, name string, err error) int {
	if at, _ := blamed(err); at == "path.if" {
		return e.Failf("%s: no such interface, or one that does not speak IPv6", name)
	}
	return e.Failf("%s", Strerror(err))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%ds%dms", d/time.Second, d%time.Second/time.Millisecond)
}

func ndFlags(i *client.NDInterface) []string {
	var all []string
	for _, f := range []struct {
		on   bool
		name string
	}{{i.Disabled, "ifdisabled"}, {true, "nud"}, {i.AcceptRA, "accept_rtadv"}, {true, "auto_linklocal"}, {i.NoDefault, "no_radr"}} {
		if f.on {
			all = append(all, f.name)
		}
	}
	return all
}

// ndpLinks prints prefixes, routers, or the default interface.
func ndpLinks(e *Env, c *client.Client, mode string) int {
	n, err := c.ND(e.Ctx, e.Jail)
	switch {
	case err != nil:
		return ndpFail(e, "", err)
	case e.JSON && mode == "-p":
		return e.PrintJSON(map[string]any{"ndp": map[string]any{"prefix-list": n.Prefixes}})
	case e.JSON && mode == "-r":
		return e.PrintJSON(map[string]any{"ndp": map[string]any{"router-list": n.Routers}})
	case e.JSON:
		return e.PrintJSON(map[string]any{"ndp": map[string]any{}})
	case mode == "-I":
		fmt.Fprintln(e.Out, "No default interface.")
	case mode == "-r":
		for _, r := range n.Routers {
			fmt.Fprintf(e.Out, "%s if=%s, flags=, pref=%s, expire=%s\n", r.Address, r.Interface, r.Preference, until(r.Expires))
		}
	default:
		for _, p := range n.Prefixes {
			printPrefix(e.Out, &p, n.Routers)
		}
	}
	return 0
}

// until is period, 0 meaning never.
func until(d time.Duration) string {
	if d == 0 {
		return "Never"
	}
	return period(d)
}

func printPrefix(w io.Writer, p *client.NDPrefix, routers []client.NDRouter) {
	flags, valid, preferred := "LO", "infinity", "infinity"
	if p.Auto {
		flags = "LAO"
	}
	if p.Valid > 0 {
		valid = fmt.Sprint(seconds(p.Valid))
	}
	if p.Preferred > 0 {
		preferred = fmt.Sprint(seconds(p.Preferred))
	}
	fmt.Fprintf(w, "%s if=%s\nflags=%s vltime=%s, pltime=%s, expire=%s, ref=%d\n", p.Prefix, p.Interface, flags, valid, preferred, until(p.Valid), p.Addresses)
	var by []client.NDRouter
	for _, r := range routers {
		if p.Auto && !p.Prefix.Addr().IsLinkLocalUnicast() && r.Interface == p.Interface {
			by = append(by, r)
		}
	}
	if len(by) == 0 {
		fmt.Fprintln(w, "  No advertising router")
		return
	}
	fmt.Fprintln(w, "  advertised by")
	for _, r := range by {
		fmt.Fprintf(w, "    %s\n", r.Address)
	}
}
