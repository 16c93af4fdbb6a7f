package ctl

import "github.com/seed88948545/vimage/client"

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
		for _, i := range st.Sockets() {
			all.Sockets = append(all.Sockets, client.Socket{
				Protocol: i.Protocol, Number: i.Number, IPv4: i.IPv4, IPv6: i.IPv6, Local: i.Local, Remote: i.Remote, State: i.State,
				RecvQ: i.RecvQ, SendQ: i.SendQ, Waiting: i.Waiting, Backlog: i.Backlog, FIB: i.FIB, JID: i.Jail,
			})
		}
		return all, nil
	})
}
