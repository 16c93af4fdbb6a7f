package nd

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// world drives a table with whatever comes and keeps what a stack would: which
// packets are out, and the copy of the neighbours that may be sent to.
type world struct {
	t      testing.TB
	h      *Table[int]
	tun    Tunables
	stats  Stats
	now    clock.Time
	packet int
	held   map[int]bool
	copied map[netip.Addr]wire.MAC
	usable map[netip.Addr]bool
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, h: New[int](seed), tun: Defaults(), now: 1,
		held: map[int]bool{}, copied: map[netip.Addr]wire.MAC{}, usable: map[netip.Addr]bool{},
	}
	w.tun.MaxEntries, w.tun.MaxIncomplete, w.tun.MaxHold, w.tun.GCTimer, w.tun.MaxHint = 6, 3, 2, 200, 3
	w.h.Bind(&w.tun, &w.stats)
	return w
}

func (w *world) ip(n byte) netip.Addr {
	a := netip.MustParseAddr("fe80::")
	if n&8 != 0 {
		a = netip.MustParseAddr("2001:db8::")
	}
	b := a.As16()
	b[15] = n&15 + 1
	return netip.AddrFrom16(b)
}

// letGo takes note of a packet that came out; each comes out once.
func (w *world) letGo(p int) {
	if !w.held[p] {
		w.t.Fatalf("packet %d comes out that is not held", p)
	}
	delete(w.held, p)
}

func (w *world) pull() {
	var o Out[int]
	for n := 0; w.h.Next(w.now, &o); n++ {
		if n > 10000 {
			w.t.Fatal("it does not end")
		}
		switch o.Kind {
		case SendMessage:
			w.checkMessage(&o.Message)
		case SendPacket, DropPacket:
			w.letGo(o.Packet)
		case Changed:
			if o.Event == Resolved {
				w.copied[o.IP] = o.MAC
			} else {
				delete(w.copied, o.IP)
			}
		case AddressReady:
			w.usable[o.IP] = true
		case AddressDuplicate:
			delete(w.usable, o.IP)
		}
	}
	if d := w.h.Deadline(); d <= w.now {
		w.t.Fatalf("deadline %v at %v after Next", d, w.now)
	}
}

// checkMessage says what is true of everything sent.
func (w *world) checkMessage(m *Message) {
	r := received(w.t, m, w.h.link.MAC)
	var a Answer
	var f wire.Fault
	if m.Advert {
		_, f = wire.ParseNeighborAdvert(r.ICMP)
	} else {
		_, f = wire.ParseNeighborSolicit(r.ICMP)
	}
	if !r.screen(f, &a) {
		w.t.Fatalf("we sent what nobody accepts: %v", a.Drop)
	}
	state, own := w.h.Address(m.Src)
	tentative := !m.Advert && m.Src.IsUnspecified() && m.LinkAddr.IsZero()
	if !tentative && (!own || state == Tentative || state == Duplicate) {
		w.t.Fatalf("we spoke as %v, which is %v, %v", m.Src, state, own)
	}
	if state == Optimistic && own && m.Flags&wire.NAOverride != 0 {
		w.t.Fatal("Override of an optimistic address (RFC 4429 §3.3)")
	}
	if !w.h.link.Up || w.h.link.Disabled {
		w.t.Fatal("we spoke on an interface that is down")
	}
}

// check compares the table with what it is said to be.
func (w *world) check() {
	learned, incomplete, stale, held, timed := 0, 0, 0, 0, 0
	for e := range w.h.index.All() {
		mac, copied := w.copied[e.ip]
		sendable := e.state != Incomplete && e.state != Stale
		if copied != sendable || copied && mac != e.mac {
			w.t.Fatalf("%v is %v at %v, the copy has %v, %v", e.ip, e.state, e.mac, mac, copied)
		}
		if e.state != Permanent {
			learned++
			timed++
			if e.at < 0 {
				w.t.Fatalf("%v is %v for ever", e.ip, e.state)
			}
		}
		switch e.state {
		case Incomplete:
			incomplete++
		case Stale:
			stale++
		}
		if e.state == Incomplete != (len(e.held) > 0) {
			w.t.Fatalf("%v is %v and holds %d", e.ip, e.state, len(e.held))
		}
		held += len(e.held)
	}
	listed := 0
	for e := w.h.oldest; e != nil; e = e.newer {
		listed++
		if e.state != Stale || e.newer == nil && e != w.h.youngest {
			w.t.Fatal("list of the stale is broken")
		}
	}
	if learned != w.h.learned || incomplete != w.h.incomplete || stale != listed || held != len(w.held) {
		w.t.Fatalf("counted %d learned, %d incomplete, %d stale, %d held; the table says %d, %d, %d; out are %d",
			learned, incomplete, stale, held, w.h.learned, w.h.incomplete, listed, len(w.held))
	}
	if learned > int(w.tun.MaxEntries) || incomplete > int(w.tun.MaxIncomplete) {
		w.t.Fatal("a limit does not hold")
	}
	for _, a := range w.h.locals {
		if w.usable[a.ip] != (a.state == Preferred || a.state == Optimistic) {
			w.t.Fatalf("%v is %v, and usable %v", a.ip, a.state, w.usable[a.ip])
		}
		if a.job != nil {
			timed++
		}
	}
	if len(w.h.timers) != timed+w.h.late {
		w.t.Fatalf("%d timers, expected %d", len(w.h.timers), timed+w.h.late)
	}
	for i, e := range w.h.timers {
		if int(e.at) != i || i > 0 && w.h.timers.before(i, (i-1)/2) {
			w.t.Fatal("the heap is broken")
		}
	}
}

// step does one thing, which the bytes choose.
func (w *world) step(op, x, y, z byte) {
	ip, m := w.ip(x), wire.MAC{2, 0, 0, 0, 0, y & 3}
	switch op % 16 {
	case 0, 1, 2:
		w.packet++
		w.held[w.packet] = true
		r := w.h.Resolve(w.now, ip, w.ip(y), w.packet, z&1 != 0)
		if r.Verdict != Held {
			w.letGo(w.packet)
		}
		if r.HasDropped {
			w.letGo(r.Dropped)
		}
		if mac, ok := w.copied[ip]; ok && !w.usable[ip] && (r.Verdict != Send || r.MAC != mac) && !w.h.link.Disabled {
			w.t.Fatal("the copy would have sent elsewhere")
		}
	case 3, 4:
		w.input(x, y, z, wire.AppendNS(nil, ip), wire.NDSourceLinkAddr)
	case 5, 6, 7:
		w.input(x, y, z, wire.AppendNA(nil, z&0xe0, ip), wire.NDTargetLinkAddr)
	case 8:
		w.input(x, y, z, wire.AppendRedirect(nil, ip, w.ip(z)), wire.NDTargetLinkAddr)
	case 9:
		w.h.AddAddress(w.now, ip, AddrFlags(z&15))
	case 10:
		if w.h.DelAddress(ip) == 0 {
			delete(w.usable, ip)
		}
	case 11:
		expire := clock.Never
		if z&1 != 0 {
			expire = w.now.Add(time.Duration(z) * time.Second)
		}
		w.h.Set(ip, m, z&2 != 0, expire)
	case 12:
		w.h.Delete(ip)
	case 13:
		w.h.SetLink(w.now, Link{MAC: m, Up: y&4 == 0 || z&3 != 0, Router: y&8 != 0, Disabled: y&0x70 == 0x70, NoNUD: y&0x80 != 0, Loops: z&4 != 0})
	case 14:
		w.h.Heard(w.now, ip, m, Role(z%3))
		w.h.Confirm(w.now, w.ip(z))
	case 15:
		w.now = w.now.Add(time.Duration(x) * time.Duration(y) * 10 * time.Millisecond)
	}
}

func (w *world) input(x, y, z byte, b []byte, opt uint8) {
	if y&1 != 0 {
		b = wire.AppendNDLinkAddr(b, opt, wire.MAC{2, 0, 0, 0, 0, y >> 1 & 3})
	}
	r := Received{ICMP: b, Src: w.ip(y), Dst: w.ip(z), SrcMAC: wire.MAC{2, 0, 0, 0, 0, y >> 1 & 3}, HopLimit: 255, SumOK: true, FirstHop: true}
	switch z & 3 {
	case 0:
		r.Dst = netip.IPv6LinkLocalAllNodes()
	case 1:
		r.Src, r.Dst = netip.IPv6Unspecified(), wire.SolicitedNode(w.ip(x))
	}
	if a := w.h.Input(w.now, &r); a.Reply {
		w.checkMessage(&a.Message)
	}
}

// TestRandom does things at random, with everything compared after each.
func TestRandom(t *testing.T) {
	for seed := range uint64(60) {
		w, r := newWorld(t, seed), rng(seed*7919)
		for range 1500 {
			x := r.next()
			w.step(byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
			w.pull()
			w.check()
		}
		w.h.Clear()
		w.pull()
		if w.h.Len() != 0 || w.h.Deadline() != clock.Never || len(w.held) != 0 || len(w.copied) != 0 {
			t.Fatalf("seed %d: after Clear %d entries, %d packets, %d copies", seed, w.h.Len(), len(w.held), len(w.copied))
		}
	}
}

// FuzzSteps does what the bytes say.
func FuzzSteps(f *testing.F) {
	f.Add([]byte{13, 1, 0, 0, 9, 0, 0, 4, 0, 1, 0, 0, 5, 1, 1, 0xe0, 15, 255, 255, 0})
	f.Add([]byte{9, 3, 0, 0, 13, 1, 0, 0, 3, 3, 0, 1, 15, 100, 100, 0})
	f.Add(bytes.Repeat([]byte{0, 9, 1, 1, 3, 2, 5, 2, 15, 50, 50, 1}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWorld(t, 1)
		for ; len(b) >= 4; b = b[4:] {
			w.step(b[0], b[1], b[2], b[3])
			w.pull()
			w.check()
		}
	})
}

// FuzzInput has a host, a router and a host whose addresses are tentative hear
// any bytes.
func FuzzInput(f *testing.F) {
	mac := wire.MAC{2, 0, 0, 0, 0, 9}
	f.Add([]byte(wire.AppendNDLinkAddr(wire.AppendNS(nil, netip.MustParseAddr("fe80::1")), wire.NDSourceLinkAddr, mac)), uint8(0))
	f.Add([]byte(wire.AppendNDLinkAddr(wire.AppendNA(nil, 0x60, netip.MustParseAddr("fe80::2")), wire.NDTargetLinkAddr, mac)), uint8(1))
	f.Add([]byte(wire.AppendNDNonce(wire.AppendNS(nil, netip.MustParseAddr("fe80::1")), []byte{1, 2, 3, 4, 5, 6})), uint8(2))
	f.Add([]byte(wire.AppendNDLinkAddr(wire.AppendRedirect(nil, netip.MustParseAddr("fe80::3"), netip.MustParseAddr("2001:db8::9")), wire.NDTargetLinkAddr, mac)), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		icmp, fault := wire.ParseICMP6(b)
		if fault != wire.OK {
			return
		}
		w := newWorld(t, 1)
		w.h.SetLink(w.now, Link{MAC: wire.MAC{2, 0, 0, 0, 0, 1}, Up: true, Router: how&16 != 0, Loops: how&32 != 0})
		w.h.AddAddress(w.now, netip.MustParseAddr("fe80::1"), AddrFlags(how>>6)|NoDAD*AddrFlags(how&4/4))
		w.held[1] = true
		w.h.Resolve(w.now, netip.MustParseAddr("fe80::2"), netip.Addr{}, 1, true)
		w.pull()
		r := Received{ICMP: icmp, Src: netip.MustParseAddr("fe80::2"), Dst: netip.MustParseAddr("fe80::1"), SrcMAC: mac, HopLimit: 255, SumOK: true, FirstHop: true}
		switch how & 3 {
		case 1:
			r.Dst = netip.IPv6LinkLocalAllNodes()
		case 2:
			r.Src, r.Dst = netip.IPv6Unspecified(), wire.SolicitedNode(netip.MustParseAddr("fe80::1"))
		}
		if a := w.h.Input(w.now, &r); a.Reply {
			w.checkMessage(&a.Message)
		}
		w.pull()
		w.check()
		w.now = w.now.Add(time.Minute)
		w.pull()
		w.check()
	})
}
