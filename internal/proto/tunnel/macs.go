package tunnel

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// macs is behind which end each hardware address was seen (RFC 7348 §4.1).
type macs struct {
	seed  table.Seed
	table table.Table[wire.MAC, mac, *mac]
	swept clock.Time // when room was last looked for
}

type mac struct {
	at    wire.MAC
	via   netip.Addr
	until clock.Time
}

// Key returns what the entry is found by.
func (m *mac) Key() wire.MAC { return m.at }

func (m *macs) hash(a wire.MAC) uint32 {
	return m.seed.Word(uint64(a[0])<<40 | uint64(a[1])<<32 | uint64(a[2])<<24 | uint64(a[3])<<16 | uint64(a[4])<<8 | uint64(a[5]))
}

// find returns the end behind which an address is, invalid if that is not known.
func (m *macs) find(now clock.Time, a wire.MAC) netip.Addr {
	e := m.table.Get(m.hash(a), a)
	switch {
	case e == nil:
		return netip.Addr{}
	case e.until <= now:
		m.table.Delete(m.hash(a), a)
		return netip.Addr{}
	}
	return e.via
}

// learn takes note that an address is behind the end via.
func (t *Tunnel) learn(now clock.Time, a wire.MAC, via netip.Addr, tun *Tunables) {
	if a.IsMulticast() || a.IsZero() || via == t.Local || !isHost(via) {
		return
	}
	m := &t.macs
	e := m.table.Get(m.hash(a), a)
	switch {
	case e == nil && m.table.Len() >= int(tun.MaxMACs) && !m.expire(now):
		t.stats.NotLearned++
		return
	case e == nil:
		e = &mac{at: a, via: via}
		m.table.Put(m.hash(a), e)
		t.stats.Learned++
	case e.via != via:
		t.stats.Moved++
	}
	e.via, e.until = via, now.Add(time.Duration(tun.MACAge)*time.Second)
}

// expire makes room by forgetting what was not seen for too long, and tells whether
// there was any. It looks once a second at most: who sends from ever new addresses
// must not make it go through all of them each time.
func (m *macs) expire(now clock.Time) bool {
	if m.swept != 0 && now < m.swept.Add(time.Second) {
		return false
	}
	m.swept = now
	var old []wire.MAC
	for e := range m.table.All() {
		if e.until <= now {
			old = append(old, e.at)
		}
	}
	for _, a := range old {
		m.table.Delete(m.hash(a), a)
	}
	return len(old) > 0
}

// MAC is a hardware address and the end behind which it was seen last.
type MAC struct {
	MAC wire.MAC
	Via netip.Addr
	TTL time.Duration // until it is forgotten
}

// AppendMACs appends what was learned and is not too old, in no order.
func (t *Tunnel) AppendMACs(all []MAC, now clock.Time) []MAC {
	for e := range t.macs.table.All() {
		if e.until > now {
			all = append(all, MAC{e.at, e.via, e.until.Sub(now)})
		}
	}
	return all
}
