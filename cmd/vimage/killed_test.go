//go:build !novimage

package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage/client"
)

// TestKilled kills daemons and clients at random moments, over and over. A client that
// is killed leaves no change half-made and nobody in a jail; a daemon that is killed is
// noticed, and the next begins as if there had been none.
func TestKilled(t *testing.T) {
	dir, err := os.MkdirTemp("", "k")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	file, err := filepath.Abs("../../examples/two-hosts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 3))
	for round := range 4 {
		if out, err := vimage("up", file, "-d", "--name", "lab").CombinedOutput(); err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, out)
		}
		c, err := client.Open("lab")
		if err != nil {
			t.Fatal(err)
		}
		lab, err := c.Lab(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetSysctls(t.Context(), "a", client.SysctlSetting{Name: "net.fibs", Value: killedTables}); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if out, err := vimage("jls").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		took := time.Since(begun) // so that clients are killed before, in the middle, and after
		var clients sync.WaitGroup
		for n := range 12 {
			kill := time.Duration(rnd.Int64N(int64(3 * took)))
			clients.Go(func() { killClient(n, kill) })
		}
		if round%2 == 0 { // while they are at it
			<-time.After(time.Duration(rnd.IntN(20_000)) * time.Microsecond)
			killDaemon(t, lab.PID)
			clients.Wait()
			checkCrashed(t)
			continue
		}
		clients.Wait()
		checkWhole(t, c)
		if out, err := vimage("down", "lab").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if left, err := os.ReadDir(filepath.Join(dir, "vimage")); err != nil || len(left) != 0 {
			t.Errorf("%v is left, %v", left, err)
		}
	}
}

// killedTables is how many routing tables a has.
const killedTables = 16

// vimage returns a command of vimage's in a process of its own.
func vimage(args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return &exec.Cmd{Path: exe, Args: append([]string{"vimage"}, args...)}
}

// killClient starts one of several commands, and kills it after a while.
func killClient(n int, after time.Duration) {
	var c *exec.Cmd
	switch n % 6 {
	case 0:
		c = vimage("ifconfig", "epair", "create")
	case 1:
		c = vimage("jail", "-c", "name=j"+strconv.Itoa(n), "vnet", "command=jls")
	case 2:
		c = vimage("host", "add", "-l", "a", "-l", "b", "h"+strconv.Itoa(n), "fibs=2")
	case 3:
		c = vimage("route", "-j", "a", "add", "203.0.113.0/24", "-blackhole", "-fib", "all")
	case 4:
		c = vimage("jexec", "b", "setfib", "0", "ping", "-q", "-i", "0.01", "a")
	default:
		c = vimage("ifconfig", "-j", "a", "eth0", "mtu", "1400", "inet", "192.0.2.1/24", "alias")
	}
	if c.Start() != nil {
		return
	}
	t := time.AfterFunc(after, func() { c.Process.Kill() })
	defer t.Stop()
	c.Wait()
}

func killDaemon(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
}

// checkCrashed waits until the daemon's death is noticed.
func checkCrashed(t *testing.T) {
	t.Helper()
	for range 1000 {
		out, err := vimage("ls").Output()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out), "running") {
			return
		}
	}
	t.Error("a killed daemon seems to run")
}

// checkWhole looks for what is half-done.
func checkWhole(t *testing.T, c *client.Client) {
	t.Helper()
	names, err := c.InterfaceNames(t.Context(), "")
	if err != nil || len(names)%2 != 1 {
		t.Errorf("half a pair: %v, %v", names, err)
	}
	for n := 0; ; n++ { // until the daemon has seen that the clients are gone
		jails, err := c.Jails(t.Context(), nil)
		sockets, err2 := c.Sockets(t.Context(), "b")
		if err != nil || err2 != nil || n == 10_000 {
			t.Errorf("a jail without anybody in it: %+v, %v; or a ping's socket: %+v, %v", jails, err, sockets, err2)
			break
		}
		sockets = slices.DeleteFunc(sockets, func(s client.Socket) bool { return s.Protocol != "ip" }) // the flows'
		hosts := slices.DeleteFunc(jails, func(j client.Jail) bool { return j.Name[0] == 'j' })
		if len(hosts) == len(jails) && len(sockets) == 0 {
			break
		}
	}
	nodes, err := c.Nodes(t.Context())
	for _, h := range nodes {
		if h.Name[0] == 'h' && (len(h.Links) != 2 || h.FIBs != 2) {
			t.Errorf("half a host: %+v", h)
		}
	}
	routes, err2 := c.Routes(t.Context(), "a", "all")
	routes = slices.DeleteFunc(routes, func(r client.RouteEntry) bool { return !r.Blackhole })
	if err != nil || err2 != nil || len(routes) != 0 && len(routes) != killedTables {
		t.Errorf("half a route: %+v, %v, %v", routes, err, err2)
	}
	i, err := c.Interface(t.Context(), "a", "eth0")
	if err != nil || (i.MTU == 1400) != (len(i.Addresses) == 2) {
		t.Errorf("half a change: %+v, %v", i, err)
	}
}
