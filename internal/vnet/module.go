package vnet

import (
	"sync"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/vvar"
	"github.com/seed88948545/vimage/internal/wire"
)

// Module is code that is not part of the stack and is loaded into a world
// while stacks run. Its fields must not change once it is loaded.
type Module struct {
	Name string     // unique among the loaded
	Vars vvar.Decls // every stack has its own
	// Construct is called once for every stack, existing ones first, before
	// anybody else can see the new stack; Destruct in the reverse order. They may
	// configure the stack, but make, close and load nothing. Of several modules the
	// one of the lower subsystem is constructed first, then that of the lower
	// order, then that which was loaded first.
	Subsystem, Order int
	Construct        func(*Stack) syscall.Errno
	Destruct         func(*Stack)
	Family           *Family // that the module routes; nil for none
	// EtherType and Proto ask for the packets of a link-layer or IP protocol
	// that the stack does not know; 0 means none. The functions borrow the
	// bytes, from the frame's or packet's beginning, and are called under a
	// shard's lock, by several shards at once: they must not call the stack.
	//
	// InEther may answer with a frame, or pass one on: it writes at most as long a
	// one to out and returns its length and the interface by which it is to leave,
	// whose hardware address becomes its source.
	EtherType uint16
	InEther   func(st *Stack, ifIndex uint32, frame wire.Ether, out []byte) (n int, via uint32)
	Proto     uint8
	InIP      func(st *Stack, ifIndex uint32, packet wire.Packet)
}

// Family is how an address family is routed. Package control asks: it calls the
// methods one at a time, and the table numbers that it gives exist. A family that
// has no FIBs is asked for table 0 alone.
type Family struct {
	Name   string // "inet", "inet6"
	FIBs   bool
	Attach func(st *Stack, fib int) syscall.Errno // before the first route is added to a table
	Detach func(st *Stack, fib int)               // of what was attached, the last first
	Lookup func(st *Stack, fib int, dst string) (FamilyRoute, syscall.Errno)
	Add    func(st *Stack, fib int, r FamilyRoute) syscall.Errno
	Delete func(st *Stack, fib int, r FamilyRoute) syscall.Errno
	Walk   func(st *Stack, fib int, visit func(FamilyRoute) bool)
}

// FamilyRoute is a route as all families have it. Addresses are the bytes that
// the family has for them.
type FamilyRoute struct {
	Dst     string
	Bits    int    // of Dst that must match; a family without netmasks ignores it
	Gateway string // "" for none
	IfIndex uint32 // 0: the family knows, or finds out
}

// Modules is the modules loaded into a world, in order of loading. Package control
// loads them.
type Modules struct {
	sync.Mutex // guards changes; taken before the world's lock and any stack's
	table.List[*Module]
}

// Modules returns the modules loaded into the world.
func (w *World) Modules() *Modules { return &w.mods }

// Vars returns the stack's copies of the modules' variables.
func (st *Stack) Vars() *vvar.Set { return &st.vars }

// inUnknown takes a frame of a protocol that is not the stack's own.
func (sh *shard) inUnknown(p *pass, b *pkt.Buf, e wire.Ether) {
	for _, m := range sh.st.world.mods.All() {
		if m.InEther != nil && m.EtherType == e.Type() && sh.st.vars.Has(&m.Vars) {
			answer := p.r.Cache.Get(len(e))
			n, via := m.InEther(sh.st, p.in.Index, e, answer.Extend(len(e)))
			p.r.Cache.Free(b)
			sh.answer(p, answer, n, p.v.Conf(via))
			return
		}
	}
	sh.drop(p, b, pkt.UnknownProtocol)
}

// answer sends the n bytes that a module has made, if any.
func (sh *shard) answer(p *pass, b *pkt.Buf, n int, out *ifnet.Conf) {
	if n < wire.EtherLen || out == nil || out.Port == nil || out.Flags&ifnet.Up == 0 {
		p.r.Cache.Free(b)
		return
	}
	b.Trim(n)
	copy(b.Bytes()[len(wire.MAC{}):], out.MAC[:])
	b.Sum = pkt.SumValid
	sh.tx(p, b, out)
}

// inModule offers a packet to the modules and tells whether one wanted it. It
// borrows b.
func (sh *shard) inModule(p *pass, ip wire.Packet) bool {
	for _, m := range sh.st.world.mods.All() {
		if m.InIP != nil && m.Proto == ip.Proto() && sh.st.vars.Has(&m.Vars) {
			var index uint32
			if p.in != nil {
				index = p.in.Index
			}
			m.InIP(sh.st, index, ip)
			return true
		}
	}
	return false
}
