package tunnel

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// Tun is a link whose other end is a Go program: it reads the IP packets that the
// interface sends, and what it writes the interface receives.
type Tun struct {
	side
	out   netisr.Queue // of what is to be read
	sched *netisr.Sched
	queue atomic.Pointer[sockbuf.Queue]
	ready atomic.Pointer[func()]
	gone  atomic.Bool  // detached since it was attached
	late  atomic.Int64 // clock.Time after which writes fail; 0: never
}

var _ link.Port = (*Tun)(nil)

const (
	// tunMTU is the MTU of a tun where none is given.
	tunMTU = 1500
	// maxTunMTU leaves room for the link header that other interfaces put before.
	maxTunMTU = 65535
	// tunSpace is how many bytes wait for a reader.
	tunSpace = 1 << 20
)

// NewTun returns a link for packets of up to mtu bytes, 0 meaning 1,500; EINVAL for
// one out of 68 to 65,535.
func NewTun(s *netisr.Sched, mtu int) (*Tun, syscall.Errno) {
	if mtu == 0 {
		mtu = tunMTU
	}
	if mtu < 68 || mtu > maxTunMTU {
		return nil, syscall.EINVAL
	}
	t := &Tun{sched: s}
	t.props = link.Props{MTU: mtu, Bare: true}
	t.out.Init(t)
	t.reopen()
	return t, 0
}

// Put implements link.Port.
func (t *Tun) Put(r *netisr.Runner, b *pkt.Buf) {
	if !t.out.Put(r, b) {
		t.lost.Add(1)
		r.Cache.Free(b)
	}
}

// reopen makes a queue for readers.
func (t *Tun) reopen() {
	q := new(sockbuf.Queue)
	q.Init(t.sched.Clock())
	t.queue.Store(q)
	if f := t.ready.Load(); f != nil {
		q.SetReady(*f)
	}
}

// Attach implements link.Port. A tun whose interface has come to another stack can
// be read again.
func (t *Tun) Attach(to netisr.Lender) {
	if t.gone.Swap(false) {
		t.reopen()
	}
	t.side.Attach(to)
}

// Detach implements link.Port: what was not read is lost, and reads fail.
func (t *Tun) Detach() {
	t.detach()
	t.gone.Store(true)
	q := t.queue.Load()
	q.Close(t.sched.Free)
	q.Wake()
}

// Drain implements netisr.Node.
func (t *Tun) Drain(r *netisr.Runner, in *pkt.Batch) {
	for b := in.Pop(); b != nil; b = in.Pop() {
		if b.GSO != pkt.GSONone {
			t.parts(r, b, link.CutPacket, func(c *pkt.Buf) { t.toReader(r, c) })
			continue
		}
		t.toReader(r, t.complete(r, b))
	}
}

// toReader takes a packet that is to be read.
func (t *Tun) toReader(r *netisr.Runner, b *pkt.Buf) {
	q := t.queue.Load()
	ok, wake := q.Put(b, b.Bytes(), b.Bytes(), 0, tunSpace)
	if wake {
		r.Wake(q)
	}
	if !ok {
		t.lose(r, b, pkt.SocketFull)
		return
	}
	r.Cache.Free(b)
}

// Read copies the next packet to b, waiting for it if wait, and returns its length,
// which may be more than fits: the rest is then lost. The errors are net.ErrClosed,
// os.ErrDeadlineExceeded, EAGAIN where it would have to wait and may not, and
// sockbuf.Simulated.
func (t *Tun) Read(b []byte, wait bool) (int, error) {
	it, err := t.queue.Load().Take(wait)
	if err != nil {
		return 0, err
	}
	n := copy(b, it.Buf.Slice(int(it.Off), int(it.N)))
	t.sched.Free(it.Buf)
	return n, nil
}

// Write has the interface receive a packet. The errors are net.ErrClosed,
// os.ErrDeadlineExceeded, EINVAL for what is no IP packet or is longer than it says,
// and EMSGSIZE for one longer than the link carries.
func (t *Tun) Write(b []byte) (int, error) {
	by := t.late.Load()
	switch {
	case t.gone.Load():
		return 0, net.ErrClosed
	case by != 0 && int64(t.sched.Clock().Now()) >= by:
		return 0, os.ErrDeadlineExceeded
	case len(b) > t.props.MTU:
		return 0, syscall.EMSGSIZE
	}
	if ip, f := wire.ParseIP(b); f != wire.OK || ip.Len() != len(b) {
		return 0, syscall.EINVAL
	}
	r := t.sched.Get()
	p := r.Cache.Get(len(b))
	copy(p.Extend(len(b)), b)
	t.give(r, p)
	r.Done()
	return len(b), nil
}

// SetReadDeadline makes reads fail after at; the zero Time means never.
func (t *Tun) SetReadDeadline(at time.Time) error { return t.queue.Load().SetDeadline(at) }

// SetWriteDeadline makes writes fail after at, though they never wait.
func (t *Tun) SetWriteDeadline(at time.Time) error {
	if t.gone.Load() {
		return net.ErrClosed
	}
	by := clock.Time(0)
	if !at.IsZero() {
		if by = t.sched.Clock().At(at); by == 0 {
			by = -1 // before the world began
		}
	}
	t.late.Store(int64(by))
	return nil
}

// SetReady has f called when packets have come to an empty queue: see
// sockbuf.Queue.
func (t *Tun) SetReady(f func()) {
	t.ready.Store(&f)
	t.queue.Load().SetReady(f)
}
