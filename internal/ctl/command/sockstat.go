package command

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func sockstatCommand() *Command {
	return &Command{
		Name:     "sockstat",
		Short:    "list the sockets of stacks, and whose they are",
		Synopsis: []string{"[-46cLlnqsuw] [-P protocols] [-p ports]"},
		Long: `Without -j those of all jails are listed. Sockets belong to jails, not to programs:
COMMAND is the name of the jail and PID its number, USER is always root and FD unknown.
? stands for a connection that nobody has opened yet, or has closed already.`,
		Options: []Option{
			{"-4", "", "IPv4 only, unless -6 is given too", nil},
			{"-6", "", "IPv6 only, unless -4 is given too", nil},
			{"-c", "", "connected ones only, unless -l is given too", nil},
			{"-L", "", "none with a loopback address", nil},
			{"-l", "", "those that wait for others only, unless -c is given too", nil},
			{"-n", "", "numbers for users: 0", nil},
			{"-P", "PROTOCOLS", "of these protocols only: tcp, udp, icmp, igmp, icmp6, ip", func(*Env, string) []string { return []string{"icmp", "icmp6", "igmp", "ip", "tcp", "udp"} }},
			{"-p", "PORTS", "with one of these ports at either end only: 22,8000-8080", nil},
			{"-q", "", "no line of titles", nil},
			{"-s", "", "the state of TCP, too", nil},
			{"-u", "", "local sockets only: there are none", nil},
			{"-w", "", "with wider columns", nil},
		},
		Example: []string{"sockstat", "sockstat -j web -l4", "sockstat -c -P tcp -p 80,443"},
		Linux:   "ss -tulpn",
		Run:     runSockstat,
	}
}

// owned is a socket with the jail that it belongs to.
type owned struct {
	client.Socket
	jail string
	jid  int
}

// nobodys tells whether no handle leads to a connection.
func (s *owned) nobodys() bool { return s.State == "TIME-WAIT" || s.State == "SYN-RECEIVED" }

func runSockstat(e *Env, o *Opts, args []string) int {
	if len(args) > 0 {
		return misused
	}
	want, err := newSocketFilter(o)
	if err != nil {
		return e.Fail(err)
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	all, err := ownedSockets(e, c)
	if err != nil {
		return e.Failf("%s", Strerror(err))
	}
	all = slices.DeleteFunc(all, func(s owned) bool { return !want.has(&s) })
	if e.JSON {
		docs := []map[string]any{}
		for _, s := range all {
			docs = append(docs, s.document())
		}
		return e.PrintJSON(map[string]any{"sockstat": map[string]any{"socket": docs}})
	}
	printOwned(e.Out, o, all)
	return 0
}

// ownedSockets returns the sockets of the jail, or of all.
func ownedSockets(e *Env, c *client.Client) (all []owned, err error) {
	jails := make([]client.JailSockets, 1)
	if e.Jail == "" {
		jails, err = c.AllSockets(e.Ctx)
	} else {
		var j client.Jail
		if j, err = c.Jail(e.Ctx, e.Jail); err == nil {
			jails[0].Jail, jails[0].JID = j.Name, j.JID
			jails[0].Sockets, err = c.Sockets(e.Ctx, e.Jail)
		}
	}
	if err != nil {
		return nil, err
	}
	names := map[int]string{} // of jails that share a stack
	for _, j := range jails {
		for _, s := range j.Sockets {
			at := owned{s, j.Jail, j.JID}
			if s.JID != 0 && s.JID != j.JID {
				if names[s.JID] == "" {
					l, err := c.Jail(e.Ctx, strconv.Itoa(s.JID))
					if err != nil {
						continue // it has just gone, and its sockets with it
					}
					names[s.JID] = l.Name
				}
				at.jail, at.jid = names[s.JID], s.JID
			}
			all = append(all, at)
		}
	}
	return all, nil
}

// socketFilter is which sockets are wanted.
type socketFilter struct {
	four, six, connected, waiting, noLoopback, none bool
	protocols                                       []string
	ports                                           [][2]int
}

func newSocketFilter(o *Opts) (f socketFilter, err error) {
	f = socketFilter{
		four: o.Has("-4") || !o.Has("-6"), six: o.Has("-6") || !o.Has("-4"),
		connected: o.Has("-c") || !o.Has("-l"), waiting: o.Has("-l") || !o.Has("-c"),
		noLoopback: o.Has("-L"), none: o.Has("-u") && !o.Has("-4") && !o.Has("-6"),
	}
	for _, p := range splitList(o.Values("-P")) {
		if !slices.Contains([]string{"icmp", "icmp6", "igmp", "ip", "tcp", "udp"}, p) {
			return f, fmt.Errorf("unknown protocol: %s", p)
		}
		f.protocols = append(f.protocols, p)
	}
	for _, p := range splitList(o.Values("-p")) {
		first, last, isRange := strings.Cut(p, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || a > b {
			return f, fmt.Errorf("invalid port: %s", p)
		}
		f.ports = append(f.ports, [2]int{int(a), int(b)})
	}
	return f, nil
}

// splitList returns the words of lists with commas.
func splitList(lists []string) (all []string) {
	for _, l := range lists {
		all = append(all, strings.Split(l, ",")...)
	}
	return all
}

func (f *socketFilter) has(s *owned) bool {
	connected := s.Remote.Port() != 0 || s.Remote.IsValid() && !s.Remote.Addr().IsUnspecified()
	switch {
	case f.none, !(f.four && s.IPv4 || f.six && s.IPv6):
		return false
	case connected && !f.connected, !connected && !f.waiting:
		return false
	case f.noLoopback && (s.Local.Addr().IsLoopback() || s.Remote.Addr().IsLoopback()):
		return false
	case f.protocols != nil && !slices.Contains(f.protocols, s.protocol()):
		return false
	}
	return f.ports == nil || slices.ContainsFunc(f.ports, func(r [2]int) bool {
		in := func(port uint16) bool { return r[0] <= int(port) && int(port) <= r[1] }
		return in(s.Local.Port()) || in(s.Remote.Port())
	})
}

// protocol returns the name of the socket's protocol.
func (s *owned) protocol() string {
	if s.Protocol == "ip" {
		return protocolOf(s.Socket)
	}
	return s.Protocol
}

// families returns what follows that in the column PROTO.
func (s *owned) families() (text string) {
	if s.IPv4 {
		text = "4"
	}
	if s.IPv6 && s.protocol() != "icmp6" {
		text += "6"
	}
	return text
}

func printOwned(w io.Writer, o *Opts, all []owned) {
	width := 21
	if o.Has("-w") {
		width = 45
	}
	line := func(user, command, pid, proto, local, remote, state string) {
		if !o.Has("-w") {
			command = fmt.Sprintf("%.10s", command)
		}
		if !o.Has("-s") {
			state = ""
		}
		fd := "?"
		if user == "USER" {
			fd = "FD"
		}
		text := fmt.Sprintf("%-8s %-10s %-5s %-2s %-6s %-*s %-*s %s", user, command, pid, fd, proto, width, local, width, remote, state)
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
	if !o.Has("-q") {
		line("USER", "COMMAND", "PID", "PROTO", "LOCAL ADDRESS", "FOREIGN ADDRESS", "CONN STATE")
	}
	for _, s := range all {
		user, command, pid := "root", s.jail, strconv.Itoa(s.jid)
		if o.Has("-n") {
			user = "0"
		}
		if s.nobodys() {
			user, command, pid = "?", "?", "?"
		}
		line(user, command, pid, s.protocol()+s.families(), colons(s.Local), colons(s.Remote), stateColumn(s.State))
	}
}

// colons writes an address and its port as sockstat does.
func colons(a netip.AddrPort) string {
	host, port := "*", "*"
	if a.IsValid() && !a.Addr().IsUnspecified() {
		host = a.Addr().String()
	}
	if a.Port() != 0 {
		port = strconv.Itoa(int(a.Port()))
	}
	return host + ":" + port
}

func (s *owned) document() map[string]any {
	d := map[string]any{"proto": s.protocol() + s.families(), "local": socketEnd(s.Local), "foreign": socketEnd(s.Remote), "fib": s.FIB}
	if !s.nobodys() {
		d["user"], d["command"], d["pid"] = "root", s.jail, s.jid
	}
	if s.State != "" {
		d["conn-state"] = stateColumn(s.State)
	}
	return d
}

// socketEnd is an end of a socket in a document.
func socketEnd(a netip.AddrPort) map[string]any {
	text := colons(a)
	at := strings.LastIndexByte(text, ':')
	return map[string]any{"address": text[:at], "port": text[at+1:]}
}
