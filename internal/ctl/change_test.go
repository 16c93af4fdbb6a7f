package ctl

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// TestTransact undoes what a change has done when a later step fails, or panics, the
// last step first, and counts whole changes only.
func TestTransact(t *testing.T) {
	s := new(Server)
	var done []int
	steps := func(n int) func(*tx) {
		return func(t *tx) {
			for i := range n {
				done = append(done, i)
				t.made(func() { done = append(done, -i) })
			}
		}
	}
	if n, err := s.transact(func(t *tx) error { steps(2)(t); return nil }); n != 1 || err != nil || !slices.Equal(done, []int{0, 1}) {
		t.Errorf("a whole one: %d, %v, %v", n, err, done)
	}
	done = nil
	failure := errors.New("no")
	if n, err := s.transact(func(t *tx) error { steps(3)(t); return failure }); n != 0 || err != failure || !slices.Equal(done, []int{0, 1, 2, -2, -1, 0}) {
		t.Errorf("one that fails: %d, %v, %v", n, err, done)
	}
	done = nil
	func() {
		defer func() { recover() }()
		s.transact(func(t *tx) error { steps(2)(t); panic("no") })
	}()
	if !slices.Equal(done, []int{0, 1, -1, 0}) {
		t.Errorf("one that panics: %v", done)
	}
	if n, err := s.transact(func(*tx) error { return nil }); n != 2 || err != nil {
		t.Errorf("the next: %d, %v", n, err)
	}
}

// TestChangesAreSeenWhole: who reads while something changes waits until it is done.
func TestChangesAreSeenWhole(t *testing.T) {
	s := &Server{mux: http.NewServeMux()}
	s.api = humago.New(s.mux, describe())
	var steps atomic.Int32
	read(s, op{"GET", "/v1/steps", "steps", "How many have been made"}, func(*struct{}) (struct{ N int32 }, error) {
		return struct{ N int32 }{steps.Load()}, nil
	})
	answer := httptest.NewRecorder()
	answered := make(chan struct{})
	if _, err := s.transact(func(*tx) error {
		steps.Add(1)
		go func() {
			defer close(answered)
			s.mux.ServeHTTP(answer, httptest.NewRequest("GET", "/v1/steps", nil))
		}()
		select {
		case <-answered: // too early: N is 1
		case <-time.After(50 * time.Millisecond): // to give it every chance
		}
		steps.Add(1)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	<-answered
	if got := answer.Body.String(); got != `{"N":2}`+"\n" || answer.Header().Get("Vimage-Revision") != "1" {
		t.Errorf("%q, revision %q", got, answer.Header().Get("Vimage-Revision"))
	}
}
