package ctl

import (
	"context"
	"fmt"
	"sync"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// processes are those who are in jails by way of the API.
type processes struct {
	mu   sync.Mutex // a leaf; guards all
	last int
	all  map[int]*process
}

// process is somebody in a jail.
type process struct {
	*vimage.Process
	jail  *vimage.Jail
	fib   int
	pid   int
	end   context.CancelFunc // of its stream
	ended chan struct{}      // closed when it is released
}

func (ps *processes) add(p *process) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.all == nil {
		ps.all = make(map[int]*process)
	}
	ps.last++
	p.pid = ps.last
	ps.all[p.pid] = p
}

func (ps *processes) get(pid int) *process {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.all[pid]
}

// release ends a process.
func (ps *processes) release(p *process) {
	p.Release()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.all, p.pid)
	close(p.ended)
}

type attachRequest struct {
	InJail
	InFIB
	Start bool `query:"start" doc:"It starts the jail: without fib it uses the routing table that exec.fib names"`
}

func registerProcesses(s *Server) {
	const path = "/v1/jails/{jail}/processes"
	stream(s, op{"POST", path, "attach", "Be in a jail while the connection lasts"}, map[string]any{"process": client.Process{}}, s.attach)
	stream(s, op{"POST", "/v1/jail-processes", "create-attached", "Make a jail and be in it, as one who starts it, while the connection lasts"},
		map[string]any{"process": client.Process{}}, s.createAttached)
	type pid struct {
		InJail
		PID int `path:"pid" doc:"Number of a process"`
	}
	read(s, op{"DELETE", path + "/{pid}", "release", "End a process, and wait until it has ended"}, func(in *pid) (client.Done, error) {
		p := s.processes.get(in.PID)
		if p == nil || p.jail.Name() != in.Jail {
			return client.Done{}, blame(fmt.Errorf("%w: there is no process %d in jail %s", syscall.ESRCH, in.PID, in.Jail), "path.pid", in.PID)
		}
		p.end()
		<-p.ended
		return client.Done{}, nil
	})
}

// attach has somebody be in a jail until his stream ends.
func (s *Server) attach(in *attachRequest) (func(context.Context, sender) error, error) {
	j, err := in.of(s)
	if err != nil {
		return nil, err
	}
	enter := j.Attach
	if in.Start && in.FIB == "" {
		enter = j.Start
	}
	v, err := enter()
	if err != nil {
		return nil, err
	}
	st, err := in.table(v.Stack)
	if err != nil {
		v.Release()
		return nil, err
	}
	return s.processes.live(j, v, st), nil
}

// createAttached makes a jail with somebody in it, or none.
func (s *Server) createAttached(in *newJail) (feed func(context.Context, sender) error, err error) {
	_, err = s.transact(func(t *tx) error {
		j, err := s.newJail(t, in)
		if err != nil {
			return err
		}
		v, err := j.Start()
		if err != nil {
			return blame(err, "body.parameters.exec.fib", in.Body.Parameters["exec.fib"])
		}
		feed = s.processes.live(j, v, v.Stack)
		return nil
	})
	return feed, err
}

// live returns the life of somebody in a jail: it lasts as long as his stream.
func (ps *processes) live(j *vimage.Jail, v *vimage.Process, st *vimage.Stack) func(context.Context, sender) error {
	ctx, end := context.WithCancel(context.Background())
	p := &process{Process: v, jail: j, fib: st.FIBNumber(), end: end, ended: make(chan struct{})}
	ps.add(p)
	return func(client context.Context, send sender) error {
		defer ps.release(p)
		defer end()
		if err := send("process", p.describe()); err != nil {
			return err
		}
		select {
		case <-client.Done():
		case <-ctx.Done():
		}
		return nil
	}
}

func (p *process) describe() client.Process {
	return client.Process{Jail: p.jail.Name(), JID: p.jail.ID(), FIB: p.fib, PID: p.pid}
}
