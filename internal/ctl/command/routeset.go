package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage/client"
)

// routeResult is what has become of a change in one table.
type routeResult struct {
	FIB   int    `json:"fib"`
	Error string `json:"error,omitempty"`
	err   error
}

// set adds, deletes or changes a route in each of the tables.
func (r *routeRun) set(verb string) int {
	void := r.a.route.Reject || r.a.route.Blackhole
	if r.a.dst == "" || verb != "delete" && r.a.gateway == "" && r.a.route.Interface == "" && !void {
		return misused
	}
	host, err := r.a.resolve()
	switch {
	case errors.As(err, new(badAddress)):
		r.e.Fail(err)
		return exitNoHost
	case err != nil:
		r.e.Fail(err)
		return exitUsage
	}
	all, err := r.change(verb)
	if err != nil {
		return r.e.Fail(err)
	}
	status := 0
	if slices.ContainsFunc(all, func(res routeResult) bool { return res.err != nil }) {
		status = 1
	}
	kind := "net"
	if host {
		kind = "host"
	}
	switch {
	case r.e.JSON:
		if s := r.e.PrintJSON(routeSetDocument(verb, kind, r, all)); s != 0 {
			return s
		}
	case !r.quiet:
		r.report(verb+" "+kind+" "+r.a.dst, all)
	}
	return status
}

// change makes the change in all tables by one request.
func (r *routeRun) change(verb string) (all []routeResult, err error) {
	do := map[string]func(context.Context, string, string, client.Route) ([]client.RouteResult, error){
		"add": r.c.AddRoute, "change": r.c.ChangeRoute, "delete": r.c.DelRoute,
	}[verb]
	if r.try {
		for _, n := range r.fibs {
			all = append(all, routeResult{FIB: n})
		}
		return all, nil
	}
	results, err := do(r.e.Ctx, r.e.Jail, fibList(r.fibs), r.a.route)
	var said *client.Error
	if errors.As(err, &said) && len(r.fibs) == 1 {
		return []routeResult{{r.fibs[0], said.Errno, err}}, nil
	}
	for _, res := range results {
		all = append(all, routeResult{res.FIB, res.Errno, res.Err()})
	}
	return all, err
}

// fibList writes a list of tables: 0-3,5.
func fibList(fibs []int) string {
	var all []string
	for len(fibs) > 0 {
		n := 1
		for n < len(fibs) && fibs[n] == fibs[0]+n {
			n++
		}
		item := strconv.Itoa(fibs[0])
		if n > 1 {
			item += "-" + strconv.Itoa(fibs[n-1])
		}
		all, fibs = append(all, item), fibs[n:]
	}
	return strings.Join(all, ",")
}

func routeSetDocument(verb, kind string, r *routeRun, all []routeResult) any {
	d := map[string]any{"command": verb, "type": kind, "destination": r.a.dst, "result": all}
	if r.a.gateway != "" {
		d["gateway"] = r.a.gateway
	}
	return map[string]any{"route": d}
}

// report says in which tables the change was made, and where it failed and why. Tables
// are named where there are several.
func (r *routeRun) report(what string, all []routeResult) {
	if r.a.gateway != "" {
		what += ": gateway " + r.a.gateway
	}
	var made []string
	for _, res := range all {
		if res.err == nil {
			made = append(made, strconv.Itoa(res.FIB))
		}
	}
	if len(made) > 0 {
		fmt.Fprint(r.e.Out, what)
		if r.tables > 1 {
			fmt.Fprint(r.e.Out, " fib ", strings.Join(made, ","))
		}
		fmt.Fprintln(r.e.Out)
	}
	for _, res := range all {
		if res.err != nil {
			why, message := routeFailure(res.err)
			r.e.Failf("%s", message)
			fmt.Fprintf(r.e.Out, "%s fib %d: %s\n", what, res.FIB, why)
		}
	}
}

// routeFailure says why a change failed: of this route, and as a message.
func routeFailure(err error) (why, message string) {
	said := Strerror(err)
	switch client.ErrnoName(err) {
	case "ESRCH":
		return "not in table", "route has not been found"
	case "EEXIST":
		return "route already in table", "message indicates error: " + said
	case "EBUSY":
		return "entry in use", "message indicates error: " + said
	}
	return said, "message indicates error: " + said
}

// flush removes the routes by gateways.
func (r *routeRun) flush() int {
	all := []client.RouteEntry{}
	if !r.try {
		gone, err := r.c.FlushRoutes(r.e.Ctx, r.e.Jail, fibList(r.fibs), r.a.family)
		if err != nil {
			return r.e.Fail(err)
		}
		all = append(all, gone...)
	}
	if r.e.JSON {
		return r.e.PrintJSON(map[string]any{"route": map[string]any{"command": "flush", "route-entry": routeDocuments(all)}})
	}
	for _, g := range all {
		if r.quiet {
			break
		}
		line := fmt.Sprintf("%-20s %-20s ", routeDst(g.Dst), routeGateway(g))
		if r.tables > 1 {
			line += fmt.Sprintf("-fib %-3d ", g.FIB)
		}
		fmt.Fprintln(r.e.Out, line+"done")
	}
	return 0
}
