package tester

import (
	"fmt"
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

// trial has all receivers be members of the first n groups, and of no others, and
// tells whether they get what is sent to them.
func (t *test) trial(n int) (bool, error) {
	refused, err := t.become(0, n)
	if err != nil {
		return false, err
	}
	tr := Trial{Groups: n, Failed: refused, Leaked: t.leakedSoFar()}
	if tr.Silent, err = t.silent(0, n); err != nil {
		return false, err
	}
	tr.Leaked = t.leakedSoFar() - tr.Leaked
	return t.judged(tr), nil
}

// judged keeps a trial and tells whether it passed.
func (t *test) judged(tr Trial) bool {
	tr.OK = tr.Failed == 0 && tr.Silent == 0 && tr.Leaked <= t.Limits.Leaked
	t.found.Trials = append(t.found.Trials, tr)
	t.Progress(fmt.Sprintf("%d groups: %v, trials", tr.Groups, tr.OK), len(t.found.Trials), len(t.found.Trials)+1)
	if !tr.OK {
		t.found.Reason = tr.why(t.Hosts)
	}
	return tr.OK
}

// why says what went wrong with so many groups.
func (tr *Trial) why(hosts int) string {
	switch {
	case tr.Failed > 0:
		return fmt.Sprintf("of %d groups hosts could not join %d of %d memberships", tr.Groups, tr.Failed, tr.Groups*hosts)
	case tr.Silent > 0:
		return fmt.Sprintf("of %d groups nothing came to %d of %d memberships", tr.Groups, tr.Silent, tr.Groups*hosts)
	}
	return fmt.Sprintf("with %d groups %d datagrams came to bystanders", tr.Groups, tr.Leaked)
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

// become has all receivers join the groups from first on up to n, and leave those
// above. It returns how many joins were refused.
func (t *test) become(first, n int) (refused int, err error) {
	fewer := false
	for i, r := range t.receivers {
		for g := first; g < n; g++ {
			if r.join(g, false) != nil {
				r.end(g)
				refused++
			}
			t.driver.rest()
		}
		for g := n; g < len(r.channels) && r.channels[g].member; g++ {
			if err := r.leave(g); err != nil {
				return refused, err
			}
			fewer = true
		}
		if err := t.built(i, len(t.receivers), fmt.Sprintf("joining %d groups", n)); t.Open == nil && err != nil {
			return refused, err
		}
	}
	if fewer {
		return refused, t.wait(forget)
	}
	t.pause(time.Millisecond)
	return refused, nil
}

// silent sends to each of the groups, again and again to those that somebody has
// had nothing of, and returns how many memberships still have not.
func (t *test) silent(first, n int) (silent int, err error) {
	t.forgetFirst(first, n)
	for round := range rounds {
		for g := first; g < n; g++ {
			if round > 0 && t.missing(g, g+1) == 0 {
				continue
			}
			if err := t.sendTo(g); err != nil {
				return 0, err
			}
		}
		silent, err = t.listenFor(first, n, patience<<round)
		if err != nil || silent == 0 || t.Open == nil {
			break
		}
	}
	return silent, err
}

// sendTo has all senders send to a group, to a wire a few groups at a time.
func (t *test) sendTo(g int) error {
	for _, s := range t.senders {
		s.send(g)
		t.driver.rest()
	}
	switch {
	case t.Virtual:
		t.Run(time.Microsecond)
	case t.Open != nil && g%burst == burst-1:
		return t.wait(time.Millisecond)
	}
	return nil
}

// listenFor waits until all memberships have had something, and returns how many
// have not after some time.
func (t *test) listenFor(first, n int, d time.Duration) (missing int, err error) {
	if t.Open == nil {
		t.pause(10 * time.Millisecond)
		return t.missing(first, n), nil
	}
	for end := time.Now().Add(d); ; {
		if missing = t.missing(first, n); missing == 0 || time.Now().After(end) {
			return missing, nil
		}
		if err := t.wait(200 * time.Microsecond); err != nil {
			return missing, err
		}
	}
}

// forgetFirst has memberships wait for a first datagram again.
func (t *test) forgetFirst(first, n int) {
	for _, r := range t.receivers {
		r.mu.Lock()
		for g := first; g < n && g < len(r.channels); g++ {
			r.channels[g].first = 0
		}
		r.mu.Unlock()
	}
}

// missing returns how many memberships of groups wait for a first datagram.
func (t *test) missing(first, n int) (silent int) {
	for _, r := range t.receivers {
		r.mu.Lock()
		for g := first; g < n && g < len(r.channels); g++ {
			if c := &r.channels[g]; c.member && c.first == 0 {
				silent++
			}
		}
		r.mu.Unlock()
	}
	return silent
}

func (t *test) leakedSoFar() (n uint64) {
	for _, e := range t.bystanders {
		n += e.leaked()
	}
	return n
}
