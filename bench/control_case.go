package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// controlHosts is how many hosts the lab of the commands has.
const controlHosts = 10_000

// asked is a command that is given to a running lab.
type asked struct {
	row   string
	args  []string
	lines int // that it prints at least
}

func controlCommands() []asked {
	return []asked{
		{"jls", []string{"jls"}, controlHosts},
		{"jls-n", []string{"jls", "-n"}, controlHosts},
		{"netstat-rn", []string{"netstat", "-j", "h5000", "-rn"}, 4},
		{"netstat-s", []string{"netstat", "-j", "h5000", "-s"}, 100},
		{"complete", []string{"__complete", "netstat", "-j", "h99"}, 111},
	}
}

// controlCase is how long somebody waits for a command in a large lab.
func controlCase() Case {
	const name = "control10k"
	c := Case{
		Name: name, Family: ip4, Rounds: 1,
		Note: fmt.Sprintf("a lab of %d hosts on a switch, by vimage up -d; from the start of a command to its end, the middle and the worst of 10 (3 in a quick run); .jls-n is all parameters of all hosts, .complete the names that begin with h99: less than 200 ms is wanted of each", controlHosts),
		prepare: func(p Peer) (measure, error) {
			if _, ok := p.(vimagePeer); !ok {
				return nil, absence("has no such commands")
			}
			return func(budget time.Duration) (Result, error) { return control(name, budget) }, nil
		},
	}
	for _, a := range controlCommands() {
		c.Rows = append(c.Rows, Row{Name: name + "." + a.row, Unit: "ms wall"}, Row{Name: name + "." + a.row + ".worst", Unit: "ms wall"})
	}
	return c
}

// control builds the command, starts a lab, and asks it.
func control(name string, budget time.Duration) (Result, error) {
	dir, err := os.MkdirTemp("", "b") // short: a socket's path is
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	l := controlLab{exe: filepath.Join(dir, "exe"), env: append(os.Environ(), "XDG_RUNTIME_DIR="+dir)}
	if out, err := exec.Command("go", "build", "-C", "..", "-o", l.exe, "./cmd/vimage").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ../cmd/vimage (in the folder bench): %w\n%s", err, out)
	}
	file := filepath.Join(dir, "crowd.yaml")
	if err := os.WriteFile(file, crowdFile(controlHosts), 0o600); err != nil {
		return nil, err
	}
	if _, err := l.run("up", file, "-d", "--name", "crowd"); err != nil {
		return nil, err
	}
	defer l.run("down", "crowd")
	n := 10
	if budget < time.Second {
		n = 3
	}
	r := Result{}
	for _, a := range controlCommands() {
		ms, err := l.time(a, n)
		if err != nil {
			return nil, err
		}
		r[name+"."+a.row+".worst"] = Figure{Value: slices.Max(ms)}
		r[name+"."+a.row] = Figure{Value: *middle(ms)}
	}
	return r, nil
}

// crowdFile is the file of a lab of n hosts on a switch.
func crowdFile(n int) []byte {
	var hosts, links strings.Builder
	for i := range n {
		fmt.Fprintf(&hosts, "  h%d: {}\n", i)
		fmt.Fprintf(&links, "  - {between: [h%d, lan]}\n", i)
	}
	return []byte("hosts:\n" + hosts.String() + "switches:\n  lan: {subnet: 10.0.0.0/16}\nlinks:\n" + links.String())
}

// controlLab is a built command with the place where its lab runs.
type controlLab struct {
	exe string
	env []string
}

func (l *controlLab) run(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	c := exec.CommandContext(ctx, l.exe, args...)
	var out, said bytes.Buffer
	c.Env, c.Stdout, c.Stderr = l.env, &out, &said
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("vimage %s: %w\n%s", strings.Join(args, " "), err, said.Bytes())
	}
	return out.Bytes(), nil
}

// time returns how many milliseconds a command takes, each of n times.
func (l *controlLab) time(a asked, n int) (all []float64, err error) {
	for range n {
		begun := time.Now()
		out, err := l.run(a.args...)
		took := time.Since(begun)
		if err != nil {
			return nil, err
		}
		if lines := bytes.Count(out, []byte("\n")); lines < a.lines {
			return nil, fmt.Errorf("vimage %s prints %d lines", strings.Join(a.args, " "), lines)
		}
		all = append(all, float64(took.Microseconds())/1000)
	}
	return all, nil
}
