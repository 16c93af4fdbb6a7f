package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// model is what RFC 9293 and its kin demand of every segment that an end sends,
// known from what it has sent and what has reached it, and nothing else.
type model struct {
	w  *network
	me int

	synced        bool // both SYNs are known
	irs           wire.Seq
	rcvScale      uint8
	sndScale      uint8
	hasTime       bool
	nxt           wire.Seq // after the last number sent
	peerEdge      wire.Seq // the furthest that the peer's window has reached
	peerAck       wire.Seq
	edge          wire.Seq // the furthest that our window has reached
	ack           wire.Seq // the last acknowledgment sent
	ts            uint32
	fin           wire.Seq // number of our FIN
	finSent       bool
	got           []iv // of the peer's numbers from its SYN on
	anySent       bool
	mySYN, itsSYN *wire.TCPHeader

	// Of what has been sent again with nothing heard from the peer meanwhile.
	againAt clock.Time
	gap     time.Duration
}

// arrived notes what a segment tells this end.
func (m *model) arrived(p *packet) {
	h := p.h
	m.againAt, m.gap = 0, 0
	if h.Flags.Has(wire.RST) {
		return
	}
	if h.Flags.Has(wire.SYN) {
		if m.itsSYN == nil {
			m.itsSYN, m.irs = &h, h.Seq
			m.settle()
			m.peerEdge = m.w.ends[m.me].iss.Add(1 + int(h.Window))
		}
	} else if h.Flags.Has(wire.ACK) && m.itsSYN != nil {
		m.peerEdge = wire.MaxSeq(m.peerEdge, h.Ack.Add(int(h.Window)<<m.sndScale))
		m.peerAck = wire.MaxSeq(m.peerAck, h.Ack)
	}
	if m.itsSYN == nil {
		return
	}
	from := uint64(uint32(h.Seq - m.irs))
	n := uint64(segLen(&h, p.len))
	if n > 0 && from < 1<<31 {
		x := endpoint{kept: m.got}
		x.keep(from, from+n)
		m.got = x.kept
	}
}

// settle works out what the two SYNs agree on.
func (m *model) settle() {
	if m.mySYN == nil || m.itsSYN == nil {
		return
	}
	a, b := &m.mySYN.Options, &m.itsSYN.Options
	if a.HasScale && b.HasScale {
		m.rcvScale, m.sndScale = a.Scale, b.Scale
	}
	m.hasTime = a.HasTime && b.HasTime
}

// has tells whether the numbers [from, to) have all arrived.
func (m *model) has(from, to uint64) bool {
	for _, v := range m.got {
		if v.from <= from && to <= v.to {
			return true
		}
	}
	return false
}

// sent checks a segment.
func (m *model) sent(o *Out) {
	w, h, me := m.w, &o.Hdr, &m.w.ends[m.me]
	fail := func(what string, a ...any) {
		w.failf("end %d sends %v seq %d len %d ack %d win %d: "+what,
			append([]any{m.me, h.Flags, h.Seq - me.iss, o.Len, h.Ack - m.irs, h.Window}, a...)...)
	}
	if h.Flags.Has(wire.RST) {
		return
	}
	if h.Flags.Has(wire.SYN) {
		if m.mySYN == nil {
			c := *h
			m.mySYN = &c
		}
		if h.Seq != me.iss {
			fail("SYN elsewhere")
		}
		m.mySYN.Options.HasScale, m.mySYN.Options.Scale = h.Options.HasScale, h.Options.Scale
		m.mySYN.Options.HasTime = h.Options.HasTime
		m.settle()
		m.nxt = wire.MaxSeq(me.iss.Add(1), m.nxt)
		if !m.anySent {
			m.nxt, m.peerAck, m.anySent = me.iss.Add(1), me.iss, true
		}
		if h.Flags.Has(wire.ACK) {
			if edge := h.Ack.Add(int(h.Window)); !m.synced || m.edge.Less(edge) {
				m.edge = edge
			}
			m.ack, m.synced = h.Ack, true
		}
		return
	}
	m.payload(o, fail)
	m.acknowledgment(o, fail)
	if h.Options.HasTime != m.hasTime {
		fail("timestamps")
	}
	if m.hasTime {
		if m.ts != 0 && int32(h.Options.TSVal-m.ts) < 0 {
			fail("timestamp %d after %d", h.Options.TSVal, m.ts) // RFC 7323 §5.4
		}
		m.ts = h.Options.TSVal
	}
}

func (m *model) payload(o *Out, fail func(string, ...any)) {
	h, me := &o.Hdr, &m.w.ends[m.me]
	fin := h.Flags.Has(wire.FIN)
	end := h.Seq.Add(segLen(h, o.Len))
	if o.Len > 0 && o.Off != uint64(uint32(h.Seq-me.iss))-1 {
		fail("offset %d", o.Off)
	}
	if over := o.Off + uint64(o.Len); o.Len > 0 && over > uint64(me.written) {
		fail("bytes that nobody wrote")
	}
	if fin {
		if m.finSent && m.fin != end {
			fail("another FIN")
		}
		if uint32(end-me.iss) != uint32(me.written)+2 {
			fail("FIN not at the end")
		}
		m.fin, m.finSent = end, true
	} else if m.finSent && m.fin.AtMost(end) && o.Len > 0 {
		fail("data in the place of FIN")
	}
	if o.Len > 0 || fin {
		probe := segLen(h, o.Len) == 1 && h.Seq == m.peerEdge && h.Seq == m.peerAck
		if m.peerEdge.Less(end) && !probe {
			fail("beyond the window at %d", m.peerEdge-me.iss)
		}
		if m.nxt.Less(h.Seq) {
			fail("leaves a gap after %d", m.nxt-me.iss)
		}
		m.nxt = wire.MaxSeq(m.nxt, end)
		if end.AtMost(m.peerAck) {
			fail("what is acknowledged")
		}
		if o.Retransmit && h.Seq == m.peerAck {
			m.again(fail)
		}
	}
	peer := m.itsSYN
	if limit := min(int(peer.Options.MSS), m.w.im.MSS) - h.Options.Len(); min(o.Len, o.Seg) > max(limit, 1) {
		fail("segments of %d, at most %d", o.Seg, limit)
	}
	if o.ECT && (o.Retransmit || o.Len == 0 && !fin) {
		fail("ECT on what must not have it") // RFC 3168 §6.1.4, §6.1.5
	}
}

// again checks that the oldest segment is sent again at intervals that double
// while nothing is heard (RFC 6298 §5.5), up to the greatest timeout.
func (m *model) again(fail func(string, ...any)) {
	now := m.w.now
	if m.againAt != 0 {
		gap := now.Sub(m.againAt)
		if gap < min(m.gap*19/10, time.Minute*19/20) {
			fail("again after %v, the time before after %v", gap, m.gap)
		}
		m.gap = gap
	}
	m.againAt = now
}

func (m *model) acknowledgment(o *Out, fail func(string, ...any)) {
	h := &o.Hdr
	if !h.Flags.Has(wire.ACK) {
		fail("no ACK")
		return
	}
	if m.synced && h.Ack.Less(m.ack) {
		fail("acknowledgment went back from %d", m.ack-m.irs)
	}
	if n := uint64(uint32(h.Ack - m.irs)); !m.has(0, n) {
		fail("acknowledges what has not arrived: %v", m.got)
	}
	edge := h.Ack.Add(int(h.Window) << m.rcvScale)
	if m.synced && m.edge.Sub(edge) >= 1<<m.rcvScale {
		fail("window shrinks from %d to %d", m.edge-m.irs, edge-m.irs) // RFC 9293 §3.8.6.2.2
	}
	if !m.synced || m.edge.Less(edge) {
		m.edge = edge
	}
	m.ack, m.synced = h.Ack, true
	for i, b := range h.Options.SACK[:h.Options.NSACK] {
		from, to := uint64(uint32(b.Start-m.irs)), uint64(uint32(b.End-m.irs))
		if !m.has(from, to) || from >= to {
			fail("SACK %d:%d, which has not arrived", from, to)
		}
		if i > 0 && b.Start.Less(h.Ack) {
			fail("SACK block %d below the acknowledgment", i) // only a D-SACK is
		}
	}
}
