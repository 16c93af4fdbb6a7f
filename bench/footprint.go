package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

// outsider is a Peer whose stacks live outside this process.
type outsider interface {
	// Memory returns the bytes they and everything like them take now.
	Memory() (uint64, error)
}

// footprint is what a peer's stacks take, together with all else in the process.
type footprint struct {
	outside    bool   // the stacks are not in this process: no heap, no goroutine
	heap       uint64 // bytes of live heap objects
	resident   uint64 // bytes of memory, if hasRSS
	goroutines int
}

// takeFootprint collects garbage and gives free memory back to the system first.
func takeFootprint(p Peer) (footprint, error) {
	runtime.GC()
	debug.FreeOSMemory()
	if o, ok := p.(outsider); ok {
		n, err := o.Memory()
		return footprint{outside: true, resident: n}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	rss, err := residentSet()
	return footprint{heap: m.HeapAlloc, resident: rss, goroutines: runtime.NumGoroutine()}, err
}

// perStack returns the rows of the named case for n stacks made since before.
func (f footprint) perStack(before footprint, name string, n int) Result {
	r := Result{}
	if hasRSS {
		r[name+".rss"] = Figure{Value: (float64(f.resident) - float64(before.resident)) / float64(n)}
	}
	if !f.outside {
		r[name+".heap"] = Figure{Value: (float64(f.heap) - float64(before.heap)) / float64(n)}
		r[name+".goroutines"] = Figure{Value: float64(f.goroutines-before.goroutines) / float64(n)}
	}
	return r
}

// hasRSS says that residentSet works here.
const hasRSS = runtime.GOOS == "linux"

// residentSet returns the bytes of this process that are in memory.
func residentSet() (uint64, error) {
	if !hasRSS {
		return 0, nil
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: %q", text)
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize()), err
}
