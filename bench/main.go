// Command bench measures vimage, gVisor's netstack and Linux's network
// namespaces side by side, in turn in the same run.
//
//	go run . [-quick] [-json] [-pairs N] [-case NAME,…]
//	go run . -case novimage [-pairs N]
//
// The second builds ./receive with and without the tag novimage and tells what it
// costs that there may be many stacks.
//
// Figures are processor time by getrusage, user and system of all threads,
// and the median of several rounds. Each peer's case runs in a process of its
// own, so that no peer pays for another's garbage; the Linux ones are in
// anonymous namespaces. Progress goes to stderr. The exit status is 1 if a row
// is missing: if vimage has no figure for it, or a peer that is present failed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// peers returns the columns of the table, in order. quick asks for limits that
// keep a run short.
func peers(quick bool, f family) []namedPeer {
	return []namedPeer{
		{"vimage", newVimage(f)},
		{"gvisor", newGvisor(f)},
		{"linux", newLinux(quick, f)},
	}
}

type namedPeer struct {
	name string
	Peer
}

func main() {
	quick := flag.Bool("quick", false, "measure less long, and over IPv6 vimage only; about a minute in total")
	asJSON := flag.Bool("json", false, "print one JSON array instead of a table")
	only := flag.String("case", "", "measure only these cases, separated by commas")
	pairs := flag.Int("pairs", 0, "compare vimage over IPv6 with itself over IPv4, in that many pairs of rounds; of -case novimage, both builds")
	serve := flag.String("serve", "", "measure PEER/CASE for the process that started this one (internal)")
	flag.Parse()

	if *only == novimageName {
		if err := compareBuilds(os.Stdout, *pairs); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	chosen, err := choose(*only)
	switch {
	case flag.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *serve != "":
		err = serveCase(*serve, *quick)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if *serve != "" {
		return
	}

	if *pairs > 0 {
		if err := comparePairs(os.Stdout, chosen, *pairs); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}

	start := time.Now()
	var lines []line
	for _, c := range chosen {
		lines = append(lines, runCase(c, *quick)...)
	}
	fmt.Fprintf(os.Stderr, "%d rows in %.0f s\n", len(lines), time.Since(start).Seconds())
	if err := report(lines, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	for _, l := range lines {
		if l.missing {
			os.Exit(1)
		}
	}
}

func report(lines []line, asJSON bool) error {
	if !asJSON {
		return printTable(os.Stdout, lines)
	}
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(lines)
}

// choose returns the cases named in the comma-separated list, or all.
func choose(list string) ([]Case, error) {
	all := cases()
	if list == "" {
		return all, nil
	}
	var chosen []Case
	var names []string
	wanted := strings.Split(list, ",")
	for _, c := range all {
		names = append(names, c.Name)
		for _, w := range wanted {
			if w == c.Name {
				chosen = append(chosen, c)
				break
			}
		}
	}
	if len(chosen) != len(wanted) {
		return nil, fmt.Errorf("-case %s: the cases are %s, each once", list, strings.Join(names, ", "))
	}
	return chosen, nil
}
