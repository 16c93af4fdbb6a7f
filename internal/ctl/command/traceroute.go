package command

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/client"
)

func tracerouteCommand() *Command {
	return &Command{
		Name:  "traceroute",
		Short: "find the way that packets take to a host",
		Synopsis: []string{
			"[-46FInSv] [-f first_ttl] [-i iface] [-m max_ttl] [-P proto] [-p port] [-q nprobes] [-s src_addr] [-t tos] [-w waittime] [-z pausemsecs] host [packetlen]",
		},
		Long: `The probes are sent by the jail's stack, through its routing table, with a time to live
that grows by one; each router on the way says that it was over. A host is an address,
the name of a host of the lab, or a name that the stack's resolver knows. * means that
nobody answered in time; !H, !N and !P that host, network or protocol cannot be reached,
!F that the probe was too big, !X that a filter forbids it.`,
		Options: []Option{
			{"-4", "", "a name means an IPv4 address", nil},
			{"-6", "", "a name means an IPv6 address", nil},
			{"-F", "", "do not let probes be fragmented", nil},
			{"-f", "TTL", "the first time to live, 1 unless given", nil},
			{"-I", "", "send ICMP echo requests: -P icmp", nil},
			{"-i", "IF", "send from the address of that interface", interfaceNames},
			{"-m", "TTL", "the last time to live, 64 unless given", nil},
			{"-n", "", "print addresses only", nil},
			{"-P", "PROTO", "of the probes: udp, which is what they are unless given, or icmp", func(*Env, string) []string { return []string{"icmp", "udp"} }},
			{"-p", "PORT", "of udp: the first probe goes to the one after it, 33434 unless given", nil},
			{"-q", "N", "probes for each hop, 3 unless given", nil},
			{"-S", "", "print how many probes of each hop were not answered", nil},
			{"-s", "ADDRESS", "source address", nil},
			{"-t", "TOS", "type of service, or traffic class", nil},
			{"-v", "", "does nothing", nil},
			{"-w", "SECONDS", "wait for an answer, 5 unless given", nil},
			{"-z", "MS", "milliseconds to wait between probes", nil},
		},
		Example:  []string{"traceroute -j a b", "traceroute -j a -n -q 1 -w 1 192.0.2.2", "traceroute -j a -6 -I b"},
		Linux:    "tracepath, or traceroute with -I or -U",
		Run:      runTraceroute,
		Complete: completeHost,
	}
}

func runTraceroute(e *Env, o *Opts, args []string) int {
	if len(args) < 1 || len(args) > 2 || o.Has("-4") && o.Has("-6") {
		return misused
	}
	r, err := tracerouteRequest(o, args)
	if err != nil {
		return e.Fail(err)
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	t := &traceroute{Env: e, o: o, host: args[0], max: r.MaxTTL, probes: r.Probes}
	if t.probes == 0 {
		t.probes = 3
	}
	err = c.Traceroute(e.Ctx, e.Jail, e.FIB, r, t.event)
	if err != nil && e.Ctx.Err() == nil {
		return t.fail(err)
	}
	if e.JSON {
		e.PrintJSON(map[string]any{"traceroute": t.document()})
		return t.status()
	}
	t.endLine()
	return t.status()
}

// status is 1 where no probe could be sent.
func (t *traceroute) status() int {
	if t.unsent > 0 && t.unsent == t.probes {
		return 1
	}
	return 0
}

// tracerouteRequest reads the options.
func tracerouteRequest(o *Opts, args []string) (client.TracerouteRequest, error) {
	n := numbers{o: o}
	r := client.TracerouteRequest{
		Host: args[0], Source: o.Value("-s"), Interface: o.Value("-i"), DontFrag: o.Has("-F"), Protocol: o.Value("-P"),
		FirstTTL: int(n.number("-f", "first ttl", 1, 255)), MaxTTL: int(n.number("-m", "max ttl", 1, 255)),
		Probes: int(n.number("-q", "nprobes", 1, 255)), Port: int(n.number("-p", "port", 1, 65535)),
		TOS: int(n.number("-t", "tos", 0, 255)), Wait: n.seconds("-w", "wait time"),
		Pause: time.Duration(n.number("-z", "pause msecs", 0, 3600000)) * time.Millisecond,
	}
	switch {
	case o.Has("-4"):
		r.Family = "inet"
	case o.Has("-6"):
		r.Family = "inet6"
	}
	if o.Has("-I") {
		r.Protocol = "icmp"
	}
	if r.Protocol != "" && r.Protocol != "udp" && r.Protocol != "icmp" {
		return r, fmt.Errorf("probes cannot be of %s: udp and icmp", r.Protocol)
	}
	if len(args) == 2 && n.err == nil {
		n.o = &Opts{given: []given{{"packetlen", args[1]}}}
		r.Size = int(n.number("packetlen", "packet length", 1, math.MaxUint16))
	}
	first, last := max(r.FirstTTL, 1), r.MaxTTL
	if n.err == nil && last > 0 && first > last {
		return r, fmt.Errorf("first ttl (%d) may not be greater than max ttl (%d)", first, last)
	}
	return r, n.err
}

// traceroute is one call of the command.
type traceroute struct {
	*Env
	o           *Opts
	host        string
	max, probes int
	start       client.TracerouteStart

	ttl     int        // of the line that was begun; 0: none
	from    netip.Addr // who answered last
	lost    int        // probes of the line without an answer
	unsent  int        // probes that could not be sent
	answers []client.TracerouteAnswer
}

// fail says what is wrong.
func (t *traceroute) fail(err error) int {
	switch at, value := blamed(err); {
	case at == "body.host" && errors.Is(err, syscall.EADDRNOTAVAIL):
		return t.Failf("unknown host %s", value)
	case at == "body.interface":
		return t.Failf("Can't find interface %s, or an address of it", value)
	case at == "body.source":
		return t.Failf("bind: %s", Strerror(err))
	case at == "body.size":
		return t.Failf("packet length must be greater: %v", err)
	}
	return t.Failf("%s", Strerror(err))
}

// event prints what happens. It wants to hear of more.
func (t *traceroute) event(v *client.TracerouteEvent) bool {
	if v.Answer.Errno != "" {
		t.unsent++
	}
	switch {
	case v.Kind == "start":
		t.begin(&v.Start)
	case v.Kind == "probe" && t.JSON:
		t.answers = append(t.answers, v.Answer)
	case v.Kind == "probe":
		t.answer(&v.Answer)
	}
	t.Out.Flush()
	return true
}

func (t *traceroute) begin(s *client.TracerouteStart) {
	t.start = *s
	if t.JSON {
		return
	}
	name, from := "traceroute", ""
	if s.Address.Is6() {
		name = "traceroute6"
	}
	if s.Source != nil && (s.Address.Is6() || t.o.Has("-s") || t.o.Has("-i")) {
		from = fmt.Sprintf(" from %s", s.Source)
	}
	fmt.Fprintf(t.Out, "%s to %s (%s)%s, %d hops max, %d byte packets\n", name, t.host, s.Address, from, s.MaxTTL, s.Size)
}

// answer prints what has become of a probe.
func (t *traceroute) answer(a *client.TracerouteAnswer) {
	if a.TTL != t.ttl {
		t.endLine()
		t.ttl, t.from, t.lost = a.TTL, netip.Addr{}, 0
		fmt.Fprintf(t.Out, "%2d ", a.TTL)
	}
	switch {
	case a.Errno != "":
		t.Failf("sendto: %s", Strerror(&client.Error{Errno: a.Errno}))
		fmt.Fprint(t.Out, " *")
		t.lost++
		return
	case a.From == nil:
		fmt.Fprint(t.Out, " *")
		t.lost++
		return
	case *a.From != t.from && t.from.IsValid():
		fmt.Fprint(t.Out, "\n   ")
		fallthrough
	case *a.From != t.from:
		t.from = *a.From
		fmt.Fprintf(t.Out, " %s", t.from)
		if !t.o.Has("-n") {
			fmt.Fprintf(t.Out, " (%s)", t.from)
		}
	}
	fmt.Fprintf(t.Out, "  %.3f ms", ms(a.RTT))
	if a.Mark != "" {
		fmt.Fprintf(t.Out, " %s", a.Mark)
	}
}

// endLine ends the line of a hop.
func (t *traceroute) endLine() {
	if t.ttl == 0 {
		return
	}
	if t.o.Has("-S") {
		fmt.Fprintf(t.Out, " (%d%% loss)", t.lost*100/t.probes)
	}
	fmt.Fprintln(t.Out)
}

func (t *traceroute) document() map[string]any {
	hops := []map[string]any{}
	for _, a := range t.answers {
		if len(hops) == 0 || hops[len(hops)-1]["ttl"] != a.TTL {
			hops = append(hops, map[string]any{"ttl": a.TTL, "probe": []map[string]any{}})
		}
		p := map[string]any{}
		switch {
		case a.Errno != "":
			p["error"] = a.Errno
		case a.From == nil:
			p["timeout"] = true
		default:
			p["address"], p["rtt"] = a.From, ms(a.RTT)
		}
		if a.Mark != "" {
			p["mark"] = a.Mark
		}
		hop := hops[len(hops)-1]
		hop["probe"] = append(hop["probe"].([]map[string]any), p)
	}
	return map[string]any{
		"host": t.host, "address": t.start.Address, "source": t.start.Source, "max-ttl": t.start.MaxTTL, "packet-size": t.start.Size, "hop": hops,
	}
}
