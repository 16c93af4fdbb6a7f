package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// A pair is long enough for its medians to be steady and short enough for both
// halves to meet with the same neighbours on the machine.
const pairBudget = 300 * time.Millisecond

// comparePairs measures each case of vimage over IPv4 and over IPv6 in turn, n
// times, in one process unless each round needs one of its own, and prints how
// they compare. Only IPv4 cases are to be chosen: their counterparts come along.
func comparePairs(out io.Writer, chosen []Case, n int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "case\tunit\tIPv4\tIPv6\tIPv6/IPv4\t")
	for _, c := range chosen {
		if c.Family.is6() {
			continue
		}
		four, six, err := runPairs(c, n)
		if a, ok := isAbsence(err); ok {
			fmt.Fprintf(w, "%s\t%s\t\t\t\t\n", c.Name, a)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		for _, row := range c.Rows {
			a, _ := four.median(row.Name)
			b, _ := six.median(prefix6 + row.Name)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", row.Name, row.Unit, formatNumber(a.Value), formatNumber(b.Value), quotient(&four, &six, row.Name))
		}
	}
	return w.Flush()
}

// runPairs measures n pairs of one case.
func runPairs(c Case, n int) (four, six samples, err error) {
	var both *process
	if !c.Fresh {
		if both, err = startProcess("vimage", c.Name+","+prefix6+c.Name, false); err != nil {
			return four, six, err
		}
		defer both.stop()
	}
	for i := range n {
		fmt.Fprintf(os.Stderr, "%-12s pair %d of %d: ", c.Name, i+1, n)
		if err := onePair(c, both, &four, &six); err != nil {
			return four, six, err
		}
		fmt.Fprintln(os.Stderr, strings.TrimSpace(quotient(
			&samples{results: four.results[i:]}, &samples{results: six.results[i:]}, c.Rows[0].Name)))
	}
	return four, six, nil
}

// onePair measures a case over IPv4 and then over IPv6: in the process for both, if
// there is one.
func onePair(c Case, both *process, four, six *samples) (err error) {
	for i, s := range []*samples{four, six} {
		p := both
		if p == nil {
			if p, err = startProcess("vimage", []string{c.Name, prefix6 + c.Name}[i], false); err != nil {
				return err
			}
		}
		err = s.add(p, pairBudget)
		if both == nil {
			p.stop()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// quotient returns the median of the quotients of the pairs, IPv6 by IPv4.
func quotient(four, six *samples, row string) string {
	var all []float64
	for i := range four.results {
		if by := four.results[i][row].Value; by != 0 {
			all = append(all, six.results[i][prefix6+row].Value/by)
		}
	}
	if m := middle(all); m != nil {
		return formatNumber(*m)
	}
	return "-"
}
