package nd

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// AddrState is where an own address stands (RFC 4862 §5.4, RFC 4429 §2.1).
type AddrState uint8

// The states.
const (
	Tentative  AddrState = iota // not to be used: nobody has been asked yet, or is being asked
	Optimistic                  // used while others are being asked
	Preferred                   // ours. Whether it is deprecated is not known here
	Duplicate                   // somebody else's
)

var addrStateNames = [...]string{
	Tentative: "tentative", Optimistic: "optimistic", Preferred: "preferred", Duplicate: "duplicate",
}

// String names the state.
func (s AddrState) String() string { return addrStateNames[s] }

// AddrFlags are properties of an own address.
type AddrFlags uint8

// The flags.
const (
	Anycast       AddrFlags = 1 << iota // others may have it too (RFC 4861 §7.2.7): nobody is asked
	OptimisticDAD                       // used while others are being asked (RFC 4429); not on a router
	NoDAD                               // used without asking anybody
	Delayed                             // asked for after a random delay of up to a second (RFC 4862 §5.4.2)
)

// address is an own address, in the order of adding.
type address[P any] struct {
	ip    netip.Addr
	flags AddrFlags
	state AddrState
	job   *entry[P] // what is being done for it, or nil
}

// jobKind is what an entry that is no neighbour does.
type jobKind uint8

const (
	claiming   jobKind = iota // duplicate address detection
	announcing                // a changed link address is told to all nodes
	notifying                 // a new address is told to the routers
	answering                 // one delayed answer
)

// job is what an entry that is no neighbour needs besides its timer.
type job struct {
	kind  jobKind
	left  int32      // messages still to be sent
	sent  int32      // messages sent
	heard int32      // solicitations for the address that may be our own ones
	base  uint64     // of nonces
	dst   netip.Addr // of advertisements
	mac   wire.MAC   // its link address
}

// nonce returns that of the n-th solicitation; each is used once (RFC 7527 §4.1).
func (j *job) nonce(n int32) (b [6]byte) {
	r := rng(j.base + uint64(n))
	var w [8]byte
	binary.BigEndian.PutUint64(w[:], r.next()|1) // never all zero, which would mean none
	copy(b[:], w[2:])
	return b
}

// isOurs reports whether a nonce is that of a solicitation sent lately.
func (j *job) isOurs(nonce []byte) bool {
	for n := j.sent; n > 0 && n > j.sent-rememberedNonces; n-- {
		if b := j.nonce(n); string(nonce) == string(b[:]) {
			return true
		}
	}
	return false
}

// AddAddress makes ip an own address of the interface. It is asked for as soon
// as the interface is up, and AddressReady or AddressDuplicate comes out of Next;
// without anybody to ask (Anycast, NoDAD, a dad_count of 0) AddressReady comes at
// once. An entry for ip is replaced. Returns EINVAL if the address cannot be a
// host's, EEXIST if it is there already.
func (t *Table[P]) AddAddress(now clock.Time, ip netip.Addr, flags AddrFlags) syscall.Errno {
	if !isHost(ip) {
		return syscall.EINVAL
	}
	if t.local(ip) != nil {
		return syscall.EEXIST
	}
	if e := t.get(ip); e != nil {
		t.remove(e, Deleted)
	}
	t.locals = append(t.locals, address[P]{ip: ip, flags: flags})
	t.claim(now, &t.locals[len(t.locals)-1], flags&Delayed != 0)
	return 0
}

// DelAddress takes an own address away. Returns ENOENT if it is none.
func (t *Table[P]) DelAddress(ip netip.Addr) syscall.Errno {
	a := t.local(ip)
	if a == nil {
		return syscall.ENOENT
	}
	t.stop(a)
	t.locals = slices.DeleteFunc(t.locals, func(o address[P]) bool { return o.ip == ip })
	if len(t.locals) == 0 {
		t.locals = nil
	}
	return 0
}

// Address returns the state of an own address, false if it is none.
func (t *Table[P]) Address(ip netip.Addr) (AddrState, bool) {
	if t == nil {
		return 0, false
	}
	if a := t.local(ip); a != nil {
		return a.state, true
	}
	return 0, false
}

// local returns the own address ip, or nil. It is good until the next change.
func (t *Table[P]) local(ip netip.Addr) *address[P] {
	for i := range t.locals {
		if t.locals[i].ip == ip {
			return &t.locals[i]
		}
	}
	return nil
}

// mine is local without duplicates: theirs is an address like any other on the
// link, whose owner is a neighbour.
func (t *Table[P]) mine(ip netip.Addr) *address[P] {
	if a := t.local(ip); a != nil && a.state != Duplicate {
		return a
	}
	return nil
}

// claim begins duplicate address detection for a, or does without.
func (t *Table[P]) claim(now clock.Time, a *address[P], delay bool) {
	if a.flags&(Anycast|NoDAD) != 0 || t.link.NoDAD || t.tun.DADCount == 0 {
		t.start(a, job{})
		t.ready(now, a)
		return
	}
	if !t.link.Up || t.link.Disabled {
		return // SetLink will come back
	}
	// Two hosts with one seed still differ by their hardware.
	e := t.start(a, job{kind: claiming, left: t.tun.DADCount, base: t.rng.next() ^ hardware(t.link.MAC)})
	if a.flags&OptimisticDAD != 0 && !t.link.Router && a.state == Tentative {
		a.state = Optimistic
		t.pend(e, doReady)
	}
	if delay {
		t.arm(e, now.Add(t.rng.within(maxSolicitDelay)))
		return
	}
	t.work(now, e)
}

func hardware(m wire.MAC) uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// start gives a something to do, instead of what it did before.
func (t *Table[P]) start(a *address[P], j job) *entry[P] {
	t.stop(a)
	a.job = &entry[P]{ip: a.ip, at: -1, job: &j}
	return a.job
}

// stop ends what is being done for a; what Next still had of it is forgotten.
func (t *Table[P]) stop(a *address[P]) {
	if a.job == nil {
		return
	}
	t.disarm(a.job)
	a.job.todo = 0
	a.job = nil
}

// work does the next step of a job.
func (t *Table[P]) work(now clock.Time, e *entry[P]) {
	j := e.job
	switch {
	case j.kind == answering:
		t.late--
		t.pend(e, doAdvertise)
	case j.left > 0:
		j.left--
		j.sent++
		what := doAdvertise
		if j.kind == claiming {
			what = doSolicit
		}
		t.pend(e, what)
		if j.left > 0 || j.kind == claiming {
			t.arm(e, now.Add(t.retrans))
			return
		}
		t.local(e.ip).job = nil
	default: // RFC 4862 §5.4: RetransTimer after the last question
		t.ready(now, t.local(e.ip))
	}
}

// ready makes a an address that may be used, and tells the routers of it
// (RFC 9131 §6.1.1: so that they need not ask when the first packet for it
// comes). It goes on with a's job.
func (t *Table[P]) ready(now clock.Time, a *address[P]) {
	e := a.job
	a.state = Preferred
	t.pend(e, doReady)
	if !t.link.Up || t.link.Disabled || t.tun.Grand == 0 || a.flags&Anycast != 0 || a.ip.IsLinkLocalUnicast() {
		a.job = nil
		return
	}
	routers := netip.IPv6LinkLocalAllRouters()
	*e.job = job{kind: notifying, left: t.tun.Grand, dst: routers, mac: wire.MulticastMAC(routers)}
	t.work(now, e)
}

// announce tells all nodes, n times, that a is at the interface's link address
// (RFC 4861 §7.2.6). Addresses follow one another with a pause.
func (t *Table[P]) announce(now clock.Time, a *address[P], n int32) {
	nodes := netip.IPv6LinkLocalAllNodes()
	e := t.start(a, job{kind: announcing, left: n, dst: nodes, mac: wire.MulticastMAC(nodes)})
	pause := 0
	for i := range t.locals {
		if &t.locals[i] == a {
			break
		}
		pause++
	}
	if pause > 0 {
		t.arm(e, now.Add(advertisePacing*time.Duration(pause)))
		return
	}
	t.work(now, e)
}

// contend takes a solicitation from nobody for an address that is being
// claimed: somebody else wants it too, unless it is our own one that came back
// (RFC 4862 §5.4.3, RFC 7527 §4.3).
func (t *Table[P]) contend(own *address[P], r *Received, o wire.NDOptions, a *Answer) {
	var j *job
	if own.job != nil {
		j = own.job.job
	}
	nonce, _ := o.Find(wire.NDNonce)
	switch {
	case j != nil && t.tun.DADEnhanced != 0 && nonce != nil && j.isOurs(nonce.Nonce()):
		// Whether anybody else would have been heard is doubtful: ask again. A
		// loop that stays keeps the address tentative (RFC 7527 §4.2).
		j.left = max(j.left, t.tun.McastTries-1)
		t.stats.Loops++
		a.Drop, a.Note = DropOwn, NoteLooped
		return
	case j != nil && t.tun.DADEnhanced == 0 && nonce == nil && t.link.Loops && j.heard < j.sent:
		// As many as we sent come from ourselves (RFC 4862 appendix A).
		j.heard++
		t.stats.Loops++
		a.Drop = DropOwn
		return
	}
	t.duplicate(own, r.SrcMAC)
	a.Drop, a.Note = DropDuplicate, NoteUsesOurAddress
}

// duplicate gives the address up: it is somebody else's.
func (t *Table[P]) duplicate(a *address[P], whose wire.MAC) {
	t.stats.Duplicates++
	e := t.start(a, job{})
	e.mac = whose
	a.state, a.job = Duplicate, nil
	t.pend(e, doDuplicate)
	if t.isOfHardware(a.ip) {
		t.disable()
	}
}

// isOfHardware reports whether ip is link-local and made of the interface's
// hardware address (RFC 2464 §5): then that is somebody else's too.
func (t *Table[P]) isOfHardware(ip netip.Addr) bool {
	m, b := t.link.MAC, ip.As16()
	id := [8]byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}
	return ip.IsLinkLocalUnicast() && [8]byte(b[8:]) == id
}

// senders reports whether an own address may ask, and whether one soon will.
func (t *Table[P]) senders() (can, soon bool) {
	for i := range t.locals {
		a := &t.locals[i]
		can = can || a.state == Preferred && a.flags&Anycast == 0
		soon = soon || a.state < Preferred && a.job != nil
	}
	return can, soon
}

// source chooses the own address that asks or tells ip: src if it is one
// (RFC 4861 §7.2.2), else the one that has most bits in common with ip, for it
// is likely on ip's link. Addresses that are not ours for sure may not speak
// with a link address (RFC 4429 §3.2), anycast ones not at all.
func (t *Table[P]) source(src, ip netip.Addr) netip.Addr {
	best, most := netip.Addr{}, -1
	for i := range t.locals {
		a := &t.locals[i]
		if a.state != Preferred || a.flags&Anycast != 0 {
			continue
		}
		if a.ip == src {
			return src
		}
		if n := common(a.ip, ip); n > most {
			best, most = a.ip, n
		}
	}
	return best
}

// common returns the number of leading bits that two addresses share.
func common(a, b netip.Addr) int {
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return i*8 + bits.LeadingZeros8(d)
		}
	}
	return 128
}
