// Package live is where the frames of package watch come from: captures, wires, and
// networks of topology files while they run. All give frames in order of time, and
// each frame once.
package live

import (
	"errors"
	"io"
	"strings"

	"github.com/seed88948545/vimage/internal/watch"
	"github.com/seed88948545/vimage/link/pcapng"
)

// Frame is a frame and when it was seen, in nanoseconds of the Unix epoch.
type Frame struct {
	At       int64
	LinkType uint16
	Len      int // bytes it had
	Data     []byte
}

// ReadCapture hands the frames of a capture to visit, which borrows them, until
// it ends or stop says so. names, if there are any, are the interfaces that count;
// with sent only what they have sent does. It returns the time of the last frame.
func ReadCapture(in io.Reader, names []string, sent bool, stop func() error, visit func(*Frame)) (last int64, err error) {
	r := pcapng.NewReader(in)
	count := make(map[string]bool)
	for _, n := range names {
		count[n] = false
	}
	for {
		if err := stop(); err != nil {
			return last, err
		}
		var f pcapng.Frame
		if err := r.Next(&f); err != nil {
			if err == io.EOF {
				return last, missing(names, count)
			}
			return last, err
		}
		if _, ok := count[f.Name]; !ok && len(names) > 0 || sent && f.Dir != pcapng.Out || strings.HasPrefix(f.Comment, "drop: ") {
			continue // not asked for, or a packet's second record: that a stack of ours has dropped it
		}
		count[f.Name] = true
		last = f.Time
		visit(&Frame{At: f.Time, LinkType: f.LinkType, Len: f.Len, Data: f.Data})
	}
}

// missing finds names that no frame was of.
func missing(names []string, seen map[string]bool) error {
	var errs []error
	for _, n := range names {
		if !seen[n] {
			errs = append(errs, errors.New("the capture has no frame of a link "+n))
		}
	}
	return errors.Join(errs...)
}

// Give lets a Watcher see a frame.
func (f *Frame) Give(w *watch.Watcher) { w.Frame(f.At, f.LinkType, f.Data, f.Len) }
