package linuxlab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/interop/ns"
	"golang.org/x/sys/unix"
)

// frrBin is where Debian has the daemons.
const frrBin = "/usr/lib/frr"

// PIM is FRRouting's pimd, and the zebra that it needs, in a network namespace:
// a multicast router by another author, with sockets and files of its own.
type PIM struct{ dir string }

// StartPIM starts both daemons with a configuration of pimd, until the test ends.
func StartPIM(t testing.TB, n *ns.Net, config string) *PIM {
	t.Helper()
	if _, err := os.Stat(filepath.Join(frrBin, "pimd")); err != nil {
		ns.Missing(t, "FRR is not installed")
	}
	dir, err := os.MkdirTemp("", "frr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &PIM{dir}
	for name, text := range map[string]string{"zebra": "", "pimd": config} {
		if err := os.WriteFile(p.path(name+".conf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.own(t)
	p.daemon(t, n, "zebra")
	ns.Poll(t, 10*time.Second, func() (bool, string) {
		_, err := os.Stat(p.path("zserv.api"))
		return err == nil, fmt.Sprint(err)
	})
	p.daemon(t, n, "pimd")
	ns.Poll(t, 10*time.Second, func() (bool, string) {
		out, err := p.vtysh("show running-config")
		return err == nil, fmt.Sprintf("%v %s", err, out)
	})
	return p
}

func (p *PIM) path(name string) string { return filepath.Join(p.dir, name) }

// own gives the folder to the user that the daemons become, whom a user namespace
// may not have.
func (p *PIM) own(t testing.TB) {
	t.Helper()
	u, err := user.Lookup("frr")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	err = errors.Join(err1, err2, os.Chown(p.dir, uid, gid))
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		ns.Missing(t, "no privilege to run daemons as the user frr (run as root)")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *PIM) daemon(t testing.TB, n *ns.Net, name string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(frrBin, name), "-f", p.path(name+".conf"), "-z", p.path("zserv.api"),
		"-i", p.path(name+".pid"), "--vty_socket", p.dir, "-P", "0", "--log", "stdout")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, &out)
		}
	})
}

func (p *PIM) vtysh(commands ...string) ([]byte, error) {
	args := []string{"--vty_socket", p.dir, "-d", "pimd"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	return exec.Command("vtysh", args...).CombinedOutput()
}

// Configure gives pimd commands of its configuration.
func (p *PIM) Configure(t testing.TB, commands ...string) {
	t.Helper()
	out, err := p.vtysh(append([]string{"configure terminal"}, commands...)...)
	if err != nil || len(bytes.TrimSpace(out)) != 0 {
		t.Fatalf("%s: %v\n%s", strings.Join(commands, "; "), err, out)
	}
}

// Show has pimd answer a show command that prints JSON.
func (p *PIM) Show(t testing.TB, command string, into any) {
	t.Helper()
	out, err := p.vtysh("show " + command + " json")
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("show %s: %v\n%s", command, err, out)
	}
}
