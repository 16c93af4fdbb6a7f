package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/seed88948545/vimage/internal/tester"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printReceived prints a result as tables, the verdict last.
func printReceived(w io.Writer, r *tester.Result) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "%d hosts, groups %s, %s %v\n\n", r.Hosts, r.Groups, r.Mode, r.Sources)
	if r.Capacity != nil {
		printCapacity(t, r.Capacity)
	} else {
		printFigures(t, r)
		printRows(t, r)
	}
	fmt.Fprintln(t, "CHECK\tWANT\tGOT\tHOLDS")
	for _, c := range r.Checks {
		holds := "yes"
		if !c.OK {
			holds = "NO"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.What, c.Want, c.Got, holds)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s: %.3f s of %s time, seed %d, %.1f MB   %s\n", r.Where, r.Ran, r.Time, r.Seed, float64(r.MaxRSS)/1e6, r.Verdict)
	return err
}

func printFigures(w io.Writer, r *tester.Result) {
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("joined", "%d of %d memberships", r.Joined, r.Joins)
	if r.AllJoined > 0 {
		row("all joined after", "%.3f s from the start, the network's making included, with %.1f MB", r.AllJoined, float64(r.AllJoinedRSS)/1e6)
	}
	row("join delay", "%v", r.JoinDelay)
	row("leave delay", "%v", r.LeaveDelay)
	if r.Zap.Count > 0 {
		row("zaps", "%d, of which %d got nothing of the new group", r.Zap.Count, r.Zap.Failed)
		row("first of the new", "%v", r.Zap.First)
		row("last of the old", "%v", r.Zap.Last)
		row("both at once", "%d: %v", r.Zap.Overlap.Count, r.Zap.Overlap)
	}
	if r.Numbered {
		row("delivered", "%s (%d of %d)", tester.Percent(r.Delivered, r.Expected), r.Delivered, r.Expected)
		row("twice, late", "%d, %d", r.Duplicates, r.Reordered)
	}
	if r.Foreign > 0 {
		row("of other programs", "%d", r.Foreign)
	}
	if r.OneWay.Count > 0 {
		row("one way", "%v", r.OneWay)
	}
	row("throughput", "%.0f datagrams/s, %.3f Mbit/s of payload", r.Throughput.Packets, r.Throughput.Bits/1e6)
	row("stopped", "by the switch %d, by interfaces %d, by sockets %d", r.Stopped.Switch, r.Stopped.Interface, r.Stopped.Socket)
	if r.Resolution > 0 {
		row("resolution", "%.3f ms between datagrams; the tester was %.3f ms late at worst", r.Resolution, r.Behind)
	}
	fmt.Fprintln(w)
}

func printRows(w io.Writer, r *tester.Result) {
	const most = 20
	if len(r.Flows) == 0 {
		return
	}
	fmt.Fprintln(w, "SOURCE\tGROUP\tSENT\tRECEIVERS\tDELIVERED\tLOST\tTWICE\tLATE\tDELAY ms (min mean max)")
	for i := range r.Flows[:min(len(r.Flows), most)] {
		f := &r.Flows[i]
		sent := "?"
		if f.Sent > 0 {
			sent = fmt.Sprint(f.Sent)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.3f %.3f %.3f\n", f.Source, f.Group, sent,
			f.Receivers, f.Delivered, f.Lost, f.Duplicates, f.Reordered, f.DelayMin, f.DelayMean, f.DelayMax)
	}
	if more := len(r.Flows) - most + r.FlowsOmitted; more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	fmt.Fprintln(w)
}

func printCapacity(w io.Writer, c *tester.Capacity) {
	fmt.Fprintln(w, "GROUPS\tPASS\tREFUSED\tSILENT\tLEAKED")
	for _, t := range c.Trials {
		pass := "yes"
		if !t.OK {
			pass = "NO"
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\n", t.Groups, pass, t.Failed, t.Silent, t.Leaked)
	}
	fmt.Fprintln(w)
	if c.Reason == "" {
		fmt.Fprintf(w, "capacity: %d groups or more: no more were tried\n\n", c.Groups)
		return
	}
	fmt.Fprintf(w, "capacity: %d groups: %s\n\n", c.Groups, c.Reason)
}
