package command

import (
	_ "embed" // statistics.txt
	"fmt"
	"slices"
	"strings"
)

//go:embed statistics.txt
var statisticsText string

// protocol is what netstat -s prints of one.
type protocol struct {
	name     string
	families []string
	lines    []statLine
}

// statLine is a line of it.
type statLine struct {
	counters []string // one or two
	text     string
	below    bool // it belongs to the line before
}

// statisticsLines reads statistics.txt, which says how it is written.
func statisticsLines() (all []protocol) {
	for line := range strings.Lines(statisticsText) {
		line = strings.TrimSuffix(line, "\n")
		names, text, isLine := strings.Cut(strings.TrimPrefix(line, "\t"), "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case isLine:
			p := &all[len(all)-1]
			text, below := strings.CutPrefix(text, "- ")
			p.lines = append(p.lines, statLine{counterNames(names), text, below})
		default:
			words := strings.Fields(line)
			all = append(all, protocol{name: words[0], families: words[1:]})
		}
	}
	return all
}

// counterNames reads the names of counters; those of lost packets have blanks.
func counterNames(text string) []string {
	if strings.HasPrefix(text, "drop.") {
		return []string{text}
	}
	return strings.Fields(text)
}

// special are what -s prints with another option alone.
const special = "routing mroute"

// protocols returns the names of all that -p may name, but for that of lost packets.
func protocols() (all []string) {
	for _, p := range statisticsLines() {
		if !strings.Contains(special, p.name) {
			all = append(all, p.name)
		}
	}
	return all
}

// asked returns the names of the protocols whose statistics are wanted.
func (n *netstat) asked() (all []string) {
	if p := n.o.Value("-p"); p != "" {
		return []string{p}
	}
	for _, p := range statisticsLines() {
		if strings.Contains(special, p.name) {
			continue
		}
		if n.inet && slices.Contains(p.families, "inet") || n.inet6 && slices.Contains(p.families, "inet6") {
			all = append(all, p.name)
		}
	}
	if n.inet && n.inet6 {
		all = append(all, "drop")
	}
	return all
}

// statistics prints what was counted of protocols, and makes it zero if that is wanted.
func (n *netstat) statistics(names []string) int {
	counted, err := n.c.Statistics(n.e.Ctx, n.e.Jail)
	if err != nil {
		return n.e.Fail(err)
	}
	all := append(statisticsLines(), lostPackets(counted))
	doc := map[string]any{}
	for _, p := range all {
		switch {
		case !slices.Contains(names, p.name):
		case n.e.JSON:
			doc[p.name] = p.document(counted)
		default:
			n.printProtocol(p, counted)
		}
	}
	if n.e.JSON {
		if s := n.e.PrintJSON(map[string]any{"statistics": doc}); s != 0 {
			return s
		}
	}
	if !n.o.Has("-z") {
		return 0
	}
	for _, name := range names {
		if name == "drop" || name == "routing" {
			continue
		}
		if err := n.c.ResetStatistics(n.e.Ctx, n.e.Jail, name); err != nil {
			return n.e.Fail(err)
		}
	}
	return 0
}

// lostPackets is the protocol that is none: the reasons for which packets were lost.
func lostPackets(counted map[string]uint64) protocol {
	p := protocol{name: "drop"}
	for name := range counted {
		if why, ok := strings.CutPrefix(name, "drop."); ok {
			p.lines = append(p.lines, statLine{[]string{name}, "packet* lost: " + why, false})
		}
	}
	slices.SortFunc(p.lines, func(a, b statLine) int { return strings.Compare(a.text, b.text) })
	return p
}

func (n *netstat) printProtocol(p protocol, counted map[string]uint64) {
	fmt.Fprintf(n.e.Out, "%s:\n", p.name)
	for _, l := range p.lines {
		numbers := make([]uint64, 2)
		for i, c := range l.counters {
			numbers[i] = counted[c]
		}
		if n.nonzero && numbers[0] == 0 && numbers[1] == 0 {
			continue
		}
		indent := "\t"
		if l.below {
			indent = "\t\t"
		}
		fmt.Fprintf(n.e.Out, "%s%d %s\n", indent, numbers[0], l.say(numbers))
	}
}

// say returns the text of a line for its numbers.
func (l statLine) say(numbers []uint64) string {
	first, second, two := strings.Cut(l.text, "&")
	if !two {
		return plural(l.text, numbers[0])
	}
	return plural(first, numbers[0]) + decimal(numbers[1]) + plural(second, numbers[1])
}

// plural puts the right ends onto the words that are marked.
func plural(text string, n uint64) string {
	for {
		stem, rest, marked := strings.Cut(text, "*")
		if !marked {
			return text
		}
		one, many := "", "s"
		ends := func(with string) bool { return strings.HasSuffix(stem, with) }
		switch {
		case ends("quer"), ends("entr"), ends("repl"):
			one, many = "y", "ies"
		case ends("s"), ends("sh"), ends("x"):
			many = "es"
		}
		if n == 1 {
			many = one
		}
		text = stem + many + rest
	}
}

// document returns what was counted by names as JSON has them.
func (p protocol) document(counted map[string]uint64) map[string]uint64 {
	d := map[string]uint64{}
	for _, l := range p.lines {
		for _, c := range l.counters {
			name := strings.TrimPrefix(c, p.name+".")
			d[strings.NewReplacer(".", "-", "_", "-", " ", "-").Replace(name)] = counted[c]
		}
	}
	return d
}
