package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
)

// built is the environment variable that says where the command is, to a test that
// was re-executed.
const built = "VIMAGE_INTEROP_BUILT"

// buildVimage builds the command and returns its path.
func buildVimage(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv(built); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), "vimage")
	build := exec.Command("go", "build", "-o", bin, "./cmd/vimage")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// command is a vimage process under test.
type command struct {
	*exec.Cmd
	out, progress bytes.Buffer
	done          chan error
}

func start(t *testing.T, bin string, args ...string) *command {
	t.Helper()
	c := &command{Cmd: exec.Command(bin, args...), done: make(chan error, 1)}
	c.Stdout, c.Stderr = &c.out, &c.progress
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.done <- c.Wait() }()
	t.Cleanup(func() { c.Process.Kill() })
	return c
}

// end waits for the process and returns its exit status.
func (c *command) end(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-c.done:
		return c.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("still running after %v:\n%s%s", limit, &c.progress, &c.out)
		return -1
	}
}

var (
	ssmGroup  = netip.MustParseAddrPort("232.1.1.1:5000")
	ssmSource = netip.MustParseAddr(linuxlab.SourceAddr)
)

// inMDB polls the bridge until the TAP's port has, or has not, the entry of
// (S,G) in include mode.
func inMDB(t *testing.T, want bool) {
	t.Helper()
	ns.Poll(t, 15*time.Second, func() (bool, string) {
		mdb := linuxlab.MDB(t)
		e, ok := linuxlab.Find(mdb, linuxlab.TAP, ssmGroup.Addr(), ssmSource)
		if ok && (e.Blocked || e.Mode != "include") {
			return false, fmt.Sprintf("(S,G) is not in include mode: %+v", e)
		}
		return ok == want, fmt.Sprintf("(S,G) listed: %v, want %v: %+v", ok, want, mdb)
	})
}

// TestSSMOnABridge puts 200 receivers on a Linux bridge that snoops and asks:
// it lists (S,G), delivers a Linux program's datagrams from S and none from
// another, and forgets the entry when the receivers have left.
func TestSSMOnABridge(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		ns.NeedTUN(t)
		bin := buildVimage(t)
		lab := linuxlab.NewSSM(t)
		const receivers, packets = 200, 50
		lab.AddHost(t, netip.MustParseAddr("10.9.0.4")) // a receiver must not take its address
		c := start(t, bin, "demo", "ssm", "--wire", "tap:"+linuxlab.TAP, "--source", ssmSource.String(), "--group", ssmGroup.Addr().String(),
			"--net", "10.9.0.0/24", "--receivers", fmt.Sprint(receivers), "--packets", fmt.Sprint(packets), "--for", "20s", "--json")
		inMDB(t, true)
		ns.Poll(t, 15*time.Second, func() (bool, string) {
			return bytes.Contains(c.progress.Bytes(), []byte("joining 200/200")), c.progress.String()
		})
		for _, h := range []*linuxlab.Host{lab.Impostor, lab.Source} {
			if n, err := h.Send(t.Context(), ssmGroup, packets, 500); n != packets || err != nil {
				t.Fatalf("%v sent %d: %v", h.Addr, n, err)
			}
		}
		status := c.end(t, 30*time.Second)
		var r struct {
			Receivers, Joined   int
			Expected, Delivered uint64
			Wrong               uint64 `json:"wrong_source"`
			Leaked, Reports     uint64
			Verdict             string
			Elapsed             float64 `json:"elapsed_s"`
			Stopped             map[string]uint64
		}
		if err := json.Unmarshal(c.out.Bytes(), &r); err != nil {
			t.Fatalf("%v in %q\n%s", err, &c.out, &c.progress)
		}
		t.Logf("%+v", r)
		if status != 0 || r.Verdict != "PASS" || r.Joined != receivers || r.Expected != receivers*packets || r.Delivered != r.Expected || r.Wrong != 0 {
			t.Errorf("exit status %d: %+v", status, r)
		}
		inMDB(t, false)
	})
}

// TestSSMInterrupted checks that an interrupt lets the receivers leave and ends
// with status 130.
func TestSSMInterrupted(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		ns.NeedTUN(t)
		bin := buildVimage(t)
		linuxlab.NewSSM(t)
		c := start(t, bin, "demo", "ssm", "--wire", "tap:"+linuxlab.TAP, "--source", ssmSource.String(),
			"--net", "10.9.0.0/24", "--receivers", "20")
		inMDB(t, true)
		if err := c.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if status := c.end(t, 15*time.Second); status != 130 {
			t.Errorf("exit status %d, want 130:\n%s", status, &c.progress)
		}
		inMDB(t, false)
	})
}
