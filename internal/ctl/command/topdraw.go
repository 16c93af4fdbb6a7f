package command

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed88948545/vimage/client"
)

// topView is what is shown of an Activity, and how. Nothing here draws or waits: it is
// lines in, and keys.
type topView struct {
	title  string
	every  time.Duration
	shown  []string          // kinds
	keys   map[string]string // by what each kind is sorted
	from   int               // rows scrolled past, in one view alone
	paused bool
	help   bool
}

// sorts returns how all kinds are sorted, as the lab wants to be told.
func (v *topView) sorts() (all []string) {
	for _, kind := range client.ActivityKinds() {
		all = append(all, kind+"."+v.keys[kind])
	}
	return all
}

// topLine is a line of the screen. A title is shown in reverse.
type topLine struct {
	text  string
	title bool
}

// pane is one kind of things as text: names, then figures.
type pane struct {
	head, total []string
	rows        [][]string
	names       int // leading columns
}

// figure is a column of a pane: what is above it, which key it is sorted by, and what
// it shows of a row.
type figure[T any] struct {
	head, key string
	of        func(r *T) string
}

// paneOf makes text of one kind. head has what names the rows, ahead of figures.
func paneOf[T client.ActivityRow](t *client.Top[T], key, one string, ends string, between func(r *T) string, figures []figure[T]) pane {
	p := pane{names: 1, head: []string{numbered(t.Count, one)}, total: []string{"all"}}
	if key == "name" {
		p.head[0] = strings.ToUpper(p.head[0])
	}
	if between != nil {
		p.names, p.head, p.total = 2, append(p.head, ends), append(p.total, "")
	}
	row := func(r *T, to []string) []string {
		for _, f := range figures {
			to = append(to, f.of(r))
		}
		return to
	}
	for _, f := range figures {
		if f.key == key {
			f.head = strings.ToUpper(f.head)
		}
		p.head = append(p.head, f.head)
	}
	p.total = row(&t.Total, p.total)
	for _, r := range client.FirstActivity(t.Top, key, len(t.Top)) {
		names := []string{r.Title()}
		if between != nil {
			names = append(names, between(&r))
		}
		p.rows = append(p.rows, row(&r, names))
	}
	if t.Count < 2 {
		p.total = nil
	}
	return p
}

func numbered(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// pane makes text of a kind; false where the lab says nothing of it.
func (v *topView) pane(a *client.Activity, kind string) (pane, bool) {
	key, each := v.keys[kind], func(n uint64) string { return perSecond(n, a.Seconds) }
	switch {
	case kind == "stacks" && a.Stacks != nil:
		return paneOf(a.Stacks, key, "stack", "", nil, []figure[client.StackActivity]{
			{"in pkt/s", "packets", func(s *client.StackActivity) string { return each(s.InPackets) }},
			{"in bit/s", "bytes", func(s *client.StackActivity) string { return each(8 * s.InBytes) }},
			{"out pkt/s", "packets", func(s *client.StackActivity) string { return each(s.OutPackets) }},
			{"out bit/s", "bytes", func(s *client.StackActivity) string { return each(8 * s.OutBytes) }},
			{"drop/s", "drops", func(s *client.StackActivity) string { return each(s.Drops) }},
			{"sockets", "", func(s *client.StackActivity) string { return unless(s.Name == "", count(uint64(s.Sockets))) }},
		}), true
	case kind == "links" && a.Links != nil:
		return paneOf(a.Links, key, "link", "between", endsOf, []figure[client.LinkActivity]{
			{"-> pkt/s", "packets", func(l *client.LinkActivity) string { return each(l.Toward[1].Packets) }},
			{"-> bit/s", "bytes", func(l *client.LinkActivity) string { return each(8 * l.Toward[1].Bytes) }},
			{"<- pkt/s", "packets", func(l *client.LinkActivity) string { return each(l.Toward[0].Packets) }},
			{"<- bit/s", "bytes", func(l *client.LinkActivity) string { return each(8 * l.Toward[0].Bytes) }},
			{"lost/s", "lost", func(l *client.LinkActivity) string { return each(l.Toward[0].Lost + l.Toward[1].Lost) }},
		}), true
	case kind == "groups" && a.Groups != nil:
		return paneOf(a.Groups, key, "group", "", nil, []figure[client.GroupActivity]{
			{"members", "members", func(g *client.GroupActivity) string { return count(uint64(g.Members)) }},
			{"hosts", "", func(g *client.GroupActivity) string { return unless(g.Group == "", count(uint64(g.Hosts))) }},
			{"sent/s", "packets", func(g *client.GroupActivity) string { return each(g.Sent) }},
			{"came/s", "packets", func(g *client.GroupActivity) string { return each(g.Delivered) }},
			{"routed/s", "packets", func(g *client.GroupActivity) string { return each(g.Forwarded) }},
		}), true
	case kind == "flows" && a.Flows != nil:
		return paneOf(a.Flows, key, "flow", "to", func(f *client.FlowActivity) string { return f.To }, []figure[client.FlowActivity]{
			{"sent/s", "packets", func(f *client.FlowActivity) string { return each(f.Sent) }},
			{"came/s", "packets", func(f *client.FlowActivity) string { return each(f.Delivered) }},
			{"lost", "lost", func(f *client.FlowActivity) string { return count(f.Lost) }},
			{"ms", "latency", func(f *client.FlowActivity) string { return unless(f.Delivered == 0, fmt.Sprintf("%.3g", f.Latency)) }},
			{"receivers", "", func(f *client.FlowActivity) string { return count(uint64(f.Receivers)) }},
		}), true
	}
	return pane{}, false
}

func endsOf(l *client.LinkActivity) string {
	text := l.Between[0] + " " + l.Between[1]
	if l.Cut {
		text = "cut: " + text
	}
	return text
}

// unless is text, or where that means nothing a hyphen.
func unless(nothing bool, text string) string {
	if nothing {
		return "-"
	}
	return text
}

// perSecond writes a rate in up to five characters.
func perSecond(n uint64, seconds float64) string {
	if n == 0 || seconds <= 0 {
		return "0"
	}
	x := float64(n) / seconds
	if text := fmt.Sprintf("%.1f", x); x < 9.95 && (text == "0.0" || !strings.HasSuffix(text, ".0")) {
		return text
	}
	return scaled(x)
}

func count(n uint64) string { return scaled(float64(n)) }

// scaled writes a number with three digits at least of its value, in up to five
// characters.
func scaled(x float64) string {
	if x < 999.5 {
		return fmt.Sprintf("%.0f", x)
	}
	unit := 0
	for x >= 999.5 && unit < 6 {
		x /= 1000
		unit++
	}
	digits := 2
	switch {
	case x >= 99.95:
		digits = 0
	case x >= 9.995:
		digits = 1
	}
	return fmt.Sprintf("%.*f%c", digits, x, "kMGTPE"[unit-1])
}

// The widths of columns: of a figure, and what a name has at least.
const (
	figureWidth = 9
	nameWidth   = 8
	endsWidth   = 11
)

// fit gives the columns their widths within a line, dropping those on the right that
// find no room, and where it has room less than that for two names the second. Width 0
// is as much as is needed.
func (p *pane) fit(width int) (widths []int, drop int) {
	longest := func(i int) int {
		n := utf8.RuneCountInString(p.head[i])
		for _, r := range p.rows {
			n = max(n, utf8.RuneCountInString(r[i]))
		}
		return n
	}
	figures := len(p.head) - p.names
	if width > 0 {
		figures = min(figures, max(0, (width-nameWidth)/(figureWidth+1)))
	}
	room := width - figures*(figureWidth+1)
	names := make([]int, p.names)
	switch {
	case width == 0:
		for i := range names {
			names[i] = max(longest(i), nameWidth)
		}
	case p.names == 1:
		names[0] = room
	case room < nameWidth+1+endsWidth:
		names[0], drop = room, 1
	default:
		names[0] = max(nameWidth, min(longest(0), room-1-endsWidth))
		names[1] = room - 1 - names[0]
	}
	widths = names[:p.names-drop]
	for range figures {
		widths = append(widths, figureWidth)
	}
	return widths, drop
}

// line writes cells into columns; drop is how many names are left out behind the first.
func (p *pane) line(cells []string, widths []int, drop int) string {
	var b strings.Builder
	for i, w := range widths {
		if i > 0 {
			b.WriteByte(' ')
		}
		at := i
		if i > 0 {
			at += drop
		}
		text := clip(cells[at], w)
		pad := strings.Repeat(" ", w-utf8.RuneCountInString(text))
		if at < p.names {
			b.WriteString(text + pad)
		} else {
			b.WriteString(pad + text)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// clip makes text fit: a "+" says that there is more. What is no letter or sign might
// mean something to a terminal.
func clip(s string, width int) string {
	r := []rune(s)
	for i := range r {
		if !unicode.IsPrint(r[i]) {
			r[i] = '?'
		}
	}
	if len(r) > width {
		r = append(r[:max(0, width-1)], '+')
	}
	return string(r[:min(len(r), width)])
}

// lines writes the pane in up to n lines below its title, beginning with a row.
func (p *pane) lines(width, n, from int) []topLine {
	widths, drop := p.fit(width)
	all := []topLine{{p.line(p.head, widths, drop), true}}
	if p.total != nil && n > 0 {
		all = append(all, topLine{p.line(p.total, widths, drop), false})
		n--
	}
	from = max(0, min(from, len(p.rows)-n))
	for _, r := range p.rows[from:min(len(p.rows), from+max(0, n))] {
		all = append(all, topLine{p.line(r, widths, drop), false})
	}
	return all
}

// need is how many lines a pane has below its title.
func (p *pane) need() int {
	if p.total != nil {
		return len(p.rows) + 1
	}
	return len(p.rows)
}

// block is what is printed where there is no terminal.
func (v *topView) block(a *client.Activity) []string {
	all := []string{fmt.Sprintf("%s: %.3g s", v.title, a.Seconds)}
	for _, kind := range v.shown {
		p, ok := v.pane(a, kind)
		if !ok {
			continue
		}
		for _, l := range p.lines(0, p.need(), 0) {
			all = append(all, l.text)
		}
	}
	return all
}

// draw writes the screen: a, which is nil at the beginning, in at most height lines of
// at most width characters.
func (v *topView) draw(a *client.Activity, width, height int) []topLine {
	all := []topLine{{clip(v.status(width), width), false}}
	switch {
	case v.help:
		for line := range strings.Lines(strings.TrimSpace(topHelp)) {
			all = append(all, topLine{clip(strings.TrimSuffix(line, "\n"), width), false})
		}
	case a == nil:
		all = append(all, topLine{clip("counting", width), false})
	default:
		all = append(all, v.panes(a, width, height-1)...)
	}
	return all[:min(len(all), max(0, height))]
}

const topHelp = `
s l g f    stacks, links, groups, flows
a Tab      all; the next
< >        sort by another column
arrows     scroll, in one view alone
space      stop, go on
q Ctrl-C   end
any key    back
`

// status is the first line.
func (v *topView) status(width int) string {
	left, right := fmt.Sprintf("%s, every %v", v.title, v.every), "h: help  q: end"
	if v.paused {
		right = "paused: space goes on"
	}
	if gap := width - utf8.RuneCountInString(left) - len(right); gap > 1 {
		return left + strings.Repeat(" ", gap) + right
	}
	if v.paused {
		return right
	}
	return left
}

// panes writes what is shown into so many lines.
func (v *topView) panes(a *client.Activity, width, height int) (all []topLine) {
	var panes []pane
	for _, kind := range v.visible(height + 1) {
		if p, ok := v.pane(a, kind); ok {
			panes = append(panes, p)
		}
	}
	given := make([]int, len(panes))
	for left, more := height-len(panes), true; more; {
		more = false
		for i := range panes {
			if left > 0 && given[i] < panes[i].need() {
				given[i]++
				left--
				more = true
			}
		}
	}
	from := 0
	if len(panes) == 1 {
		from = v.from
	}
	for i := range panes {
		all = append(all, panes[i].lines(width, given[i], from)...)
	}
	return all
}

// visible returns the kinds for which there is room: three lines each, or one alone.
func (v *topView) visible(height int) []string {
	if height < 1+3*len(v.shown) {
		return v.shown[:1]
	}
	return v.shown
}
