package tester

import (
	"time"
)

const (
	// forget is how long a network takes to stop what has been left: a querier
	// asks twice for a second (RFC 3376 §8.8), and a while.
	forget = 3 * time.Second
	// rounds is how often a trial sends to memberships that have had nothing, and
	// patience how long a datagram may take on a wire the first time: the report
	// may have been slower. It doubles each time, to 640 ms.
	rounds   = 8
	patience = 5 * time.Millisecond
	// burst is how many datagrams go to a wire at once.
	burst = 8
)

// findCapacity searches how many of the groups all receivers can join, get, and
// keep from the bystanders. A network of our own is asked by doubling, and then
// by halves. A wire is asked group by group: what lies behind it may not recover
// from too many (a Linux bridge gives up snooping), so the first that is too
// many must be the last that is tried.
func (t *test) findCapacity() error {
	if err := t.wait(t.Warmup); err != nil {
		return err
	}
	t.start = t.World.Now()
	t.driver.t = t
	t.found = &Capacity{Limit: t.Groups.Count, Trials: []Trial{}}
	var err error
	if t.Open == nil {
		t.found.Groups, err = search(t.Groups.Count, t.trial)
	} else {
		t.found.Groups, err = t.ramp()
	}
	t.ran = t.World.Now().Sub(t.start)
	return err
}

// search returns the largest n from 0 to limit that passes, where all below it do
// and none above.
func search(limit int, try func(n int) (bool, error)) (int, error) {
	good, bad := 0, limit+1
	for n := 1; good < limit; n = min(2*n, limit) {
		ok, err := try(n)
		if err != nil {
			return good, err
		}
		if !ok {
			bad = n
			break
		}
		good = n
	}
	for bad-good > 1 {
		n := good + (bad-good)/2
		ok, err := try(n)
		if err != nil {
			return good, err
		}
		if ok {
			good = n
		} else {
			bad = n
		}
	}
	return good, nil
}

// ramp adds groups one by one until one is too many, and then looks at all again.
func (t *test) ramp() (int, error) {
	for n := range t.Groups.Count {
		refused, err := t.become(n, n+1)
		if err != nil {
			return n, err
		}
		tr := Trial{Groups: n + 1, Failed: refused}
		if tr.Silent, err = t.silent(n, n+1); err != nil {
			return n, err
		}
		tr.Leaked = t.leakedSoFar()
		if bad := tr.Failed > 0 || tr.Silent > 0 || tr.Leaked > t.Limits.Leaked; bad {
			t.judged(tr)
			return n, nil
		}
		t.Progress("groups", n+1, t.Groups.Count)
	}
	ok, err := t.trial(t.Groups.Count)
	if !ok {
		return 0, err
	}
	return t.Groups.Count, err
}
