package ctl

import (
	"context"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

func registerProcesses(s *Server) {
	type request struct {
		InJail
		InFIB
		Start bool `query:"start" doc:"It starts the jail: without fib it uses the routing table that exec.fib names"`
	}
	stream(s, op{"POST", "/v1/jails/{jail}/processes", "attach", "Be in a jail while the connection lasts"},
		map[string]any{"process": client.Process{}},
		func(in *request) (func(context.Context, sender) error, error) {
			j, err := in.of(s)
			if err != nil {
				return nil, err
			}
			p, err := attach(j, in.Start && in.FIB == "")
			if err != nil {
				return nil, err
			}
			st, err := in.table(p.Stack)
			if err != nil {
				p.Release()
				return nil, err
			}
			return func(ctx context.Context, send sender) error {
				defer p.Release()
				if err := send("process", client.Process{Jail: j.Name(), JID: j.ID(), FIB: st.FIBNumber()}); err != nil {
					return err
				}
				<-ctx.Done()
				return nil
			}, nil
		})
}

func attach(j *vimage.Jail, start bool) (*vimage.Process, error) {
	if start {
		return j.Start()
	}
	return j.Attach()
}
