package ctl

import "github.com/seed88948545/vimage/client"

type fibList struct {
	FIBs []client.FIB `json:"fibs"`
}

func registerFIBs(s *Server) {
	read(s, op{"GET", "/v1/jails/{jail}/fibs", "fibs", "The routing tables"}, func(in *InJail) (fibList, error) {
		st, err := in.stack(s)
		if err != nil {
			return fibList{}, err
		}
		all := fibList{FIBs: make([]client.FIB, st.FIBs())}
		for i := range all.FIBs {
			all.FIBs[i] = client.FIB{Number: i, Name: st.FIBName(i)}
		}
		return all, nil
	})
}
