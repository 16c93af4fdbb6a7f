package tester

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage"
)

// filter is a source filter and whom it lets through.
type filter struct {
	mode    Mode
	sources []netip.Addr // sorted
}

func newFilter(m Mode, sources []netip.Addr) filter {
	sources = slices.Clone(sources)
	slices.SortFunc(sources, netip.Addr.Compare)
	return filter{m, sources}
}

// wants tells whether datagrams of a source are let through.
func (f *filter) wants(src netip.Addr) bool {
	_, listed := slices.BinarySearchFunc(f.sources, src, netip.Addr.Compare)
	return listed == (f.mode == Include)
}

// joinGroup makes a station a member of a group with a filter: a socket must be
// a member before its whole filter can be set.
func joinGroup(c *vimage.UDPConn, s *station, group netip.Addr, f *filter) error {
	var err error
	if f.mode == Include {
		err = c.JoinSourceGroup(s.ifi, group, f.sources[0])
	} else {
		err = c.JoinGroup(s.ifi, group)
	}
	if whole := len(f.sources) > 1 || f.mode == Exclude && len(f.sources) > 0; err == nil && whole {
		return setFilter(c, s, group, f)
	}
	return memberError(s, "join", group, err)
}

// setFilter changes the filter of a membership.
func setFilter(c *vimage.UDPConn, s *station, group netip.Addr, f *filter) error {
	mode := vimage.Include
	if f.mode == Exclude {
		mode = vimage.Exclude
	}
	return memberError(s, "filter of", group, c.SetSourceFilter(s.ifi, group, mode, f.sources))
}

func memberError(s *station, op string, group netip.Addr, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s %v: %w", s.Name(), op, group, err)
}
