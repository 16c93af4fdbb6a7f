package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

// some returns the interfaces that are wanted: nil and an exit status where that which
// was named is not there.
func (n *netstat) some() ([]client.Interface, int) {
	if name := n.o.Value("-I"); name != "" {
		i, err := n.c.Interface(n.e.Ctx, n.e.Jail, name)
		if client.ErrnoName(err) == "ENXIO" {
			return nil, n.e.Failf("interface %s does not exist", name)
		}
		if err != nil {
			return nil, n.e.Fail(err)
		}
		return []client.Interface{i}, 0
	}
	all, err := n.c.Interfaces(n.e.Ctx, n.e.Jail)
	if err != nil {
		return nil, n.e.Fail(err)
	}
	return all, 0
}

// ifRow is a line of netstat -i: an interface's, an address's, or a group's.
type ifRow struct {
	name, mtu, network, address string
	counted                     *client.Counters
	group                       bool
}

// interfaces prints interfaces, with their addresses and what they have counted.
func (n *netstat) interfaces() int {
	all, status := n.some()
	if status != 0 {
		return status
	}
	var groups []client.Listening
	if n.o.Has("-a") {
		var err error
		if groups, err = n.c.Groups(n.e.Ctx, n.e.Jail, n.o.Value("-I")); err != nil {
			return n.e.Fail(err)
		}
	}
	var rows []ifRow
	for i := range all {
		rows = append(rows, n.rowsOf(&all[i], groups)...)
	}
	if n.e.JSON {
		return n.document("interface", interfaceDocuments(rows))
	}
	n.printInterfaces(rows)
	return 0
}

func (n *netstat) rowsOf(i *client.Interface, groups []client.Listening) (rows []ifRow) {
	if n.link {
		address := i.Ether
		if address == "" {
			address = i.Name
		}
		rows = append(rows, ifRow{name: i.Name, mtu: strconv.Itoa(i.MTU), network: "<Link#" + strconv.Itoa(i.Index) + ">", address: address, counted: &i.Counters})
	}
	for _, a := range i.Addresses {
		if p := a.Prefix; p.Addr().Is4() && n.inet || p.Addr().Is6() && n.inet6 {
			rows = append(rows, ifRow{name: i.Name, mtu: "-", network: networkColumn(p, i.Name), address: p.Addr().WithZone("").String()})
		}
	}
	for _, l := range groups {
		if l.Interface != i.Name || l.Protocol == "igmp" && !n.inet || l.Protocol == "mld" && !n.inet6 {
			continue
		}
		for _, g := range l.Groups {
			rows = append(rows, ifRow{address: g.Group.String(), group: true})
		}
	}
	return rows
}

// networkColumn writes the network of an address; that of a link-local one with its zone.
func networkColumn(p netip.Prefix, ifname string) string {
	m := p.Masked()
	if m.Addr().IsLinkLocalUnicast() && m.Addr().Is6() {
		return m.Addr().WithZone(ifname).String() + "/" + strconv.Itoa(m.Bits())
	}
	return m.String()
}

func (n *netstat) printInterfaces(rows []ifRow) {
	name, network, address := 8, 13, 17
	for _, r := range rows {
		name, network, address = max(name, len(r.name)), max(network, len(r.network)), max(address, len(r.address))
	}
	line := func(a, mtu, nw, addr string, c [8]string) {
		l := fmt.Sprintf("%-*s %6s %-*s %-*s %8s %5s %5s", name, a, mtu, network, nw, address, addr, c[0], c[1], c[2])
		if n.o.Has("-b") {
			l += fmt.Sprintf(" %10s", c[3])
		}
		l += fmt.Sprintf(" %8s %5s", c[4], c[5])
		if n.o.Has("-b") {
			l += fmt.Sprintf(" %10s", c[6])
		}
		l += fmt.Sprintf(" %5s", c[7])
		if n.o.Has("-d") {
			drop := c[1]
			if a == "Name" {
				drop = "Drop"
			}
			l += fmt.Sprintf(" %4s", drop)
		}
		fmt.Fprintln(n.e.Out, l)
	}
	line("Name", "Mtu", "Network", "Address", [8]string{"Ipkts", "Ierrs", "Idrop", "Ibytes", "Opkts", "Oerrs", "Obytes", "Coll"})
	for _, r := range rows {
		switch {
		case r.group:
			fmt.Fprintf(n.e.Out, "%*s %s\n", name+8+network, "", r.address)
		case r.counted == nil:
			line(r.name, r.mtu, r.network, r.address, [8]string{"-", "-", "-", "-", "-", "-", "-", "-"})
		default:
			c := r.counted
			line(r.name, r.mtu, r.network, r.address, [8]string{
				decimal(c.InPackets), "-", decimal(c.InDrops), decimal(c.InBytes), decimal(c.OutPackets), "-", decimal(c.OutBytes), "-",
			})
		}
	}
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func interfaceDocuments(rows []ifRow) []any {
	all := []any{}
	for _, r := range rows {
		if r.group {
			last := all[len(all)-1].(map[string]any)
			list, _ := last["multicast-address"].([]string)
			last["multicast-address"] = append(list, r.address)
			continue
		}
		d := map[string]any{"name": r.name, "network": r.network, "address": r.address}
		if c := r.counted; c != nil {
			d["mtu"], _ = strconv.Atoi(r.mtu)
			d["received-packets"], d["received-bytes"], d["dropped-packets"] = c.InPackets, c.InBytes, c.InDrops
			d["sent-packets"], d["sent-bytes"] = c.OutPackets, c.OutBytes
		}
		all = append(all, d)
	}
	return all
}

// ratesHeader is printed again after so many lines.
const ratesHeader = 20

// rates prints what passes in each interval.
func (n *netstat) rates() int {
	wait, err := strconv.ParseFloat(n.o.Value("-w"), 64)
	if err != nil || !(wait >= 0.001 && wait < 1e6) {
		return n.e.Failf("illegal wait: %s", n.o.Value("-w"))
	}
	lines := -1
	if n.o.Has("-q") {
		if lines, err = strconv.Atoi(n.o.Value("-q")); err != nil || lines < 0 {
			return n.e.Failf("illegal number of lines: %s", n.o.Value("-q"))
		}
	}
	r, err := n.c.Rates(n.e.Ctx, n.e.Jail, n.o.Value("-I"), time.Duration(wait*float64(time.Second)))
	if client.ErrnoName(err) == "ENXIO" {
		return n.e.Failf("interface %s does not exist", n.o.Value("-I"))
	}
	if err != nil {
		return n.e.Fail(err)
	}
	defer r.Close()
	for i := 0; i != lines; i++ {
		if i%ratesHeader == 0 && !n.e.JSON {
			n.ratesTitle()
		}
		if err := n.e.Out.Flush(); err != nil {
			return 1
		}
		c, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(n.e.Ctx.Err(), context.Canceled):
			return 0
		case err != nil:
			return n.e.Fail(err)
		}
		if s := n.rate(c); s != 0 {
			return s
		}
	}
	return 0
}

func (n *netstat) ratesTitle() {
	of := n.o.Value("-I")
	if of == "" {
		of = "(Total)"
	}
	fmt.Fprintf(n.e.Out, "%17s %14s %16s\n", "input", of, "output")
	drops := ""
	if n.o.Has("-d") {
		drops = " drops"
	}
	fmt.Fprintf(n.e.Out, "%10s %5s %6s %10s %10s %5s %10s %5s%s\n", "packets", "errs", "idrops", "bytes", "packets", "errs", "bytes", "colls", drops)
}

// rate prints one interval.
func (n *netstat) rate(c client.Counters) int {
	if n.e.JSON {
		return n.document("interface-statistics", map[string]any{
			"received-packets": c.InPackets, "received-bytes": c.InBytes, "dropped-packets": c.InDrops, "sent-packets": c.OutPackets, "sent-bytes": c.OutBytes,
		})
	}
	l := fmt.Sprintf("%10d %5s %6d %10d %10d %5s %10d %5s", c.InPackets, "-", c.InDrops, c.InBytes, c.OutPackets, "-", c.OutBytes, "-")
	if n.o.Has("-d") {
		l += fmt.Sprintf(" %5s", "-")
	}
	fmt.Fprintln(n.e.Out, strings.TrimRight(l, " "))
	return 0
}
