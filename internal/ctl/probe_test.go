package ctl

import (
	"context"
	"errors"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// TestProbesOfTheGone: of a client who is gone before it has heard anything, no socket
// stays.
func TestProbesOfTheGone(t *testing.T) {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	st, err := w.NewStack("a", vimage.StackConfig{})
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	send := func(string, any) error { return gone }
	for what, probe := range map[string]func(context.Context, *Server, *vimage.Stack) error{
		"ping":       (&pinger{send: send, req: client.PingRequest{Host: "127.0.0.1"}}).ping,
		"traceroute": (&tracer{send: send, req: client.TracerouteRequest{Host: "127.0.0.1"}}).trace,
	} {
		if err := probe(t.Context(), &Server{world: w}, st); !errors.Is(err, gone) {
			t.Errorf("%s ends with %v", what, err)
		}
		if left := st.Sockets(); len(left) != 0 {
			t.Errorf("%s leaves %+v", what, left)
		}
	}
}
