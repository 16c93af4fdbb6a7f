//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package rundir

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock takes the lock of an open file, which ends when the file is closed. It waits
// for others or, where it must not, returns an error while there are such.
func lock(f *os.File, wait bool) error {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}

// private tells whether a folder is the user's and nobody else's.
func private(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return errors.New("it is no folder")
	case !ok || int(st.Uid) != os.Getuid():
		return errors.New("it is not yours: it must belong to you")
	case info.Mode().Perm()&0o077 != 0:
		return errors.New("others may use it: its mode must be 0700")
	}
	return nil
}
