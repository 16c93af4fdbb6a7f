package pcapng

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The limits of what a Reader takes: a capture is somebody else's bytes.
const (
	// MaxBlock is the longest block in bytes, and the longest packet.
	MaxBlock = 1 << 20
	// MaxInterfaces is how many interfaces a section may describe.
	MaxInterfaces = 1 << 18
)

// ErrFormat is what every error of a Reader wraps that is due to the bytes.
var ErrFormat = errors.New("not a capture that can be read")

// Frame is a packet of a capture.
type Frame struct {
	Time      int64 // nanoseconds since 1970-01-01 UTC
	Interface int   // number in its section, counted from 0
	Name      string
	LinkType  uint16 // of the interface
	Len       int    // bytes it had, of which Data may be the first part only
	Dir       Direction
	Comment   string // as far as it has 256 bytes
	Data      []byte // valid until the next call of Next
}

// Reader reads a capture: pcapng in either order of bytes, with any number of
// sections, or a classic pcap file of either order with micro- or nanoseconds.
// It keeps one block, and its sections' interfaces.
type Reader struct {
	in      *bufio.Reader
	order   binary.ByteOrder
	next    func(*Frame) error
	ifs     []readIface
	buf     []byte
	blocks  int   // read so far
	perSec  int64 // of a classic file: units of its second field
	started bool
}

// readIface is what packets need of their interface.
type readIface struct {
	name     string
	linkType uint16
	snapLen  uint32
	resol    byte // if_tsresol (§4.2)
	offset   int64
}

// The first four bytes of a classic file, as its own machine reads them.
const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
)

// Blocks that are read but never written.
const (
	blockOldPacket    uint32 = 2
	blockSimplePacket uint32 = 3

	ifTSOffset uint16 = 14
)

// NewReader returns a reader. It reads nothing yet.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, bufferSize)}
}

// Next reads the next packet. At the end of the capture it returns io.EOF; where
// it ends within a block, io.ErrUnexpectedEOF. An io.Reader that grows may be
// read on after io.EOF.
func (r *Reader) Next(f *Frame) error {
	if !r.started {
		if err := r.begin(); err != nil {
			return err
		}
	}
	return r.next(f)
}

func (r *Reader) bad(format string, args ...any) error {
	return fmt.Errorf("%w: block %d: %s", ErrFormat, r.blocks, fmt.Sprintf(format, args...))
}

// begin finds out which format it is.
func (r *Reader) begin() error {
	head, err := r.in.Peek(4)
	if len(head) < 4 {
		if err == io.EOF && len(head) > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	r.started = true
	if binary.LittleEndian.Uint32(head) == blockSection {
		r.next = r.nextBlock
		return nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(head) {
		case magicMicro:
			r.order, r.perSec = order, 1e6
		case magicNano:
			r.order, r.perSec = order, 1e9
		}
	}
	if r.perSec == 0 {
		r.started = false
		return fmt.Errorf("%w: it begins with % x, which is neither pcap nor pcapng", ErrFormat, head)
	}
	h, err := r.take(24)
	if err != nil {
		return err
	}
	r.ifs = []readIface{{linkType: uint16(r.order.Uint32(h[20:]))}} // the upper half may hold the length of a check sequence
	r.next = r.nextRecord
	return nil
}

// take reads n bytes into the Reader's buffer. Nothing at all is io.EOF.
func (r *Reader) take(n int) ([]byte, error) {
	if n > cap(r.buf) {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	_, err := io.ReadFull(r.in, b)
	return b, err
}

// rest is take where nothing at all is too little.
func (r *Reader) rest(n int) ([]byte, error) {
	b, err := r.take(n)
	if err == io.EOF && n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// nextRecord reads a packet of a classic file.
func (r *Reader) nextRecord(f *Frame) error {
	h, err := r.take(16)
	if err != nil {
		return err
	}
	r.blocks++
	sec, part := int64(r.order.Uint32(h)), int64(r.order.Uint32(h[4:]))
	kept, whole := r.order.Uint32(h[8:]), r.order.Uint32(h[12:])
	if kept > MaxBlock {
		return r.bad("a packet of %d bytes, the limit is %d", kept, MaxBlock)
	}
	*f = Frame{Time: sec*1e9 + part*(1e9/r.perSec), LinkType: r.ifs[0].linkType, Len: int(max(whole, kept))}
	f.Data, err = r.rest(int(kept))
	return err
}

// nextBlock reads blocks up to the next packet.
func (r *Reader) nextBlock(f *Frame) error {
	for {
		typ, body, err := r.block()
		if err != nil {
			return err
		}
		switch typ {
		case blockSection:
			r.ifs = r.ifs[:0] // of another section (§4.1)
		case blockInterface:
			err = r.addInterface(body)
		case blockPacket, blockOldPacket:
			return r.packet(typ, body, f)
		case blockSimplePacket:
			return r.simple(body, f)
		}
		if err != nil {
			return err
		}
	}
}

// block reads a block and returns what is between its two lengths (§3.1).
func (r *Reader) block() (typ uint32, body []byte, err error) {
	head, err := r.take(8)
	if err != nil {
		return 0, nil, err
	}
	r.blocks++
	if binary.LittleEndian.Uint32(head) == blockSection {
		// Its type reads the same both ways, and its order stands behind its
		// length (§4.1).
		magic, err := r.in.Peek(4)
		switch {
		case len(magic) < 4 && err == io.EOF:
			return 0, nil, io.ErrUnexpectedEOF
		case len(magic) < 4:
			return 0, nil, err
		case binary.LittleEndian.Uint32(magic) == byteOrderMagic:
			r.order = binary.LittleEndian
		case binary.BigEndian.Uint32(magic) == byteOrderMagic:
			r.order = binary.BigEndian
		default:
			return 0, nil, r.bad("a section of no order of bytes: % x", magic)
		}
	}
	typ = r.order.Uint32(head)
	n := r.order.Uint32(head[4:])
	if n < 12 || n&3 != 0 || n > MaxBlock {
		return 0, nil, r.bad("a length of %d bytes, it must be a multiple of 4 from 12 to %d", n, MaxBlock)
	}
	body, err = r.rest(int(n) - 8)
	if err != nil {
		return 0, nil, err
	}
	end := len(body) - 4
	if again := r.order.Uint32(body[end:]); again != n {
		return 0, nil, r.bad("its two lengths are %d and %d", n, again)
	}
	return typ, body[:end], nil
}

// addInterface reads an interface description (§4.2).
func (r *Reader) addInterface(b []byte) error {
	if len(b) < 8 {
		return r.bad("an interface of %d bytes", len(b))
	}
	if len(r.ifs) == MaxInterfaces {
		return r.bad("more than %d interfaces", MaxInterfaces)
	}
	i := readIface{linkType: r.order.Uint16(b), snapLen: r.order.Uint32(b[4:]), resol: 6}
	for b = b[8:]; len(b) >= 4; {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		b = b[4:]
		if code == optEnd {
			break
		}
		if n > len(b) {
			return r.bad("option %d of an interface runs past it", code)
		}
		switch v := b[:n]; {
		case code == ifName && n <= 256:
			i.name = string(v)
		case code == ifTSResol && n == 1:
			i.resol = v[0]
		case code == ifTSOffset && n == 8:
			i.offset = int64(r.order.Uint64(v))
		}
		b = b[min(padded(n), len(b)):]
	}
	r.ifs = append(r.ifs, i)
	return nil
}

// packet reads an enhanced packet block (§4.3), or one of the kind it has
// replaced.
func (r *Reader) packet(typ uint32, b []byte, f *Frame) error {
	if len(b) < 20 {
		return r.bad("a packet block of %d bytes", len(b))
	}
	id := int(r.order.Uint32(b))
	if typ == blockOldPacket {
		id = int(r.order.Uint16(b))
	}
	if id >= len(r.ifs) {
		return r.bad("a packet of interface %d of %d", id, len(r.ifs))
	}
	kept := r.order.Uint32(b[12:])
	if int64(kept) > int64(len(b)-20) {
		return r.bad("a packet of %d bytes in %d", kept, len(b)-20)
	}
	i := &r.ifs[id]
	ticks := uint64(r.order.Uint32(b[4:]))<<32 | uint64(r.order.Uint32(b[8:]))
	*f = Frame{
		Time: i.time(ticks), Interface: id, Name: i.name, LinkType: i.linkType,
		Len: int(max(r.order.Uint32(b[16:]), kept)), Data: b[20 : 20+kept],
	}
	r.options(b[min(20+padded(int(kept)), len(b)):], f)
	return nil
}

// options reads what matters of a packet's options (§4.3.1).
func (r *Reader) options(b []byte, f *Frame) {
	for len(b) >= 4 {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		b = b[4:]
		switch {
		case code == optEnd || n > len(b):
			return
		case code == epbFlags && n == 4:
			if d := Direction(r.order.Uint32(b) & 3); d <= Out {
				f.Dir = d
			}
		case code == optComment:
			f.Comment = string(b[:min(n, 256)])
		}
		b = b[min(padded(n), len(b)):]
	}
}

// simple reads a simple packet block (§4.4), which has no time.
func (r *Reader) simple(b []byte, f *Frame) error {
	if len(b) < 4 || len(r.ifs) == 0 {
		return r.bad("a simple packet block of %d bytes with %d interfaces", len(b), len(r.ifs))
	}
	whole := r.order.Uint32(b)
	kept := min(int64(whole), int64(len(b)-4))
	if s := r.ifs[0].snapLen; s != 0 {
		kept = min(kept, int64(s))
	}
	*f = Frame{Name: r.ifs[0].name, LinkType: r.ifs[0].linkType, Len: int(whole), Data: b[4 : 4+kept]}
	return nil
}

// time turns an interface's units into nanoseconds (§4.2, if_tsresol).
func (i *readIface) time(ticks uint64) int64 {
	power := i.resol & 0x7f
	if i.resol&0x80 != 0 {
		if power >= 64 {
			return i.offset * 1e9
		}
		sec, part := ticks>>power, ticks&(1<<power-1)
		for ; power > 32; power-- { // part * 1e9 must fit
			part >>= 1
		}
		return (int64(sec)+i.offset)*1e9 + int64(part*1e9>>power)
	}
	perSec := uint64(1)
	for range power {
		if perSec > 1e18 {
			return i.offset * 1e9
		}
		perSec *= 10
	}
	sec, part := ticks/perSec, ticks%perSec
	for ; perSec > 1e9; perSec /= 10 {
		part /= 10
	}
	return (int64(sec)+i.offset)*1e9 + int64(part*(1e9/perSec))
}
