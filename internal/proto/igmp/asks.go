package igmp

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// asks are the specific queries that a querier still has to send about a group
// (RFC 3376 §6.6.3).
type asks struct {
	groupAt, sourceAt clock.Time
	sources           []change // sorted, each with its queries still to be sent
	written           int32    // of sources, in the queries sent so far this time
	groupLeft         uint8
	forRouters        bool // the query with the S flag is done this time
}

func (g *Group) asking() *asks {
	if g.asks == nil {
		g.asks = &asks{groupAt: clock.Never, sourceAt: clock.Never}
	}
	return g.asks
}

func (g *Group) askSource(now clock.Time, a addr, count uint8) {
	k := g.asking()
	i, found := slices.BinarySearchFunc(k.sources, a, func(c change, a addr) int { return c.at.compare(a) })
	if !found {
		k.sources = slices.Insert(k.sources, i, change{at: a})
	}
	k.sources[i].left = count
	k.sourceAt, k.written, k.forRouters = now, 0, false
}

func (g *Group) askGroup(now clock.Time, count uint8) {
	k := g.asking()
	k.groupLeft, k.groupAt = count, now
}

// nextAsk writes the next specific query that is due; 0 if none is any more, in
// which case the asks that have no repetition left are gone.
func (g *Group) nextAsk(now clock.Time, v *variables, buf []byte) int {
	k := g.asks
	if k == nil {
		return 0
	}
	last := now.Add(v.lastMemberTime())
	h := wire.IGMPv3QueryHeader{MaxRespCode: wire.IGMPEncode(int(v.lastMember / (100 * time.Millisecond))),
		Group: g.at.netip(), QRV: v.robustness, QQIC: wire.IGMPEncode(int(v.query / time.Second))}
	if k.groupAt <= now {
		h.S = g.until > last // §6.6.3.1: someone has answered meanwhile
		k.groupLeft--
		k.groupAt = clock.Never
		if k.groupLeft > 0 {
			k.groupAt = now.Add(v.lastMember)
		}
		k.forRouters = k.sourceAt <= now // §6.6.3.2: it may be left out beside Q(G)
		return wire.PutIGMPv3Query(buf, &h, nil)
	}
	if k.sourceAt <= now {
		for _, s := range [2]bool{true, false} {
			if s && k.forRouters {
				continue
			}
			if n := g.writeAsk(now, s, last, &h, buf); n > 0 {
				return n
			}
			k.written, k.forRouters = 0, true
		}
		g.askedSources(now, v)
	}
	if k.groupAt == clock.Never && k.sourceAt == clock.Never {
		g.asks = nil
	}
	return 0
}

// writeAsk writes a query about the sources that have queries left, either those
// whose timers are beyond the Last Member Query Time (with the S flag) or those
// whose are not (RFC 3376 §6.6.3.2); 0 if there are no more.
func (g *Group) writeAsk(now clock.Time, s bool, last clock.Time, h *wire.IGMPv3QueryHeader, buf []byte) int {
	k := g.asks
	n := wire.IGMPv3QueryLen
	for ; int(k.written) < len(k.sources) && n+4 <= len(buf); k.written++ {
		a := k.sources[k.written].at
		if i, found := g.search(a); found && g.sources[i].until > now && g.sources[i].until > last == s {
			n += copy(buf[n:], a[:])
		}
	}
	if n == wire.IGMPv3QueryLen {
		return 0
	}
	h.S = s
	wire.PutIGMPv3Query(buf, h, nil)
	buf[10], buf[11] = byte((n-wire.IGMPv3QueryLen)/4>>8), byte((n-wire.IGMPv3QueryLen)/4)
	sum(buf[:n])
	return n
}

// sum fills in the checksum of a message.
func sum(b []byte) {
	b[2], b[3] = 0, 0
	s := wire.Checksum(b)
	b[2], b[3] = byte(s>>8), byte(s)
}

// askedSources counts this round of queries about sources as sent.
func (g *Group) askedSources(now clock.Time, v *variables) {
	k := g.asks
	k.sources = slices.DeleteFunc(k.sources, func(c change) bool { return c.left <= 1 })
	for i := range k.sources {
		k.sources[i].left--
	}
	k.sourceAt, k.written, k.forRouters = clock.Never, 0, false
	if len(k.sources) > 0 {
		k.sourceAt = now.Add(v.lastMember)
	}
}
