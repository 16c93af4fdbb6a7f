package command

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage/client"
)

// sockets prints connections, those who listen too, or the queues of these.
func (n *netstat) sockets() int {
	all, err := n.c.Sockets(n.e.Ctx, n.e.Jail)
	if err != nil {
		return n.e.Fail(err)
	}
	queues := n.o.Has("-L")
	shown := slices.DeleteFunc(slices.Clone(all), func(s client.Socket) bool {
		p := n.o.Value("-p")
		switch {
		case !(n.inet && s.IPv4) && !(n.inet6 && s.IPv6), p != "" && p != s.Protocol && !(p == protocolOf(s) && s.Protocol == "ip"):
			return true
		case queues:
			return s.State != "LISTEN"
		}
		return !n.o.Has("-a") && (s.State == "LISTEN" || !s.Remote.IsValid() && s.Local.Addr().IsUnspecified())
	})
	switch {
	case n.e.JSON:
		return n.document("socket", socketDocuments(shown))
	case len(shown) == 0:
	case queues:
		printListeners(n.e, shown, all)
	default:
		printSockets(n.e, shown, n.o.Has("-a"))
	}
	return 0
}

// protocolOf returns the name of the protocol that a raw socket is for.
func protocolOf(s client.Socket) string {
	switch s.Number {
	case 1:
		return "icmp"
	case 2:
		return "igmp"
	case 58:
		return "icmp6"
	}
	return "ip"
}

// protoColumn writes protocol and family as netstat does: tcp4, udp46, icm4.
func protoColumn(s client.Socket) string {
	name := s.Protocol
	if name == "ip" {
		name = fmt.Sprintf("%-3.3s", protocolOf(s))
	}
	if s.IPv4 {
		name += "4"
	}
	if s.IPv6 {
		name += "6"
	}
	return name
}

// stateColumn writes a state of TCP as netstat does.
func stateColumn(state string) string {
	if state == "SYN-RECEIVED" {
		return "SYN_RCVD"
	}
	return strings.ReplaceAll(state, "-", "_")
}

// endpoint writes an address and its port as netstat does.
func endpoint(a netip.AddrPort) string {
	host, port := "*", "*"
	if a.IsValid() && !a.Addr().IsUnspecified() {
		host = a.Addr().String()
	}
	if a.Port() != 0 {
		port = strconv.Itoa(int(a.Port()))
	}
	return host + "." + port
}

func printSockets(e *Env, all []client.Socket, servers bool) {
	title := "Active Internet connections"
	if servers {
		title += " (including servers)"
	}
	fmt.Fprintln(e.Out, title)
	local, remote := 22, 22
	for _, s := range all {
		local, remote = max(local, len(endpoint(s.Local))), max(remote, len(endpoint(s.Remote)))
	}
	line := func(proto, recv, send, l, r, state string) {
		fmt.Fprintln(e.Out, strings.TrimRight(fmt.Sprintf("%-5s %6s %6s %-*s %-*s %s", proto, recv, send, local, l, remote, r, state), " "))
	}
	line("Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "(state)")
	for _, s := range all {
		line(protoColumn(s), strconv.Itoa(s.RecvQ), strconv.Itoa(s.SendQ), endpoint(s.Local), endpoint(s.Remote), stateColumn(s.State))
	}
}

// printListeners prints how many connections wait to be accepted, are being opened, and
// may wait.
func printListeners(e *Env, listeners, all []client.Socket) {
	fmt.Fprintln(e.Out, "Current listen queue sizes (qlen/incqlen/maxqlen)")
	fmt.Fprintf(e.Out, "%-5s %-32s %s\n", "Proto", "Listen", "Local Address")
	for _, l := range listeners {
		fmt.Fprintf(e.Out, "%-5s %-32s %s\n", protoColumn(l), fmt.Sprintf("%d/%d/%d", l.Waiting, opening(l, all), l.Backlog), endpoint(l.Local))
	}
}

// opening counts the connections to a listener that are being opened.
func opening(l client.Socket, all []client.Socket) (n int) {
	for _, s := range all {
		if s.State == "SYN-RECEIVED" && s.Local.Port() == l.Local.Port() && (l.Local.Addr().IsUnspecified() || l.Local.Addr() == s.Local.Addr()) {
			n++
		}
	}
	return n
}

func socketDocuments(all []client.Socket) []any {
	docs := []any{}
	for _, s := range all {
		d := map[string]any{
			"protocol": protoColumn(s), "receive-bytes-waiting": s.RecvQ, "send-bytes-waiting": s.SendQ, "fib": s.FIB,
			"local": endpointDocument(s.Local), "remote": endpointDocument(s.Remote),
		}
		if s.State != "" {
			d["tcp-state"] = stateColumn(s.State)
		}
		if s.State == "LISTEN" {
			d["queue-length"], d["maximum-queue-length"] = s.Waiting, s.Backlog
		}
		docs = append(docs, d)
	}
	return docs
}

func endpointDocument(a netip.AddrPort) any {
	text := endpoint(a)
	dot := strings.LastIndexByte(text, '.')
	return map[string]any{"address": text[:dot], "port": text[dot+1:]}
}
