package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/seed88948545/vimage"
)

// pathCases returns what is measured of the way of packets, of vimage in one form
// against another.
func pathCases(f family) []Case { return []Case{ecmpCase(f), tunnelCase(f)} }

// form is one of several ways of doing the same, with packets as operations.
type form struct {
	row  string
	feed func(n int) error
	done func(sent uint64) error // fails unless so many arrived
	sent uint64
}

const formTurn = 1 << 14 // packets of one form before it is the next one's turn

// compareForms measures forms in turn: each one's cost, and how many times that of
// the last it is, by the median of the turns' ratios.
func compareForms(forms []*form) measure {
	return func(budget time.Duration) (Result, error) {
		took := map[string][]float64{}
		_, err := repeat(budget, func() error {
			base := forms[len(forms)-1]
			for _, f := range forms {
				begun := cpuTime()
				for range formTurn / chunk {
					if err := f.feed(chunk); err != nil {
						return err
					}
				}
				f.sent += formTurn
				took[f.row] = append(took[f.row], float64((cpuTime()-begun).Nanoseconds())/1e3/formTurn)
			}
			for _, f := range forms[:len(forms)-1] {
				took[f.row+".times"] = append(took[f.row+".times"], last(took[f.row])/last(took[base.row]))
			}
			return nil
		})
		for _, f := range forms {
			if err == nil {
				err = f.done(f.sent)
			}
		}
		r := Result{}
		for row, all := range took {
			r[row] = Figure{Value: *middle(all)}
		}
		return r, err
	}
}

// formsCase is a case of vimage's forms; the last one is without what is measured.
func formsCase(name, note, without string, rows []string, prepare func(p vimagePeer) ([]*form, error)) Case {
	c := Case{Name: name, Note: note + fmt.Sprintf("; in turn, %d packets each; .times: the median of the turns' ratios", formTurn)}
	base := rows[len(rows)-1]
	for _, row := range rows {
		c.Rows = append(c.Rows, Row{Name: row, Unit: "µs CPU/packet"})
		if row != base {
			c.Rows = append(c.Rows, Row{Name: row + ".times", Unit: "× " + without})
		}
	}
	c.prepare = func(p Peer) (measure, error) {
		v, ok := p.(vimagePeer)
		if !ok {
			return nil, absence("is compared by forward10")
		}
		forms, err := prepare(v)
		if err != nil {
			return nil, err
		}
		return compareForms(forms), nil
	}
	return c
}

// ecmpMembers is how many routes share the traffic.
const ecmpMembers = 4

func ecmpCase(f family) Case {
	const name, one = "ecmp4", "ecmp4.one"
	note := fmt.Sprintf("as forward10, each destination by %d routes of equal cost to different gateways, flow by flow; .one: by one", ecmpMembers)
	return formsCase(name, note, "one route", []string{name, one}, func(p vimagePeer) ([]*form, error) {
		var forms []*form
		for i, row := range []string{name, one} {
			fm, err := p.ecmp(row, []int{ecmpMembers, 1}[i])
			if err != nil {
				return nil, err
			}
			forms = append(forms, fm)
		}
		return forms, nil
	})
}

// ecmp returns a router with so many gateways for each destination.
func (p vimagePeer) ecmp(row string, members int) (*form, error) {
	ports := make([]*vmPort, members)
	t := newTraffic(p.family, 10)
	r, err := p.newRouter()
	if err != nil {
		return nil, err
	}
	for i := range ports {
		ports[i] = &vmPort{family: p.family}
		net := p.in(p.pick(fmt.Sprintf("10.2.%d.1", i), fmt.Sprintf("2001:db8:2:%d::1", i)))
		ifi, err := vmInterface(r.stack, fmt.Sprintf("out%d", i), ports[i], routerOutMAC(), net)
		if err != nil {
			return nil, err
		}
		gateway := plus(net.Addr(), 1)
		if err := ifi.SetNeighbor(gateway, gatewayMAC(), false); err != nil {
			return nil, err
		}
		for _, dst := range t.Routes {
			if err := r.stack.AddRoute(vimage.Route{Dst: dst, Gateway: gateway}); err != nil {
				return nil, err
			}
		}
	}
	arrived := func() (all uint64, err error) {
		for _, o := range ports {
			all += o.frames
		}
		return all, nil
	}
	return &form{row: row, feed: r.feed(t.Frames), done: func(sent uint64) error {
		least := slices.MinFunc(ports, func(a, b *vmPort) int { return int(a.frames) - int(b.frames) })
		if least.frames < sent/uint64(2*members) {
			return fmt.Errorf("one of %d equal routes had %d packets of %d", members, least.frames, sent)
		}
		return allArrived(p.family, sent, arrived)
	}}, nil
}

func tunnelCase(f family) Case {
	kinds := []vimage.TunnelKind{vimage.GRE, vimage.VXLAN, vimage.GIF}
	var rows []string
	for _, k := range kinds {
		rows = append(rows, "tunnel."+k.String())
	}
	rows = append(rows, "tunnel.none")
	note := "as forward10, into a tunnel whose outer packets of the same family leave by the same interface; .none: without a tunnel"
	return formsCase("tunnel", note, "no tunnel", rows, func(p vimagePeer) ([]*form, error) {
		var forms []*form
		for i, row := range rows {
			var kind vimage.TunnelKind
			if i < len(kinds) {
				kind = kinds[i]
			}
			fm, err := p.tunnelled(row, kind)
			if err != nil {
				return nil, err
			}
			forms = append(forms, fm)
		}
		return forms, nil
	})
}

// tunnelled returns a router that forwards into a tunnel, or with kind 0 as it is.
func (p vimagePeer) tunnelled(row string, kind vimage.TunnelKind) (*form, error) {
	t := newTraffic(p.family, 10)
	r, err := p.newRouter()
	if err != nil {
		return nil, err
	}
	out := &vmPort{family: p.family}
	ifi, err := vmInterface(r.stack, "out", out, routerOutMAC(), p.routerOut())
	if err == nil {
		err = ifi.SetNeighbor(p.gateway(), gatewayMAC(), false)
	}
	if err != nil {
		return nil, err
	}
	gateway := p.gateway()
	if kind != 0 {
		inner := p.in(p.pick("10.9.0.1", "2001:db8:9::1"))
		c := vimage.TunnelConfig{Kind: kind, Local: p.routerOut().Addr(), Remote: gateway}
		if kind == vimage.VXLAN {
			c.VNI = 42
		}
		tun, err := r.stack.AddTunnel("tun0", c, vimage.InterfaceConfig{Addrs: []netip.Prefix{inner}})
		if err != nil {
			return nil, err
		}
		gateway = plus(inner.Addr(), 1)
		if kind == vimage.VXLAN {
			if err := tun.SetNeighbor(gateway, gatewayMAC(), false); err != nil {
				return nil, err
			}
		}
	}
	for _, dst := range t.Routes {
		if err := r.stack.AddRoute(vimage.Route{Dst: dst, Gateway: gateway}); err != nil {
			return nil, err
		}
	}
	return &form{row: row, feed: r.feed(t.Frames), done: func(sent uint64) error {
		return allArrived(p.family, sent, func() (uint64, error) { return out.frames, nil })
	}}, nil
}

// router is a stack that forwards what its interface "in" is given.
type router struct {
	world *vimage.World
	stack *vimage.Stack
	in    *vmPort
}

func (p vimagePeer) newRouter() (*router, error) {
	r := &router{world: vimage.NewWorld(vimage.Config{}), in: &vmPort{family: p.family}}
	var err error
	if r.stack, err = r.world.NewStack("router", vimage.StackConfig{}); err != nil {
		return nil, err
	}
	if _, err := vmInterface(r.stack, "in", r.in, routerInMAC(), p.routerIn()); err != nil {
		return nil, err
	}
	return r, p.forwards(r.stack)
}

// feed returns what hands the router the next n frames.
func (r *router) feed(frames [][]byte) func(n int) error {
	next := 0
	sched := r.world.Internal().Sched()
	return func(n int) error {
		run := sched.Get()
		for range n {
			r.in.receive(run, frames[next%len(frames)])
			next++
		}
		run.Done()
		return nil
	}
}
