package link

import (
	"net"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/bridge"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// QuerierConfig says how a switch asks what hosts listen to, by IGMPv3 and MLDv2.
// Of those who ask on a link, the one with the lowest address goes on.
type QuerierConfig struct {
	MAC      net.HardwareAddr // where its queries come from; nil: one made of the world's seed
	Addr     netip.Addr       // of IPv4; invalid: 0.0.0.0, and any router that asks goes before
	Addr6    netip.Addr       // link-local; invalid: the MAC's
	Interval time.Duration    // between general queries, in whole seconds; 0 means 125 s
	Response time.Duration    // for the answers to them; 0 means 10 s
}

func (b *Bridge) setQuerier(seed table.Seed, c BridgeConfig) {
	q := c.Querier
	on := q != nil
	if !on {
		q = new(QuerierConfig)
	}
	b.asksNew = on || c.AskNew
	if q.Interval >= time.Second {
		b.tun.QueryInterval = limit(int(q.Interval / time.Second))
	}
	if q.Response >= time.Millisecond {
		b.tun.QueryResponse = limit(int(q.Response / time.Millisecond))
	}
	from := bridge.Source{IPv4: netip.IPv4Unspecified(), MAC: wire.MAC{2, 'v'}}
	word := seed.Word(1)
	for i := range 4 {
		from.MAC[2+i] = byte(word >> (8 * i))
	}
	copy(from.MAC[:], q.MAC)
	from.IPv6 = linkLocal(from.MAC)
	if q.Addr.Is4() {
		from.IPv4 = q.Addr
	}
	if q.Addr6.Is6() {
		from.IPv6 = q.Addr6
	}
	if b.source != nil && b.asks == on && *b.source == from {
		return // it goes on as before
	}
	b.asks, b.source = on, &from
	b.engine.SetQuerier(b.sched.Clock().Now(), on, from)
	b.rearm()
}

// linkLocal is the address that comes of a MAC (RFC 4291 appendix A).
func linkLocal(m wire.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// TopologyChange tells the switch that other hosts may be behind its ports than
// were: all are asked, where that is known how (RFC 4541 §2.1.1, 4). What ports
// listened to holds until its time is up.
func (b *Bridge) TopologyChange() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.engine.Refresh(b.sched.Clock().Now())
	b.rearm()
}

// Querier tells for each family whether the switch itself asks.
func (b *Bridge) Querier() (v4, v6 bool) {
	now := b.sched.Clock().Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.engine.IsQuerier(now)
}

// ownFrame is a frame that the switch has made.
type ownFrame struct {
	b  *pkt.Buf
	to []*bridgePort
}

// own lets time pass and returns what the switch has to say. mu is held.
func (b *Bridge) own(r *netisr.Runner, now clock.Time) (list []ownFrame) {
	if b.closed {
		return nil
	}
	e := bridge.Env{T: &b.tun, S: &b.stats}
	longest := wire.EtherLen + min(max(b.mtu, 576), 1500)
	for b.engine.Deadline() <= now {
		f := r.Cache.Get(longest)
		buf := f.Extend(longest)
		out := bridge.Out{Buf: buf}
		if !b.engine.Next(now, e, &out) {
			r.Cache.Free(f)
			break
		}
		f.Trim(out.N)
		o := ownFrame{b: f}
		for _, n := range out.Ports {
			if p := b.ports[n]; p != nil && p.up {
				o.to = append(o.to, p)
			}
		}
		list = append(list, o)
	}
	return list
}
