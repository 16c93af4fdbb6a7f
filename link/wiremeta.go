package link

import (
	"encoding/binary"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// received sets what is known of a frame that came with m. It reports false
// where m contradicts the frame.
func (m *Meta) received(b *pkt.Buf) bool {
	if m.GSO > GSOUDP || m.GSO != GSONone && m.Size == 0 {
		return false
	}
	b.GSO, b.GSOSize = pkt.GSO(m.GSO), m.Size
	if m.GSO == GSONone {
		b.GSOSize = 0
	} else if _, ok := findSuper(b.Bytes(), b.GSO); !ok {
		return false
	}
	switch m.Sum {
	case SumNone:
		b.Sum = pkt.SumUnknown
	case SumValid:
		b.Sum = pkt.SumValid
	case SumPartial:
		return m.partial(b)
	default:
		return false
	}
	return true
}

// partial takes a frame without its transport checksum. What nobody here could
// complete when it has to leave again is completed now.
func (m *Meta) partial(b *pkt.Buf) bool {
	frame := b.Bytes()
	start, at := int(m.SumStart), int(m.SumStart)+int(m.SumOffset)
	if start >= len(frame) || at+2 > len(frame) {
		return false
	}
	outermost, offset, found := wire.SumPlace(frame)
	if found && outermost == start && offset == int(m.SumOffset) {
		wire.PartialEther(frame)
		b.Sum = pkt.SumPartial
		return true
	}
	sum := wire.Checksum(frame[start:])
	if sum == 0 {
		sum = 0xffff // equal to it, and in UDP not "none" (RFC 768)
	}
	binary.BigEndian.PutUint16(frame[at:], sum)
	b.Sum = pkt.SumValid
	if found { // what was completed is a message in a tunnel: nothing was said of the frame's own
		b.Sum = pkt.SumUnknown
	}
	return true
}

// toSend describes an unshared frame that lacks its checksum or is a
// super-segment. Unless the device completes checksums it is completed here. It
// reports false for a super-segment that cannot be described.
func toSend(b *pkt.Buf, device bool) (m Meta, ok bool) {
	frame := b.Bytes()
	m.Len = len(frame)
	if !device {
		wire.CompleteEther(frame)
		return m, true
	}
	start, offset, ok := wire.PartialEther(frame)
	if !ok {
		return m, b.GSO == pkt.GSONone
	}
	m.Sum, m.SumStart, m.SumOffset = SumPartial, uint16(start), uint16(offset)
	if b.GSO == pkt.GSONone {
		return m, true
	}
	if s, ok := findSuper(frame, b.GSO); !ok || s.upper != start {
		return m, false
	}
	m.GSO, m.Size = GSO(b.GSO), b.GSOSize
	m.HeaderLen = uint16(start + wire.UDPLen)
	if b.GSO != pkt.GSOUDP {
		m.HeaderLen = uint16(start + int(frame[start+12]>>4)*4) // the data offset (RFC 9293 §3.1)
	}
	return m, int(m.HeaderLen) <= m.Len
}
