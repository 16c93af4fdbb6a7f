package rundir

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestMain is also the daemon of TestCrash: with a folder in the environment it claims a
// name there, says so, and waits to be killed.
func TestMain(m *testing.M) {
	path := os.Getenv("RUNDIR_CLAIM")
	if path == "" {
		os.Exit(m.Run())
	}
	c, err := Dir{path}.Claim("lab", "lab.yaml")
	if err == nil {
		_, err = c.Listen()
	}
	fmt.Println(err)
	io.Copy(io.Discard, os.Stdin)
}

// short returns a folder whose sockets have short paths.
func short(t *testing.T) Dir {
	t.Helper()
	dir, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return Dir{filepath.Join(dir, "vimage")}
}

func TestClaim(t *testing.T) {
	d := short(t)
	if labs, err := d.Labs(); labs != nil || err != nil {
		t.Errorf("a folder that is not there: %v, %v", labs, err)
	}
	log, err := d.Prepare("lab")
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	c, err := d.Claim("lab", "/tmp/lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Claim("lab", "x"); !errors.Is(err, ErrRunning) {
		t.Errorf("a second claim: %v", err)
	}
	if _, err := d.Clean("lab"); !errors.Is(err, ErrRunning) {
		t.Errorf("cleaning what runs: %v", err)
	}
	if err := d.Forget("lab"); !errors.Is(err, ErrRunning) {
		t.Errorf("forgetting what runs: %v", err)
	}
	l, err := c.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, mode := range map[string]os.FileMode{d.path: os.ModeDir | 0o700, d.Socket("lab"): os.ModeSocket | 0o600, d.Log("lab"): 0o600, d.lockFile("lab"): 0o600} {
		if i, err := os.Stat(path); err != nil || i.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", path, i.Mode(), err, mode)
		}
	}
	labs, err := d.Labs()
	if err != nil || len(labs) != 1 || !labs[0].Running || labs[0].File != "/tmp/lab.yaml" || labs[0].PID != os.Getpid() || labs[0].Socket != d.Socket("lab") {
		t.Errorf("%+v, %v", labs, err)
	}
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(d.path); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestNames(t *testing.T) {
	d := short(t)
	for _, name := range []string{"", ".", "..", ".x", "-x", "a/b", "a b", "ä", strings.Repeat("x", 65)} {
		if _, err := d.Prepare(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	for _, name := range []string{"a", "A.b-c_1", strings.Repeat("x", 60)} {
		log, err := d.Prepare(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		log.Close()
	}
	d.path = filepath.Join(d.path, strings.Repeat("y", 90))
	if _, err := d.Prepare("a"); err == nil || !strings.Contains(err.Error(), "at most 103 bytes") {
		t.Errorf("a long path: %v", err)
	}
}

// TestForeignFolder refuses a folder that others may use.
func TestForeignFolder(t *testing.T) {
	d := short(t)
	if err := os.Mkdir(d.path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Labs(); err == nil || !strings.Contains(err.Error(), "0700") {
		t.Errorf("%v", err)
	}
	os.Remove(d.path)
	if err := os.Symlink(t.TempDir(), d.path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Prepare("a"); err == nil {
		t.Error("a symbolic link is followed")
	}
}

// TestCrash kills a daemon: it is noticed, what it left is removed, and its name is free.
func TestCrash(t *testing.T) {
	d := short(t)
	log, err := d.Prepare("lab")
	if err != nil {
		t.Fatal(err)
	}
	log.WriteString("last words\n")
	log.Close()
	kill := start(t, d)
	c, err := net.Dial("unix", d.Socket("lab"))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	gone := make(chan error)
	go func() { gone <- d.Wait("lab") }()
	kill()
	if err := <-gone; err != nil {
		t.Errorf("waiting for its end: %v", err)
	}
	for range 2 {
		if labs, err := d.Labs(); err != nil || len(labs) != 1 || labs[0].Running || labs[0].File != "lab.yaml" {
			t.Errorf("%+v, %v", labs, err)
		}
	}
	if err := d.Forget("lab"); err != nil {
		t.Error(err)
	}
	if labs, err := d.Labs(); err != nil || len(labs) != 0 {
		t.Errorf("%+v, %v", labs, err)
	}
	if left, err := d.Clean("lab"); !left || err != nil { // its log
		t.Errorf("%v, %v", left, err)
	}
	start(t, d)() // and a crash that nobody has looked at
	cl, err := d.Claim("lab", "other.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if l, err := cl.Listen(); err != nil {
		t.Error(err)
	} else {
		l.Close()
	}
}

// start starts a daemon and returns how to kill it.
func start(t *testing.T, d Dir) (kill func()) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "RUNDIR_CLAIM="+d.path)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("%s%v", line, err)
	}
	return func() {
		c.Process.Kill()
		c.Wait()
		in.Close()
	}
}

// TestCrowd has many want the same name while others list and clean: one at a time has
// it.
func TestCrowd(t *testing.T) {
	d := short(t)
	var all sync.WaitGroup
	var had sync.Mutex // who has the name
	for range 8 {
		all.Go(func() {
			for range 50 {
				c, err := d.Claim("lab", "x")
				if errors.Is(err, ErrRunning) {
					d.Labs()
					d.Clean("lab")
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if !had.TryLock() {
					t.Error("two have it")
					return
				}
				had.Unlock()
				if err := c.Release(); err != nil {
					t.Error(err)
				}
				c.file.Close()
			}
		})
	}
	all.Wait()
}
