package arp

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

func number(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|n)
	return netip.AddrFrom4(b)
}

func packet(op uint16, smac wire.MAC, sip, tip netip.Addr) *Frame {
	b := make([]byte, wire.ARPLen)
	wire.PutARP(b, op, smac, sip, wire.MAC{}, tip)
	return &Frame{ARP: b}
}

func TestNilTable(t *testing.T) {
	var h *Table[int]
	var o Out[int]
	if _, ok := h.Lookup(number(1)); ok || h.Len() != 0 || h.Next(0, &o) || h.Deadline() != clock.Never || h.AppendEntries(nil) != nil {
		t.Error("a nil table is not empty")
	}
	h.Used(number(1))
}

// TestNoAllocation: neither a packet to a resolved neighbour nor a packet that
// confirms one costs memory.
func TestNoAllocation(t *testing.T) {
	h := host(t, 0, 1)
	f := packet(wire.ARPRequest, wire.MAC{2, 0, 0, 0, 0, 0xb}, addr("10.9.0.2"), addr("10.9.0.1"))
	h.Input(0, f)
	now := clock.Time(0)
	n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		var o Out[int]
		for h.Next(now, &o) {
		}
		if h.Resolve(now, addr("10.9.0.2"), 1, false).Verdict != Send || !h.Input(now, f).Reply {
			t.Fatal("not resolved, or no reply")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestEmptyAgain: a table whose last entry has gone holds no memory for entries.
func TestEmptyAgain(t *testing.T) {
	h := host(t, 0, 1)
	h.Resolve(0, addr("10.9.0.2"), 1, false)
	h.Clear()
	sent(h, 0)
	if h.entries != nil || h.timers != nil || h.head != nil || h.tail != nil || h.learned != 0 {
		t.Errorf("left: %+v", h)
	}
}

// FuzzInput drives a table with arbitrary operations and packets, and checks
// that it stays whole, that no held packet is lost or given out twice, and that
// the published copy which follows the events always agrees with the table.
func FuzzInput(f *testing.F) {
	f.Add([]byte{0, 2, 1, 2, 9, 40, 0, 2, 9, 255, 7, 0})
	f.Add([]byte{0, 1, 0, 2, 0, 3, 1, 0x13, 8, 20, 5, 2, 3, 2, 2, 4, 6, 0})
	f.Add([]byte{4, 5, 0, 5, 1, 0x35, 9, 200, 9, 200, 9, 200, 9, 200, 9, 200, 10, 5, 9, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := model{t: t, held: map[int]bool{}, published: map[netip.Addr]wire.MAC{}}
		m.tun = Defaults()
		m.tun.MaxHold, m.tun.MaxEntries, m.tun.ProxyAll = 3, 6, 1
		m.table.Bind(&m.tun, &m.stats)
		m.table.SetLink(0, Link{MAC: wire.MAC{2, 0xa}, Up: true})
		for ; len(ops) >= 2; ops = ops[2:] {
			m.step(ops[0], ops[1])
			m.pull()
			m.check()
		}
		m.table.Clear()
		m.pull()
		if len(m.held) != 0 || len(m.published) != 0 {
			t.Errorf("left: packets %v, neighbours %v", m.held, m.published)
		}
	})
}

type model struct {
	t         *testing.T
	now       clock.Time
	tun       Tunables
	stats     Stats
	table     Table[int]
	next      int
	held      map[int]bool
	published map[netip.Addr]wire.MAC
}

// step does operation op with argument x, whose low bits choose an address.
func (m *model) step(op, x byte) {
	ip, mac := number(uint32(x&7)), wire.MAC{2, 1, x >> 4}
	switch op % 12 {
	case 0:
		m.next++
		r := m.table.Resolve(m.now, ip, m.next, x&0x80 != 0)
		if r.Verdict == Held {
			m.held[m.next] = true
		}
		if r.HasDropped {
			m.release(r.Dropped)
		}
	case 1:
		m.table.Input(m.now, packet(uint16(x>>6), mac, ip, number(uint32(x>>3&7))))
	case 2:
		m.table.AddAddress(m.now, netip.PrefixFrom(ip, 24))
	case 3:
		m.table.DelAddress(ip)
	case 4:
		m.table.Set(ip, mac, x&8 != 0, clock.Never)
	case 5:
		m.table.Set(ip, mac, x&8 != 0, m.now.Add(time.Duration(x)*time.Second))
	case 6:
		m.table.Delete(ip)
	case 7:
		m.table.Scrub(netip.PrefixFrom(ip, 30), x&8 != 0)
	case 8:
		m.table.SetLink(m.now, Link{MAC: wire.MAC{2, 0xa}, Up: x&1 != 0, NoARP: x&6 == 6, StaticARP: x&24 == 24})
	case 9:
		m.now = m.now.Add(time.Duration(x) * time.Second)
	case 10:
		m.table.Used(ip)
	case 11:
		m.now = max(m.now, min(m.table.Deadline(), m.now.Add(time.Hour)))
	}
}

func (m *model) pull() {
	var o Out[int]
	for n := 0; m.table.Next(m.now, &o); n++ {
		if n > 1000 {
			m.t.Fatal("Next does not end")
		}
		switch {
		case o.Kind == SendPacket || o.Kind == DropPacket:
			m.release(o.Packet)
		case o.Kind == AskUsed && o.IP.As4()[3]&1 == 0:
			m.table.Used(o.IP)
		case o.Kind == Changed && o.Event == Resolved:
			m.published[o.IP] = o.MAC
		case o.Kind == Changed:
			delete(m.published, o.IP)
		}
	}
}

func (m *model) release(p int) {
	if !m.held[p] {
		m.t.Fatalf("packet %d came out twice or was never taken", p)
	}
	delete(m.held, p)
}

func (m *model) check() {
	h := &m.table
	if d := h.Deadline(); d <= m.now {
		m.t.Fatalf("deadline %d is not after %d", d, m.now)
	}
	learned, valid, held := 0, 0, 0
	for k, e := range h.entries {
		if e.ip != k || e.at >= 0 && h.timers[e.at] != e || e.todo != 0 || e.pending {
			m.t.Fatalf("broken entry %+v", e)
		}
		if e.flags&Own == 0 && e.state != Permanent {
			learned++
			if e.at < 0 {
				m.t.Fatalf("entry without timer: %+v", e)
			}
		}
		held += len(e.held)
		if e.state == Incomplete {
			continue
		}
		valid++
		if mac := m.published[e.addr()]; mac != e.mac && e.flags&Own == 0 || len(e.held) > 0 {
			m.t.Fatalf("%s is published at %s, is at %s, holds %d", e.addr(), mac, e.mac, len(e.held))
		}
	}
	if learned != h.learned || held != len(m.held) || valid != len(m.published) {
		m.t.Fatalf("learned %d counted %d; held %d of %d; valid %d published %d",
			learned, h.learned, held, len(m.held), valid, len(m.published))
	}
	for i := 1; i < len(h.timers); i++ {
		if h.timers.before(i, (i-1)/2) {
			m.t.Fatal("heap out of order")
		}
	}
}

// BenchmarkResolve10000 resolves over a table of 10,000 neighbours;
// BenchmarkAge10000 confirms one of them, which sets its timer anew.
func BenchmarkResolve10000(b *testing.B) {
	h := crowd()
	b.ReportAllocs()
	for i := range b.N {
		h.Resolve(0, number(uint32(i%10000)+256), 1, false)
	}
}

func BenchmarkAge10000(b *testing.B) {
	h := crowd()
	f := packet(wire.ARPReply, wire.MAC{2, 1}, number(256+5000), number(1))
	b.ReportAllocs()
	for i := range b.N {
		h.Input(clock.Time(i), f)
	}
}

func crowd() *Table[int] {
	tun, h := Defaults(), new(Table[int])
	h.Bind(&tun, new(Stats))
	h.SetLink(0, Link{MAC: wire.MAC{2, 0xa}, Up: true})
	h.AddAddress(0, netip.PrefixFrom(number(1), 8))
	for i := range uint32(10000) {
		h.Input(0, packet(wire.ARPRequest, wire.MAC{2, 1}, number(i+256), number(1)))
	}
	var o Out[int]
	for h.Next(0, &o) {
	}
	return h
}
