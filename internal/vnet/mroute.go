package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
)

// mrouteRoom is what a shard of a router has: of a multicast router, beside the table
// that packets see, and of one with many routes.
type mrouteRoom struct {
	ahead  *fib.Ahead[*ifnet.Neighbor] // see lookAhead
	routes *mroute.Table               // nil unless there is something to forward by
	ways   mroute.Cache
	four   vars.Transit
	six    vars.Transit6

	*mroute.Table // shard 0's, as is what follows: the same, always there
	stats         mroute.Stats
	members       []*Sock // who wants upstream what is wanted downstream: Scope says where
}

// mroutes returns the shard's room for multicast routing, made if need be.
func (sh *shard) mroutes() *mrouteRoom {
	if sh.rare(); sh.cold.mroute == nil {
		sh.cold.mroute = new(mrouteRoom)
		if sh.id == 0 {
			sh.cold.mroute.Table = mroute.New(sh.st.world.seed, sh.st.Shards())
		}
	}
	return sh.cold.mroute
}

// mrouting returns it, nil unless it was needed before.
func (sh *shard) mrouting() *mrouteRoom {
	if sh.cold == nil {
		return nil
	}
	return sh.cold.mroute
}

// forwardMulticast sends a packet that came in by a link to whatever other links it
// is wanted on (RFC 3376 §6.3), and tells whether it has a route. It borrows b.
// Nobody is told of packets that are too old, or that nobody routes.
func (sh *shard) forwardMulticast(p *pass, b *pkt.Buf, ip wire.Packet) bool {
	src, is6 := ip.Src(), ip.Is6()
	if p.in == nil || p.in.Port == nil || !ifnet.Routable(src) || src.IsUnspecified() || p.v.IsOurs(src) || !mroute.Routed(ip.Dst()) {
		return false
	}
	room := sh.mrouting()
	w := room.routes.Find(&room.ways, p.in.Index, src, ip.Dst())
	stats, n := room.transit(is6), w.Count(uint32(sh.id))
	switch {
	case w.Verdict == mroute.NoRoute:
		stats.NoRoute++
		return false
	case w.Verdict == mroute.WrongIf:
		stats.WrongIf++
		n.WrongIf++
		return false
	}
	n.Packets++
	n.Bytes += uint64(ip.Len())
	if len(w.Out) == 0 {
		return true
	}
	stats.Forwarded++
	m := p.m
	for _, index := range w.Out {
		out := p.v.Conf(index)
		if out == nil || out.Port == nil || out.Flags&ifnet.Multicast == 0 || !out.Carries(is6) {
			continue
		}
		c := p.r.Cache.Clone(b)
		c, cip := sh.own(p, c, ip.In(c.Slice(b.Offset(ip.Bytes()), ip.Len())))
		cip.DecTTL()
		h := ifnet.Hop{Out: out, Next: ip.Dst(), MTU: out.PacketMTU(is6), Transit: true}
		sh.send(p, c, cip, &h)
		p.m = m
	}
	return true
}

// transit returns the counters of a family.
func (t *mrouteRoom) transit(is6 bool) *vars.Transit {
	if is6 {
		return (*vars.Transit)(&t.six) // they differ in their names only
	}
	return &t.four
}

// inMulticast takes a packet to a group: for members here, and on its way through a
// router. One that was sent on is not lost where nobody here wants it. What comes with
// its last hop goes nowhere else, as every message of IGMP and MLD: older reports, and
// queries about one group, are for the group that they name and for routers.
func (sh *shard) inMulticast(p *pass, b *pkt.Buf, ip wire.Packet) {
	m := sh.mrouting()
	if m != nil && m.routes != nil && ip.TTL() > 1 && sh.forwardMulticast(p, b, ip) && !sh.listens(p.v, ip.Dst(), p.in) {
		p.r.Cache.Free(b)
		return
	}
	sh.deliver(p, b, ip, destMulticast)
}

// Multicast runs f on the stack's multicast routing, made if need be, and has
// upstream told of what is then wanted. The control lock is held.
func (st *Stack) Multicast(f func(t *mroute.Table, tun *mroute.Tunables, s *mroute.Stats) syscall.Errno) syscall.Errno {
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		m := sh.mroutes()
		e := f(m.Table, &p.v.V().Mroute, &m.stats)
		for _, c := range p.v.Ifs {
			if c != nil {
				c.TellQuerier(p.r.Now(), m.Table)
			}
		}
		sh.pullWants(p)
		return e
	})
}

// RouteMulticast lets packets find what there is to forward by, or that there is
// nothing. The control lock is held.
func (st *Stack) RouteMulticast() {
	var routes *mroute.Table
	for i := range st.Shards() {
		sh := st.shardAt(i)
		sh.mu.Lock()
		if m := sh.mrouting(); i == 0 && m != nil && m.Active() {
			routes = m.Table
		}
		if routes != nil || sh.mrouting() != nil {
			sh.mroutes().routes = routes
		}
		sh.release()
	}
}

// RoutesMulticast tells whether there is anything to forward by, or was.
func (st *Stack) RoutesMulticast() bool {
	st.sh.mu.Lock()
	defer st.sh.release()
	return st.sh.mrouting() != nil
}

// MrouteCounts returns what routes and proxy have counted, summed over shards.
func (st *Stack) MrouteCounts(count []mroute.Count) (all mroute.Count) {
	for i := range count {
		sh := st.shardAt(i)
		sh.mu.Lock()
		n := count[i]
		sh.release()
		all.Packets += n.Packets
		all.Bytes += n.Bytes
		all.WrongIf += n.WrongIf
	}
	return all
}

// Unproxy ends what the proxy wants upstream. The control lock is held.
func (st *Stack) Unproxy() {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if m := sh.mrouting(); m != nil {
			for _, s := range m.members {
				sh.leaveAll(p, s)
			}
			m.members = nil
		}
		return 0
	})
}

// followQuerier lets the router's engines of an interface follow its configuration.
func (st *Stack) followQuerier(index uint32) {
	st.On(index, func(c *Call) syscall.Errno {
		c.FollowQuerier(c.Now, c.View.V(), c.sh.mroutes().Table)
		if c.V6 != nil {
			c.V6.Bind(c.View.V(), &c.sh.rooms.Six().Six)
		}
		c.sh.pullListeners(c.p, c.Conf)
		return 0
	})
}

// pullListeners tells the multicast routing what the queriers of an interface have
// found out.
func (sh *shard) pullListeners(p *pass, c *ifnet.Conf) {
	m := sh.mroutes()
	var e mroute.Event
	for c.NextListener(&e) {
		m.Listen(&p.v.V().Mroute, &m.stats, &e)
	}
	c.TellQuerier(p.r.Now(), m.Table)
	sh.pullWants(p)
}

// pullWants makes memberships on the proxy's upstream interface of what is wanted
// downstream: they merge with those of sockets (RFC 4605 §4.1).
func (sh *shard) pullWants(p *pass) {
	m := sh.mroutes()
	proxy := m.Proxy()
	var w mroute.Want
	for m.NextWant(&w) {
		s := m.member(sh.st, w.Index)
		t, err := sh.st.groups.Replace(&s.members, w.Group, int32(proxy.Up), w.Filter, &mcast.Tunables{MaxGroupSources: many, MaxGroupSources6: many})
		switch {
		case err == nil:
			sh.commit(p, &t)
		case err != syscall.EADDRNOTAVAIL: // not a member of what is not wanted any more
			m.stats.Unproxied++
		}
	}
}

// many is more sources than queriers remember.
const many = 1 << 24

// member returns who is a member upstream for a downstream interface.
func (m *mrouteRoom) member(st *Stack, index uint32) *Sock {
	for _, s := range m.members {
		if s.Scope == index {
			return s
		}
	}
	s := st.NewSock(wire.ProtoIGMP, true)
	s.proxy, s.Scope = true, index
	m.members = append(m.members, s)
	return s
}
