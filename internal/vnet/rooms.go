package vnet

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/rooms"
	"github.com/seed88948545/vimage/internal/vars"
)

// roomSet is what a shard's protocol rooms keep: beside those that know no socket,
// those that do, each made at its first event.
type roomSet struct {
	rooms.Set
	tcp *tcpRoom
}

// coldRoom is what a shard does without that forwards nothing and hardly ever meets
// broadcasts and groups.
type coldRoom struct {
	vars.Cold
	mroute  *mrouteRoom
	asked   *pfil.Packet // what the filter is shown; made when first asked
	choices mcast.Choices[*Sock]
	loDrops uint64 // packets that came in by lo0 and were lost
}

// rebind gives the rooms that keep a pointer to it the stack's new page.
func (sh *shard) rebind(p *pass) {
	sh.rooms.Bind(p.v.V())
	if sh.id != 0 {
		return
	}
	for _, c := range p.v.Ifs {
		if c != nil && c.ARP != nil {
			c.ARP.Bind(&p.v.V().ARP, sh.rooms.ARP())
		}
		if c != nil && c.V6 != nil {
			c.V6.Bind(p.v.V(), &sh.rooms.Six().Six)
		}
	}
}

// deadline returns when a room of this shard or of its interfaces is next due.
func (sh *shard) deadline(v *ifnet.View) clock.Time {
	at := sh.rooms.Deadline()
	for _, c := range v.Ifs {
		if c != nil {
			at = min(at, c.Deadline())
		}
	}
	return at
}

// counted shows f the statistics that the shard and its rooms keep.
func (sh *shard) counted(f func(block any)) {
	f(&sh.hot)
	if sh.cold != nil {
		f(&sh.cold.Cold)
	}
	sh.rooms.Counted(f)
	if m := sh.mrouting(); m != nil {
		f(&m.stats)
		f(&m.four)
		f(&m.six)
	}
	if t := sh.rooms.tcp; t != nil {
		f(&t.stats)
	}
}

// clear frees what the rooms of a closed stack still hold.
func (sh *shard) clear(r *netisr.Runner) {
	p := pass{r: r}
	sh.lock(&p)
	if room := sh.rooms.Reassembling(); room != nil {
		room.Clear()
		sh.pullReass(&p)
	}
	sh.clearTCP(&p)
	sh.stale = false
	sh.release()
	r.Flush()
}
