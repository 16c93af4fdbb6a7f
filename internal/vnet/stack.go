package vnet

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/roster"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/vvar"
	"github.com/seed88948545/vimage/link"
)

// Stack is one network stack. At rest it is one allocation with what its
// configuration needs: no goroutine, no timer, no buffer.
type Stack struct {
	world  *World
	name   string
	nth    uint64 // in order of becoming visible; the world's
	view   atomic.Pointer[ifnet.View]
	fibs   fib.Set[*ifnet.Neighbor]
	mtus   ifnet.PathMTUs
	more   *[]shard // beyond the first; nil where there are none
	udp    pcb.Table[Sock, *Sock]
	tcp    atomic.Pointer[tcpHost] // what all shards share of TCP; made at its first use
	groups Groups
	raws   table.List[*Sock]
	events event.Hub

	ctl    sync.Mutex // control: configuration changes one at a time
	closed atomic.Bool
	gens   uint32   // generations given out
	vars   vvar.Set // of loaded modules
	socks  *Sock    // all sockets, linked; shard 0's
	own    *Members // what the stack listens to without a socket; shard 0's
	random roster.Random

	sh shard // the first shard

	first *firstIface // nil until there is one
}

// firstIface is what a stack needs for its first interface that leads to a link,
// which most have no other beside.
type firstIface struct {
	ifnet.Iface
	conf ifnet.Conf
	ifs  [2]*ifnet.Conf
}

// StackConfig says how a stack is made.
type StackConfig struct {
	Name   string // unique in its world, not empty
	Shards int    // 0 means 1; at most 64
	Number uint64 // from World.TakeNumber; 0: the next one
}

// MakeStack makes a stack that is not in the world's list yet, with one loopback
// interface, lo0, which is up and has no address; Free undoes it. It returns
// EINVAL for a bad name or number of shards, EOPNOTSUPP for a second stack of a
// process that is built to have one.
func (w *World) MakeStack(c StackConfig) (*Stack, syscall.Errno) {
	if c.Name == "" || c.Shards < 0 || c.Shards > 64 {
		return nil, syscall.EINVAL
	}
	if !ifnet.TakePage() {
		return nil, syscall.EOPNOTSUPP
	}
	st := &Stack{world: w, name: c.Name, nth: c.Number}
	st.random.Seed(w.Rand())
	if c.Shards > 1 {
		more := make([]shard, c.Shards-1)
		st.more = &more
	}
	for i := range st.Shards() {
		st.shardAt(i).init(st, i)
	}
	v := &ifnet.View{FIBs: &st.fibs, Ifs: w.ifs0[:], Rules: &w.rules}
	v.SetV(w.ref.Load())
	st.view.Store(v)
	return st, 0
}

func (sh *shard) init(st *Stack, id int) {
	sh.st, sh.id = st, uint8(id)
	sh.Queue.Init(sh)
	sh.timer.F = sh
	sh.wake = never
}

func (st *Stack) initIface(i *ifnet.Iface, index uint32, port link.Port) {
	st.gens++
	i.Port, i.Seed, i.Index, i.Gen = port, &st.world.seed, index, st.gens
	i.Init(st.Shards())
}

// Name returns the stack's name.
func (st *Stack) Name() string { return st.name }

// Key makes a Stack an entry of its world's roster.
func (st *Stack) Key() string { return st.name }

// Number is where the roster writes down which one the stack was to become visible.
func (st *Stack) Number() *uint64 { return &st.nth }

// Shards returns the number of shards.
func (st *Stack) Shards() int {
	if st.more == nil {
		return 1
	}
	return 1 + len(*st.more)
}

// Closed tells whether the stack is being removed or gone.
func (st *Stack) Closed() bool { return st.closed.Load() }

// World returns the world the stack is in.
func (st *Stack) World() *World { return st.world }

// Rand returns a random number. It may be called from anywhere.
func (st *Stack) Rand() uint64 { return st.random.Rand() }

// Shut is the first part of removing a stack: it becomes invisible, and no socket
// can be made in it any more. It returns false where that was done before.
func (st *Stack) Shut() bool {
	if !st.world.Hide(st) {
		return false
	}
	st.closed.Store(true)
	st.TCPPorts().Close()
	return true
}

// Free is the last part of removing a stack, when it has no interface but lo0
// and no module any more.
func (st *Stack) Free() {
	st.world.Clock().Disarm(&st.sh.timer)
	if t := st.sh.rooms.Timer(); t != nil {
		st.world.Clock().Disarm(t)
	}
	r := st.world.sched.Get()
	for i := range st.Shards() {
		st.shardAt(i).clear(r)
	}
	r.Done()
	ifnet.GivePage()
}
