package ctl

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// op names an operation of the API.
type op struct{ method, path, id, summary string }

func (o op) huma() huma.Operation {
	area, below, _ := strings.Cut(strings.TrimPrefix(o.path, "/v1/"), "/")
	if _, of, ok := strings.Cut(below, "/"); ok && area == "jails" {
		area, _, _ = strings.Cut(of, "/")
	}
	return huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, Summary: o.summary, Tags: []string{area},
		MaxBodyBytes: maxBody, BodyReadTimeout: bodyWait, Middlewares: huma.Middlewares{hurry}, DefaultStatus: http.StatusOK,
	}
}

// hurry cuts clients who do not take their answer. Streams have a bound of their own.
func hurry(ctx huma.Context, next func(huma.Context)) {
	_, w := humago.Unwrap(ctx)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWait)) // what has no deadlines is no connection
	next(ctx)
}

// reply is a document with the number of changes so far.
type reply[O any] struct {
	Revision uint64 `header:"Vimage-Revision"`
	Body     O
}

// read registers an operation that changes nothing. f is given the request's parameters
// and body as huma knows them. Nobody who GETs something sees half of a change; f must
// then not wait for one.
func read[I, O any](s *Server, o op, f func(*I) (O, error)) {
	huma.Register(s.api, o.huma(), func(_ context.Context, in *I) (*reply[O], error) {
		if o.method == http.MethodGet {
			s.change.RLock()
			defer s.change.RUnlock()
		}
		r := &reply[O]{Revision: s.revision.Load()}
		var err error
		if r.Body, err = f(in); err != nil {
			return nil, refuse(err)
		}
		return r, nil
	})
}

// modify registers an operation that changes the network, all or, after an error,
// nothing: f tells its tx how to undo each step that it makes. By then the request is
// complete, and what has become of the client does not matter.
func modify[I, O any](s *Server, o op, f func(*tx, *I) (O, error)) {
	huma.Register(s.api, o.huma(), func(_ context.Context, in *I) (*reply[O], error) {
		r := new(reply[O])
		var err error
		r.Revision, err = s.transact(func(t *tx) (err error) {
			r.Body, err = f(t, in)
			return err
		})
		if err != nil {
			return nil, refuse(err)
		}
		return r, nil
	})
}
