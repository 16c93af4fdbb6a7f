package ctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

type eventsQuery struct {
	InTable
	Interface string   `query:"interface" doc:"Of this interface only" example:"eth0"`
	Kind      []string `query:"kind,explode" doc:"Only of these kinds" example:"route add"`
}

func registerEvents(s *Server) {
	stream(s, op{"GET", "/v1/jails/{jail}/events", "events", "What happens to the stack, from the event ready on; of routes, with fib only those of that table"},
		map[string]any{"ready": client.Done{}, "event": client.Event{}},
		func(in *eventsQuery) (func(context.Context, sender) error, error) {
			st, err := in.stack(s)
			if err != nil {
				return nil, err
			}
			f := vimage.EventFilter{Interface: in.Interface, OnlyFIB: in.FIB != ""}
			if f.Kinds, err = kinds(in.Kind); err != nil {
				return nil, err
			}
			u, err := st.Subscribe(f)
			if err != nil {
				return nil, blame(err, "query.interface", in.Interface)
			}
			return func(ctx context.Context, send sender) error {
				defer u.Close()
				return follow(ctx, u, send)
			}, nil
		})
}

// kinds returns the kinds of events of those names.
func kinds(names []string) (all []vimage.EventKind, err error) {
	known := make(map[string]vimage.EventKind)
	for k := range vimage.EventNeighborDeleted + 1 {
		known[k.String()] = k
	}
	for _, n := range names {
		k, ok := known[n]
		if !ok {
			return nil, blame(fmt.Errorf("%w: there is no such kind of event", syscall.EINVAL), "query.kind", n)
		}
		all = append(all, k)
	}
	return all, nil
}

// follow sends events until nobody wants them any more.
func follow(ctx context.Context, u *vimage.EventSubscription, send sender) error {
	if err := send("ready", client.Done{}); err != nil {
		return err
	}
	for {
		e, err := u.Next(ctx)
		switch {
		case errors.Is(err, net.ErrClosed): // the stack is gone
			return nil
		case err != nil:
			return err
		}
		if err := send("event", client.Event{
			Kind: e.Kind.String(), Time: e.Time, Interface: e.Interface, Index: e.Index, FIB: e.FIB, Prefix: e.Prefix,
			Gateway: e.Gateway, Ether: e.MAC.String(), OldName: e.OldName, Missed: e.Missed,
		}); err != nil {
			return err
		}
	}
}
