package tester

import (
	"fmt"
	"time"
)

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
