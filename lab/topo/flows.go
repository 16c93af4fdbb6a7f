package topo

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
)

// payload is the least that a datagram of a flow carries: a mark, the flow's
// number, the datagram's own, and when it was sent, in Unix nanoseconds.
const payload = 24

const mark = 0x76696d74 // "vimt"

// flowRun is a flow that is being sent.
type flowRun struct {
	*flow
	net   *Network
	conn  *vimage.UDPConn
	to    *lab.Node // whose address it goes to, where that is found out by itself
	began time.Time // what start counts from

	mu    sync.Mutex // of send: the timer may fire before it is noted
	buf   []byte
	next  int
	timer *vimage.Timer

	sent    atomic.Uint64 // or refused
	refused atomic.Uint64 // by the sender's own stack
	reason  atomic.Pointer[error]
	done    atomic.Bool
}

// errNoAddress is why nothing is sent to who has not yet found an address.
var errNoAddress = errors.New("the receiver has no IPv6 address yet: start later")

// network is what the sockets of a flow are of.
func (f *flow) network() string {
	if f.whose != nil || f.dst.Is6() {
		return "udp6"
	}
	return "udp4"
}

func (n *Network) openFlow(f *flow) (*flowRun, error) {
	st, err := n.nodes[f.node].FIB(f.fib)
	if err != nil {
		return nil, err
	}
	pc, err := st.ListenPacket(f.network(), ":0")
	if err != nil {
		return nil, err
	}
	r := &flowRun{flow: f, net: n, conn: pc.(*vimage.UDPConn), to: n.nodes[f.whose], buf: make([]byte, f.size)}
	s := r.conn.Internal()
	if f.ttl != 0 {
		s.SetTTL(f.ttl)
		r.conn.SetMulticastTTL(f.ttl)
	}
	if f.out != nil {
		if err := r.conn.SetMulticastInterface(n.iface(f.out)); err != nil {
			r.conn.Close()
			return nil, err
		}
	}
	return r, nil
}

// send sends what is due, and sees to it that it is called again.
func (r *flowRun) send() {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.net.Lab.World
	for !r.net.stopped.Load() && !r.done.Load() {
		if r.next == r.count {
			break
		}
		if wait := r.at(r.next) - w.Now().Sub(r.began); wait > 0 {
			if r.timer == nil {
				r.timer = w.AfterFunc(wait, r.send)
			} else {
				r.timer.Reset(wait)
			}
			return
		}
		r.one(w.Now())
		r.next++
	}
	r.done.Store(true)
}

// end ends the flow and closes its socket.
func (r *flowRun) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Store(true)
	if r.timer != nil {
		r.timer.Stop()
	}
	r.conn.Close()
}

func (r *flowRun) one(now time.Time) {
	binary.BigEndian.PutUint32(r.buf, mark)
	binary.BigEndian.PutUint32(r.buf[4:], uint32(r.index))
	binary.BigEndian.PutUint64(r.buf[8:], uint64(r.next))
	binary.BigEndian.PutUint64(r.buf[16:], uint64(now.UnixNano()))
	r.sent.Add(1)
	dst := r.dst
	if r.to != nil {
		dst = r.to.Addr6()
	}
	err := errNoAddress
	if dst.IsValid() {
		_, err = r.conn.WriteToUDPAddrPort(r.buf, netip.AddrPortFrom(dst, uint16(r.port)))
	}
	if err != nil {
		r.refused.Add(1)
		r.reason.Store(&err)
	}
}

// sinkRun is a socket that counts what comes to it.
type sinkRun struct {
	*sink
	net  *Network
	conn *vimage.UDPConn

	ifi          *vimage.Interface // of a join
	enters, goes *vimage.Timer     // when it is made and left; nil where that is not later

	mu    sync.Mutex
	buf   [payload]byte // this and what follows under mu
	flows map[uint32]*tally
	wrong uint64 // from sources that the join does not listen to
}

// tally is what has come of one flow to one socket.
type tally struct {
	got         uint64 // different datagrams
	duplicates  uint64
	overtaken   uint64 // came after one that was sent later
	least, most time.Duration
	sum         time.Duration
	seen        []uint64 // a bit for each
	low, high   uint64   // first and last datagram that came
}

// tally returns a copy of what has come of a flow.
func (n *Network) tally(s *sink, f *flow) tally {
	r := n.sinks[s]
	if r == nil { // it has the address no more that the flow goes to
		return tally{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flows[uint32(f.index)] == nil {
		return tally{}
	}
	t := *r.flows[uint32(f.index)]
	t.seen = nil
	return t
}

func (n *Network) openSink(s *sink) (*sinkRun, error) {
	lc := vimage.ListenConfig{Stack: n.nodes[s.node].Stack, BindGroup: true, ReuseAddr: s.join != nil, ReusePort: s.join != nil}
	network := "udp4"
	if s.addr.Addr().Is6() {
		network = "udp6"
	}
	pc, err := lc.ListenPacket(context.Background(), network, s.addr.String())
	if err != nil {
		return nil, err
	}
	r := &sinkRun{sink: s, net: n, conn: pc.(*vimage.UDPConn), flows: make(map[uint32]*tally)}
	if s.join != nil {
		r.ifi = n.iface(s.join.port)
	}
	for _, f := range s.flows {
		r.flows[uint32(f.index)] = new(tally)
	}
	r.conn.OnReadable(r.read)
	return r, nil
}

// read takes everything that waits. Several calls may run at once.
func (r *sinkRun) read() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		m, from, ok, err := r.conn.TryReadFrom(r.buf[:])
		if err != nil || !ok {
			return
		}
		if r.join != nil && !r.join.wants(from.Addr()) {
			r.wrong++
		}
		if m == payload && binary.BigEndian.Uint32(r.buf[:]) == mark {
			r.count(r.net.Lab.World.Now())
		}
	}
}

// count notes the datagram in buf.
func (r *sinkRun) count(now time.Time) {
	t := r.flows[binary.BigEndian.Uint32(r.buf[4:])]
	seq := binary.BigEndian.Uint64(r.buf[8:])
	if t == nil || seq >= 1e9 {
		return
	}
	took := now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(r.buf[16:]))))
	for uint64(len(t.seen)) <= seq/64 {
		t.seen = append(t.seen, 0)
	}
	if t.seen[seq/64]&(1<<(seq%64)) != 0 {
		t.duplicates++
		return
	}
	t.seen[seq/64] |= 1 << (seq % 64)
	if t.got == 0 || took < t.least {
		t.least = took
	}
	t.most = max(t.most, took)
	t.sum += took
	if seq < t.high {
		t.overtaken++
	}
	if t.got == 0 || seq < t.low {
		t.low = seq
	}
	t.high = max(t.high, seq)
	t.got++
}
