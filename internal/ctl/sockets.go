package ctl

import (
	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

type socketList struct {
	Sockets []client.Socket `json:"sockets"`
}

func registerSockets(s *Server) {
	read(s, op{"GET", "/v1/jails/{jail}/sockets", "sockets", "The sockets, by protocol, local port and address"}, func(in *InJail) (socketList, error) {
		all := socketList{Sockets: []client.Socket{}}
		st, err := in.stack(s)
		if err != nil {
			return all, err
		}
		all.Sockets = socketsOf(st)
		return all, nil
	})
	read(s, op{"GET", "/v1/sockets", "all-sockets", "The sockets of all stacks that have some, by the number of their jail"}, func(*struct{}) (allSockets, error) {
		all := allSockets{Jails: []client.JailSockets{}}
		root := s.world.Root()
		for _, j := range append([]*vimage.Jail{root}, below(root, nil)...) {
			if !j.Config().VNET && j.ID() != 0 { // they are in another's list
				continue
			}
			st := j.Stack()
			if st == nil {
				continue
			}
			if list := socketsOf(st); len(list) > 0 {
				all.Jails = append(all.Jails, client.JailSockets{Jail: j.Name(), JID: j.ID(), Sockets: list})
			}
		}
		return all, nil
	})
}

type allSockets struct {
	Jails []client.JailSockets `json:"jails"`
}

func socketsOf(st *vimage.Stack) []client.Socket {
	all := []client.Socket{}
	for _, i := range st.Sockets() {
		all = append(all, client.Socket{
			Protocol: i.Protocol, Number: i.Number, IPv4: i.IPv4, IPv6: i.IPv6, Local: i.Local, Remote: i.Remote, State: i.State,
			RecvQ: i.RecvQ, SendQ: i.SendQ, Waiting: i.Waiting, Backlog: i.Backlog, FIB: i.FIB, JID: i.Jail,
		})
	}
	return all
}
