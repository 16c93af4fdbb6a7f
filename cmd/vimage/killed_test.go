//go:build !novimage

package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
		var clients sync.WaitGroup
		for n := range 6 {
			kill := time.Duration(rnd.IntN(30_000)) * time.Microsecond
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
	switch n % 3 {
	case 0:
		c = vimage("ifconfig", "epair", "create")
	case 1:
		c = vimage("jail", "-c", "name=j"+strconv.Itoa(n), "vnet", "command=jls")
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
		if err != nil || n == 10_000 {
			t.Errorf("jails without anybody in them: %+v, %v", jails, err)
		}
		if err != nil || n == 10_000 || len(jails) == 2 {
			break
		}
	}
	i, err := c.Interface(t.Context(), "a", "eth0")
	if err != nil || (i.MTU == 1400) != (len(i.Addresses) == 2) {
		t.Errorf("half a change: %+v, %v", i, err)
	}
}
