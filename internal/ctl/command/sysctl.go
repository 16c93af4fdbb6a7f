package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage/client"
)

func sysctlCommand() *Command {
	return &Command{
		Name:  "sysctl",
		Short: "read and change what a network stack can be told",
		Synopsis: []string{
			"[-deiNnoqtWw] name[=value] ...",
			"[-deNnoqtW] -a",
		},
		Long: `A name may also be the beginning of several, such as net.inet.ip. Values that consist
of several numbers are printed if they are named, or with -o; those that are statistics
can be set to 0. The exit status is the number of names with which something was wrong.`,
		Options: []Option{
			{"-a", "", "print all, unless some are named", nil},
			{"-d", "", "print what they are for instead of their values", nil},
			{"-e", "", "put = between name and value", nil},
			{"-i", "", "ignore unknown names", nil},
			{"-N", "", "print names only", nil},
			{"-n", "", "print values only", nil},
			{"-o", "", "also print values that consist of several numbers", nil},
			{"-q", "", "do not complain about unknown names", nil},
			{"-t", "", "print types instead of values", nil},
			{"-W", "", "print only those that can be changed", nil},
			{"-w", "", "does nothing: = is enough to change something", nil},
		},
		Example: []string{"sysctl -j gw net.inet.ip.forwarding=1", "sysctl -d net.inet.igmp", "sysctl -ae"},
		Linux:   "sysctl -w net.ipv4.ip_forward=1, with other names: sysctl -aN lists them",
		Run:     runSysctl,
		Complete: func(e *Env, _ []string, word string) []string {
			if strings.Contains(word, "=") {
				return nil
			}
			return sysctlNames(e)
		},
	}
}

// sysctlNames offers sysctls with what they are for.
func sysctlNames(e *Env) (all []string) {
	c := e.quiet()
	if c == nil {
		return nil
	}
	list, _ := c.Sysctls(e.Ctx, e.Jail, "", "", true)
	for _, v := range list {
		if v.Description == "" {
			all = append(all, v.Name)
		} else {
			all = append(all, v.Name+"\t"+v.Description)
		}
	}
	return all
}

// sysctl is one call of the command.
type sysctl struct {
	*Env
	c      *client.Client
	o      *Opts
	doc    map[string]any // with --json
	failed int
}

func runSysctl(e *Env, o *Opts, args []string) int {
	if len(args) == 0 && !o.Has("-a") || o.Has("-n") && o.Has("-N") {
		return misused
	}
	c := e.Client()
	if c == nil {
		return 1
	}
	s := &sysctl{Env: e, c: c, o: o, doc: map[string]any{}}
	if len(args) == 0 {
		s.show("")
	}
	for _, a := range args {
		if name, value, set := strings.Cut(a, "="); set {
			s.set(a, name, value)
		} else {
			s.show(a)
		}
	}
	if e.JSON {
		e.PrintJSON(map[string]any{"sysctl": s.doc})
	}
	return min(s.failed, 255)
}

// show prints a sysctl, or those below a name.
func (s *sysctl) show(name string) {
	list, err := s.c.Sysctls(s.Ctx, s.Jail, s.FIB, name, s.o.Has("-o"))
	if err != nil {
		s.wrong(name, name, err)
		return
	}
	for _, v := range list {
		if s.o.Has("-W") && v.ReadOnly {
			continue
		}
		if s.JSON {
			s.doc[v.Name] = s.value(v)
			continue
		}
		s.print(s.Out, v)
		fmt.Fprintln(s.Out)
	}
}

// wrong says what is wrong with an argument, and counts it.
func (s *sysctl) wrong(arg, name string, err error) {
	at, _ := blamed(err)
	unknown := errors.Is(err, syscall.ENOENT) && at == "query.name"
	switch {
	case unknown && s.o.Has("-i"):
		return
	case unknown && s.o.Has("-q"):
	case unknown:
		s.Failf("unknown oid '%s'", name)
	default:
		s.Failf("%s: %s", arg, Strerror(err))
	}
	s.failed++
}

// print prints a sysctl without the end of the line.
func (s *sysctl) print(w io.Writer, v client.Sysctl) {
	between := ": "
	if s.o.Has("-e") {
		between = "="
	}
	switch {
	case s.o.Has("-N"):
		fmt.Fprint(w, v.Name)
	case s.o.Has("-n"):
		fmt.Fprint(w, s.value(v))
	default:
		fmt.Fprint(w, v.Name, between, s.value(v))
	}
}

// value returns what is printed behind a sysctl's name.
func (s *sysctl) value(v client.Sysctl) any {
	switch {
	case s.o.Has("-d"):
		return v.Description
	case s.o.Has("-t") && v.Struct:
		return "struct"
	case s.o.Has("-t"):
		return "integer"
	case v.Struct:
		return sysctlStruct(v.Values)
	}
	return sysctlNumber{v.Name, v.Value}.any()
}

// sysctlStruct is a value of several numbers.
type sysctlStruct []client.SysctlValue

// String writes the numbers as FreeBSD does those of kern.boottime.
func (v sysctlStruct) String() string {
	words := []string{"{"}
	for i, f := range v {
		comma := ","
		if i == len(v)-1 {
			comma = ""
		}
		words = append(words, fmt.Sprintf("%s = %d%s", f.Name, f.Value, comma))
	}
	return strings.Join(append(words, "}"), " ")
}

// MarshalJSON implements json.Marshaler.
func (v sysctlStruct) MarshalJSON() ([]byte, error) {
	fields := make(map[string]int64)
	for _, f := range v {
		fields[f.Name] = f.Value
	}
	return json.Marshal(fields)
}

// sysctlNumber is a value of one number.
type sysctlNumber struct {
	name  string
	value int64
}

// any returns the number, or the word for it where it has one.
func (n sysctlNumber) any() any {
	if words := sysctlWords(n.name); n.value > 0 && int(n.value) < len(words) {
		return words[n.value]
	}
	return n.value
}

// sysctlWords are the words for the values of a sysctl that has some.
func sysctlWords(name string) []string {
	if name == "net.isr.dispatch" {
		return []string{"", "deferred", "hybrid", "direct"}
	}
	return nil
}

// set changes a sysctl.
func (s *sysctl) set(arg, name, text string) {
	list, err := s.c.Sysctls(s.Ctx, s.Jail, s.FIB, name, false)
	switch {
	case err != nil:
		s.wrong(arg, name, err)
		return
	case len(list) != 1 || list[0].Name != name:
		s.Failf("oid '%s' isn't a leaf node", name)
	case list[0].ReadOnly:
		s.Failf("oid '%s' is read only", name)
	case text == "":
		s.Failf("empty numeric value")
	default:
		value, ok := sysctlParse(name, text)
		if ok {
			s.change(arg, list[0], value)
			return
		}
		s.Failf("invalid integer '%s'", text)
	}
	s.failed++
}

// sysctlParse reads a number as strtol(3) does, or a word for one.
func sysctlParse(name, text string) (int64, bool) {
	if i := slices.Index(sysctlWords(name), text); i > 0 {
		return int64(i), true
	}
	n, err := strconv.ParseInt(text, 0, 64)
	return n, err == nil && !strings.Contains(text, "_")
}

// change prints a sysctl, changes it, and prints its new value behind.
func (s *sysctl) change(arg string, v client.Sysctl, value int64) {
	done, err := s.c.SetSysctls(s.Ctx, s.Jail, client.SysctlSetting{Name: v.Name, Value: value})
	if !s.JSON {
		s.print(s.Out, v)
	}
	if err != nil {
		if !s.JSON {
			fmt.Fprintln(s.Out)
		}
		s.Failf("%s: %s", arg, Strerror(err))
		s.failed++
		return
	}
	now := sysctlNumber{v.Name, done[0].New}.any()
	if s.JSON {
		s.doc[v.Name] = map[string]any{"old": s.value(v), "new": now}
		return
	}
	fmt.Fprintf(s.Out, " -> %v\n", now)
}
