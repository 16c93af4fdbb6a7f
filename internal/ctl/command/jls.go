package command

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed88948545/vimage/client"
)

func jlsCommand() *Command {
	return &Command{
		Name:     "jls",
		Short:    "list jails: the hosts and routers of a lab, and those made since",
		Synopsis: []string{"[-dhNnqsv] [-j jail] [parameter ...]"},
		Long: `Without parameters it lists the number, address, hostname and path of each jail that
runs. A jail without a hostname is shown by its name. Parameters are those of jail(8),
such as name, vnet or children.max; all of them are printed with -h, -n or -q and none
named.`,
		Options: []Option{
			{"-d", "", "list jails that are being removed, too", nil},
			{"-h", "", "print a line with the names of the parameters first", nil},
			{"-N", "", "print names instead of numbers", nil},
			{"-n", "", "print parameters as name=value", nil},
			{"-q", "", "put values with blanks into quotes", nil},
			{"-s", "", "print what jail -c takes: like -nq, without what is read-only or has no value", nil},
			{"-v", "", "print more of each jail", nil},
			{"-j", "JAIL", "only the jail of that name or number", jailNames},
		},
		Own:      "-j -fib",
		Example:  []string{"jls", "jls -n jid name vnet", "jls -j web -s"},
		Linux:    "ip netns list",
		Run:      runJls,
		Complete: func(e *Env, args []string, word string) []string { return jailParams(e) },
	}
}

// jailParams offers the names of parameters.
func jailParams(e *Env) (all []string) {
	c := e.quiet()
	if c == nil {
		return nil
	}
	j, _ := c.Jail(e.Ctx, "0", "all")
	for name := range j.Parameters {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func runJls(e *Env, o *Opts, params []string) int {
	c := e.Client()
	if c == nil {
		return 1
	}
	listing := len(params) == 0 && !o.Has("-h") && !o.Has("-n") && !o.Has("-q") && !o.Has("-s")
	want := params
	if !listing && len(params) == 0 {
		want = []string{"all"}
	}
	jails, err := jlsJails(e, c, o.Value("-j"), want)
	if err != nil {
		if field := unknownParam(err); field != "" {
			return e.Failf("unknown parameter: %s", field)
		}
		return e.Fail(err)
	}
	switch {
	case e.JSON:
		return e.PrintJSON(jlsDocument(jails, params, listing))
	case listing && o.Has("-v"):
		printJailsVerbose(e.Out, jails)
	case listing:
		printJails(e.Out, jails, o.Has("-N"))
	default:
		jlsStyle{names: o.Has("-n") || o.Has("-s"), quote: o.Has("-q") || o.Has("-s"), settable: o.Has("-s"), header: o.Has("-h")}.print(e.Out, jails, params)
	}
	return 0
}

// jlsJails asks for the jails, named as they are called in the present one.
func jlsJails(e *Env, c *client.Client, one string, params []string) ([]client.Jail, error) {
	var jails []client.Jail
	var err error
	if one == "" {
		jails, err = c.Jails(e.Ctx, &client.JailQuery{In: e.Jail, Params: params})
	} else {
		var j client.Jail
		j, err = c.Jail(e.Ctx, within(e.Jail, one), params...)
		jails = []client.Jail{j}
	}
	for i := range jails {
		j := &jails[i]
		j.Name = relative(e.Jail, j.Name)
		if _, ok := j.Parameters["name"]; ok {
			j.Parameters["name"] = j.Name
		}
	}
	return jails, err
}

func unknownParam(err error) string {
	if said, ok := err.(*client.Error); ok && len(said.Fields) > 0 && said.Fields[0].Field == "query.param" {
		return fmt.Sprint(said.Fields[0].Value)
	}
	return ""
}

func printJails(w io.Writer, jails []client.Jail, names bool) {
	head, row := "   JID  ", "%6v  "
	if names {
		head, row = " JID             ", " %-15.15v "
	}
	fmt.Fprintf(w, "%sIP Address      Hostname                      Path\n", head)
	for _, j := range jails {
		id := any(j.JID)
		if names {
			id = j.Name
		}
		fmt.Fprintf(w, row+"%-15.15s %-29.29s %.74s\n", id, firstAddr(j), hostname(j), j.Path)
	}
}

func printJailsVerbose(w io.Writer, jails []client.Jail) {
	fmt.Fprint(w, "   JID  Hostname                      Path\n        Name                          State\n        IP Address(es)\n")
	for _, j := range jails {
		fmt.Fprintf(w, "%6d  %-29.29s %.74s\n        %-29.29s %s\n", j.JID, hostname(j), j.Path, j.Name, jailState(j))
		for _, a := range slices.Concat(j.IP4, j.IP6) {
			fmt.Fprintf(w, "        %s\n", a)
		}
	}
}

func hostname(j client.Jail) string {
	if j.Hostname != "" {
		return j.Hostname
	}
	return j.Name
}

func firstAddr(j client.Jail) string {
	if all := slices.Concat(j.IP4, j.IP6); len(all) > 0 {
		return all[0].String()
	}
	return ""
}

func jailState(j client.Jail) string {
	if j.Dying {
		return "DYING"
	}
	return "ACTIVE"
}

// jlsStyle is how parameters are printed.
type jlsStyle struct{ names, quote, settable, header bool }

func (s jlsStyle) print(w io.Writer, jails []client.Jail, params []string) {
	if len(params) == 0 && len(jails) > 0 {
		params = ordered(jails[0].Parameters)
	}
	if s.header {
		fmt.Fprintln(w, strings.Join(params, " "))
	}
	var words []string
	for _, j := range jails {
		words = words[:0]
		for _, p := range params {
			v := j.Parameters[p]
			if s.settable && (v == "" || readOnly(p)) {
				continue
			}
			words = append(words, s.word(p, v))
		}
		io.WriteString(w, strings.Join(words, " ")+"\n")
	}
}

// ordered returns the names of parameters, with those first that say who a jail is.
func ordered(params map[string]string) []string {
	var all []string
	for name := range params {
		if name != "jid" && name != "name" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return append([]string{"jid", "name"}, all...)
}

func readOnly(param string) bool {
	return slices.Contains([]string{"jid", "parent", "dying", "children.cur"}, param)
}

// word writes one parameter. Those that are on or off are written as their name, or
// with "no" in it.
func (s jlsStyle) word(name, value string) string {
	if s.names && onOff(name) {
		if value == "1" {
			return name
		}
		at := strings.LastIndexByte(name, '.') + 1
		return name[:at] + "no" + name[at:]
	}
	if s.quote {
		value = quoted(value)
	}
	if s.names {
		return name + "=" + value
	}
	return value
}

func onOff(param string) bool {
	return param == "persist" || param == "dying" || strings.HasPrefix(param, "allow.")
}

// quoted puts a value into quotes where a shell would need them.
func quoted(v string) string {
	switch {
	case v == "":
		return `""`
	case strings.Contains(v, "'"):
		return `"` + v + `"`
	case strings.ContainsAny(v, "\" \t"):
		return "'" + v + "'"
	}
	return v
}

// jlsDocument is what --json prints.
func jlsDocument(jails []client.Jail, params []string, listing bool) any {
	all := []map[string]any{}
	for _, j := range jails {
		d := map[string]any{}
		switch {
		case listing:
			d = map[string]any{"jid": j.JID, "name": j.Name, "ipv4": firstAddr(j), "hostname": hostname(j), "path": j.Path, "state": jailState(j)}
		default:
			for name, v := range j.Parameters {
				d[name] = v
			}
			if _, ok := d["jid"]; ok {
				d["jid"] = j.JID
			}
		}
		all = append(all, d)
	}
	return map[string]any{"jail-information": map[string]any{"jail": all}}
}
