package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	keepAlive = 15 * time.Second // how often a stream that has nothing to say says so
	eventWait = 5 * time.Second  // for a client to take an event: one who does not is cut
)

// sender sends an event of a stream: its kind and a document. An error says that the
// client is gone, or too slow.
type sender func(kind string, doc any) error

// stream registers an operation that answers with server-sent events. start checks the
// request and returns what feeds the stream, and returns at the latest when its context
// ends: with the client, or with the server. It is called once start has returned it.
// events has an example of the document of each kind of event.
func stream[I any](s *Server, o op, events map[string]any, start func(*I) (feed func(context.Context, sender) error, err error)) {
	h := o.huma()
	h.Responses = map[string]*huma.Response{"200": {
		Description: "Events, until either side ends it", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: s.eventSchema(events)}},
	}}
	huma.Register(s.api, h, func(_ context.Context, in *I) (*huma.StreamResponse, error) {
		select {
		case s.streams <- struct{}{}:
		default:
			return nil, refuse(fmt.Errorf("%w: %d streams are open, and that is all there may be", syscall.EBUSY, maxStreams))
		}
		feed, err := start(in)
		if err != nil {
			<-s.streams
			return nil, refuse(err)
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			defer func() { <-s.streams }()
			_, w := humago.Unwrap(ctx)
			serve(ctx.Context(), w, feed)
		}}, nil
	})
}

// eventSchema describes a stream.
func (s *Server) eventSchema(events map[string]any) *huma.Schema {
	all := make(map[string]*huma.Schema)
	for kind, doc := range events {
		all[kind] = s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(doc), true, kind)
	}
	return &huma.Schema{Type: huma.TypeObject, Description: "The data of each kind of event", Properties: all}
}

// serve runs feed, and sends a comment now and then where it is silent.
func serve(ctx context.Context, w http.ResponseWriter, feed func(context.Context, sender) error) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	e := &eventWriter{w: w, c: http.NewResponseController(w)}
	_ = e.c.SetReadDeadline(time.Time{}) // that of the body would end the stream
	ctx, stop := context.WithCancel(ctx)
	var silent sync.WaitGroup
	silent.Go(func() { e.keepAlive(ctx, stop) })
	err := feed(ctx, e.send)
	if err != nil && ctx.Err() == nil {
		_ = e.send("error", refuse(err)) // or there is nobody to tell
	}
	stop()
	silent.Wait()
}

// each calls f at the end of each interval, until it returns an error or the stream ends.
func each(ctx context.Context, every time.Duration, f func() error) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// eventWriter writes the events of one stream.
type eventWriter struct {
	mu sync.Mutex // guards all
	w  http.ResponseWriter
	c  *http.ResponseController
}

// send implements sender.
func (e *eventWriter) send(kind string, doc any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return e.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, bytes.TrimSpace(text)))
}

func (e *eventWriter) write(b []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.c.SetWriteDeadline(time.Now().Add(eventWait)) // what has no deadlines is no connection
	if _, err := e.w.Write(b); err != nil {
		return err
	}
	return e.c.Flush()
}

// keepAlive ends the stream where the client is found to be gone.
func (e *eventWriter) keepAlive(ctx context.Context, gone func()) {
	t := time.NewTicker(keepAlive)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if e.write([]byte(":\n\n")) != nil {
				gone()
				return
			}
		}
	}
}
