package ns

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside is the environment variable that tells a re-executed test binary which
// test it was started for.
const inside = "VIMAGE_NS_TEST"

// longest is how long one test may run inside: one that hangs must not use up
// the time of all.
const longest = 2 * time.Minute

// Run calls body inside new namespaces, in a process of its own, and gives the
// test its result. Call it as the whole of a test that is not parallel to others
// of its name; what the test does outside body happens in both processes.
//
// Where namespaces may not be made, the test skips and says which privilege is
// missing; with CI=true in the environment it fails.
func Run(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		enter(t)
		body(t)
		return
	}
	cmd, err := reexec(t)
	if err != nil {
		t.Fatal(err)
	}
	out := &transcript{name: t.Name(), to: t.Output()}
	cmd.Stdout, cmd.Stderr = out, out
	// The kernel sends Pdeathsig when the thread that started the process ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	out.flush()
	var status *exec.ExitError
	switch {
	case err == nil && out.passed:
	case err == nil && out.skipped:
		t.Skip(out.last)
	case err == nil:
		t.Fatal("the test did not run inside the namespace")
	case errors.As(err, &status):
		t.Fatalf("inside the namespace: %v", err)
	case notPermitted(err):
		Missing(t, fmt.Sprintf("no privilege to make namespaces (run as root, or allow user namespaces): %v", err))
	default:
		t.Fatal(err)
	}
}

// Missing skips the test because the machine lacks what it needs, or fails it
// where CI=true promises that the machine has everything.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func notPermitted(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reexec prepares the command that runs this one test in new namespaces.
func reexec(t *testing.T) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	limit := longest
	if end, ok := t.Deadline(); ok {
		// Before the outer binary's own limit, so that the stacks shown are these.
		limit = min(limit, max(time.Until(end)-2*time.Second, time.Second))
	}
	args := []string{"-test.run=" + strings.Join(parts, "/"), "-test.v", "-test.count=1", "-test.timeout=" + limit.String()}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Geteuid() != 0 {
		a := cmd.SysProcAttr
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd, nil
}

// enter finishes the namespaces from inside: a /sys that shows this network
// namespace, where mounting it is allowed, and the loopback interface up.
func enter(t testing.TB) {
	t.Helper()
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	switch {
	case err != nil && notPermitted(err):
		Missing(t, fmt.Sprintf("no privilege inside the user namespace: make mounts private: %v", err))
	case err != nil:
		t.Fatalf("make mounts private: %v", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		t.Logf("/sys still shows the outer namespace: %v", err)
	}
	IP(t, "link", "set", "lo", "up")
}

// transcript passes on what the inner test binary prints, marked so that nobody
// reads its result lines as the outer's, and notes the result of the test.
type transcript struct {
	name            string
	to              io.Writer
	rest            []byte
	last            string // line before the result: why it skipped
	passed, skipped bool
}

func (s *transcript) Write(b []byte) (int, error) {
	s.rest = append(s.rest, b...)
	for {
		line, rest, ok := bytes.Cut(s.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		s.line(string(line))
		s.rest = rest
	}
}

func (s *transcript) line(l string) {
	result := strings.TrimSpace(l)
	switch {
	case strings.HasPrefix(result, "--- PASS: "+s.name+" ("):
		s.passed = true
	case strings.HasPrefix(result, "--- SKIP: "+s.name+" ("):
		s.skipped = true
	}
	if l == "PASS" || strings.HasPrefix(l, "=== ") {
		return
	}
	if !strings.HasPrefix(result, "--- ") {
		s.last = result
	}
	fmt.Fprintf(s.to, "| %s\n", l)
}

func (s *transcript) flush() {
	scan := bufio.NewScanner(bytes.NewReader(s.rest))
	for scan.Scan() {
		s.line(scan.Text())
	}
	s.rest = nil
}

// NeedTUN skips the test, as Missing does, where /dev/net/tun may not be opened:
// being root in a user namespace does not open what is root's outside.
func NeedTUN(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		Missing(t, fmt.Sprintf("no privilege to use TAP devices (sudo chmod 0666 /dev/net/tun): %v", err))
	}
	f.Close()
}
