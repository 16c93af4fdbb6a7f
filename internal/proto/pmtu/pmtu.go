package pmtu

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
)

// Least is the least MTU of a path (RFC 8200 §5).
const Least = 1280

// Tunables is what the table may be told.
type Tunables struct {
	Timeout int32 `sysctl:"net.inet6.ip6.pmtu_timeout,min=1,max=86400" desc:"seconds after which a path is tried anew with packets of full length"`
	Max     int32 `sysctl:"net.inet6.ip6.pmtu_max,min=0,max=65536" desc:"destinations whose path MTU is remembered"`
}

// Defaults returns RFC 8201 §5.3's ten minutes, and room for as many destinations as
// a busy host talks to.
func Defaults() Tunables { return Tunables{Timeout: 600, Max: 1024} }

// Stats is what the table counts.
type Stats struct {
	Lowered uint64 `stat:"ip6.pmtu.lowered"` // estimates made or lowered
	Ignored uint64 `stat:"ip6.pmtu.ignored"` // messages that would have raised one, or below the least MTU
	Evicted uint64 `stat:"ip6.pmtu.evicted"` // estimates forgotten before their time for want of room
}

// Path is what an estimate is of.
type Path struct {
	Dst   netip.Addr // without zone
	Scope uint32     // interface index, where Dst is link-local
}

// estimate is of one path. It never changes: readers may hold it.
type estimate struct {
	path  Path
	until clock.Time
	mtu   int
}

// Key makes an estimate an entry of a table.
func (e *estimate) Key() Path { return e.path }

// Table is the estimates of one stack. Init must be called before use.
type Table struct {
	seed  table.Seed
	paths table.Table[Path, estimate, *estimate]
	stats Stats
}

// Init gives the table the key of its hash.
func (t *Table) Init(seed table.Seed) { t.seed = seed }

// MTU returns the length of the longest packet that passes the path, as far as is
// known; 0 if nothing is. It may be called at any time from anywhere.
func (t *Table) MTU(now clock.Time, p Path) int {
	if e := t.paths.Get(t.hash(p), p); e != nil && now < e.until {
		return e.mtu
	}
	return 0
}

// TooBig takes note that a packet was too long for a link of the given MTU on the
// path, and tells whether that is news.
func (t *Table) TooBig(now clock.Time, tun *Tunables, p Path, mtu int) bool {
	known := t.MTU(now, p)
	if mtu < Least || known != 0 && mtu >= known || tun.Max == 0 {
		t.stats.Ignored++
		return false
	}
	h := t.hash(p)
	if t.paths.Get(h, p) == nil {
		t.makeRoom(now, int(tun.Max))
	}
	t.paths.Put(h, &estimate{p, now.Add(time.Duration(tun.Timeout) * time.Second), mtu})
	t.stats.Lowered++
	return true
}

// makeRoom lets there be fewer than limit estimates: those that have ended go, and
// then those that end first.
func (t *Table) makeRoom(now clock.Time, limit int) {
	for t.paths.Len() >= limit {
		var first *estimate
		for e := range t.paths.All() {
			if first == nil || e.before(first) {
				first = e
			}
		}
		t.paths.Delete(t.hash(first.path), first.path)
		if first.until > now {
			t.stats.Evicted++
		}
	}
}

// before orders estimates: no order of a hash table may be seen.
func (e *estimate) before(o *estimate) bool {
	switch {
	case e.until != o.until:
		return e.until < o.until
	case e.path.Dst != o.path.Dst:
		return e.path.Dst.Less(o.path.Dst)
	}
	return e.path.Scope < o.path.Scope
}

func (t *Table) hash(p Path) uint32 { return t.seed.Addr(p.Dst, uint64(p.Scope)) }

// Stats returns what was counted.
func (t *Table) Stats() Stats { return t.stats }
