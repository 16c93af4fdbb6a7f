package tester

import (
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/socket"
)

// read takes everything that waits. Several calls may run at once.
func (r *receiver) read(c *vimage.UDPConn) {
	now := r.t.World.Now()
	buf := r.t.bufs.Get().(*[MaxPayload + 1]byte)
	defer r.t.bufs.Put(buf)
	var info socket.Recv
	sock := c.Internal()
	for {
		n, err := sock.ReadFrom(buf[:], &info, false)
		if err != nil {
			return
		}
		r.take(buf[:n], &info, now)
	}
}

// take counts a datagram.
func (r *receiver) take(b []byte, info *socket.Recv, now time.Time) {
	i := r.t.Groups.Index(info.To.Unmap())
	if i < 0 {
		return
	}
	source := info.From.Addr().Unmap().WithZone("")
	p, ours := ParsePayload(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.channels == nil || !r.channels[i].member {
		return // it waited when the group was left
	}
	c := &r.channels[i]
	if !c.filter.wants(source) {
		if now.UnixNano()-c.change > int64(r.t.grace()) { // else it may have waited since the filter before
			r.wrong++
		}
		return
	}
	r.got++
	r.bytes += uint64(len(b))
	c.got++
	if c.first == 0 {
		c.first = max(now.UnixNano(), c.asked+1)
		if c.waits {
			r.t.firstCame()
		}
	}
	if !ours {
		r.foreign++
		return
	}
	f := c.flow(source, len(r.t.senders))
	f.Arrive(p.Seq)
	if d, same := p.delay(r.t.clock, now); same {
		f.Delay.add(d)
		r.t.tally.delay(d)
	} else {
		r.strange++
	}
}
