package tester

import (
	"fmt"
	"net/netip"
)

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
