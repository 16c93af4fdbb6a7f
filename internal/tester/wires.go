package tester

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/seed88948545/vimage/lab"
)

// buildWires puts receivers, senders and bystanders on their wires.
func (t *test) buildWires() error {
	seg, err := Plug(t.Lab, "wire", t.Net, t.Open, t.recorded)
	if err != nil {
		return err
	}
	t.wire = &edge{t: t}
	t.watch(seg)
	free, err := t.addresses(seg)
	if err != nil {
		return err
	}
	next := func() (a netip.Addr) { a, free = free[0], free[1:]; return a }
	if err := t.putSenders(next); err != nil {
		return err
	}
	for i := range t.Hosts {
		s, err := t.onWire(fmt.Sprintf("r%d", i), seg, next())
		if err != nil {
			return err
		}
		if err := t.addReceiver(s, t.wire); err != nil {
			return err
		}
		if err := t.built(i, t.Hosts, "building"); err != nil {
			return err
		}
	}
	return t.putBystanders(next)
}

// addresses returns those of all hosts on wires, of senders only where they are not
// given.
func (t *test) addresses(seg *lab.Switch) ([]netip.Addr, error) {
	n := t.Hosts + t.Bystanders
	if t.SendOpen != nil {
		n += t.Senders + 1
	}
	if t.six() {
		return t.addresses6(n), nil
	}
	return Probe(t.ctx, t.World, seg.Bridge(), t.Net, n, t.Sources, func(done, of int) { t.Progress("probing", done, of) })
}

// addresses6 returns addresses that nobody is likely to have: in 64 bits that the
// seed decides, two hosts do not meet.
//
// Deviation: RFC 4862 §5.4 has every address asked about first; these live for
// seconds.
func (t *test) addresses6(n int) (all []netip.Addr) {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64([]byte("tester"), t.Seed))
	b := t.Net.Masked().Addr().As16()
	low := h.Sum64() &^ 0x00ff_ffff // so that counting on stays within
	for i := range n {
		binary.BigEndian.PutUint64(b[8:], low+uint64(i)+1)
		all = append(all, netip.AddrFrom16(b))
	}
	return all
}

// putSenders puts senders, and an impostor, on a wire of their own; without one,
// others send.
func (t *test) putSenders(next func() netip.Addr) error {
	t.filter = newFilter(t.Mode, t.Sources)
	if t.SendOpen == nil {
		t.Senders = 0
		return nil
	}
	seg, err := Plug(t.Lab, "send", t.Net, t.SendOpen, nil)
	if err != nil {
		return err
	}
	given := t.Sources
	if len(given) > 0 && t.Mode == Include {
		t.Senders = len(given)
	}
	for i := range t.Senders + 1 {
		name, a := fmt.Sprintf("sender%d", i), next()
		switch {
		case i == t.Senders:
			name = "impostor"
			if len(given) > 0 && t.Mode == Exclude {
				a = given[0]
			}
		case len(given) > 0 && t.Mode == Include:
			a = given[i]
		}
		s, err := t.onWire(name, seg, a)
		if err != nil {
			return err
		}
		if i < t.Senders {
			err = t.addSender(s)
		} else {
			t.impostor, err = t.newSender(s, i)
		}
		if err != nil {
			return err
		}
	}
	t.filter = t.ownFilter()
	return context.Cause(t.ctx)
}

// ownFilter returns the filter that was given or, where none was, the one that
// our own senders suggest.
func (t *test) ownFilter() filter {
	given := t.Sources
	if len(given) == 0 {
		given = []netip.Addr{t.impostor.addr}
		if t.Mode == Include {
			given = t.senderAddrs()
		}
	}
	return newFilter(t.Mode, given)
}

// putBystanders puts the bystanders on their wire.
func (t *test) putBystanders(next func() netip.Addr) error {
	if t.AwayOpen == nil {
		return nil
	}
	seg, err := Plug(t.Lab, "away", t.Net, t.AwayOpen, nil)
	if err != nil {
		return err
	}
	for i := range t.Bystanders {
		s, err := t.onWire(fmt.Sprintf("bystander%d", i), seg, next())
		if err != nil {
			return err
		}
		if err := t.addBystander(s); err != nil {
			return err
		}
	}
	return nil
}

// addBystander has a station look at every frame.
func (t *test) addBystander(s *station) error {
	e := new(edge)
	t.bystanders = append(t.bystanders, e)
	return e.attach(t, s)
}
