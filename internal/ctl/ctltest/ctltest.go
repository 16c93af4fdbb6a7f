// Package ctltest is what tests of the control API and of its commands share: a lab with
// its API, in this process. Only test files import it.
package ctltest

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/ctl"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// TB is what Start needs of *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Lab is a network with its API.
type Lab struct {
	Net    *topo.Network
	Server *ctl.Server
	pipe   *pipe
}

// Start builds the network of a file, begins its joins and flows, and serves its API until the test ends, or Close.
// In a synctest bubble its time is the bubble's: then close it in there.
func Start(t TB, file string) *Lab {
	t.Helper()
	f, err := topo.Load(strings.NewReader(file), "lab.yaml")
	if err != nil {
		t.Fatalf("%v", err)
	}
	n, err := topo.Build(f, lab.Config{Seed: 1})
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := n.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	l := &Lab{Net: n, pipe: newPipe()}
	l.Server = ctl.New(n, ctl.Config{Name: "lab", File: "lab.yaml", Started: time.Now()})
	served := make(chan error, 1)
	go func() { served <- l.Server.Serve(l.pipe) }()
	l.pipe.after = sync.OnceFunc(func() {
		if err := l.Server.Close(); err != nil {
			t.Fatalf("the server does not end: %v", err)
		}
		if err := <-served; err != nil {
			t.Fatalf("the server has failed: %v", err)
		}
		n.Close()
	})
	t.Cleanup(l.Close)
	return l
}

// Crowd returns the file of a lab of n hosts, h0 and on, on a switch.
func Crowd(n int) string {
	var hosts, links strings.Builder
	for i := range n {
		fmt.Fprintf(&hosts, "  h%d: {}\n", i)
		fmt.Fprintf(&links, "  - {between: [h%d, lan]}\n", i)
	}
	return "hosts:\n" + hosts.String() + "switches:\n  lan: {subnet: 10.0.0.0/16}\nlinks:\n" + links.String()
}

// Close ends the API and the network.
func (l *Lab) Close() { l.pipe.after() }

// Client returns a client of the lab. Who wants it to leave no goroutine closes it.
func (l *Lab) Client() *client.Client { return client.New(l.Dial) }

// Dial connects to the API.
func (l *Lab) Dial(ctx context.Context) (net.Conn, error) { return l.pipe.dial(ctx) }

// pipe is a listener within the process.
type pipe struct {
	conns chan net.Conn
	ended chan struct{}
	end   func()
	after func()
}

func newPipe() *pipe {
	p := &pipe{conns: make(chan net.Conn), ended: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.ended) })
	return p
}

func (p *pipe) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.ended:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipe) Close() error {
	p.end()
	return nil
}

// Addr implements net.Listener.
func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
