package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows on a terminal how far long work has come, on one line that is
// written over; elsewhere a line per stage.
type progress struct {
	w     io.Writer
	tty   bool
	stage string
	last  time.Time
	drawn bool
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.tty = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) show(stage string, done, of int) {
	if !p.tty {
		if done == of {
			fmt.Fprintf(p.w, "%s %d/%d\n", stage, done, of)
		}
		return
	}
	if stage == p.stage && done != of && time.Since(p.last) < 50*time.Millisecond {
		return
	}
	p.stage, p.last, p.drawn = stage, time.Now(), true
	fmt.Fprintf(p.w, "\r\x1b[K%s %d/%d", stage, done, of)
}

// end leaves the terminal's line clean.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
