package vnet

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/sysctl"
	"github.com/seed88948545/vimage/internal/vars"
)

// rooms is what a shard's protocol rooms keep, each made at its first event.
type rooms struct {
	four  *fourRooms
	icmp  *icmpRoom
	six   *sixRooms
	reass *reassRoom
	tcp   *tcpRoom
}

type icmpRoom struct {
	icmp.Engine
	stats icmp.Stats
}

// sixRooms is what is needed as soon as IPv6 is spoken.
type sixRooms struct {
	vars.IP6
	nd   nd.Stats
	mld  mld.Stats
	icmp *icmp6Room
	auto *auto.Stats
	radv *radv.Stats

	conf  *clock.Timer // see Reconfigure; shard 0's
	asked bool         // for its firing
}

type icmp6Room struct {
	icmp.Engine6
	stats icmp.Stats6
}

type reassRoom struct {
	reass.Table[*pkt.Buf]
	stats  reass.Stats
	pieces []reass.Piece[*pkt.Buf]
}

// fourRooms is what is needed as soon as a link is there.
type fourRooms struct {
	arp   arp.Stats
	igmp  igmp.Stats
	query igmp.RouterStats
}

func (sh *shard) four() *fourRooms {
	if sh.rooms.four == nil {
		sh.rooms.four = new(fourRooms)
	}
	return sh.rooms.four
}

func (sh *shard) arpStats() *arp.Stats { return &sh.four().arp }

// igmpEnv is what the IGMP engines borrow for one call.
func (sh *shard) igmpEnv(p *pass) igmp.Env {
	return igmp.Env{T: &p.v.Tun.IGMP, S: &sh.four().igmp}
}

func (sh *shard) queryEnv(p *pass) igmp.RouterEnv {
	return igmp.RouterEnv{T: &p.v.Tun.Query, S: &sh.four().query}
}

func (sh *shard) icmpRoom(p *pass) *icmpRoom {
	if sh.rooms.icmp == nil {
		sh.rooms.icmp = new(icmpRoom)
		sh.rooms.icmp.Bind(&p.v.Tun.ICMP, &sh.rooms.icmp.stats)
	}
	return sh.rooms.icmp
}

// six returns what the shard keeps of IPv6.
func (sh *shard) six() *sixRooms {
	if sh.rooms.six == nil {
		sh.rooms.six = new(sixRooms)
	}
	return sh.rooms.six
}

func (sh *shard) icmp6Room(p *pass) *icmp6Room {
	six := sh.six()
	if six.icmp == nil {
		six.icmp = new(icmp6Room)
		six.icmp.Bind(&p.v.Tun.ICMP6, &six.icmp.stats)
	}
	return six.icmp
}

// bindV6 gives the rooms of IPv6 that an interface has the stack's page and
// counters.
func (sh *shard) bindV6(v *ifnet.View, v6 *ifnet.V6) {
	six := sh.six()
	v6.ND.Bind(&v.Tun.ND, &six.nd)
	if v6.Auto != nil {
		if six.auto == nil {
			six.auto = new(auto.Stats)
		}
		v6.Auto.Bind(&v.Tun.Auto, six.auto)
	}
	if v6.Radv != nil {
		if six.radv == nil {
			six.radv = new(radv.Stats)
		}
		v6.Radv.Bind(six.radv)
	}
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
	if six := sh.rooms.six; six != nil && six.icmp != nil {
		six.icmp.Bind(&p.v.Tun.ICMP6, &six.icmp.stats)
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
		if c != nil && c.V6 != nil {
			sh.bindV6(p.v, c.V6)
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
		if c.V6 != nil {
			at = min(at, c.V6.ND.Deadline(), c.V6.MLD.Deadline(), c.V6.Radv.Deadline())
		}
	}
	return at
}

// gather adds what the rooms have counted.
func (ro *rooms) gather(all map[string]uint64) {
	if ro.four != nil {
		sysctl.Add(&ro.four.arp, all)
		sysctl.Add(&ro.four.igmp, all)
		sysctl.Add(&ro.four.query, all)
	}
	if ro.icmp != nil {
		sysctl.Add(&ro.icmp.stats, all)
	}
	if ro.six != nil {
		ro.six.gather(all)
	}
	if ro.reass != nil {
		sysctl.Add(&ro.reass.stats, all)
	}
	if ro.tcp != nil {
		ro.tcp.stats.gather(all)
	}
}

func (six *sixRooms) gather(all map[string]uint64) {
	sysctl.Add(&six.IP6, all)
	sysctl.Add(&six.nd, all)
	sysctl.Add(&six.mld, all)
	if six.icmp != nil {
		sysctl.Add(&six.icmp.stats, all)
	}
	if six.auto != nil {
		sysctl.Add(six.auto, all)
	}
	if six.radv != nil {
		sysctl.Add(six.radv, all)
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
