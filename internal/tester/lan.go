package tester

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

const (
	// hubEvery says that one receiver in so many shares a hub with a host that
	// wants the impostor.
	hubEvery = 10
	// tick is how often progress is shown: every so many.
	tick = 100
)

// buildLab makes a LAN: a switch that snoops, a querier, senders, an impostor,
// receivers and bystanders; or adds the hosts to the network that is there.
func (t *test) buildLab() error {
	if t.lan == nil {
		if err := t.buildLAN(); err != nil {
			return err
		}
	}
	if t.Break == "snooping" {
		t.lan.Bridge().SetSnooping(false)
	}
	if err := t.buildSenders(); err != nil {
		return err
	}
	for i := range t.Hosts {
		if err := t.buildReceiver(i); err != nil {
			return err
		}
		if err := t.built(i, t.Hosts, "building"); err != nil {
			return err
		}
	}
	for i := range t.Bystanders {
		if err := t.buildBystander(i); err != nil {
			return err
		}
		if err := t.built(i, t.Bystanders, "building bystanders"); err != nil {
			return err
		}
	}
	return nil
}

// buildLAN makes a switch and a querier.
func (t *test) buildLAN() error {
	c := lab.SwitchConfig{BridgeConfig: link.BridgeConfig{FastLeave: t.FastLeave, MaxGroups: t.MaxGroups}}
	if c.Subnet = t.Net; t.six() {
		c.Subnet, c.Subnet6 = netip.MustParsePrefix("10.0.0.0/8"), t.Net
	}
	var err error
	if t.lan, err = t.AddSwitch("lan", c); err != nil {
		return err
	}
	querier, err := t.onLAN("querier", t.lan, netip.Addr{})
	if err != nil {
		return err
	}
	return querier.ifi.SetQuerier(true)
}

// built shows progress and returns the cause when ctx has ended.
func (t *test) built(i, of int, what string) error {
	if i%tick == tick-1 || i == of-1 {
		t.Progress(what, i+1, of)
	}
	return context.Cause(t.ctx)
}

// onLAN adds a host to the switch or to a hub; with the next address, if none is
// given.
func (t *test) onLAN(name string, at *lab.Switch, addr netip.Addr) (*station, error) {
	var c lab.LinkConfig
	if addr.Is4() {
		c.A = netip.PrefixFrom(addr, t.Net.Bits())
	} else if addr.IsValid() {
		c.A6 = []netip.Prefix{netip.PrefixFrom(addr, t.Net.Bits())}
	}
	return t.linked(name, at, c)
}

func (t *test) linked(name string, at *lab.Switch, c lab.LinkConfig) (*station, error) {
	if t.place != nil {
		name = "tester." + name // the network has names of its own
		if err := t.place.choose(&c, t.six()); err != nil {
			return nil, err
		}
	}
	h, err := t.AddNode(name, lab.NodeConfig{})
	if err != nil {
		return nil, err
	}
	if _, err := t.AddLink(h, at, c); err != nil {
		return nil, err
	}
	s := &station{Stack: h.Stack, ifi: h.Eth(0), addr: t.addrOf(h)}
	return s, nil
}

// addrOf returns a node's address of the test's family.
func (t *test) addrOf(h *lab.Node) netip.Addr {
	if t.six() {
		return h.Addr6()
	}
	return h.Addr()
}

// buildSenders makes the senders and the impostor. Where sources are given, they
// are the senders' addresses or, where they are excluded, the impostor's.
func (t *test) buildSenders() error {
	var wanted, unwanted []netip.Addr
	if t.Mode == Include {
		wanted = t.Sources
	} else {
		unwanted = t.Sources
	}
	if err := t.buildWanted(wanted); err != nil {
		return err
	}
	var a netip.Addr
	if len(unwanted) > 0 {
		a = unwanted[0]
	}
	s, err := t.onLAN("impostor", t.lan, a)
	if err != nil {
		return err
	}
	if t.impostor, err = t.newSender(s, len(t.senders)); err != nil {
		return err
	}
	t.filter = t.ownFilter()
	return nil
}

// buildWanted makes the senders: hosts of the network that is there, or new ones
// with the addresses that are given.
func (t *test) buildWanted(given []netip.Addr) error {
	for _, name := range t.From {
		h := t.Node(name)
		if h == nil || !h.Addr().IsValid() {
			return fmt.Errorf("from %q: the network has no such host with a link", name)
		}
		s := &station{Stack: h.Stack, ifi: h.Eth(0), addr: t.addrOf(h)}
		if err := t.addSender(s); err != nil {
			return err
		}
	}
	if len(t.From) > 0 {
		return nil
	}
	n := t.Senders
	if len(given) > 0 {
		n = len(given)
	}
	for i := range n {
		var a netip.Addr
		if len(given) > 0 {
			a = given[i]
		}
		s, err := t.onLAN(fmt.Sprintf("sender%d", i), t.lan, a)
		if err != nil {
			return err
		}
		if err := t.addSender(s); err != nil {
			return err
		}
	}
	return nil
}

// buildReceiver makes a receiver, every tenth with a hub and a member of the
// impostor's channels beside it.
func (t *test) buildReceiver(i int) error {
	at := t.lan
	if i%hubEvery == 0 {
		hub, err := t.AddSwitch(fmt.Sprintf("tester.hub%d", i), lab.SwitchConfig{Within: t.lan, BridgeConfig: link.BridgeConfig{Hub: true}})
		if err != nil {
			return err
		}
		if _, err := t.AddLink(hub, t.lan, lab.LinkConfig{}); err != nil {
			return err
		}
		h, err := t.onLAN(fmt.Sprintf("near%d", i), hub, netip.Addr{})
		if err != nil {
			return err
		}
		t.near = append(t.near, h)
		at = hub
	}
	var c lab.LinkConfig
	odd := i%hubEvery == 1%t.Hosts // some that have no hub, if there are several
	if t.Break == "link" && odd {
		c.FaultConfig = link.FaultConfig{Loss: 0.5}
	}
	s, err := t.linked(fmt.Sprintf("r%d", i), at, c)
	if err != nil {
		return err
	}
	if t.Break == "report" && odd {
		control.SetMute(s.Internal(), uint32(s.ifi.Index()), true)
	}
	return t.addReceiver(s, new(edge))
}

// buildBystander makes a host that joins nothing and looks at every frame.
func (t *test) buildBystander(i int) error {
	s, err := t.onLAN(fmt.Sprintf("bystander%d", i), t.lan, netip.Addr{})
	if err != nil {
		return err
	}
	return t.addBystander(s)
}
