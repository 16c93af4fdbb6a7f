package ipv4_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv4"
	"github.com/seed88948545/vimage/link"
)

var update = flag.Bool("update", false, "rewrite testdata with what happens now")

// TestOptionTable runs testdata/options.txt: requests of multicast sockets
// (behaviour 6.3), each with what it returns.
//
// The stack has e0, which is 10.0.0.1/24, and e1, which is 10.1.0.1/24; no routes
// but those, so that a group has none. "-" is no interface, "e9" one there is not.
func TestOptionTable(t *testing.T) {
	const file = "testdata/options.txt"
	text := must(os.ReadFile(file))(t)
	s := stack(t, world(t), "s")
	e0, e1 := link.NewEpair(0), link.NewEpair(0)
	o := options{t: t, s: s, ifs: map[string]*net.Interface{
		"e0": plug(t, s, "e0", e0.A(), "10.0.0.1/24").Net(),
		"e1": plug(t, s, "e1", e1.A(), "10.1.0.1/24").Net(),
		"e9": {Index: 99, Name: "e9"},
		"e-": {Index: -1, Name: "e-"},
	}}
	var out bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			fmt.Fprintln(&out, line)
			continue
		}
		cmd, want, _ := strings.Cut(line, "=")
		cmd, want = strings.TrimSpace(cmd), strings.TrimSpace(want)
		got := o.run(strings.Fields(cmd))
		if got != want && !*update {
			t.Errorf("%s:%d: %s = %s, want %s", file, n, cmd, got, want)
		}
		fmt.Fprintf(&out, "%-58s = %s\n", cmd, got)
	}
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// options runs requests.
type options struct {
	t   *testing.T
	s   *vimage.Stack
	ifs map[string]*net.Interface
	p   *ipv4.PacketConn
}

// run runs one request and returns its result.
func (o *options) run(f []string) string {
	arg := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	ifi, group, source := o.ifs[arg(1)], addrArg(arg(2)), addrArg(arg(3))
	switch f[0] {
	case "socket":
		if o.p != nil {
			o.p.Close()
		}
		o.p = listen(o.t, o.s, arg(1), arg(2))
		return "ok"
	case "join":
		return errno(o.p.JoinGroup(ifi, group))
	case "leave":
		return errno(o.p.LeaveGroup(ifi, group))
	case "joinsource":
		return errno(o.p.JoinSourceSpecificGroup(ifi, group, source))
	case "leavesource":
		return errno(o.p.LeaveSourceSpecificGroup(ifi, group, source))
	case "block":
		return errno(o.p.ExcludeSourceSpecificGroup(ifi, group, source))
	case "unblock":
		return errno(o.p.IncludeSourceSpecificGroup(ifi, group, source))
	case "setfilter":
		return errno(o.p.SetSourceFilter(ifi, group, modes[arg(3)], list(arg(4))))
	case "filter":
		return filterText(o.p.SourceFilter(ifi, group))
	}
	return o.sticky(f[0], arg(1), ifi)
}

// sticky runs a request that is not about a membership.
func (o *options) sticky(cmd, arg string, ifi *net.Interface) string {
	switch cmd {
	case "if":
		if arg != "" {
			return errno(o.p.SetMulticastInterface(ifi))
		}
		got, err := o.p.MulticastInterface()
		if err != nil || got == nil {
			return "none " + errno(err)
		}
		return got.Name
	case "ttl":
		if arg != "" {
			n, _ := strconv.Atoi(arg)
			return errno(o.p.SetMulticastTTL(n))
		}
		n, err := o.p.MulticastTTL()
		return fmt.Sprint(n, " ", errno(err))
	case "loop":
		if arg != "" {
			return errno(o.p.SetMulticastLoopback(arg == "on"))
		}
		on, err := o.p.MulticastLoopback()
		return fmt.Sprint(on, " ", errno(err))
	case "sysctl":
		name, value, _ := strings.Cut(arg, ":")
		n, _ := strconv.ParseInt(value, 10, 64)
		return errno(o.s.SetSysctl(name, n))
	}
	o.t.Fatalf("unknown request %q", cmd)
	return ""
}

var modes = map[string]ipv4.FilterMode{"include": ipv4.Include, "exclude": ipv4.Exclude}

// addrArg reads an address; what is none becomes one of IPv6.
func addrArg(s string) net.Addr {
	if s == "v6" {
		return &net.IPAddr{IP: net.IPv6loopback}
	}
	return ip(s)
}

// list reads sources: "a,b" or "a+n" for n addresses from a on.
func list(s string) []net.Addr {
	var all []net.Addr
	first, count, ok := strings.Cut(s, "+")
	if n, _ := strconv.Atoi(count); ok {
		a := ip(first).IP.To4()
		for i := range n {
			all = append(all, &net.IPAddr{IP: net.IPv4(a[0], a[1], a[2]+byte(i>>8), byte(i))})
		}
		return all
	}
	for _, a := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		all = append(all, addrArg(a))
	}
	return all
}

func filterText(mode ipv4.FilterMode, sources []net.Addr, err error) string {
	if err != nil {
		return errno(err)
	}
	var all []string
	for _, s := range sources {
		all = append(all, s.String())
	}
	name := map[ipv4.FilterMode]string{ipv4.Include: "INCLUDE", ipv4.Exclude: "EXCLUDE"}[mode]
	if len(all) > 4 {
		return fmt.Sprintf("%s{%d sources}", name, len(all))
	}
	return fmt.Sprintf("%s{%s}", name, strings.Join(all, ","))
}

// errno returns the name of an error's errno.
func errno(err error) string {
	var e syscall.Errno
	if err == nil {
		return "ok"
	}
	if !errors.As(err, &e) {
		return err.Error()
	}
	for name, n := range map[string]syscall.Errno{
		"EINVAL": syscall.EINVAL, "EADDRNOTAVAIL": syscall.EADDRNOTAVAIL, "EADDRINUSE": syscall.EADDRINUSE,
		"ENOMEM": syscall.ENOMEM, "ENOBUFS": syscall.ENOBUFS, "ENOSPC": syscall.ENOSPC, "EOPNOTSUPP": syscall.EOPNOTSUPP,
		"EAFNOSUPPORT": syscall.EAFNOSUPPORT, "ENOPROTOOPT": syscall.ENOPROTOOPT,
	} {
		if n == e {
			return name
		}
	}
	return e.Error()
}

// TestMaxMemberships joins as many groups as one socket may.
func TestMaxMemberships(t *testing.T) {
	s := stack(t, world(t), "s")
	ifi := plug(t, s, "e0", link.NewEpair(0).A(), "10.0.0.1/24").Net()
	p := listen(t, s, "udp4", "0.0.0.0:0")
	group := func(i int) net.Addr { return &net.IPAddr{IP: net.IPv4(239, 1, byte(i>>8), byte(i))} }
	for i := range 4095 {
		if err := p.JoinGroup(ifi, group(i)); err != nil {
			t.Fatal(i, err)
		}
	}
	wantErrno(t, "one more", p.JoinGroup(ifi, group(4095)), syscall.ENOMEM)
	wantErrno(t, "one more with a source", p.JoinSourceSpecificGroup(ifi, group(4095), ip("10.0.0.9")), syscall.ENOMEM)
	wantErrno(t, "leave", p.LeaveGroup(ifi, group(17)), 0)
	wantErrno(t, "join", p.JoinGroup(ifi, group(4095)), 0)
}
