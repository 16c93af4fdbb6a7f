package ctl

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// minRate is the shortest time that is counted.
const minRate = time.Millisecond

type ratesQuery struct {
	InJail
	Interface string `query:"interface" doc:"Of this interface only" example:"eth0"`
	Every     string `query:"every" required:"true" doc:"How long each count lasts" example:"1s"`
}

func registerRates(s *Server) {
	stream(s, op{"GET", "/v1/jails/{jail}/rates", "rates", "What passes through the interfaces in each interval, from the event ready on"},
		map[string]any{"ready": client.Done{}, "counted": client.Counters{}},
		func(in *ratesQuery) (func(context.Context, sender) error, error) {
			st, err := in.stack(s)
			if err != nil {
				return nil, err
			}
			every, err := time.ParseDuration(in.Every)
			if err != nil || every < minRate {
				return nil, blame(fmt.Errorf("%w: this is no time of %v or more", syscall.EINVAL, minRate), "query.every", in.Every)
			}
			if in.Interface != "" {
				if _, err := st.Interface(in.Interface); err != nil {
					return nil, blame(err, "query.interface", in.Interface)
				}
			}
			m := meter{st: st, only: in.Interface}
			return func(ctx context.Context, send sender) error { return m.run(ctx, every, send) }, nil
		})
}

// meter counts what passes through interfaces.
type meter struct {
	st   *vimage.Stack
	only string
	last map[int]vimage.InterfaceStats // by index
}

func (m *meter) run(ctx context.Context, every time.Duration, send sender) error {
	m.read()
	if err := send("ready", client.Done{}); err != nil {
		return err
	}
	return each(ctx, every, func() error { return send("counted", m.read()) })
}

// read returns what was counted since it was called before.
func (m *meter) read() (sum client.Counters) {
	now := make(map[int]vimage.InterfaceStats)
	list, _ := m.st.Interfaces() // never fails
	for _, n := range list {
		if m.only != "" && m.only != n.Name {
			continue
		}
		i, err := m.st.Interface(n.Name)
		if err != nil {
			continue // it has just gone
		}
		c, err := i.Stats()
		if err != nil {
			continue
		}
		then := m.last[n.Index]
		now[n.Index] = c
		sum.InPackets += c.InPackets - then.InPackets
		sum.InBytes += c.InBytes - then.InBytes
		sum.InMcast += c.InMcast - then.InMcast
		sum.InDrops += c.InDrops - then.InDrops
		sum.OutPackets += c.OutPackets - then.OutPackets
		sum.OutBytes += c.OutBytes - then.OutBytes
		sum.OutMcast += c.OutMcast - then.OutMcast
	}
	m.last = now
	return sum
}
