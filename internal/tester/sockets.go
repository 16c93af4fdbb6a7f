package tester

import (
	"fmt"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// addReceiver makes a receiver of a station.
func (t *test) addReceiver(s *station, e *edge) error {
	e.t = t
	r := &receiver{station: s, t: t, edge: e}
	t.receivers = append(t.receivers, r)
	_, err := r.conn(0)
	return err
}

// conn returns the socket for a group, which is opened if it is not.
func (r *receiver) conn(group int) (*vimage.UDPConn, error) {
	for len(r.conns) <= group/mcast.MaxMemberships {
		lc := vimage.ListenConfig{Stack: r.Stack, ReusePort: r.t.Groups.Count > mcast.MaxMemberships}
		pc, err := lc.ListenPacket(r.t.ctx, r.t.network(), fmt.Sprintf(":%d", r.t.Port))
		if err != nil {
			return nil, err
		}
		c := pc.(*vimage.UDPConn)
		c.OnReadable(func() { r.read(c) })
		if r.t.Break == "source-filter" {
			c.Internal().SetIgnoreSourceFilters(true)
		}
		r.conns = append(r.conns, c)
	}
	return r.conns[group/mcast.MaxMemberships], nil
}
