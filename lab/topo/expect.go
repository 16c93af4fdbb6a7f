package topo

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Outcome is what has become of an expectation.
type Outcome struct {
	Line int    `json:"line"` // of the expectation in the file
	Kind string `json:"kind"` // as the file calls it
	Of   string `json:"of"`   // what it is about
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

// kinds are the expectations there are.
func (d *decoder) kinds() []string {
	return []string{"delivered", "not_delivered", "wrong_source", "latency", "loss", "counter", "joined", "route", "path", "address"}
}

// expectation reads an item of expect: a mapping with one key, the kind.
func (d *decoder) expectation(n *yaml.Node) expectation {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		d.at(n.Line, "an expectation is %s: write one of %s with what it is of, as {delivered: {flow: NAME}}", kind(n), strings.Join(d.kinds(), ", "))
		return nil
	}
	k, v := n.Content[0], n.Content[1]
	switch k.Value {
	case "delivered", "not_delivered":
		return d.delivered(k, v)
	case "wrong_source":
		return d.wrongSource(k, v)
	case "latency":
		return d.latency(k, v)
	case "loss":
		return d.loss(k, v)
	case "counter":
		return d.counter(k, v)
	case "joined":
		return d.joined(k, v)
	case "route":
		return d.routeExpectation(k, v)
	case "path":
		return d.path(k, v)
	case "address":
		return d.addressExpectation(k, v)
	}
	d.at(k.Line, "there is no expectation %q: %s", k.Value, OneOf("expectations", d.kinds(), k.Value))
	return nil
}

// amount is a number, or a part of a whole.
type amount struct {
	n       uint64
	percent float64 // where n is not meant
	part    bool
}

// bounds is what a number must be.
type bounds struct {
	is, min, max *amount
	line         int
}

// bounds makes the keys is, min and max. part says whether percentages make
// sense, whole whether plain numbers do.
func (d *decoder) bounds(b *bounds, line int, whole, part bool) []key {
	b.line = line
	want := "write a number of 0 or more"
	switch {
	case whole && part:
		want = "write a number, as 10, or a part, as 95%"
	case part:
		want = "write a part of the whole, as 2%"
	}
	parse := func(s string) (*amount, bool) {
		if digits, ok := strings.CutSuffix(s, "%"); ok {
			f, ok := decimal(digits)
			return &amount{percent: f, part: true}, ok && part && f <= 100
		}
		n, err := strconv.ParseUint(s, 10, 64)
		return &amount{n: n}, err == nil && whole
	}
	return []key{value(d, "is", &b.is, want, parse), value(d, "min", &b.min, want, parse), value(d, "max", &b.max, want, parse)}
}

// resolve notes bounds that nothing can be within, and takes what is expected
// where none are given.
func (b *bounds) resolve(c *checker, otherwise *amount) {
	switch {
	case b.is != nil && (b.min != nil || b.max != nil):
		c.at(b.line, "an expectation has is together with min or max: remove one of them")
	case b.min != nil && b.max != nil && b.min.part == b.max.part && (b.min.n > b.max.n || b.min.percent > b.max.percent):
		c.at(b.line, "min is more than max: exchange them")
	case b.is != nil || b.min != nil || b.max != nil:
	case otherwise == nil:
		c.at(b.line, "an expectation has no is, min or max: add one")
	default:
		b.is = otherwise
	}
}

func (a *amount) String() string {
	if a.part {
		return strconv.FormatFloat(a.percent, 'f', -1, 64) + " %"
	}
	return strconv.FormatUint(a.n, 10)
}

// String says what is wanted.
func (b *bounds) String() string {
	switch {
	case b.is != nil:
		return "exactly " + b.is.String()
	case b.min != nil && b.max != nil:
		return b.min.String() + " to " + b.max.String()
	case b.min != nil:
		return "at least " + b.min.String()
	}
	return "at most " + b.max.String()
}

// compare returns whether v, a part of whole, is less than (-1), equal to or
// more than the amount.
func (a *amount) compare(v, whole uint64) int {
	x, y := float64(v), float64(a.n)
	if a.part {
		x, y = x*100, a.percent*float64(whole)
	} else if v == a.n {
		return 0
	}
	switch d := x - y; {
	case math.Abs(d) <= 1e-9*math.Abs(y): // a percentage has no exact form
		return 0
	case d < 0:
		return -1
	}
	return 1
}

// hold tells whether v is within the bounds. Of nothing, no part is.
func (b *bounds) hold(v, whole uint64) bool {
	for _, e := range []struct {
		a    *amount
		fits func(int) bool
	}{
		{b.is, func(c int) bool { return c == 0 }},
		{b.min, func(c int) bool { return c >= 0 }},
		{b.max, func(c int) bool { return c <= 0 }},
	} {
		if e.a != nil && (e.a.part && whole == 0 || !e.fits(e.a.compare(v, whole))) {
			return false
		}
	}
	return true
}

// share writes v and what part of whole it is. It never rounds a loss up to
// 100 %, nor anything down to 0.
func share(v, whole uint64) string {
	if whole == 0 {
		return fmt.Sprintf("%d of 0", v)
	}
	p := float64(v) * 100 / float64(whole)
	if v < whole {
		p = min(p, 99.99)
	}
	if v > 0 {
		p = max(p, 0.01)
	}
	return fmt.Sprintf("%d of %d (%s %%)", v, whole, strconv.FormatFloat(math.Round(p*100)/100, 'f', -1, 64))
}
