// Package ctl is the control API of a running lab: HTTP and JSON over whatever listener
// it is given, described by an OpenAPI document at /openapi.json. Its documents are the
// types of package client.
//
// There is a file for each area; each registers its operations with one of three
// helpers: read, modify and stream. A handler does what it does through the
// front door of the network, and returns a document or an error; everything else is
// the helpers' work.
//
// # Changes
//
// A change is decoded and checked as far as it can be before the one lock for changes
// is taken. Each of its steps says how it is undone, so that an error undoes those
// before it; nobody looks at the client meanwhile, who may be gone. All changes are in
// one order, which Vimage-Revision counts. Who asks for a document waits for the change
// under way and sees all of it; streams do not wait.
//
// # Bounds
//
// Of bodies, headers, the time that sending them may take, the number of streams, and
// what a stream keeps for a client who is slow: then events are lost, counted and told.
package ctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/lab/topo"
)

// The bounds of what clients may ask for.
const (
	maxHeader  = 64 << 10
	maxBody    = 1 << 20
	bodyWait   = 5 * time.Second  // for a request to be sent
	answerWait = 30 * time.Second // for an answer to be taken
	maxStreams = 1024
)

// Config says what a Server tells of itself, and what it does at its end.
type Config struct {
	Name    string
	File    string
	Started time.Time
	Down    func() // is called when a client ends the lab, perhaps more than once; nil: nobody may
}

// Server is the control API of one network.
type Server struct {
	net   *topo.Network
	world *vimage.World
	cfg   Config
	mux   *http.ServeMux
	api   huma.API
	http  *http.Server

	change    sync.RWMutex // held by whoever changes the network, shared by who reads it; taken before all of its locks
	revision  atomic.Uint64
	probes    atomic.Uint32 // pings and such that there have been: tells them apart
	streams   chan struct{} // has an item for each stream
	processes processes
	captures  captures
	ended     context.Context
	end       context.CancelFunc
	failed    atomic.Pointer[string]
}

// New returns the API of a network, which stays the caller's to close, after Close.
func New(n *topo.Network, c Config) *Server {
	s := &Server{net: n, world: n.Lab.World, cfg: c, mux: http.NewServeMux(), streams: make(chan struct{}, maxStreams)}
	s.ended, s.end = context.WithCancel(context.Background())
	s.api = humago.New(s.mux, describe())
	for _, area := range []func(*Server){
		registerLab, registerNetwork, registerJails, registerInterfaces, registerFIBs, registerProcesses, registerHosts,
		registerRoutes, registerEvents, registerSockets, registerGroups, registerStats,
		registerNeighbors, registerND, registerSysctls, registerPing, registerTraceroute,
		registerRates, registerCapture, registerActivity,
	} {
		area(s)
	}
	s.documentErrno()
	s.http = &http.Server{
		Handler: s.mux, ReadHeaderTimeout: bodyWait, MaxHeaderBytes: maxHeader, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return s.ended },
	}
	return s
}

// describe returns how the API presents itself. Nothing of it loads anything from
// elsewhere, and documents have no links to their schemas.
func describe() huma.Config {
	c := huma.DefaultConfig("vimage", "1")
	c.Info.Description = "A running network: jails, interfaces, routes and all the rest. Changes are atomic, and in one order."
	c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", nil
	c.RejectUnknownQueryParameters = true
	return c
}

// documentErrno adds to the description of errors what ours have beside huma's.
func (s *Server) documentErrno() {
	if e := s.api.OpenAPI().Components.Schemas.Map()["ErrorModel"]; e != nil {
		e.Properties["errno"] = &huma.Schema{Type: huma.TypeString, Description: "Symbolic name of the system error", Examples: []any{"EEXIST"}}
	}
}

// Serve answers whoever connects, until Close; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the listeners and all streams, waits a while until requests are answered and
// for ever until the change under way is made, and cuts who is still connected.
func (s *Server) Close() error {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	s.change.Lock()
	defer s.change.Unlock()
	if err == nil {
		return nil
	}
	return s.http.Close()
}

// Fail notes that the joins or flows of the file have gone wrong, for clients to see.
func (s *Server) Fail(err error) {
	text := err.Error()
	s.failed.Store(&text)
}

func registerLab(s *Server) {
	read(s, op{"GET", "/v1/lab", "lab", "The lab as a whole"}, func(*struct{}) (client.Lab, error) {
		l := client.Lab{
			Name: s.cfg.Name, File: s.cfg.File, PID: os.Getpid(), Started: s.cfg.Started,
			Now: s.world.Now(), Simulated: s.world.Simulated(), Revision: s.revision.Load(), Stacks: len(s.world.Stacks()),
		}
		if f := s.failed.Load(); f != nil {
			l.Failed = *f
		} else if err := s.net.Failure(); err != nil {
			l.Failed = err.Error()
		}
		return l, nil
	})
	modify(s, op{"POST", "/v1/lab/down", "down", "End the lab"}, func(*tx, *struct{}) (client.Done, error) {
		if s.cfg.Down == nil {
			return client.Done{}, fmt.Errorf("%w: this lab ends with the program that it is part of", syscall.EPERM)
		}
		s.cfg.Down()
		return client.Done{}, nil
	})
}
