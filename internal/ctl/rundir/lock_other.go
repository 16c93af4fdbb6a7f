//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package rundir

import (
	"errors"
	"io/fs"
	"os"
)

// lock is not there: liveness is whether somebody listens.
func lock(*os.File, bool) error { return errors.ErrUnsupported }

// private believes the operating system, which has other means.
func private(fs.FileInfo) error { return nil }
