package pcapng

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
)

// Section describes the file. Empty texts are left out.
type Section struct {
	Hardware    string
	OS          string
	Application string
	Comment     string
}

// LinkTypeEthernet is Ethernet without preamble and check sequence.
const LinkTypeEthernet uint16 = 1

// LinkTypeRaw is IP packets of either family without a link header.
const LinkTypeRaw uint16 = 101

// Interface describes an interface to capture on. What is zero is left out.
type Interface struct {
	Name        string
	Description string
	Comment     string
	Filter      string // what chose its packets, in tcpdump's language
	LinkType    uint16 // of the tcpdump.org registry; 0 is LinkTypeEthernet
	SnapLen     int    // bytes kept of each packet; 0 keeps all
	MAC         net.HardwareAddr
	Addrs       []netip.Prefix
}

// Direction says which way a packet crossed its interface.
type Direction uint8

// Directions.
const (
	Unknown Direction = iota
	In
	Out
)

// Packet is what is known of a packet beside its bytes.
type Packet struct {
	Time    int64 // nanoseconds since 1970-01-01 UTC; less than 0 is written as 0
	Len     int   // length in bytes where it was captured, if more than the data given
	Dir     Direction
	Comment string
}

// Writer writes one capture. All its methods may be called at once by several
// goroutines; packets stand in the file in the order of the calls.
//
// The first error stays: everything after it is discarded, and Err, Flush and
// Close return it.
type Writer struct {
	mu     sync.Mutex
	out    *bufio.Writer // guarded by mu, as is all below
	ifs    []iface
	buf    block
	zeros  [3]byte // padding
	err    error
	closed bool
	ring   *ring // nil: there is one file
}

// iface is what the statistics of an interface need.
type iface struct {
	snapLen     int
	filtered    bool
	packets     uint64
	rejected    uint64 // by the filter
	lost        uint64 // since the beginning
	unreported  uint64 // of these, since the last packet
	first, last uint64
}

const bufferSize = 64 << 10

// NewWriter begins a capture on w. It buffers: see Flush and Close.
func NewWriter(w io.Writer, s Section) *Writer {
	c := &Writer{out: bufio.NewWriterSize(w, bufferSize)}
	c.section(&s)
	c.put(c.buf)
	return c
}

// section leaves a section header block (§4.1) in c.buf.
func (c *Writer) section(s *Section) {
	b := &c.buf
	b.open(blockSection)
	b.u32(byteOrderMagic)
	b.u16(1) // version 1.0 (§4.1)
	b.u16(0)
	b.u32(0xffffffff) // length of the section, 64 bits: not given
	b.u32(0xffffffff)
	texts := [...]struct {
		code uint16
		text string
	}{{optComment, s.Comment}, {shbHardware, s.Hardware}, {shbOS, s.OS}, {shbUserAppl, s.Application}}
	for _, o := range texts {
		b.optString(o.code, o.text)
	}
	b.optEnd()
	b.close()
}

// AddInterface describes an interface and returns the number by which WritePacket
// and Lost know it: 0 for the first, then 1, and so on.
func (c *Writer) AddInterface(i Interface) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := len(c.ifs)
	c.ifs = append(c.ifs, iface{snapLen: max(i.SnapLen, 0), filtered: i.Filter != ""})
	if i.LinkType == 0 {
		i.LinkType = LinkTypeEthernet
	}
	b := &c.buf
	b.open(blockInterface)
	b.u16(i.LinkType)
	b.u16(0)
	b.u32(uint32(max(i.SnapLen, 0)))
	b.optString(optComment, i.Comment)
	b.optString(ifName, i.Name)
	b.optString(ifDescription, i.Description)
	for _, p := range i.Addrs {
		b.optPrefix(p)
	}
	b.optMAC(i.MAC)
	b.optBytes(ifTSResol, []byte{nanoseconds})
	b.optFilter(i.Filter)
	b.optEnd()
	b.close()
	if c.ring != nil {
		c.ring.head = append(c.ring.head, *b...)
	}
	c.put(*b)
	return id
}

// Lost notes that n packets of an interface were not captured. The next
// packet's block tells it as what was lost before it, the statistics as a total.
func (c *Writer) Lost(id int, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.iface(id); i != nil {
		i.lost += n
		i.unreported += n
	}
}

// Rejected notes that an interface's filter refused n packets. The statistics
// tell it.
func (c *Writer) Rejected(id int, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.iface(id); i != nil {
		i.rejected += n
	}
}

// WritePacket adds a packet of the interface id. It borrows data until it
// returns and keeps no more of it than the interface's SnapLen.
func (c *Writer) WritePacket(id int, p Packet, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.iface(id)
	if i == nil || c.err != nil {
		return
	}
	t := uint64(max(p.Time, 0))
	if c.ring != nil {
		kept := len(data)
		if i.snapLen > 0 {
			kept = min(kept, i.snapLen)
		}
		if c.turn(t, kept+len(p.Comment)); c.err != nil {
			return
		}
	}
	if i.packets == 0 {
		i.first, i.last = t, t
	}
	i.first, i.last = min(i.first, t), max(i.last, t)
	i.packets++

	n := max(p.Len, len(data))
	if i.snapLen > 0 && len(data) > i.snapLen {
		data = data[:i.snapLen]
	}
	c.packetBlock(id, t, n, data, &p, i.unreported)
	i.unreported = 0
}

// packetBlock writes an enhanced packet block (§4.3). The data goes from the
// caller's slice into the buffer; only what stands before and behind it is put
// together in c.buf.
func (c *Writer) packetBlock(id int, t uint64, n int, data []byte, p *Packet, lost uint64) {
	b := &c.buf
	b.open(blockPacket)
	b.u32(uint32(id))
	b.u32(uint32(t >> 32))
	b.u32(uint32(t))
	b.u32(uint32(len(data)))
	b.u32(uint32(n))
	head := len(*b)
	b.optString(optComment, p.Comment)
	if p.Dir == In || p.Dir == Out {
		b.opt32(epbFlags, uint32(p.Dir)) // bits 0 and 1: 01 inbound, 10 outbound
	}
	if lost > 0 {
		b.opt64(epbDropCount, lost)
	}
	if len(*b) > head {
		b.optEnd()
	}
	b.closeAround(padded(len(data)))
	c.put((*b)[:head])
	c.put(data)
	c.put(c.zeros[:padded(len(data))-len(data)])
	c.put((*b)[head:])
}

// Flush hands all that is buffered to the io.Writer.
func (c *Writer) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flush()
	return c.err
}

// Close adds the interfaces' statistics and flushes. It does not close the
// io.Writer, but does close a ring's last file. What is called after it does nothing.
func (c *Writer) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.err
	}
	c.finish()
	c.closed = true
	return c.err
}

// finish completes a file.
func (c *Writer) finish() {
	for id := range c.ifs {
		c.statistics(id, &c.ifs[id])
	}
	c.flush()
	if c.ring != nil {
		c.closeFile()
	}
}

// statistics writes an interface statistics block (§4.6), whose time is that of
// the interface's last packet.
func (c *Writer) statistics(id int, i *iface) {
	b := &c.buf
	b.open(blockStatistics)
	b.u32(uint32(id))
	b.u32(uint32(i.last >> 32))
	b.u32(uint32(i.last))
	if i.packets > 0 {
		b.optTime(isbStartTime, i.first)
		b.optTime(isbEndTime, i.last)
	}
	b.opt64(isbIfRecv, i.packets+i.lost+i.rejected)
	b.opt64(isbIfDrop, i.lost)
	if i.filtered {
		b.opt64(isbAccepted, i.packets+i.lost)
	}
	b.opt64(isbUsrDeliv, i.packets)
	b.optEnd()
	b.close()
	c.put(*b)
}

// Err returns the first error.
func (c *Writer) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// iface returns an interface, or nil after Close. A number that AddInterface
// never gave is an error.
func (c *Writer) iface(id int) *iface {
	if c.closed {
		return nil
	}
	if id < 0 || id >= len(c.ifs) {
		c.fail(fmt.Errorf("pcapng: there is no interface %d, the capture has %d", id, len(c.ifs)))
		return nil
	}
	return &c.ifs[id]
}

func (c *Writer) put(b []byte) {
	if c.err != nil || c.closed {
		return
	}
	if _, err := c.out.Write(b); err != nil {
		c.fail(fmt.Errorf("pcapng: %w", err))
	}
	if c.ring != nil {
		c.ring.size += int64(len(b))
	}
}

func (c *Writer) flush() {
	if c.err != nil || c.closed {
		return
	}
	if err := c.out.Flush(); err != nil {
		c.fail(fmt.Errorf("pcapng: %w", err))
	}
}

func (c *Writer) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}
