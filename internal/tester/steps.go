package tester

import "time"

// zapping is where a receiver is in its zaps. Only the driver uses it.
type zapping struct {
	watched bool // its card takes everything
	open    bool
	from    int // group it left
	to      int // and joined
	asked   int64
}

// do lets one host do a step.
func (d *driver) do(e *event) {
	t, s := d.t, e.step
	r := t.receivers[e.host]
	switch s.Do {
	case Zap:
		d.must(r.zapTo())
	case Filter:
		f := newFilter(s.Mode, s.Sources)
		d.each(e, func(i int) error { return r.refilter(i, &f) })
	case Leave:
		d.each(e, r.leave)
	case Join:
		d.each(e, func(i int) error { return r.join(i, true) })
	}
	if t.Virtual {
		t.Run(time.Microsecond)
	}
}

func (d *driver) must(err error) {
	if err != nil {
		d.errs = append(d.errs, err)
	}
}

// each does something with each group of a step.
func (d *driver) each(e *event, do func(i int) error) {
	first, last := 0, d.t.Groups.Count-1
	switch {
	case e.step.Own:
		first = e.host % d.t.Groups.Count
		last = first
	case e.step.Groups.Some:
		first, last = e.step.Groups.First, e.step.Groups.Last
	}
	for i := first; i <= last && len(d.errs) == 0; i++ {
		d.must(do(i))
	}
}

// zapTo leaves the lowest group that is joined and joins the one after it.
func (r *receiver) zapTo() error {
	from := r.current()
	if from < 0 {
		return nil
	}
	r.closeZap()
	to := (from + 1) % r.t.Groups.Count
	r.zap.open, r.zap.from, r.zap.to = true, from, to
	r.zap.asked = r.t.World.Now().UnixNano()
	if err := r.leave(from); err != nil {
		return err
	}
	return r.join(to, false)
}

// current returns the lowest group that is joined, -1 for none.
func (r *receiver) current() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.channels {
		if r.channels[i].member {
			return i
		}
	}
	return -1
}

// closeZap makes samples of the zap before.
func (r *receiver) closeZap() {
	if !r.zap.open {
		return
	}
	r.zap.open = false
	r.mu.Lock()
	var first time.Duration
	if c := &r.channels[r.zap.to]; c.first != 0 {
		first = time.Duration(c.first - r.zap.asked)
	}
	r.mu.Unlock()
	last, _ := r.edge.since(r.zap.from)
	r.t.tally.zap(first, max(last, 0))
}
