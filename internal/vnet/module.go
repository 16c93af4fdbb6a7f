package vnet

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
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
	// configure the stack, but make, close and load nothing.
	Construct func(*Stack) syscall.Errno
	Destruct  func(*Stack)
	// EtherType and Proto ask for the packets of a link-layer or IP protocol
	// that the stack does not know; 0 means none. The functions borrow the
	// bytes, from the frame's or packet's beginning, and are called under a
	// shard's lock, by several shards at once: they must not call the stack.
	EtherType uint16
	InEther   func(st *Stack, ifIndex uint32, frame wire.Ether)
	Proto     uint8
	InIP      func(st *Stack, ifIndex uint32, packet wire.IPv4)
}

// Modules is the modules loaded into a world. Package control loads them.
type Modules struct {
	sync.Mutex // guards changes; taken before the world's lock and any stack's
	list       atomic.Pointer[[]*Module]
}

// All returns the modules in order of loading.
func (m *Modules) All() []*Module {
	if l := m.list.Load(); l != nil {
		return *l
	}
	return nil
}

// Set replaces the list, which must not change any more.
func (m *Modules) Set(all []*Module) { m.list.Store(&all) }

// Modules returns the modules loaded into the world.
func (w *World) Modules() *Modules { return &w.mods }

// Vars returns the stack's copies of the modules' variables.
func (st *Stack) Vars() *vvar.Set { return &st.vars }

// inUnknown takes a frame of a protocol that is not the stack's own.
func (sh *shard) inUnknown(p *pass, b *pkt.Buf, e wire.Ether) {
	for _, m := range sh.st.world.mods.All() {
		if m.InEther != nil && m.EtherType == e.Type() && sh.st.vars.Has(&m.Vars) {
			m.InEther(sh.st, p.in.Index, e)
			p.r.Cache.Free(b)
			return
		}
	}
	sh.drop(p, b, pkt.UnknownProtocol)
}

// inModule offers a packet to the modules and tells whether one wanted it. It
// borrows b.
func (sh *shard) inModule(p *pass, ip wire.IPv4) bool {
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
