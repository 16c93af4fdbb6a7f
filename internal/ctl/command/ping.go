package command

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/client"
)

// exitNoReply is ping's exit status where nobody has answered.
const exitNoReply = 2

// The exit statuses of sysexits(3) that commands have.
const (
	exitUsage  = 64
	exitNoHost = 68
)

func pingCommand() *Command {
	return &Command{
		Name:  "ping",
		Short: "ask a host for echoes",
		Synopsis: []string{
			"[-46DfLnoqQrv] [-c count] [-I iface] [-i wait] [-l preload] [-m ttl] [-p pattern] [-S src_addr] [-s packetsize] [-T ttl] [-t timeout] [-W waittime] [-z tos] host",
		},
		Long: `The packets are sent by the jail's stack, through its routing table; what is printed
when it ends is printed when it is interrupted, too. A host is an address, the name of
a host of the lab, or a name that the stack's resolver knows. The status is 0 if there
was a reply and 2 if there was none.`,
		Options: []Option{
			{"-4", "", "a name means an IPv4 address", nil},
			{"-6", "", "a name means an IPv6 address", nil},
			{"-c", "COUNT", "packets to send", nil},
			{"-D", "", "do not let packets be fragmented", nil},
			{"-f", "", "a hundred packets a second, a dot for each and a backspace for its reply", nil},
			{"-I", "IF", "interface for packets to groups", interfaceNames},
			{"-i", "WAIT", "seconds between packets, 1 unless given; may be a fraction", nil},
			{"-L", "", "do not hear what is sent to groups", nil},
			{"-l", "PRELOAD", "packets to send at once at the beginning", nil},
			{"-m", "TTL", "time to live, or hop limit", nil},
			{"-n", "", "print addresses only: it does anyway", nil},
			{"-o", "", "end after the first reply", nil},
			{"-p", "PATTERN", "up to 16 bytes to fill packets with, in hexadecimal", nil},
			{"-Q", "", "do not print errors that routers report", nil},
			{"-q", "", "print only what comes first and last", nil},
			{"-r", "", "to neighbours only, past the routing table", nil},
			{"-S", "ADDRESS", "source address", nil},
			{"-s", "SIZE", "bytes of data in a packet, 56 unless given", nil},
			{"-T", "TTL", "time to live of packets to groups", nil},
			{"-t", "TIMEOUT", "seconds after which to end, whatever was received", nil},
			{"-v", "", "print type and code of errors, too", nil},
			{"-W", "WAITTIME", "milliseconds to wait for a reply", nil},
			{"-z", "TOS", "type of service, or traffic class", nil},
		},
		Example:  []string{"ping -j a -c 3 b", "ping -j a -6 -c 1 fe80::2%eth0", "setfib 1 vimage ping -c 1 192.0.2.2"},
		Linux:    "ping -c 3, with -t for -m and -W in seconds",
		Misuse:   exitUsage,
		Run:      runPing,
		Complete: completeHost,
	}
}

// completeHost offers the hosts of the lab.
func completeHost(e *Env, args []string, word string) []string {
	if len(args) > 0 {
		return nil
	}
	e.Jail = ""
	return jailNames(e, word)
}

func runPing(e *Env, o *Opts, args []string) int {
	if len(args) != 1 || o.Has("-4") && o.Has("-6") {
		return misused
	}
	r, err := pingRequest(o, args[0])
	if err != nil {
		e.Fail(err)
		return exitUsage
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	p := &ping{Env: e, o: o, host: args[0]}
	err = c.Ping(e.Ctx, e.Jail, e.FIB, r, p.event)
	if err != nil && !p.begun {
		return p.fail(err)
	}
	if err != nil && e.Ctx.Err() == nil {
		p.Failf("%s", Strerror(err))
	}
	return p.summary()
}

// pingRequest reads the options.
func pingRequest(o *Opts, host string) (client.PingRequest, error) {
	r := client.PingRequest{
		Host: host, Source: o.Value("-S"), Interface: o.Value("-I"),
		NoLoop: o.Has("-L"), DontFrag: o.Has("-D"), DontRoute: o.Has("-r"), First: o.Has("-o"),
	}
	switch {
	case o.Has("-4"):
		r.Family = "inet"
	case o.Has("-6"):
		r.Family = "inet6"
	}
	n := numbers{o: o}
	r.Count = int(n.number("-c", "count of packets to transmit", 1, math.MaxInt32))
	r.Preload = int(n.number("-l", "preload value", 0, 65536))
	r.TTL = int(n.number("-m", "TTL", 0, 255))
	r.TOS = int(n.number("-z", "TOS", 0, 255))
	r.Timeout = time.Duration(n.number("-t", "timeout", 1, math.MaxInt32)) * time.Second
	r.Wait = time.Duration(n.number("-W", "timing interval", 1, math.MaxInt32)) * time.Millisecond
	r.Interval = n.seconds("-i", "timing interval")
	if o.Has("-s") {
		size := int(n.number("-s", "packet size", 0, 65507))
		r.Size = &size
	}
	if o.Has("-T") {
		ttl := int(n.number("-T", "multicast TTL", 0, 255))
		r.GroupTTL = &ttl
	}
	if o.Has("-f") {
		r.Interval = 10 * time.Millisecond
	}
	if text := o.Value("-p"); text != "" && n.err == nil {
		b, err := hex.DecodeString(strings.Repeat("0", len(text)%2) + text)
		if err != nil || len(b) > 16 {
			n.err = errors.New("patterns must be specified as hex digits")
		}
		r.Pattern = b
	}
	return r, n.err
}

// numbers reads the arguments of options, until one is wrong.
type numbers struct {
	o   *Opts
	err error
}

// number returns the argument of an option, 0 where it was not given.
func (n *numbers) number(name, what string, least, most int64) int64 {
	text := n.o.Value(name)
	if text == "" && !n.o.Has(name) || n.err != nil {
		return 0
	}
	v, err := strconv.ParseInt(text, 0, 64)
	if err != nil || v < least || v > most {
		n.err = fmt.Errorf("invalid %s: `%s'", what, text)
	}
	return v
}

// seconds returns an argument that may be a fraction.
func (n *numbers) seconds(name, what string) time.Duration {
	text := n.o.Value(name)
	if text == "" && !n.o.Has(name) || n.err != nil {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0 && v < math.MaxInt32) {
		n.err = fmt.Errorf("invalid %s: `%s'", what, text)
		return 0
	}
	return time.Duration(v * float64(time.Second))
}

// ping is one call of the command.
type ping struct {
	*Env
	o     *Opts
	host  string
	begun bool
	to    netip.Addr

	sent, received, duplicates, late int
	replies                          []client.PingReply // with --json
	times                            spread
}

// spread is what many times have in common.
type spread struct {
	n                 int
	least, most       time.Duration
	sum, sumOfSquares float64 // in milliseconds
}

func (s *spread) add(d time.Duration) {
	if s.n == 0 || d < s.least {
		s.least = d
	}
	s.most = max(s.most, d)
	s.n++
	s.sum += ms(d)
	s.sumOfSquares += ms(d) * ms(d)
}

func (s *spread) average() float64 { return s.sum / float64(s.n) }

func (s *spread) deviation() float64 {
	a := s.average()
	return math.Sqrt(max(s.sumOfSquares/float64(s.n)-a*a, 0))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// fail says why there is no ping at all.
func (p *ping) fail(err error) int {
	switch at, value := blamed(err); {
	case at == "body.host" && errors.Is(err, syscall.EADDRNOTAVAIL):
		p.Failf("cannot resolve %s: Unknown host", value)
		return exitNoHost
	case at == "body.source":
		p.Failf("bind: %s", Strerror(err))
	case at == "body.interface":
		p.Failf("invalid multicast interface: `%s'", value)
	default:
		p.Failf("%s", Strerror(err))
	}
	return 1
}

// event prints what happens. It wants to hear of more.
func (p *ping) event(v *client.PingEvent) bool {
	quiet := p.o.Has("-q") || p.JSON
	switch v.Kind {
	case "start":
		p.begin(&v.Start)
	case "sent":
		p.sent++
		if p.o.Has("-f") && !quiet {
			fmt.Fprint(p.Out, ".")
		}
	case "reply":
		p.reply(&v.Reply, quiet)
	case "report":
		if !quiet && !p.o.Has("-Q") {
			p.report(&v.Report)
		}
	case "failed":
		if !p.JSON {
			p.Failf("sendto: %s", Strerror(&v.Failed.Error))
		}
	}
	p.Out.Flush()
	return true
}

func (p *ping) begin(s *client.PingStart) {
	p.begun, p.to = true, s.Address
	switch {
	case p.JSON:
	case s.Address.Is4():
		fmt.Fprintf(p.Out, "PING %s (%s)", p.host, s.Address)
		if p.o.Has("-S") && s.Source != nil {
			fmt.Fprintf(p.Out, " from %s", s.Source)
		}
		fmt.Fprintf(p.Out, ": %d data bytes\n", s.Size)
	default:
		source := ""
		if s.Source != nil {
			source = s.Source.String()
		}
		fmt.Fprintf(p.Out, "PING(%d=40+8+%d bytes) %s --> %s\n", s.Size+48, s.Size, source, s.Address)
	}
}

func (p *ping) reply(r *client.PingReply, quiet bool) {
	if r.Duplicate {
		p.duplicates++
	} else {
		p.received++
	}
	p.times.add(r.RTT)
	if r.Late {
		p.late++
		return
	}
	if p.JSON {
		p.replies = append(p.replies, *r)
	}
	if quiet {
		return
	}
	if p.o.Has("-f") {
		fmt.Fprint(p.Out, "\b \b")
		return
	}
	if r.From.Is4() {
		fmt.Fprintf(p.Out, "%d bytes from %s: icmp_seq=%d ttl=%d", r.Size, r.From, r.Seq, r.TTL)
	} else {
		fmt.Fprintf(p.Out, "%d bytes from %s, icmp_seq=%d hlim=%d", r.Size, r.From, r.Seq, r.TTL)
	}
	fmt.Fprintf(p.Out, " time=%.3f ms", ms(r.RTT))
	if r.Duplicate {
		fmt.Fprint(p.Out, " (DUP!)")
	}
	fmt.Fprintln(p.Out)
}

func (p *ping) report(r *client.PingReport) {
	fmt.Fprintf(p.Out, "%d bytes from %s: %s", r.Size, r.From, r.Text)
	if p.o.Has("-v") {
		fmt.Fprintf(p.Out, " (icmp_seq=%d type=%d code=%d)", r.Seq, r.Type, r.Code)
	}
	fmt.Fprintln(p.Out)
}

// summary prints what comes last and returns the exit status.
func (p *ping) summary() int {
	status := 0
	if p.received == 0 {
		status = exitNoReply
	}
	if p.JSON {
		p.PrintJSON(map[string]any{"ping": p.document()})
		return status
	}
	fmt.Fprintf(p.Out, "\n--- %s ping statistics ---\n", p.host)
	fmt.Fprintf(p.Out, "%d packets transmitted, %d packets received", p.sent, p.received)
	if p.duplicates > 0 {
		fmt.Fprintf(p.Out, ", +%d duplicates", p.duplicates)
	}
	if p.sent > 0 {
		fmt.Fprintf(p.Out, ", %.1f%% packet loss", p.loss())
	}
	if p.late > 0 {
		fmt.Fprintf(p.Out, ", %d packets out of wait time", p.late)
	}
	fmt.Fprintln(p.Out)
	if t := &p.times; t.n > 0 {
		word := "stddev"
		if p.to.Is6() {
			word = "std-dev"
		}
		fmt.Fprintf(p.Out, "round-trip min/avg/max/%s = %.3f/%.3f/%.3f/%.3f ms\n", word, ms(t.least), t.average(), ms(t.most), t.deviation())
	}
	return status
}

func (p *ping) loss() float64 {
	if p.sent == 0 {
		return 0
	}
	return float64(p.sent-p.received) * 100 / float64(p.sent)
}

func (p *ping) document() map[string]any {
	d := map[string]any{
		"host": p.host, "address": p.to, "transmitted": p.sent, "received": p.received, "duplicates": p.duplicates, "late": p.late,
		"packet-loss": p.loss(), "replies": p.list(),
	}
	if t := &p.times; t.n > 0 {
		d["round-trip"] = map[string]any{"min": ms(t.least), "avg": t.average(), "max": ms(t.most), "stddev": t.deviation()}
	}
	return d
}

// list returns the replies as they are printed.
func (p *ping) list() []map[string]any {
	all := []map[string]any{}
	for _, r := range p.replies {
		all = append(all, map[string]any{"seq": r.Seq, "from": r.From, "size": r.Size, "ttl": r.TTL, "time": ms(r.RTT), "duplicate": r.Duplicate})
	}
	return all
}
