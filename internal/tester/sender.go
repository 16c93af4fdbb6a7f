package tester

import (
	"net/netip"

	"github.com/seed88948545/vimage"
)

// sender is a host that sends to all groups.
type sender struct {
	*station
	t       *test
	conn    *vimage.UDPConn
	number  uint32
	buf     []byte
	groups  []sentTo
	refused uint64
	total   uint64
}

// sentTo is what was sent to a group.
type sentTo struct {
	count uint64
	last  int64 // Unix ns
}

func (t *test) newSender(s *station, number int) (*sender, error) {
	conn, err := t.listen(s, 0)
	if err != nil {
		return nil, err
	}
	if err := conn.SetMulticastInterface(s.ifi); err != nil {
		return nil, memberError(s, "send to", t.Groups.First, err)
	}
	if err := conn.SetMulticastTTL(t.TTL); err != nil {
		return nil, memberError(s, "TTL of", t.Groups.First, err)
	}
	return &sender{
		station: s, t: t, conn: conn, number: uint32(number),
		buf: make([]byte, t.Size), groups: make([]sentTo, t.Groups.Count),
	}, nil
}

// addSender makes one that receivers may want.
func (t *test) addSender(s *station) error {
	sd, err := t.newSender(s, len(t.senders))
	if err == nil {
		t.senders = append(t.senders, sd)
	}
	return err
}

func (t *test) senderAddrs() (all []netip.Addr) {
	for _, s := range t.senders {
		all = append(all, s.addr)
	}
	return all
}

// send sends the next datagram to a group.
func (s *sender) send(group int) {
	now := s.t.World.Now().UnixNano()
	g := &s.groups[group]
	g.count++
	g.last = now
	PutPayload(s.buf, Payload{Clock: s.t.clock, Sender: s.number, Seq: g.count, Sent: now})
	to := netip.AddrPortFrom(s.t.Groups.At(group), uint16(s.t.Port))
	if _, err := s.conn.WriteToUDPAddrPort(s.buf, to); err != nil {
		s.refused++
		return
	}
	s.total++
}
