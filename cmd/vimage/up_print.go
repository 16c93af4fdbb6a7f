package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/seed88948545/vimage/lab/topo"
)

func printReport(w io.Writer, r *topo.Report, asJSON bool) error {
	var err error
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		err = printTables(w, r)
	}
	if err == nil && r.Verdict != topo.Pass {
		err = errFail
	}
	return err
}

// printTables prints what was counted, the expectations and the verdict.
func printTables(w io.Writer, r *topo.Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	printNodes(t, r)
	printLinks(t, r)
	printFlows(t, r)
	printExpectations(t, r)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s: %.3f s of %s time   %s\n", r.File, r.Ran, r.Time, r.Verdict)
	return err
}

func printNodes(w io.Writer, r *topo.Report) {
	fmt.Fprintln(w, "NODE\tKIND\tADDRESSES\tRECEIVED\tSENT\tFORWARDED\tDROPPED")
	for _, n := range r.Nodes {
		kind := "host"
		if n.Router {
			kind = "router"
		}
		var dropped uint64
		for name, v := range n.Counters {
			if strings.HasPrefix(name, "drop.") {
				dropped += v
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n", n.Name, kind, strings.Join(withoutLinkLocal(n.Addresses), " "),
			bothFamilies(n, "received"), bothFamilies(n, "sent"), bothFamilies(n, "forwarded"), dropped)
	}
	fmt.Fprintln(w)
}

// bothFamilies adds up what a node has counted of IPv4 and IPv6.
func bothFamilies(n topo.NodeReport, what string) uint64 {
	return n.Counters["ip."+what] + n.Counters["ip6."+what]
}

// withoutLinkLocal leaves out the addresses that every interface of IPv6 has.
func withoutLinkLocal(addrs []string) []string {
	return slices.DeleteFunc(slices.Clone(addrs), func(a string) bool {
		return strings.Contains(a, "%") && !strings.Contains(a, " ") // but for one in an odd state
	})
}

func printLinks(w io.Writer, r *topo.Report) {
	if len(r.Switches) > 0 {
		fmt.Fprintln(w, "SWITCH\tSUBNET\tFRAMES\tCOPIES\tKEPT BACK\tDROPPED")
		for _, s := range r.Switches {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\n", s.Name, strings.TrimSpace(s.Subnet+" "+s.Subnet6), s.Counters["bridge.frames"],
				s.Counters["bridge.copies"], s.Counters["keptback"], s.Counters["bridge.dropped"]+s.Counters["queuefull"])
		}
		fmt.Fprintln(w)
	}
	if len(r.Links) == 0 {
		return
	}
	fmt.Fprintln(w, "LINK\tBETWEEN\tENTERED\tDELIVERED\tLOST\tDUPLICATED\tREORDERED\tCORRUPTED")
	for _, l := range r.Links {
		between := strings.Join(l.Between, " ")
		if len(l.Counters) == 0 { // without faults it counts nothing
			fmt.Fprintf(w, "%s\t%s\t-\t-\t-\t-\t-\t-\n", l.Name, between)
			continue
		}
		fmt.Fprintf(w, "%s\t%s", l.Name, between)
		for _, c := range []string{"entered", "delivered", "dropped", "duplicated", "reordered", "corrupted"} {
			fmt.Fprintf(w, "\t%d", l.Counters["fault."+c])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func printFlows(w io.Writer, r *topo.Report) {
	if len(r.Flows) == 0 {
		return
	}
	fmt.Fprintln(w, "FLOW\tFROM\tTO\tSENT\tAT\tDELIVERED\tTWICE\tLATE\tLATENCY ms (min mean max)")
	for _, f := range r.Flows {
		head := fmt.Sprintf("%s\t%s\t%s\t%d", f.Name, f.From, f.To, f.Sent)
		if f.Refused > 0 {
			head += fmt.Sprintf(" (%d refused: %s)", f.Refused, f.Reason)
		}
		if len(f.Receivers) == 0 {
			fmt.Fprintf(w, "%s\tnobody\n", head)
		}
		for _, to := range f.Receivers {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t", head, to.At, to.Delivered, to.Duplicates, to.Overtaken)
			took := "-"
			if to.Delivered > 0 {
				took = fmt.Sprintf("%.3f %.3f %.3f", to.Latency.Min, to.Latency.Mean, to.Latency.Max)
			}
			fmt.Fprintln(w, took)
			head = "\t\t\t"
		}
	}
	fmt.Fprintln(w)
}

func printExpectations(w io.Writer, r *topo.Report) {
	if len(r.Expectations) == 0 {
		fmt.Fprintln(w, "nothing is expected")
		return
	}
	fmt.Fprintln(w, "LINE\tEXPECTED\tOF\tWANT\tGOT\tHOLDS")
	for _, o := range r.Expectations {
		verdict := "yes"
		if !o.OK {
			verdict = "NO"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", o.Line, o.Kind, o.Of, o.Want, o.Got, verdict)
	}
	fmt.Fprintln(w)
}
