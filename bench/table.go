package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// line is one row of the result. Pointers are nil where there is no figure.
type line struct {
	Case   string   `json:"case"`
	Unit   string   `json:"unit"`
	Vimage *float64 `json:"vimage"`
	Gvisor *float64 `json:"gvisor"`
	Linux  *float64 `json:"linux"`
	Ratio  ratios   `json:"ratio"`
	Wall   columns  `json:"wall"`   // the same by wall time
	Allocs columns  `json:"allocs"` // heap objects allocated per operation
	Note   string   `json:"note"`

	missing bool
	first   bool // of its case
}

// ratios say how many times better vimage is: above 1 it is, whatever the unit.
type ratios struct {
	Gvisor *float64 `json:"gvisor"`
	Linux  *float64 `json:"linux"`
}

type columns struct {
	Vimage *float64 `json:"vimage"`
	Gvisor *float64 `json:"gvisor"`
	Linux  *float64 `json:"linux"`
}

// set stores a figure in the column of the named peer.
func (c *columns) set(peer string, v *float64) {
	switch peer {
	case "vimage":
		c.Vimage = v
	case "gvisor":
		c.Gvisor = v
	case "linux":
		c.Linux = v
	}
}

// makeLines turns what was measured of a case into its rows.
func makeLines(c Case, names []string, got map[string]*samples) []line {
	notes := []string{c.Note}
	failed := false
	for _, name := range names {
		s := got[name]
		if s.err != nil {
			notes = append(notes, fmt.Sprintf("%s: absent: %v", name, s.err))
			if _, ok := isAbsence(s.err); !ok {
				failed = true
			}
		} else if s.note != "" {
			notes = append(notes, name+": "+s.note)
		}
	}
	var lines []line
	for i, row := range c.Rows {
		l := line{Case: row.Name, Unit: row.Unit, Note: strings.Join(notes, "; "), first: i == 0}
		var value columns
		for _, name := range names {
			if f, ok := got[name].median(row.Name); ok {
				value.set(name, significant(&f.Value))
				l.Wall.set(name, significant(f.Wall))
				l.Allocs.set(name, hundredths(f.Allocs))
			}
		}
		l.Vimage, l.Gvisor, l.Linux = value.Vimage, value.Gvisor, value.Linux
		l.Ratio = ratios{better(row, l.Vimage, l.Gvisor), better(row, l.Vimage, l.Linux)}
		l.missing = failed || l.Vimage == nil
		lines = append(lines, l)
	}
	return lines
}

// better returns how many times better than peer vimage is.
func better(row Row, vimage, peer *float64) *float64 {
	if vimage == nil || peer == nil {
		return nil
	}
	a, b := *peer, *vimage
	if row.Higher {
		a, b = b, a
	}
	if b <= 0 {
		return nil
	}
	q := a / b
	return significant(&q)
}

// significant rounds to four digits: more are noise.
func significant(v *float64) *float64 {
	if v == nil {
		return nil
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(*v, 'g', 4, 64), 64)
	if err != nil {
		return v
	}
	return &r
}

// hundredths rounds counts per operation: less is the run-time system's own.
func hundredths(v *float64) *float64 {
	if v == nil {
		return nil
	}
	r := math.Round(*v*100) / 100
	return &r
}

func printTable(out io.Writer, lines []line) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "case\tunit\tvimage\tgvisor\tlinux\tgvisor/v\tlinux/v\tallocs v\tallocs g\twall v\twall g\twall l\t")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Case, l.Unit,
			cell(l.Vimage), cell(l.Gvisor), cell(l.Linux), cell(l.Ratio.Gvisor), cell(l.Ratio.Linux),
			cell(l.Allocs.Vimage), cell(l.Allocs.Gvisor), cell(l.Wall.Vimage), cell(l.Wall.Gvisor), cell(l.Wall.Linux))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nThe ratios say how many times better vimage is. Notes:")
	for _, l := range lines {
		if l.first {
			fmt.Fprintf(out, "  %s: %s\n", l.Case, l.Note)
		}
	}
	return nil
}

func cell(v *float64) string {
	if v == nil {
		return "-"
	}
	return formatNumber(*v)
}

// formatNumber shows three digits, and no exponent.
func formatNumber(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.01 && v > -0.01:
		return strconv.FormatFloat(v, 'f', 4, 64)
	case v < 10 && v > -10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100 && v > -100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}
