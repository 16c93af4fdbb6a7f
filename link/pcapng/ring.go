package pcapng

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Ring says when a capture goes on in another file. What is zero sets no limit.
type Ring struct {
	Bytes int64         // no file gets longer, unless by its first packet
	Span  time.Duration // no file has packets that are further from its first
	// Open returns the n-th file, counted from 1. See Files.
	Open func(n int) (io.WriteCloser, error)
}

// ring is where a capture of several files stands.
type ring struct {
	Ring
	n     int // files opened
	file  io.Closer
	head  []byte // the section, and the interfaces so far: how every file begins
	size  int64  // of the file, with what is buffered
	any   bool   // it has packets
	first uint64 // time of the first of them
}

// statisticsLen is how long an interface's statistics get at most.
const statisticsLen = 100

// packetExtra is how much longer than its data and comment a packet's block gets
// at most.
const packetExtra = 80

// NewRing begins a capture in several files. Every file has the section, all
// interfaces that were described until it ended, under the same numbers, and
// the statistics of each since the beginning of the capture. Close closes the
// last.
func NewRing(r Ring, s Section) *Writer {
	c := &Writer{ring: &ring{Ring: r}, out: bufio.NewWriterSize(io.Discard, bufferSize)}
	c.section(&s)
	c.ring.head = append(c.ring.head, c.buf...)
	c.openFile()
	return c
}

// turn goes on in another file if a packet at time t, of n bytes with its
// comment, does not belong in this one.
func (c *Writer) turn(t uint64, n int) {
	r := c.ring
	then := r.size + int64(n) + packetExtra + statisticsLen*int64(len(c.ifs))
	long := r.Bytes > 0 && then > r.Bytes
	late := r.Span > 0 && t > r.first && t-r.first > uint64(r.Span)
	if r.any && (long || late) {
		c.finish()
		c.openFile()
	}
	if !r.any {
		r.any, r.first = true, t
	}
}

func (c *Writer) openFile() {
	r := c.ring
	if c.err != nil {
		return
	}
	f, err := r.Open(r.n + 1)
	if err != nil {
		c.fail(fmt.Errorf("pcapng: %w", err))
		return
	}
	r.n++
	r.file, r.size, r.any = f, 0, false
	c.out.Reset(f)
	c.put(r.head)
}

func (c *Writer) closeFile() {
	if c.ring.file == nil {
		return
	}
	if err := c.ring.file.Close(); err != nil {
		c.fail(fmt.Errorf("pcapng: %w", err))
	}
	c.ring.file = nil
}

// Files returns an Open that makes files beside each other, with their number
// before the extension of path: of a.pcapng, a_00001.pcapng and so on. Only the
// last keep stay, if that is more than 0.
func Files(path string, keep int) func(n int) (io.WriteCloser, error) {
	ext := filepath.Ext(path)
	base := strings.TrimSuffix(path, ext)
	name := func(n int) string { return fmt.Sprintf("%s_%05d%s", base, n, ext) }
	return func(n int) (io.WriteCloser, error) {
		if keep > 0 && n > keep {
			if err := os.Remove(name(n - keep)); err != nil && !os.IsNotExist(err) {
				return nil, err
			}
		}
		return os.Create(name(n))
	}
}
