package igmp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Packet is a received IGMP message and what the IP header said.
type Packet struct {
	Src, Dst    netip.Addr
	TTL         uint8
	RouterAlert bool   // the option was there
	Own         bool   // Src is an address of this interface
	SumOK       bool   // the checksum needs no look: it never left the process
	Payload     []byte // the whole IP payload
}

// Verdict says what became of a message.
type Verdict uint8

const (
	Accepted    Verdict = iota // to be handed to raw sockets too
	TooShort                   // less than its version needs, or than it declares
	BadChecksum                //
	BadTTL                     // not 1: it came through a router (RFC 3376 §4)
	BadQuery                   // query to an address that such a query never goes to
	BadReport                  // report about a group that is none, or not its destination
)

var verdictNames = [...]string{
	Accepted: "accepted", TooShort: "too short", BadChecksum: "bad checksum",
	BadTTL: "bad ttl", BadQuery: "bad query", BadReport: "bad report",
}

// String names the verdict as counters and traces show it.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "unknown verdict"
}

// Check does what every receiver of IGMP does first: length, checksum, TTL.
func Check(p *Packet) (wire.IGMP, Verdict) {
	m, fault := wire.ParseIGMP(p.Payload)
	switch {
	case fault != wire.OK:
		return nil, TooShort
	case !p.SumOK && !m.ChecksumOK():
		return nil, BadChecksum
	case p.TTL != TTL && m.Type() != wire.IGMPTypeDVMRP:
		return nil, BadTTL
	}
	return m, Accepted
}

// Input takes a message that the interface received.
func (h *Host) Input(now clock.Time, e Env, p *Packet) Verdict {
	e.S.Received++
	m, v := Check(p)
	switch v {
	case TooShort:
		e.S.TooShort++
		return v
	case BadChecksum:
		e.S.BadSum++
		return v
	case BadTTL:
		e.S.BadTTL++
		return v
	}
	h.adapt(now, e.T)
	switch m.Type() {
	case wire.IGMPTypeQuery:
		v = h.query(now, e, p, m)
	case wire.IGMPTypeV1Report, wire.IGMPTypeV2Report:
		v = h.olderReport(e, p, m)
	case wire.IGMPTypeV3Report:
		e.S.Reports++
		if !p.RouterAlert {
			e.S.NoAlert++
		}
	}
	h.rest()
	return v
}

func (h *Host) query(now clock.Time, e Env, p *Packet, m wire.IGMP) Verdict {
	switch m.QueryVersion() {
	case 0:
		e.S.TooShort++
		return TooShort
	case 1, 2:
		e.S.V1V2Queries++
		return h.queryOlder(now, e, p, m)
	}
	q, fault := wire.ParseIGMPv3Query(m)
	if fault != wire.OK {
		e.S.TooShort++
		return TooShort
	}
	e.S.V3Queries++
	g := addrOf(q.Group())
	limit := time.Duration(q.MaxResp()) * 100 * time.Millisecond
	switch {
	case g == addr{}:
		e.S.General++
		if p.Dst != allSystems() || q.NumSources() > 0 {
			e.S.BadQueries++
			return BadQuery
		}
		if h.silent || h.version < 3 {
			return Accepted
		}
		h.adopt(q)
		h.answerGeneral(h.rng.within(now, limit))
	case !q.Group().IsMulticast():
		e.S.BadQueries++
		return BadQuery
	default:
		if q.NumSources() == 0 {
			e.S.Group++
		} else {
			e.S.GroupSource++
		}
		if known := h.find(g); known != nil && h.version == 3 && !known.filter().Nothing() {
			h.answerGroup(now, e, known, q, limit)
		}
	}
	return Accepted
}

func allSystems() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 1}) }

// adopt takes the querier's variables (RFC 3376 §4.1.6, §4.1.7).
func (h *Host) adopt(q wire.IGMPv3Query) {
	h.robustness = 0
	if v := q.QRV(); v != 0 {
		h.robustness = max(v, 2) // 1 is no robustness at all (RFC 3376 §8.1)
	}
	h.queryTime = uint16(q.QQI())
}

// answerGeneral: RFC 3376 §5.2, rules 1 and 2. An answer that has begun starts
// anew.
func (h *Host) answerGeneral(at clock.Time) {
	if h.groups == 0 {
		return
	}
	w := h.busy()
	if w.generalAt <= at && w.walk == nil {
		return
	}
	w.generalAt, w.walk, w.walked, w.burst = at, nil, 0, 0
}

// maxAsked bounds what is recorded of queries, which anybody can send. Who is
// asked more answers for the whole group.
const maxAsked = 512

// answerGroup: RFC 3376 §5.2, rules 1 and 3 to 5. q is nil for a version 2 query.
func (h *Host) answerGroup(now clock.Time, e Env, g *group, q wire.IGMPv3Query, limit time.Duration) {
	sources := 0
	if q != nil {
		sources = q.NumSources()
	}
	if sources > 0 && e.T.SourceDelay >= 0 {
		if now < g.asked.Add(time.Duration(e.T.SourceDelay)*time.Second) {
			e.S.DroppedSource++
			return
		}
		g.asked = now
	}
	at := h.rng.within(now, limit)
	if h.work != nil && h.work.generalAt <= at && h.work.walk == nil {
		return
	}
	p := h.plan(g)
	pending := p.answerAt != clock.Never
	if sources == 0 || pending && p.asked == nil || len(p.asked)+sources > maxAsked {
		p.asked = nil
	} else {
		for i := range sources {
			p.ask(addrOf(q.Source(i)))
		}
	}
	p.answerAt, p.answered = min(p.answerAt, at), 0
	h.settle(g)
}

func (p *todo) ask(a addr) {
	i, found := slices.BinarySearchFunc(p.asked, a, addr.compare)
	if !found {
		p.asked = slices.Insert(p.asked, i, a)
	}
}
