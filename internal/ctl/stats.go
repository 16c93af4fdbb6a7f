package ctl

import (
	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

type counterList struct {
	Counters map[string]uint64 `json:"counters" doc:"By name: the protocol, a dot, and what is counted"`
}

func registerStats(s *Server) {
	const path = "/v1/jails/{jail}/statistics"
	read(s, op{"GET", path, "statistics", "What was counted; packets that were lost by reason"}, func(in *InJail) (counterList, error) {
		st, err := in.stack(s)
		if err != nil {
			return counterList{}, err
		}
		all := counterList{Counters: st.Counters()}
		for _, name := range vimage.CounterNames() {
			all.Counters[name] += 0
		}
		return all, nil
	})
	type reset struct {
		InJail
		Protocol string `query:"protocol" doc:"Of this protocol only" example:"igmp"`
	}
	modify(s, op{"POST", path + "/reset", "reset-statistics", "Make counters zero, but those of lost packets"}, func(_ *tx, in *reset) (client.Done, error) {
		st, err := in.stack(s)
		if err != nil {
			return client.Done{}, err
		}
		return client.Done{}, blame(st.ResetCounters(in.Protocol), "query.protocol", in.Protocol)
	})
	read(s, op{"GET", "/v1/jails/{jail}/netisr", "netisr", "How packets are processed"}, s.netisr)
}

func (s *Server) netisr(in *InJail) (client.Netisr, error) {
	n := client.Netisr{Workstreams: []client.Workstream{}}
	st, err := in.stack(s)
	if err != nil {
		return n, err
	}
	how, err := st.Sysctl("net.isr.dispatch")
	if err != nil {
		return n, err
	}
	n.Dispatch = [...]string{1: "deferred", 2: "hybrid", 3: "direct"}[how]
	for _, q := range st.Queues() {
		n.Workstreams = append(n.Workstreams, client.Workstream{
			ID: q.Shard, Len: q.Len, Watermark: q.Watermark, Limit: q.Limit, Direct: q.Direct, Queued: q.Queued, Drops: q.Drops, Handled: q.Handled(),
		})
	}
	return n, nil
}
