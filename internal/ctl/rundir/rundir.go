// Package rundir is the folder in which the running labs of a user are found: of each
// the socket of its control API, a file that its daemon holds locked as long as it
// lives, and its log.
//
//	NAME.sock   what clients connect to (0600)
//	NAME.lock   who runs, as JSON; the lock on it says whether he still does
//	NAME.log    what the daemon had to say
//
// The folder is $XDG_RUNTIME_DIR/vimage, else vimage-UID in the folder for temporary
// files. It must be the user's own and nobody else's. Whoever changes something in it
// holds a lock on the folder itself meanwhile, so that two who start, end or clean
// labs never meet half a change.
package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSocket is the length of the longest path of a unix socket that all systems take:
// sun_path has 104 bytes with BSD, one of them the end.
const maxSocket = 103

// ErrRunning is why a name cannot be claimed.
var ErrRunning = errors.New("it is running already")

// Lab is a lab that has been started and has not ended by itself.
type Lab struct {
	Name    string    `json:"name"`
	PID     int       `json:"pid"`
	File    string    `json:"file"` // that it was made of
	Started time.Time `json:"started"`
	Running bool      `json:"running"` // else its daemon died, and left this behind
	Socket  string    `json:"socket"`
}

// Dir is such a folder.
type Dir struct{ path string }

// Default returns the user's folder, which need not be there yet.
func Default() Dir {
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" {
		return Dir{filepath.Join(d, "vimage")}
	}
	return Dir{filepath.Join(os.TempDir(), "vimage-"+strconv.Itoa(os.Getuid()))}
}

// At returns the folder with that path.
func At(path string) Dir { return Dir{path} }

// Path returns where the folder is.
func (d Dir) Path() string { return d.path }

// Socket returns the path of a lab's socket.
func (d Dir) Socket(name string) string { return filepath.Join(d.path, name+".sock") }

// Log returns the path of a lab's log.
func (d Dir) Log(name string) string { return filepath.Join(d.path, name+".log") }

func (d Dir) lockFile(name string) string { return filepath.Join(d.path, name+".lock") }

// CheckName tells whether a lab may have a name: 1 to 64 letters, digits and _ . -
// that do not begin with a dot or a dash.
func CheckName(name string) error {
	odd := strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-')
	})
	if odd || len(name) == 0 || len(name) > 64 || name[0] == '.' || name[0] == '-' {
		return fmt.Errorf("%q cannot be the name of a lab: use 1 to 64 letters, digits and _ . - and begin with none of the last two", name)
	}
	return nil
}

// open returns the folder, to be locked; with make it is made where it is not there.
func (d Dir) open(make bool) (*os.File, error) {
	if make {
		if err := os.MkdirAll(d.path, 0o700); err != nil {
			return nil, err
		}
	}
	info, err := os.Lstat(d.path)
	if err != nil {
		return nil, err
	}
	if err := private(info); err != nil {
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	return os.Open(d.path)
}

// locked calls f while nobody else changes the folder.
func (d Dir) locked(make bool, f func() error) error {
	dir, err := d.open(make)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := lock(dir, true); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return f()
}

// Labs returns the labs that are there, by name, those that do not run any more among
// them until Forget.
func (d Dir) Labs() ([]Lab, error) {
	var all []Lab
	err := d.locked(false, func() error {
		files, err := filepath.Glob(filepath.Join(d.path, "*.lock"))
		if err != nil {
			return err
		}
		for _, f := range files {
			all = append(all, d.read(strings.TrimSuffix(filepath.Base(f), ".lock")))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b Lab) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// read returns what a lock file says. The folder is locked.
func (d Dir) read(name string) Lab {
	var l Lab
	if text, err := os.ReadFile(d.lockFile(name)); err == nil {
		_ = json.Unmarshal(text, &l) // what a crash left half-written says nothing
	}
	l.Name, l.Socket, l.Running = name, d.Socket(name), d.alive(name)
	return l
}

// alive tells whether somebody holds a lab's lock.
func (d Dir) alive(name string) bool {
	f, err := os.Open(d.lockFile(name))
	if err != nil {
		return false
	}
	defer f.Close()
	switch err := lock(f, false); {
	case errors.Is(err, errors.ErrUnsupported):
		return d.answers(name)
	default:
		return err != nil
	}
}

// answers tells whether somebody listens at a lab's socket: all there is to know where
// files cannot be locked.
func (d Dir) answers(name string) bool {
	c, err := net.DialTimeout("unix", d.Socket(name), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// remove removes what belongs to a lab, but for its log. The folder is locked.
func (d Dir) remove(name string) error {
	var all error
	for _, f := range []string{d.Socket(name), d.lockFile(name)} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// Forget removes what a lab that does not run any more has left, but for its log.
func (d Dir) Forget(name string) error {
	return d.locked(false, func() error {
		if d.alive(name) {
			return ErrRunning
		}
		return d.remove(name)
	})
}

// Clean removes what a lab that does not run any more has left, its log too. It
// returns false where nothing was left, and ErrRunning where it runs.
func (d Dir) Clean(name string) (left bool, err error) {
	err = d.locked(false, func() error {
		if d.alive(name) {
			return ErrRunning
		}
		for _, f := range []string{d.lockFile(name), d.Log(name)} {
			if _, err := os.Stat(f); err == nil {
				left = true
			}
		}
		if err := os.Remove(d.Log(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return d.remove(name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return left, err
}

// Wait waits until a lab does not run any more.
func (d Dir) Wait(name string) error {
	f, err := os.Open(d.lockFile(name))
	if err != nil {
		return nil // it is gone
	}
	defer f.Close()
	err = lock(f, true)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	for d.answers(name) {
		time.Sleep(10 * time.Millisecond) // without locks there is nothing to wait for
	}
	return nil
}

// Claim is a name that is taken, by the process that has it.
type Claim struct {
	dir  Dir
	name string
	file *os.File
}

// Prepare checks a name, makes the folder where it is not there, and returns the log of
// a lab of that name, to be written behind what is in it: Claim begins a new one.
func (d Dir) Prepare(name string) (log *os.File, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if s := d.Socket(name); len(s) > maxSocket {
		return nil, fmt.Errorf("%s: the path of a socket has at most %d bytes, this has %d: choose a shorter name, or XDG_RUNTIME_DIR", s, maxSocket, len(s))
	}
	err = d.locked(true, func() error {
		log, err = os.OpenFile(d.Log(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		return err
	})
	return log, err
}

// Claim takes a name that Prepare has accepted for this process, until Release or its
// end. What a crashed lab of that name left is removed. The error is ErrRunning where
// there is one that runs.
func (d Dir) Claim(name, file string) (*Claim, error) {
	c := &Claim{dir: d, name: name}
	return c, d.locked(true, func() error {
		if d.alive(name) {
			return ErrRunning
		}
		if err := d.remove(name); err != nil {
			return err
		}
		if err := os.Truncate(d.Log(name), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return c.take(file)
	})
}

// take makes the lock file. The folder is locked.
func (c *Claim) take(file string) (err error) {
	if c.file, err = os.OpenFile(c.dir.lockFile(c.name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	if err := lock(c.file, false); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return json.NewEncoder(c.file).Encode(Lab{Name: c.name, PID: os.Getpid(), File: file, Started: time.Now(), Socket: c.dir.Socket(c.name)})
}

// Listen makes the socket, which only the user may connect to.
func (c *Claim) Listen() (net.Listener, error) {
	var l net.Listener
	err := c.dir.locked(false, func() (err error) {
		if l, err = net.Listen("unix", c.dir.Socket(c.name)); err != nil {
			return err
		}
		return os.Chmod(c.dir.Socket(c.name), 0o600)
	})
	return l, err
}

// Release gives the name back and leaves nothing behind. The lock itself ends with the
// process: who waits for the lab's end waits for that.
func (c *Claim) Release() error {
	return c.dir.locked(false, func() error {
		err := os.Remove(c.dir.Log(c.name))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return errors.Join(err, c.dir.remove(c.name)) // last, as Wait looks for what that removes
	})
}
