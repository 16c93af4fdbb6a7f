package main

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// lockProfile is how long goroutines have waited for locks, by who held them.
type lockProfile struct {
	waited map[string]float64 // seconds
	all    float64
}

// worstLock is the place that others waited for longest.
type worstLock struct {
	site   string
	waited time.Duration
	share  float64 // of all waiting
}

// startLockProfile has the run-time system note every wait from now on.
func startLockProfile() *lockProfile {
	runtime.SetMutexProfileFraction(1)
	return takeLockProfile()
}

// stop ends that and returns the worst place since the start.
func (p *lockProfile) stop() worstLock {
	runtime.SetMutexProfileFraction(0)
	now := takeLockProfile()
	w := worstLock{site: "none"}
	for site, s := range now.waited {
		d := time.Duration((s - p.waited[site]) * float64(time.Second))
		if d > w.waited || d == w.waited && d > 0 && site < w.site {
			w.site, w.waited = site, d
		}
	}
	if all := now.all - p.all; all > 0 {
		w.share = w.waited.Seconds() / all
	}
	return w
}

// takeLockProfile reads the profile as text, which alone tells how long a cycle
// of it is.
func takeLockProfile() *lockProfile {
	p := &lockProfile{waited: map[string]float64{}}
	var text bytes.Buffer
	if pprof.Lookup("mutex").WriteTo(&text, 1) != nil {
		return p
	}
	p.parse(text.String())
	return p
}

// parse reads records of the form "cycles count @ pcs", each followed by lines
// "#	pc	function+offset	file:line", innermost function first.
func (p *lockProfile) parse(text string) {
	var perSecond, seconds float64
	for l := range strings.Lines(text) {
		var cycles, count int64
		f := strings.Fields(l)
		switch {
		case strings.HasPrefix(l, "cycles/second="):
			fmt.Sscanf(l, "cycles/second=%g", &perSecond)
		case strings.Contains(l, " @ ") && perSecond > 0:
			if n, _ := fmt.Sscan(l, &cycles, &count); n == 2 {
				seconds = float64(cycles) / perSecond
				p.all += seconds
			}
		case seconds > 0 && len(f) >= 4 && f[0] == "#" && !ofSync(f[2]):
			p.waited[f[2]+" "+f[3][strings.LastIndex(f[3], "/")+1:]] += seconds
			seconds = 0
		}
	}
}

func ofSync(function string) bool {
	return strings.HasPrefix(function, "sync.") || strings.HasPrefix(function, "internal/sync.") || strings.HasPrefix(function, "runtime.")
}
