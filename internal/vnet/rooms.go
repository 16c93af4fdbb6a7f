package vnet

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/sysctl"
	"github.com/seed88948545/vimage/internal/vars"
)

// rooms is what a shard's protocol rooms keep, each made at its first event.
type rooms struct {
	four   *vars.Four
	icmp   *icmpRoom
	six    *sixRooms
	reass  *reassRoom
	tcp    *tcpRoom
	mroute *mrouteRoom
}

// coldRoom is what a shard that hardly ever meets broadcasts and groups does without.
type coldRoom struct {
	vars.Cold
	choices mcast.Choices[*Sock]
}

type icmpRoom struct {
	icmp.Engine
	stats icmp.Stats
}

// sixRooms is what is needed as soon as IPv6 is spoken.
type sixRooms struct {
	vars.Six
	icmp  *icmp6Room
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

// four returns what the shard counts of links that carry IPv4.
func (sh *shard) four() *vars.Four {
	if sh.rooms.four == nil {
		sh.rooms.four = new(vars.Four)
	}
	return sh.rooms.four
}

func (sh *shard) icmpRoom(p *pass) *icmpRoom {
	if sh.rooms.icmp == nil {
		sh.rooms.icmp = new(icmpRoom)
		sh.rooms.icmp.Bind(&p.v.V().ICMP, &sh.rooms.icmp.stats)
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
		six.icmp.Bind(&p.v.V().ICMP6, &six.icmp.stats)
	}
	return six.icmp
}

func (sh *shard) reassRoom(p *pass) *reassRoom {
	if sh.rooms.reass == nil {
		sh.rooms.reass = new(reassRoom)
		sh.rooms.reass.Bind(&p.v.V().Reass, &sh.rooms.reass.stats)
	}
	return sh.rooms.reass
}

// rebind gives the rooms that keep a pointer to it the stack's new page.
func (sh *shard) rebind(p *pass) {
	if r := sh.rooms.icmp; r != nil {
		r.Bind(&p.v.V().ICMP, &r.stats)
	}
	if six := sh.rooms.six; six != nil && six.icmp != nil {
		six.icmp.Bind(&p.v.V().ICMP6, &six.icmp.stats)
	}
	if r := sh.rooms.reass; r != nil {
		r.Bind(&p.v.V().Reass, &r.stats)
	}
	if sh.id != 0 {
		return
	}
	for _, c := range p.v.Ifs {
		if c != nil && c.ARP != nil {
			c.ARP.Bind(&p.v.V().ARP, &sh.four().ARP)
		}
		if c != nil && c.V6 != nil {
			c.V6.Bind(p.v.V(), &sh.six().Six)
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
		if c != nil {
			at = min(at, c.Deadline())
		}
	}
	return at
}

// gather adds what the rooms have counted.
func (ro *rooms) gather(all map[string]uint64) {
	if ro.four != nil {
		sysctl.Add(ro.four, all)
	}
	if ro.icmp != nil {
		sysctl.Add(&ro.icmp.stats, all)
	}
	if six := ro.six; six != nil {
		sysctl.Add(&six.Six, all)
		if six.icmp != nil {
			sysctl.Add(&six.icmp.stats, all)
		}
	}
	if ro.reass != nil {
		sysctl.Add(&ro.reass.stats, all)
	}
	if ro.mroute != nil {
		sysctl.Add(&ro.mroute.stats, all)
		sysctl.Add(&ro.mroute.four, all)
		sysctl.Add(&ro.mroute.six, all)
	}
	if ro.tcp != nil {
		sysctl.Add(&ro.tcp.stats, all)
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
