package tester

import (
	"container/heap"
	"time"
)

// event is a step of the schedule for one host.
type event struct {
	at    time.Duration
	order int // of events that are due at once
	step  *Step
	host  int
	round int // of zap
}

// events is a heap by time.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop implements heap.Interface.
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// again plans what follows an event: the next host, the next round.
func (d *driver) again(e *event) {
	s := e.step
	last := d.t.Hosts - 1
	if s.Hosts.Some {
		last = s.Hosts.Last
	}
	if s.Do == Zap && e.host == s.Hosts.First && (s.Times == 0 || e.round+1 < s.Times) {
		next := *e
		next.round++
		next.at = s.At + time.Duration(next.round)*s.Every
		heap.Push(&d.steps, next)
	}
	if e.host < last {
		next := *e
		next.host++
		next.at += s.Stagger
		heap.Push(&d.steps, next)
	}
}
