package tester

import (
	"fmt"
	"time"
)

// Pass and Fail are the verdicts.
const (
	Pass = "PASS"
	Fail = "FAIL"
)

// Limits are what a test must keep to pass. The zero value wants everybody to
// have joined, nothing lost, nothing from a wrong source and nothing leaked.
type Limits struct {
	Loss        float64       // per cent of the datagrams that may be lost
	WrongSource uint64        // datagrams from a source the filter forbids
	Leaked      uint64        // datagrams that bystanders' links may carry
	JoinDelay   time.Duration // the longest; 0: any, as of all that follow
	LeaveDelay  time.Duration
	ZapTime     time.Duration
	Capacity    int // groups
}

// Check is one condition of the verdict.
type Check struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

// judge fills in Checks and Verdict.
func (l *Limits) judge(r *Result) {
	add := func(what, want, got string, ok bool) {
		r.Checks = append(r.Checks, Check{what, want, got, ok})
	}
	most := func(what string, got, limit uint64) {
		add(what, fmt.Sprintf("at most %d", limit), fmt.Sprint(got), got <= limit)
	}
	longest := func(what string, got Delays, limit time.Duration) {
		if limit != 0 {
			add(what, fmt.Sprintf("at most %v", limit), got.String(), got.Count > 0 && got.longest() <= limit)
		}
	}
	if r.Capacity != nil {
		if l.Capacity > 0 {
			add("capacity", fmt.Sprintf("%d groups or more", l.Capacity), fmt.Sprint(r.Capacity.Groups), r.Capacity.Groups >= l.Capacity)
		} else {
			add("capacity", "1 group or more", fmt.Sprint(r.Capacity.Groups), r.Capacity.Groups > 0)
		}
		r.conclude()
		return
	}
	add("joined", fmt.Sprintf("%d", r.Joins), fmt.Sprint(r.Joined), r.Joined == r.Joins && r.Joins > 0)
	if r.Numbered {
		add("loss", fmt.Sprintf("at most %g %%", l.Loss), fmt.Sprintf("%.4g %% (%d of %d)", r.LossPercent, r.Lost, r.Expected), r.LossPercent <= l.Loss && r.Expected > 0)
	}
	most("wrong source", r.WrongSource, l.WrongSource)
	if r.Bystanders > 0 {
		most("leaked", r.Leaked, l.Leaked)
	}
	longest("join delay", r.JoinDelay, l.JoinDelay)
	longest("leave delay", r.LeaveDelay, l.LeaveDelay)
	longest("zap time", r.Zap.First, l.ZapTime)
	r.conclude()
}

// conclude makes the verdict of the checks.
func (r *Result) conclude() {
	r.Verdict = Pass
	for _, c := range r.Checks {
		if !c.OK {
			r.Verdict = Fail
		}
	}
}
