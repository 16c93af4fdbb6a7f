package vnet

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// Stack is one network stack. At rest it is one allocation with what its
// configuration needs: no goroutine, no timer, no buffer.
type Stack struct {
	world      *World
	name       string
	prev, next *Stack // in the world's list
	view       atomic.Pointer[View]
	fibs       fib.Set[*neighbor]
	more       []shard // beyond the first
	udp        pcb.Table[Sock, *Sock]
	tcp        atomic.Pointer[tcpHost] // what all shards share of TCP; made at its first use
	groups     groups
	raws       rawSocks

	ctl    sync.Mutex // control: configuration changes one at a time
	closed atomic.Bool
	slots  atomic.Pointer[[]slot] // of loaded modules
	socks  *Sock                  // all sockets, linked; shard 0's
	gens   uint32                 // generations given out
	random atomic.Uint64

	sh shard // the first shard

	// What nearly every stack needs first, in the same allocation.
	views        [2]View // the first that are published
	used         int     // of views
	lo0, if0     Iface
	conf0, confl ifConf
	ifs0         [2]*ifConf
	addrs0       [1]netip.Prefix
	local0       [2]localAddr
}

// StackConfig says how a stack is made.
type StackConfig struct {
	Name   string // unique in its world, not empty
	Shards int    // 0 means 1; at most 64
}

// NewStack makes a stack with one loopback interface, lo0, which is up and has
// no address. It returns EINVAL for a bad name or number of shards and EEXIST
// where the name is taken.
func (w *World) NewStack(c StackConfig) (*Stack, syscall.Errno) {
	if c.Name == "" || c.Shards < 0 || c.Shards > 64 {
		return nil, syscall.EINVAL
	}
	st := &Stack{world: w, name: c.Name}
	w.mu.Lock()
	st.random.Store(w.rand())
	w.mu.Unlock()
	if c.Shards > 1 {
		st.more = make([]shard, c.Shards-1)
	}
	for i := range 1 + len(st.more) {
		st.shardAt(i).init(st, i)
	}
	st.views[0] = View{tun: w.ref.Load(), ifs: st.ifs0[:1:1]}
	st.used = 1
	st.initIface(&st.lo0, "lo0", 1, nil)
	st.confl = ifConf{Iface: &st.lo0, flags: FlagUp | FlagLoopback | FlagMulticast, mtu: 16384}
	st.ifs0[0] = &st.confl
	st.view.Store(&st.views[0])
	w.mods.mu.Lock()
	defer w.mods.mu.Unlock()
	if e := st.construct(w.mods.all()); e != 0 {
		return nil, e
	}
	if e := w.publish(st); e != 0 {
		st.destruct()
		return nil, e
	}
	return st, 0
}

// construct runs the constructors of the loaded modules in order.
func (st *Stack) construct(mods []*Module) syscall.Errno {
	for _, m := range mods {
		if e := st.load(m); e != 0 {
			st.destruct()
			return e
		}
	}
	return 0
}

// destruct runs the destructors of the modules in reverse order.
func (st *Stack) destruct() {
	for slots := st.slots.Load(); slots != nil; slots = st.slots.Load() {
		st.unload((*slots)[len(*slots)-1].module)
	}
}

func (sh *shard) init(st *Stack, id int) {
	sh.st, sh.id = st, uint32(id)
	sh.Queue.Init(sh)
	sh.timer.F = sh
	sh.wake = never
}

func (st *Stack) initIface(ifp *Iface, name string, index uint32, port link.Port) {
	st.gens++
	ifp.st, ifp.port, ifp.name, ifp.index, ifp.gen = st, port, name, index, st.gens
	if st.more == nil {
		ifp.shard = &st.sh
		ifp.count = ifp.one[:]
	} else {
		ifp.count = make([]IfaceStats, 1+len(st.more))
	}
}

// Name returns the stack's name.
func (st *Stack) Name() string { return st.name }

// World returns the world the stack is in.
func (st *Stack) World() *World { return st.world }

// rand returns a random number. It may be called from anywhere.
func (st *Stack) rand() uint64 {
	s := st.random.Add(0x9e3779b97f4a7c15) - 0x9e3779b97f4a7c15
	return splitmix(&s)
}

// IfaceConfig says how an interface is made.
type IfaceConfig struct {
	Name string
	Port link.Port
	MAC  wire.MAC // zero: the link's suggestion, else a new one
	MTU  int      // 0: the link's
	FIB  int      // table that routes what arrives
	Down bool     // leave it down
	// Addrs are addresses it has from the start, before the cable is plugged in:
	// nobody hears them announced. See AddAddr for the errors.
	Addrs []netip.Prefix
}

// AddInterface plugs the stack into a link and returns the interface's index.
// It returns EINVAL for a bad name, MTU or FIB, EEXIST where the name is taken,
// and ENXIO where the stack is closed.
func (st *Stack) AddInterface(c IfaceConfig) (uint32, syscall.Errno) {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	if st.closed.Load() {
		return 0, syscall.ENXIO
	}
	props := c.Port.Props()
	if c.MTU == 0 {
		c.MTU = props.MTU
	}
	if c.Name == "" || c.MTU < 68 || c.MTU > props.MTU || c.FIB < 0 || c.FIB >= st.fibs.Len() {
		return 0, syscall.EINVAL
	}
	for _, a := range c.Addrs {
		if !canHave(a) {
			return 0, syscall.EINVAL
		}
	}
	v := st.view.Load()
	if st.byName(v, c.Name) != nil {
		return 0, syscall.EEXIST
	}
	if c.MAC.IsZero() {
		if c.MAC = props.MAC; c.MAC.IsZero() {
			c.MAC = st.world.NewMAC()
		}
	}
	index := freeIndex(v)
	ifp, conf := st.allocIface(index)
	st.initIface(ifp, c.Name, index, c.Port)
	*conf = ifConf{Iface: ifp, flags: FlagBroadcast | FlagMulticast, fib: uint32(c.FIB), mtu: c.MTU, mac: c.MAC, props: props}
	if !c.Down {
		conf.flags |= FlagUp
	}
	if len(c.Addrs) == 1 && ifp == &st.if0 {
		st.addrs0[0] = c.Addrs[0]
		conf.addrs = st.addrs0[:1:1]
	} else {
		conf.addrs = slices.Clone(c.Addrs)
	}
	st.change(func(v *View) { v.setConf(index, conf) })
	for _, a := range c.Addrs {
		st.addPrefixRoute(conf, a)
	}
	c.Port.SetAddr(c.MAC)
	if len(c.Addrs) > 0 {
		c.Port.Accept(allSystems(), true)
	}
	c.Port.Attach(ifp)
	return index, 0
}

// allocIface returns room for an interface: that in the stack itself for the
// first one.
func (st *Stack) allocIface(index uint32) (*Iface, *ifConf) {
	if index == 2 && st.if0.st == nil {
		return &st.if0, &st.conf0
	}
	return new(Iface), new(ifConf)
}

func freeIndex(v *View) uint32 {
	for i, c := range v.ifs {
		if c == nil {
			return uint32(i + 1)
		}
	}
	return uint32(len(v.ifs) + 1)
}

func (st *Stack) byName(v *View, name string) *ifConf {
	for _, c := range v.ifs {
		if c != nil && c.name == name {
			return c
		}
	}
	return nil
}

// barrier returns after every batch that may have seen an older View.
func (st *Stack) barrier() {
	for i := range 1 + len(st.more) {
		sh := st.shardAt(i)
		sh.mu.Lock()
		//lint:ignore SA2001 taking the lock is the purpose
		sh.mu.Unlock()
	}
}

// RemoveInterface unplugs an interface. It returns ENXIO where there is none
// with the index, and EPERM for lo0.
func (st *Stack) RemoveInterface(index uint32) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	return st.removeInterface(index)
}

// removeInterface does the work of RemoveInterface. ctl is held. First nobody
// can find the interface any more, then it is taken apart.
func (st *Stack) removeInterface(index uint32) syscall.Errno {
	c := st.view.Load().conf(index)
	switch {
	case c == nil:
		return syscall.ENXIO
	case c.port == nil:
		return syscall.EPERM
	}
	for i := len(c.addrs) - 1; i >= 0; i-- {
		st.delAddr(index, c.addrs[i].Addr())
	}
	st.depart(c)
	st.change(func(v *View) { v.setConf(index, nil) })
	st.dropRoutesVia(index)
	c.port.Detach()
	st.barrier()
	st.dismantle(c)
	return 0
}

// depart ends what sockets have to do with an interface: memberships on it go
// without a message (behaviour 3.5).
func (st *Stack) depart(c *ifConf) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		for s := st.socks; s != nil; s = s.next {
			sh.leaveIf(p, s, c.index)
			if s.opts.Load().mcastIf == c.index {
				s.option(func(o *sockOpts) { o.mcastIf = 0 })
			}
		}
		return 0
	})
}

// dismantle frees what an interface holds that nobody can find any more.
func (st *Stack) dismantle(c *ifConf) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if c.arp != nil {
			c.arp.Clear()
			sh.pullARP(p, c)
			c.Iface.arp = nil
		}
		c.Iface.igmp, c.Iface.query = nil, nil
		c.neigh.Clear()
		return 0
	})
}

// Close removes the stack: it becomes invisible, its sockets report
// net.ErrClosed, its interfaces are unplugged, its modules' destructors run in
// reverse order. Closing twice is harmless.
func (st *Stack) Close() {
	if !st.world.hide(st) {
		return
	}
	st.closed.Store(true)
	st.closeTCP()
	st.closeSocks() // calls users: without the control lock
	st.ctl.Lock()
	for _, c := range st.view.Load().ifs {
		if c != nil && c.port != nil {
			st.removeInterface(c.index)
		}
	}
	st.ctl.Unlock()
	st.world.mods.mu.Lock()
	st.destruct()
	st.world.mods.mu.Unlock()
	st.world.Clock().Disarm(&st.sh.timer)
	r := st.world.sched.Get()
	for i := range 1 + len(st.more) {
		st.shardAt(i).clear(r)
	}
	r.Done()
}

// register and unregister keep the list of the stack's sockets. Shard 0 is
// locked.
func (st *Stack) register(s *Sock) {
	if s.next = st.socks; s.next != nil {
		s.next.prev = s
	}
	st.socks = s
}

func (st *Stack) unregister(s *Sock) {
	if s.prev != nil {
		s.prev.next = s.next
	} else if st.socks == s {
		st.socks = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// closeSocks closes every socket.
func (st *Stack) closeSocks() {
	for {
		st.sh.mu.Lock()
		s := st.socks
		st.sh.mu.Unlock()
		if s == nil {
			return
		}
		s.Close()
	}
}

// prefixRoute is the route an address brings with it.
func prefixRoute(c *ifConf, p netip.Prefix) fib.Route[*neighbor] {
	return fib.Route[*neighbor]{Prefix: p.Masked(), IfIndex: c.index, Src: p.Addr(), Flags: fib.Up | fib.Pinned}
}
