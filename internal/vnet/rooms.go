package vnet

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/sysctl"
)

// rooms is what a shard's protocol rooms keep, each made at its first event.
type rooms struct {
	arp   *arp.Stats
	igmp  *igmp.Stats
	query *igmp.RouterStats
	icmp  *icmpRoom
	reass *reassRoom
	tcp   *tcpRoom
}

type icmpRoom struct {
	icmp.Engine
	stats icmp.Stats
}

type reassRoom struct {
	reass.Table[*pkt.Buf]
	stats  reass.Stats
	pieces []reass.Piece[*pkt.Buf]
}

func (sh *shard) arpStats() *arp.Stats {
	if sh.rooms.arp == nil {
		sh.rooms.arp = new(arp.Stats)
	}
	return sh.rooms.arp
}

// igmpEnv is what the IGMP engines borrow for one call.
func (sh *shard) igmpEnv(p *pass) igmp.Env {
	if sh.rooms.igmp == nil {
		sh.rooms.igmp = new(igmp.Stats)
	}
	return igmp.Env{T: &p.v.Tun.IGMP, S: sh.rooms.igmp}
}

func (sh *shard) queryEnv(p *pass) igmp.RouterEnv {
	if sh.rooms.query == nil {
		sh.rooms.query = new(igmp.RouterStats)
	}
	return igmp.RouterEnv{T: &p.v.Tun.Query, S: sh.rooms.query}
}

func (sh *shard) icmpRoom(p *pass) *icmpRoom {
	if sh.rooms.icmp == nil {
		sh.rooms.icmp = new(icmpRoom)
		sh.rooms.icmp.Bind(&p.v.Tun.ICMP, &sh.rooms.icmp.stats)
	}
	return sh.rooms.icmp
}

func (sh *shard) reassRoom(p *pass) *reassRoom {
	if sh.rooms.reass == nil {
		sh.rooms.reass = new(reassRoom)
		sh.rooms.reass.Bind(&p.v.Tun.Reass, &sh.rooms.reass.stats)
	}
	return sh.rooms.reass
}

// rebind gives the rooms that keep a pointer to it the stack's new page.
func (sh *shard) rebind(p *pass) {
	if r := sh.rooms.icmp; r != nil {
		r.Bind(&p.v.Tun.ICMP, &r.stats)
	}
	if r := sh.rooms.reass; r != nil {
		r.Bind(&p.v.Tun.Reass, &r.stats)
	}
	if sh.id != 0 {
		return
	}
	for _, c := range p.v.Ifs {
		if c != nil && c.ARP != nil {
			c.ARP.Bind(&p.v.Tun.ARP, sh.arpStats())
		}
	}
}

// deadline returns when a room of this shard or of its interfaces is next due.
func (sh *shard) deadline(v *ifnet.View) clock.Time {
	at := clock.Never
	if sh.rooms.reass != nil {
		at = sh.rooms.reass.Deadline()
	}
	for _, c := range v.Ifs {
		if c == nil {
			continue
		}
		at = min(at, c.ARP.Deadline())
		if c.IGMP != nil {
			at = min(at, c.IGMP.Deadline())
		}
		if c.Query != nil {
			at = min(at, c.Query.Deadline())
		}
	}
	return at
}

// gather adds what the rooms have counted.
func (ro *rooms) gather(all map[string]uint64) {
	if ro.arp != nil {
		sysctl.Add(ro.arp, all)
	}
	if ro.igmp != nil {
		sysctl.Add(ro.igmp, all)
	}
	if ro.query != nil {
		sysctl.Add(ro.query, all)
	}
	if ro.icmp != nil {
		sysctl.Add(&ro.icmp.stats, all)
	}
	if ro.reass != nil {
		sysctl.Add(&ro.reass.stats, all)
	}
	if ro.tcp != nil {
		ro.tcp.stats.gather(all)
	}
}

// clear frees what the rooms of a closed stack still hold.
func (sh *shard) clear(r *netisr.Runner) {
	p := pass{r: r}
	sh.lock(&p)
	if sh.rooms.reass != nil {
		sh.rooms.reass.Clear()
		sh.pullReass(&p)
	}
	sh.clearTCP(&p)
	sh.stale = false
	sh.release()
	r.Flush()
}
