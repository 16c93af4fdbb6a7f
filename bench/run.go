package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// samples are what one peer gave for one case.
type samples struct {
	note    string
	results []Result
	err     error
}

// runCase measures one case of all peers in turn and returns its lines.
func runCase(c Case, quick bool) []line {
	rounds, budget := 5, time.Second
	if quick {
		rounds, budget = 3, 200*time.Millisecond
	}
	if c.Rounds > 0 {
		rounds = min(rounds, c.Rounds)
		if quick {
			rounds = 1
		}
	}
	names := []string{}
	for _, p := range peers(quick, c.Family) {
		names = append(names, p.name)
	}
	if quick && c.Family.is6() { // to know that they run takes little
		rounds, budget, names = 1, 50*time.Millisecond, names[:1]
		c.Note += "; vimage only in a quick run"
	}
	got := make(map[string]*samples)
	running := make(map[string]*process)
	for _, name := range names {
		got[name] = new(samples)
	}
	for round := range rounds {
		for _, name := range names {
			s := got[name]
			if s.err != nil {
				continue
			}
			fmt.Fprintf(os.Stderr, "%-12s round %d of %d: %-8s", c.Name, round+1, rounds, name)
			begun := time.Now()
			if running[name] == nil {
				s.start(running, name, c.Name, quick)
			}
			if p := running[name]; p != nil {
				s.err = s.add(p, budget)
				if c.Fresh || s.err != nil {
					p.stop()
					delete(running, name)
				}
			}
			fmt.Fprintln(os.Stderr, s.progress(c.Rows[0]), "in", time.Since(begun).Round(time.Millisecond))
		}
	}
	for _, p := range running {
		p.stop()
	}
	return makeLines(c, names, got)
}

// start starts a peer's process for the case.
func (s *samples) start(running map[string]*process, peer, name string, quick bool) {
	p, err := startProcess(peer, name, quick)
	if err != nil {
		s.err = err
		return
	}
	s.note = p.note
	running[peer] = p
}

// add measures one round.
func (s *samples) add(p *process, budget time.Duration) error {
	r, err := p.measure(budget)
	if err != nil {
		return err
	}
	s.results = append(s.results, r)
	return nil
}

// progress describes the last round for the person who waits.
func (s *samples) progress(row Row) string {
	if s.err != nil {
		return s.err.Error()
	}
	return formatNumber(s.results[len(s.results)-1][row.Name].Value) + " " + row.Unit
}

// median returns the middle of the rounds' figures for one row, each part by
// itself, and whether there are any.
func (s *samples) median(row string) (Figure, bool) {
	var values, walls, allocs []float64
	for _, r := range s.results {
		f, ok := r[row]
		if !ok {
			return Figure{}, false
		}
		values = append(values, f.Value)
		if f.Wall != nil {
			walls = append(walls, *f.Wall)
		}
		if f.Allocs != nil {
			allocs = append(allocs, *f.Allocs)
		}
	}
	v := middle(values)
	if v == nil || s.err != nil {
		return Figure{}, false
	}
	return Figure{Value: *v, Wall: middle(walls), Allocs: middle(allocs)}, true
}

func middle(x []float64) *float64 {
	if len(x) == 0 {
		return nil
	}
	slices.Sort(x)
	m := (x[(len(x)-1)/2] + x[len(x)/2]) / 2
	return &m
}
