package sockbuf

import (
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

var noTime time.Time

// ended is how a reader's wait ended, and when.
type ended struct {
	err   error
	after time.Duration
}

// waits has a reader wait in a bubble while f moves the deadline, and says how
// that ended. Whoever still waits when f is done is woken by Close.
func waits(t *testing.T, f func(g *rig, in func(time.Duration))) (e ended) {
	synctest.Test(t, func(t *testing.T) {
		g, start := newRig(t, clock.NewReal()), time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			it, err := g.Take(true)
			if e = (ended{err, time.Since(start)}); err == nil {
				g.cache.Free(it.Buf)
			}
		}()
		synctest.Wait()
		f(g, func(d time.Duration) { g.SetDeadline(start.Add(d)) })
		synctest.Wait()
		g.Close(g.cache.Free)
		g.Wake()
		<-done
		g.clean()
	})
	return e
}

// TestDeadline: a wait ends at the very moment, wherever it was moved meanwhile.
func TestDeadline(t *testing.T) {
	const s = time.Second
	late := os.ErrDeadlineExceeded
	for _, c := range []struct {
		name string
		want ended
		f    func(g *rig, in func(time.Duration))
	}{
		{"future", ended{late, 3*s + 1}, func(g *rig, in func(time.Duration)) { in(3*s + 1); <-time.After(9 * s) }},
		{"past", ended{late, 0}, func(g *rig, in func(time.Duration)) { in(-s) }},
		{"present", ended{late, 2 * s}, func(g *rig, in func(time.Duration)) { <-time.After(2 * s); in(2 * s) }},
		{"long past", ended{late, 0}, func(g *rig, in func(time.Duration)) { g.SetDeadline(time.Unix(-1<<40, 0)) }},
		{"far future", ended{net.ErrClosed, 9 * s}, func(g *rig, in func(time.Duration)) { g.SetDeadline(time.Unix(1<<40, 0)); <-time.After(9 * s) }},
		{"moved out", ended{late, 5 * s}, func(g *rig, in func(time.Duration)) { in(2 * s); <-time.After(s); in(5 * s); <-time.After(8 * s) }},
		{"moved in", ended{late, 2 * s}, func(g *rig, in func(time.Duration)) { in(5 * s); <-time.After(s); in(2 * s); <-time.After(8 * s) }},
		{"moved to the past", ended{late, s}, func(g *rig, in func(time.Duration)) { in(5 * s); <-time.After(s); in(s / 2); <-time.After(8 * s) }},
		{"cleared", ended{net.ErrClosed, 9 * s}, func(g *rig, in func(time.Duration)) {
			in(2 * s)
			<-time.After(s)
			g.SetDeadline(noTime)
			<-time.After(8 * s)
		}},
		{"packet first", ended{nil, s}, func(g *rig, in func(time.Duration)) {
			in(2 * s)
			<-time.After(s)
			g.mustPut(1, 4)
			<-time.After(8 * s)
		}},
		{"error first", ended{syscall.ECONNREFUSED, s}, func(g *rig, in func(time.Duration)) {
			in(2 * s)
			<-time.After(s)
			if !g.Fail(syscall.ECONNREFUSED) {
				g.t.Error("the reader is not to be woken")
			}
			g.Wake()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if e := waits(t, c.f); e != c.want {
				t.Errorf("ended with %v after %v, want %v after %v", e.err, e.after, c.want.err, c.want.after)
			}
		})
	}
}

// TestDeadlineOver: after it has passed, nothing can be read until it is moved.
func TestDeadlineOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, clock.NewReal())
		g.mustPut(1, 4)
		g.SetDeadline(time.Now().Add(time.Second))
		<-time.After(time.Second)
		synctest.Wait()
		for range 2 {
			g.wantErr(os.ErrDeadlineExceeded)
			if _, err := g.TakeQueued(); err != os.ErrDeadlineExceeded {
				t.Errorf("TakeQueued: %v", err)
			}
		}
		g.SetDeadline(noTime)
		g.want(1)
		g.Close(g.cache.Free)
		if err := g.SetDeadline(time.Now().Add(time.Second)); err != net.ErrClosed {
			t.Errorf("SetDeadline after Close: %v", err)
		}
		g.clean()
	})
}

// TestReaders: of several who wait each packet wakes enough, a deadline all.
func TestReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, clock.NewReal())
		var mu sync.Mutex
		got, late := 0, 0
		for range 5 {
			go func() {
				it, err := g.Take(true)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got++
					g.cache.Free(it.Buf)
				} else if err == os.ErrDeadlineExceeded {
					late++
				}
			}()
		}
		synctest.Wait()
		_, first := g.put(1, 4, big)
		_, second := g.put(2, 4, big) // before anybody was woken
		if !first || second {
			t.Errorf("wake %v, %v", first, second)
		}
		g.Wake()
		synctest.Wait()
		g.mustPut(3, 4)
		synctest.Wait()
		if got != 3 {
			t.Errorf("3 packets, %d read", got)
		}
		g.SetDeadline(time.Now().Add(time.Second))
		<-time.After(time.Second)
		synctest.Wait()
		if got != 3 || late != 2 {
			t.Errorf("%d read, %d late, want 3 and 2", got, late)
		}
		g.Close(g.cache.Free)
		g.clean()
	})
}

// TestDeadlineRace: the last to set a deadline wins, and Close leaves no timer.
func TestDeadlineRace(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, clock.NewReal())
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() { g.SetDeadline(time.Now().Add(time.Duration(i) * time.Second)) })
			}
			wg.Go(func() { g.Close(g.cache.Free) })
			wg.Wait()
			g.clean()
		})
	}
}
