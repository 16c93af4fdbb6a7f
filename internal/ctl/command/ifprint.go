package command

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/seed88948545/vimage/client"
)

// flagBits are the bits that the flags have in BSD.
func flagBits(flags []string) (bits int) {
	all := map[string]int{
		"UP": 1, "BROADCAST": 2, "LOOPBACK": 8, "POINTOPOINT": 0x10, "RUNNING": 0x40, "NOARP": 0x80, "PROMISC": 0x100,
		"SIMPLEX": 0x800, "MULTICAST": 0x8000, "STATICARP": 0x80000,
	}
	for _, f := range flags {
		bits |= all[f]
	}
	return bits
}

func printInterfaces(e *Env, all []client.Interface, family string, lifetimes bool) int {
	if e.JSON {
		docs := []map[string]any{}
		for n := range all {
			docs = append(docs, ifDocument(&all[n], family))
		}
		return e.PrintJSON(map[string]any{"ifconfig": map[string]any{"interface": docs}})
	}
	for n := range all {
		printInterface(e.Out, &all[n], family, lifetimes)
	}
	return 0
}

// printInterface prints an interface as ifconfig does, with what is of a family alone
// where one is given.
func printInterface(w io.Writer, i *client.Interface, family string, lifetimes bool) {
	fmt.Fprintf(w, "%s: flags=%x<%s> metric 0 mtu %d\n", i.Name, flagBits(i.Flags), strings.Join(i.Flags, ","), i.MTU)
	if family == "" && (i.Kind == "epair" || i.Kind == "ether") {
		fmt.Fprint(w, "\toptions=8<VLAN_MTU>\n")
	}
	if i.Ether != "" && family != "inet" && family != "inet6" {
		fmt.Fprintf(w, "\tether %s\n", i.Ether)
	}
	if family == "" {
		printTunnel(w, i)
	}
	for _, is4 := range []bool{true, false} {
		for _, a := range i.Addresses {
			switch {
			case a.Prefix.Addr().Is4() != is4 || family == "inet" && !is4 || family == "inet6" && is4 || family != "" && family[0] != 'i':
			case is4:
				printInet(w, i, &a)
			default:
				printInet6(w, i, &a, lifetimes)
			}
		}
	}
	if family != "" {
		return
	}
	if g := ifGroup(i); g != "" {
		fmt.Fprintf(w, "\tgroups: %s\n", g)
	}
	if i.FIB != 0 {
		fmt.Fprintf(w, "\tfib: %d\n", i.FIB)
	}
	if i.Tunnel != nil && i.Tunnel.FIB != 0 {
		fmt.Fprintf(w, "\ttunnelfib: %d\n", i.Tunnel.FIB)
	}
	if s := ifStatus(i); s != "" {
		fmt.Fprintf(w, "\tstatus: %s\n", s)
	}
}

// ifGroup returns the group of an interface: those that can be made have that of their
// kind.
func ifGroup(i *client.Interface) string {
	if i.Kind == "ether" || i.Kind == "link" {
		return ""
	}
	return i.Kind
}

// ifStatus returns what there is to say of an Ethernet interface's cable.
func ifStatus(i *client.Interface) string {
	switch {
	case i.Kind != "epair" && i.Kind != "ether":
		return ""
	case i.Has("RUNNING") || !i.Has("UP"):
		return "active"
	}
	return "no carrier"
}

func printTunnel(w io.Writer, i *client.Interface) {
	t := i.Tunnel
	if t == nil {
		return
	}
	local := "any"
	if t.Local != nil {
		local = t.Local.String()
	}
	if i.Kind == "vxlan" {
		what := "remote"
		if t.Remote.IsMulticast() {
			what = "group"
		}
		fmt.Fprintf(w, "\tvxlan vni %d local %s:%d %s %s:%d\n", t.VNI, local, t.Port, what, t.Remote, t.Port)
		return
	}
	family := "inet"
	if t.Remote.Is6() {
		family = "inet6"
	}
	fmt.Fprintf(w, "\ttunnel %s %s --> %s\n", family, local, t.Remote)
	if t.Key != nil {
		fmt.Fprintf(w, "\tgrekey: 0x%x (%d)\n", *t.Key, *t.Key)
	}
}

func printInet(w io.Writer, i *client.Interface, a *client.InterfaceAddr) {
	fmt.Fprintf(w, "\tinet %s", a.Prefix.Addr())
	if a.Peer != nil {
		fmt.Fprintf(w, " --> %s", a.Peer)
	}
	fmt.Fprintf(w, " netmask %s", hexMask(a.Prefix))
	if a.Broadcast != nil && i.Has("BROADCAST") {
		fmt.Fprintf(w, " broadcast %s", a.Broadcast)
	}
	fmt.Fprintln(w)
}

func hexMask(p netip.Prefix) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], ^uint32(0)<<(32-p.Bits()))
	return fmt.Sprintf("0x%x", b[:])
}

func printInet6(w io.Writer, i *client.Interface, a *client.InterfaceAddr, lifetimes bool) {
	fmt.Fprintf(w, "\tinet6 %s", zoned(i, a))
	if a.Peer != nil {
		fmt.Fprintf(w, " --> %s", a.Peer)
	}
	fmt.Fprintf(w, " prefixlen %d", a.Prefix.Bits())
	for _, f := range a.Flags {
		fmt.Fprintf(w, " %s", f)
	}
	if a.Prefix.Addr().IsLinkLocalUnicast() {
		fmt.Fprintf(w, " scopeid 0x%x", i.Index)
	}
	if lifetimes {
		fmt.Fprintf(w, " pltime %s vltime %s", lifetime(a.Preferred), lifetime(a.Valid))
	}
	fmt.Fprintln(w)
}

// zoned returns an address with the name of its link where it means something there
// only.
func zoned(i *client.Interface, a *client.InterfaceAddr) netip.Addr {
	if ip := a.Prefix.Addr(); ip.IsLinkLocalUnicast() && ip.Is6() {
		return ip.WithZone(i.Name)
	}
	return a.Prefix.Addr()
}

func lifetime(d time.Duration) string {
	if d == 0 {
		return "infty"
	}
	return fmt.Sprint(int(max(d, 0).Seconds()))
}

// ifDocument is an interface as --json prints it.
func ifDocument(i *client.Interface, family string) map[string]any {
	d := map[string]any{"name": i.Name, "index": i.Index, "flags": i.Flags, "flags-bits": flagBits(i.Flags), "mtu": i.MTU, "fib": i.FIB}
	if i.Ether != "" {
		d["ether"] = i.Ether
	}
	if s := ifStatus(i); s != "" {
		d["status"] = s
	}
	if g := ifGroup(i); g != "" {
		d["groups"] = []string{g}
	}
	if i.Tunnel != nil {
		d["tunnel"], d["tunnelfib"] = i.Tunnel, i.Tunnel.FIB
	}
	inet, inet6 := []map[string]any{}, []map[string]any{}
	for _, a := range i.Addresses {
		o := map[string]any{"address": zoned(i, &a).String(), "prefix-length": a.Prefix.Bits()}
		if a.Peer != nil {
			o["peer"] = a.Peer
		}
		if a.Prefix.Addr().Is4() {
			o["netmask"] = hexMask(a.Prefix)
			if a.Broadcast != nil {
				o["broadcast"] = a.Broadcast
			}
			inet = append(inet, o)
			continue
		}
		o["flags"] = append([]string{}, a.Flags...)
		if a.Prefix.Addr().IsLinkLocalUnicast() {
			o["scope-id"] = i.Index
		}
		inet6 = append(inet6, o)
	}
	if family != "inet6" {
		d["inet"] = inet
	}
	if family != "inet" {
		d["inet6"] = inet6
	}
	return d
}
