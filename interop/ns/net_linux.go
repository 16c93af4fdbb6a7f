package ns

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Net is a network namespace: a Linux host with interfaces, addresses and routes
// of its own. It ends with the test.
type Net struct {
	t    testing.TB
	file *os.File
}

// New makes a network namespace in which only the loopback interface is up.
func New(t testing.TB) *Net {
	t.Helper()
	n := &Net{t: t}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.file.Close() })
	n.IP(t, "link", "set", "lo", "up")
	return n
}

// Do runs f inside n and returns its error. Sockets f opens and processes it
// starts belong to n; goroutines it starts do not.
func (n *Net) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own, which ends with it, so that what f
// changes of the thread reaches nobody else.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := fmt.Errorf("the function ended its goroutine")
		defer func() { done <- err }()
		err = f()
	}()
	return <-done
}

// IP runs iproute2's ip inside n and returns what it prints. The test fails with
// the tool's own words if it does.
func (n *Net) IP(t testing.TB, args ...string) string {
	t.Helper()
	var out string
	err := n.Do(func() (err error) {
		out, err = tool("ip", args)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Attach makes a veth pair: one end, peer, stays in the caller's namespace, the
// other, name, is inside n. Both are down.
func (n *Net) Attach(t testing.TB, peer, name string) {
	t.Helper()
	IP(t, "link", "add", peer, "type", "veth", "peer", "name", name, "netns", n.path())
}

// Connect makes a veth pair from near, inside n, to name, inside far. Both are
// down.
func (n *Net) Connect(t testing.TB, near string, far *Net, name string) {
	t.Helper()
	n.IP(t, "link", "add", near, "type", "veth", "peer", "name", name, "netns", far.path())
}

// path is where other processes find n.
func (n *Net) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// Sysctl writes a variable of n, as "net/ipv6/conf/all/forwarding".
func (n *Net) Sysctl(t testing.TB, name string, value int) {
	t.Helper()
	err := n.Do(func() error {
		return os.WriteFile("/proc/sys/"+name, []byte(strconv.Itoa(value)), 0)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// IP runs iproute2's ip in the test's own namespace, as Net.IP does.
func IP(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, "ip", args)
}

// Bridge runs iproute2's bridge in the test's own namespace.
func Bridge(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, "bridge", args)
}

func run(t testing.TB, name string, args []string) string {
	t.Helper()
	out, err := tool(name, args)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tool(name string, args []string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// pollInterval is how long Poll leaves the kernel alone between two looks.
const pollInterval = 10 * time.Millisecond

// Poll calls f until it says ok. After the limit the test fails with the state f
// described last.
func Poll(t testing.TB, limit time.Duration, f func() (ok bool, state string)) {
	t.Helper()
	end := time.Now().Add(limit)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		ok, state := f()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, state)
		}
		<-tick.C
	}
}
