package link

import (
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link/pcapng"
)

// CaptureOptions says how a Port's frames are captured. The zero value keeps
// all of every frame.
type CaptureOptions struct {
	Name        string // the interface's, in the file, as are the next three
	Description string
	MAC         net.HardwareAddr
	Addrs       []netip.Prefix
	SnapLen     int    // bytes kept of each frame; 0 keeps all
	Filter      Filter // chooses the frames; nil records all
	FilterText  string // what Filter does, in tcpdump's language, for the file
	Whole       bool   // super-segments are recorded as they are, instead of as the packets they stand for
	Bare        bool   // there are IP packets instead of frames: see Props
	Buffer      int    // for NewCapture: bytes its Recorder buffers; see NewRecorder
}

// Filter chooses frames. Match returns how many bytes of a frame to keep, 0 to
// pass it over; wireLen is how long it is where it crosses. It is called by many
// goroutines at once, under locks of the network.
type Filter interface {
	Match(frame []byte, wireLen int) int
}

// Capture is a Port that records what crosses another one, both ways, and
// changes nothing else: it is put between an interface and its link. What the
// interface puts in is marked outbound. Checksums that were left out are filled
// in, and super-segments are cut, in the record only.
//
// Frames that the link would lend to its receiver come one by one through a
// Capture, so that they are recorded when they pass and not when they have been
// dealt with.
type Capture struct {
	inner Port
	rec   *Recorder
	id    int
	snap  int
	whole bool
	bare  bool

	filter   Filter
	rejected atomic.Uint64 // by it, since the Writer was told

	// Guarded by rec.mu.
	lost   uint64 // frames not recorded since the last that was
	closed bool
}

// NewCapture records what crosses inner to w, with a Recorder of its own. Close
// the Capture before w.
func NewCapture(s *netisr.Sched, inner Port, w *pcapng.Writer, opt CaptureOptions) *Capture {
	return NewRecorder(s, w, opt.Buffer).Capture(inner, opt)
}

// Capture records what crosses inner, beside what rec records already.
func (rec *Recorder) Capture(inner Port, opt CaptureOptions) *Capture {
	c := rec.Observe(opt)
	c.inner = inner
	return c
}

// Observe returns a Capture that is no Port: it records what Tees show it.
func (rec *Recorder) Observe(opt CaptureOptions) *Capture {
	c := &Capture{rec: rec, snap: opt.SnapLen, whole: opt.Whole, bare: opt.Bare, filter: opt.Filter}
	i := pcapng.Interface{
		Name: opt.Name, Description: opt.Description, MAC: opt.MAC, Addrs: opt.Addrs, SnapLen: opt.SnapLen, Filter: opt.FilterText,
	}
	if c.bare {
		i.LinkType = pcapng.LinkTypeRaw
	}
	c.id = rec.w.AddInterface(i)
	rec.add(c)
	return c
}

// complete fills in the checksum that a frame's sender has left out.
func (c *Capture) complete(frame []byte) {
	if !c.bare {
		wire.CompleteEther(frame)
	} else if ip, f := wire.ParseIPv4(frame); f == wire.OK {
		wire.CompleteIPv4(ip)
	} else if ip, f := wire.ParseIPv6(frame); f == wire.OK {
		wire.CompleteIPv6(ip)
	}
}

// Drop records that a stack lost a packet and why, as a comment on it; the
// packet bears no direction. It borrows b, which begins with its Ethernet
// header or, once that was taken off, with its IP header: then an empty
// Ethernet header is shown. It may be called under any lock that Put may.
//
// Nothing is written because of it alone, unless somebody waits for Ready: the record
// waits for the next frame or Flush.
func (c *Capture) Drop(b *pkt.Buf, why pkt.Reason) {
	var header []byte
	if typ := bareIP(b.Bytes()); typ != 0 && !c.bare {
		var empty [wire.EtherLen]byte
		wire.PutEther(empty[:], wire.MAC{}, wire.MAC{}, typ)
		header = empty[:]
	}
	if c.rec.append(c, header, b, pcapng.Unknown, why, c.rec.ready != nil) {
		c.rec.wake()
	}
}

// bareIP returns the Ethernet type of what begins with an IP header, 0 for what
// begins with an Ethernet header. An address of that may look like the first
// bytes of an IPv6 header, which has no checksum: then what is behind decides.
func bareIP(b []byte) uint16 {
	if ip, f := wire.ParseIPv4(b); f == wire.OK && ip.ChecksumOK() {
		return wire.EtherTypeIPv4
	}
	if _, f := wire.ParseIPv6(b); f != wire.OK {
		return 0
	}
	typ, behind := wire.Ether(b).Type(), wire.Ether(b).Payload()
	if v, f := wire.ParseVLAN(behind); typ == wire.EtherTypeVLAN && f == wire.OK {
		typ, behind = v.Type(), v.Payload()
	}
	f := wire.BadType
	switch typ {
	case wire.EtherTypeIPv4:
		_, f = wire.ParseIPv4(behind)
	case wire.EtherTypeIPv6:
		_, f = wire.ParseIPv6(behind)
	case wire.EtherTypeARP:
		_, f = wire.ParseARP(behind)
	}
	if f == wire.OK {
		return 0
	}
	return wire.EtherTypeIPv6
}

// Close ends the recording of this Port and writes all that was recorded. What
// crosses it from then on passes unseen. It returns the Writer's first error,
// and must not be called under a lock of the network.
func (c *Capture) Close() error {
	c.rec.remove(c)
	return c.rec.Flush()
}

// Put implements Port.
func (c *Capture) Put(r *netisr.Runner, b *pkt.Buf) {
	c.rec.pass(r, c, b, pcapng.Out)
	c.inner.Put(r, b)
}

// Attach implements Port.
func (c *Capture) Attach(to netisr.Lender) { c.inner.Attach(captured{c, to}) }

// Detach implements Port.
func (c *Capture) Detach() { c.inner.Detach() }

// Props implements Port.
func (c *Capture) Props() Props { return c.inner.Props() }

// Accept implements Port.
func (c *Capture) Accept(mac wire.MAC, on bool) { c.inner.Accept(mac, on) }

// SetAddr implements Port.
func (c *Capture) SetAddr(mac wire.MAC) { c.inner.SetAddr(mac) }

// SetPromisc implements Port.
func (c *Capture) SetPromisc(on bool) { c.inner.SetPromisc(on) }

// captured is the receiver that a Capture's link sees.
type captured struct {
	c  *Capture
	to netisr.Lender
}

// Put implements netisr.Sink.
func (x captured) Put(r *netisr.Runner, b *pkt.Buf) {
	x.c.rec.pass(r, x.c, b, pcapng.In)
	x.to.Put(r, b)
}

// Lend implements netisr.Lender. Whether the receiver can take b is known only
// once it has, and answered it: too late to record it.
func (x captured) Lend(*netisr.Runner, *pkt.Buf) bool { return false }
