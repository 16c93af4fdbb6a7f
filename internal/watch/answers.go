package watch

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed88948545/vimage/internal/wire"
)

// Answers is who has answered a query, and when. It is given the events of a
// Watcher that tells of every record and began when the query was sent.
type Answers struct {
	Protocol string       `json:"protocol"`
	From     netip.Addr   `json:"from"`
	Group    netip.Addr   `json:"group,omitzero"` // zero: about all
	Sources  []netip.Addr `json:"sources,omitempty"`
	MaxResp  float64      `json:"max_response_s"`

	Others     int       `json:"other_queries"` // asked meanwhile: answers may be to them
	Answers    []Answer  `json:"answers"`       // in order of coming
	Hosts      int       `json:"hosts"`         // that have answered
	Delay      Delays    `json:"delay_ms"`
	Spread     *Spread   `json:"spread,omitempty"` // where there are answers enough to judge
	Suspicious []Suspect `json:"suspicious"`

	ask  *Ask
	own  bool // our own query was seen
	seen map[hostOfAnswer]bool
}

type hostOfAnswer struct {
	ip  netip.Addr
	mac string
}

// Answer is one record of a host, by which it answers.
type Answer struct {
	Delay    float64      `json:"delay_ms"` // since the query
	Host     netip.Addr   `json:"host"`
	MAC      string       `json:"mac,omitempty"`
	Protocol string       `json:"protocol"`
	Group    netip.Addr   `json:"group"`
	Type     string       `json:"type,omitempty"` // IS_IN or IS_EX; none in older versions
	Sources  []netip.Addr `json:"sources,omitempty"`
}

// Delays are percentiles, over hosts, of the first answer.
type Delays struct {
	Min float64 `json:"min"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Spread compares the delays with evenly random ones between 0 and the longest
// allowed (RFC 3376 §5.2): Distance is how far apart the two distributions are
// (Kolmogorov and Smirnov), and at most Limit in 99 of 100 cases.
type Spread struct {
	Distance float64 `json:"distance"`
	Limit    float64 `json:"limit"`
	OK       bool    `json:"ok"`
}

// Suspect is a host that has answered strangely.
type Suspect struct {
	Host   netip.Addr `json:"host"`
	Reason string     `json:"reason"`
}

// NewAnswers waits for the answers to a query.
func NewAnswers(a *Ask) *Answers {
	return &Answers{
		Protocol: a.Protocol(), From: a.From, Group: a.Group, Sources: a.Sources, MaxResp: a.Response().Seconds(),
		Answers: []Answer{}, Suspicious: []Suspect{}, ask: a, seen: make(map[hostOfAnswer]bool),
	}
}

// Event takes an event and tells whether it is an answer. The query itself must
// be the first it is told of.
func (a *Answers) Event(e *Event) bool {
	switch {
	case e.Kind == Asked && !a.own:
		a.own = true
		return false
	case e.Kind == Asked && e.Host.Is6() == a.ask.Six:
		a.Others++
		return false
	case e.Kind == Strange && e.Host != a.From, e.Kind == Malformed:
		a.suspect(e.Host, strings.TrimSpace(e.What+": "+e.Reason))
		return false
	case e.Kind != Recorded || e.Host.Is6() != a.ask.Six || e.Host == a.From:
		return false
	case e.What != "" && e.What != "IS_IN" && e.What != "IS_EX":
		return false // a change, for whatever reason
	}
	delay := e.Seconds * 1000
	switch {
	case a.Group.IsValid() && e.Group != a.Group && a.Others > 0:
		return false
	case a.Group.IsValid() && e.Group != a.Group:
		a.suspect(e.Host, "speaks of "+e.Group.String()+", which it was not asked about")
		return false
	case e.Protocol != a.Protocol:
		a.suspect(e.Host, "answers in "+e.Protocol)
	case len(a.Sources) > 0 && e.What == "IS_EX":
		a.suspect(e.Host, "answers with IS_EX to a query about sources (RFC 3376 §5.2: IS_IN)")
	}
	if delay > a.MaxResp*1000 && a.Others == 0 {
		a.suspect(e.Host, fmt.Sprintf("answers after %.3f ms, later than allowed", delay))
	}
	if h := (hostOfAnswer{e.Host, e.MAC}); !a.seen[h] {
		a.seen[h] = true
		a.Hosts++
	}
	a.Answers = append(a.Answers, Answer{Delay: delay, Host: e.Host, MAC: e.MAC, Protocol: e.Protocol, Group: e.Group, Type: e.What, Sources: e.Sources})
	return true
}

// suspect notes something once for each host.
func (a *Answers) suspect(host netip.Addr, reason string) {
	s := Suspect{host, reason}
	if len(a.Suspicious) < 10_000 && !slices.Contains(a.Suspicious, s) {
		a.Suspicious = append(a.Suspicious, s)
	}
}

// spreadLeast is how many answers it takes to judge how they are spread.
const spreadLeast = 8

// End computes what is said of all answers together.
func (a *Answers) End() {
	var first []float64
	seen := make(map[hostOfAnswer]bool)
	for _, r := range a.Answers {
		if h := (hostOfAnswer{r.Host, r.MAC}); !seen[h] {
			seen[h] = true
			first = append(first, r.Delay)
		}
	}
	n := len(first)
	if n == 0 {
		return
	}
	slices.Sort(first)
	at := func(p float64) float64 { return first[min(n-1, int(p*float64(n)))] }
	a.Delay = Delays{first[0], at(0.5), at(0.9), at(0.99), first[n-1]}
	if n < spreadLeast || a.MaxResp == 0 {
		return
	}
	s := &Spread{Limit: 1.63 / math.Sqrt(float64(n))}
	for i, d := range first {
		even := min(d/(a.MaxResp*1000), 1)
		s.Distance = max(s.Distance, math.Abs(even-float64(i)/float64(n)), math.Abs(float64(i+1)/float64(n)-even))
	}
	s.OK = s.Distance <= s.Limit
	a.Spread = s
}

// String is the answer in one line.
func (r *Answer) String() string {
	s := fmt.Sprintf("%12.3f ms  %v", r.Delay, r.Host)
	if r.MAC != "" {
		s += " (" + r.MAC + ")"
	}
	s += "  " + r.Group.String()
	if r.Type != "" {
		s += "  " + r.Type + addrs(r.Sources)
	}
	return s + "  " + r.Protocol
}

// WriteText prints the question's result.
func (a *Answers) WriteText(w io.Writer) error {
	if len(a.Answers) == 0 {
		fmt.Fprintln(w, "nobody answered")
	} else {
		fmt.Fprintf(w, "\n%d hosts answered with %d records   delay of the first, ms: min %.3f  p50 %.3f  p90 %.3f  p99 %.3f  max %.3f  of %.0f\n",
			a.Hosts, len(a.Answers), a.Delay.Min, a.Delay.P50, a.Delay.P90, a.Delay.P99, a.Delay.Max, a.MaxResp*1000)
	}
	if s := a.Spread; s != nil {
		verdict := "evenly, as they should be"
		if !s.OK {
			verdict = "NOT evenly"
		}
		fmt.Fprintf(w, "the delays are spread %s: distance %.3f, 99 in 100 are below %.3f\n", verdict, s.Distance, s.Limit)
	}
	if a.Others > 0 {
		fmt.Fprintf(w, "%d other queries were asked meanwhile: answers may be to them\n", a.Others)
	}
	for _, s := range a.Suspicious {
		if _, err := fmt.Fprintf(w, "suspicious: %v  %s\n", s.Host, s.Reason); err != nil {
			return err
		}
	}
	return nil
}

// recordNames are the types of records as RFC 3376 §4.2.12 has them.
var recordNames = [...]string{
	wire.IGMPIsIn: "IS_IN", wire.IGMPIsEx: "IS_EX", wire.IGMPToIn: "TO_IN", wire.IGMPToEx: "TO_EX", wire.IGMPAllow: "ALLOW", wire.IGMPBlock: "BLOCK",
}
