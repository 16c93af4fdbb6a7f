package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func ifconfigCommand() *Command {
	return &Command{
		Name:  "ifconfig",
		Short: "show and change interfaces",
		Synopsis: []string{
			"[-L] [-j jail] [interface] [inet | inet6]",
			"[-a | -l] [-Ldmu] [-j jail] [-g group] [inet | inet6 | ether]",
			"interface create | destroy",
			"interface [inet | inet6 | ether] [address[/length] [peer]] [parameter ...]",
			"-C",
		},
		Long: `Without a parameter interfaces are shown, else one is changed: all that one line asks
for, or nothing. Parameters:

  create, destroy          of the kind epair, gif, gre, gretap, vxlan or tun; "ifconfig
                           epair create" prints the name that it has chosen
  up, down                 let packets pass
  inet, inet6              what follows is an address of that family
  alias, -alias            another address; take one away (also: delete, remove)
  netmask, prefixlen       of the address, where it has no /length
  broadcast                of the address, if it is not the subnet's
  anycast                  others may have the address too (IPv6)
  mtu N                    length of the longest packet
  ether, lladdr MAC        hardware address
  fib N                    routing table of what comes in; set it before addresses
  promisc, arp, staticarp  on; with a dash in front, off
  name NAME                another name
  vnet JAIL, -vnet JAIL    move it into a jail; take it back from there
  tunnel LOCAL REMOTE      outer addresses of a gif, gre or vxlan; deletetunnel
  tunnelfib N              routing table of the outer packets
  grekey N, enable_csum, enable_seq
  vxlanid N, vxlanlocal A, vxlanremote A, vxlangroup A, vxlanlocalport N,
  vxlandev IF, vxlanttl N, vxlanlearn`,
		Options: []Option{
			{"-a", "", "all interfaces, as without any argument", nil},
			{"-l", "", "only names, on one line", nil},
			{"-L", "", "lifetimes of addresses, too", nil},
			{"-d", "", "only those that are down", nil},
			{"-u", "", "only those that are up", nil},
			{"-m", "", "changes nothing: there are no media", nil},
			{"-g", "GROUP", "only those of that kind", nil},
			{"-C", "", "the kinds that can be created", nil},
		},
		Example: []string{
			"ifconfig -j a", "ifconfig -j a eth0 inet 192.0.2.1/24 alias", "ifconfig epair create",
			"ifconfig epair0b vnet b", "ifconfig -j a gif0 create tunnel 10.0.0.1 10.0.0.2 fib 1",
		},
		Linux:    "ip address, ip link; vnet JAIL is ip link set IF netns NAME",
		Run:      runIfconfig,
		Complete: completeIfconfig,
	}
}

func completeIfconfig(e *Env, args []string, word string) []string {
	if len(args) == 0 {
		return append(interfaceNames(e, word), ifKinds()...)
	}
	switch args[len(args)-1] {
	case "vnet", "-vnet":
		return jailNames(e, word)
	case "fib", "tunnelfib":
		return fibNames(e, word)
	case "vxlandev":
		return interfaceNames(e, word)
	}
	return ifKeywords()
}

func interfaceNames(e *Env, _ string) []string {
	c := e.quiet()
	if c == nil {
		return nil
	}
	names, _ := c.InterfaceNames(e.Ctx, e.Jail)
	return names
}

// ifKinds are the interfaces that can be made.
func ifKinds() []string { return []string{"epair", "gif", "gre", "gretap", "tun", "vxlan"} }

func runIfconfig(e *Env, o *Opts, args []string) int {
	c := e.Client()
	switch {
	case c == nil:
		return 1
	case o.Has("-C"):
		fmt.Fprintln(e.Out, strings.Join(ifKinds(), " "))
		return 0
	case o.Has("-a") || o.Has("-l") || len(args) == 0 || isFamily(args[0]):
		return listInterfaces(e, c, o, args)
	case len(args) == 1 || len(args) == 2 && isFamily(args[1]):
		return showInterface(e, c, o, args)
	}
	r, err := parseIfconfig(args[1:])
	if err != nil {
		return e.Fail(err)
	}
	return changeInterface(e, c, args[0], r)
}

func isFamily(word string) bool {
	return slices.Contains([]string{"inet", "inet6", "ether", "link", "lladdr"}, word)
}

// listInterfaces shows those interfaces that the options and a family choose.
func listInterfaces(e *Env, c *client.Client, o *Opts, args []string) int {
	family := ""
	if len(args) > 0 {
		family = args[0]
	}
	if len(args) > 1 || family != "" && !isFamily(family) {
		return misused
	}
	if o.Has("-l") && family == "" && !o.Has("-d") && !o.Has("-u") && !o.Has("-g") && !e.JSON { // one short answer
		names, err := c.InterfaceNames(e.Ctx, e.Jail)
		if err != nil {
			return e.ifFail("", err)
		}
		fmt.Fprintln(e.Out, strings.Join(names, " "))
		return 0
	}
	all, err := c.Interfaces(e.Ctx, e.Jail)
	if err != nil {
		return e.ifFail("", err)
	}
	all = slices.DeleteFunc(all, func(i client.Interface) bool {
		return o.Has("-d") && i.Has("UP") || o.Has("-u") && !i.Has("UP") || o.Has("-g") && i.Kind != o.Value("-g") || !ofFamily(&i, family)
	})
	if o.Has("-l") && !e.JSON {
		names := make([]string, len(all))
		for n := range all {
			names[n] = all[n].Name
		}
		fmt.Fprintln(e.Out, strings.Join(names, " "))
		return 0
	}
	return printInterfaces(e, all, family, o.Has("-L"))
}

// ofFamily tells whether an interface has an address of a family.
func ofFamily(i *client.Interface, family string) bool {
	switch family {
	case "":
		return true
	case "inet", "inet6":
		return slices.ContainsFunc(i.Addresses, func(a client.InterfaceAddr) bool { return a.Prefix.Addr().Is4() == (family == "inet") })
	}
	return i.Ether != ""
}

func showInterface(e *Env, c *client.Client, o *Opts, args []string) int {
	i, err := c.Interface(e.Ctx, e.Jail, args[0])
	if err != nil {
		return e.ifFail(args[0], err)
	}
	return printInterfaces(e, []client.Interface{i}, append(args, "")[1], o.Has("-L"))
}

// changeInterface does what a line asks for.
func changeInterface(e *Env, c *client.Client, name string, r *ifRequest) int {
	switch {
	case r.destroy:
		if err := c.DestroyInterface(e.Ctx, e.Jail, name); err != nil {
			return e.ifFail(name, err, "SIOCIFDESTROY")
		}
		return 0
	case r.create:
		return createInterface(e, c, name, r)
	}
	err := r.apply(e, c, name)
	switch {
	case err != nil && r.change.Reclaim != nil:
		return e.reclaimFail(name, *r.change.Reclaim, err)
	case err != nil:
		return e.ifFail(name, err)
	}
	if r.change.Name != nil {
		name = *r.change.Name
	}
	if e.JSON && r.change.VNET == nil {
		return showInterface(e, c, new(Opts), []string{name})
	}
	return 0
}

// createInterface makes an interface as the line says, or none.
func createInterface(e *Env, c *client.Client, name string, r *ifRequest) int {
	n := client.NewInterface{Name: name}
	if r.changes {
		if err := r.resolve(e, c, ""); err != nil {
			return e.ifFail(name, err)
		}
		n.Change = &r.change
	}
	made, err := c.CreateInterface(e.Ctx, e.Jail, e.FIB, n)
	switch {
	case err != nil && inChange(err):
		return e.ifFail(name, err)
	case err != nil:
		return e.Failf("SIOCIFCREATE2 (%s): %s", name, createError(err))
	case e.JSON:
		return printInterfaces(e, []client.Interface{made}, "", false)
	case made.Name != name && r.change.Name == nil:
		fmt.Fprintln(e.Out, made.Name)
	}
	return 0
}

// inChange tells whether an error is about what was to be changed of a new interface.
func inChange(err error) bool {
	var said *client.Error
	return errors.As(err, &said) && len(said.Fields) > 0 && strings.HasPrefix(said.Fields[0].Field, "body.change.")
}

// apply changes what the line asks to be changed.
func (r *ifRequest) apply(e *Env, c *client.Client, name string) error {
	if !r.changes {
		return nil
	}
	if err := r.resolve(e, c, name); err != nil {
		return err
	}
	return c.ChangeInterface(e.Ctx, e.Jail, name, e.FIB, r.change)
}

func createError(err error) string {
	var said *client.Error
	if errors.As(err, &said) && said.Errno == "EINVAL" && len(said.Fields) > 0 { // the kind, which few know by heart
		_, why, _ := strings.Cut(said.Message, ": ")
		return Strerror(err) + ": " + why
	}
	return Strerror(err)
}

// ifFail reports what went wrong with an interface in ifconfig's words: those of the
// system call that would have failed.
func (e *Env) ifFail(name string, err error, call ...string) int {
	var said *client.Error
	if !errors.As(err, &said) || len(said.Fields) == 0 {
		return e.Failf("%s", strings.Join(append(call, Strerror(err)), ": "))
	}
	f := said.Fields[0]
	part, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(f.Field, "body."), "change."), "[")
	if said.Errno == "" { // the request itself is wrong
		return e.Failf("%s: bad value: %s", part, f.Message)
	}
	switch part {
	case "path.if":
		return e.Failf("interface %s does not exist", name)
	case "path.jail":
		return e.Fail(err)
	case "fib":
		return e.Failf("fib %v not supported: %s", f.Value, Strerror(err))
	case "vnet":
		if strings.Contains(f.Message, "there is no jail") {
			return e.Failf("jail %q not found", fmt.Sprint(f.Value))
		}
		return e.Failf("SIOCSIFVNET (%s, %v): %s", name, f.Value, Strerror(err))
	}
	return e.Failf("%s: %s", ifCall(part), Strerror(err))
}

func ifCall(part string) string {
	calls := map[string]string{
		"mtu": "ioctl SIOCSIFMTU (set mtu)", "ether": "ioctl (set lladdr)", "name": "ioctl SIOCSIFNAME (set name)",
		"up": "ioctl (SIOCSIFFLAGS)", "promiscuous": "ioctl (SIOCSIFFLAGS)", "arp": "ioctl (SIOCSIFFLAGS)",
		"add": "ioctl (SIOCAIFADDR)", "delete": "ioctl (SIOCDIFADDR)", "tunnel": "SIOCSIFPHYADDR",
		"no-tunnel": "SIOCDIFPHYADDR", "tunnel-fib": "ioctl (SIOCSTUNFIB)",
	}
	if c, ok := calls[part]; ok {
		return c
	}
	return part
}

// reclaimFail is ifFail for what was to be taken back from a jail first.
func (e *Env) reclaimFail(name, from string, err error) int {
	switch at, _ := blamed(err); at {
	case "":
		return e.Failf("SIOCSIFRVNET (%s, %s): %s", from, name, Strerror(err))
	case "body.reclaim":
		return e.Failf("jail %q not found", from)
	}
	return e.ifFail(name, err)
}
