package topo

import (
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong with a file, and what would be right.
type Mistake struct {
	Line  int    // from 1; 0 where no line is to blame
	Field string // instead, of what was described to a network that runs: "addrs.a"
	Text  string
}

// Mistakes is the error of a file that cannot be used: everything that is wrong
// with it, in order of lines.
type Mistakes struct {
	File string
	List []Mistake
}

// Error returns a line "FILE:LINE: what is wrong: what would be right" for each
// mistake, or "FIELD: what …".
func (m *Mistakes) Error() string {
	lines := make([]string, len(m.List))
	for i, e := range m.List {
		switch {
		case e.Field != "":
			lines[i] = e.Field + ": " + e.Text
		case e.Line == 0:
			lines[i] = m.File + ": " + e.Text
		default:
			lines[i] = fmt.Sprintf("%s:%d: %s", m.File, e.Line, e.Text)
		}
	}
	return strings.Join(lines, "\n")
}

func (m *Mistakes) at(line int, format string, args ...any) {
	m.List = append(m.List, Mistake{Line: line, Text: fmt.Sprintf(format, args...)})
}

// err returns m sorted, nil if nothing is wrong.
func (m *Mistakes) err() error {
	if len(m.List) == 0 {
		return nil
	}
	slices.SortStableFunc(m.List, func(a, b Mistake) int { return a.Line - b.Line })
	return m
}

// OneOf lists what would be right instead of name, the most similar first and
// alone if it is near enough to be meant.
func OneOf(what string, names []string, name string) string {
	if len(names) == 0 {
		return "there are no " + what
	}
	best, least := "", min(3, len(name)) // a name of which nothing is left says nothing
	for _, n := range names {
		if d := distance(n, name); d < least {
			best, least = n, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s are %s and %d more", what, strings.Join(names[:most], ", "), len(names)-most)
	}
	return fmt.Sprintf("%s are %s", what, strings.Join(names, ", "))
}

// distance is how many letters must be changed, added or taken away to make one
// name of the other.
func distance(a, b string) int {
	if abs(len(a)-len(b)) > 2 || len(a) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost = 1 + min(diag, row[j], row[j+1])
			}
			diag, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }
