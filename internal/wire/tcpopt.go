package wire

import "encoding/binary"

// Kinds of TCP option (IANA).
const (
	optEnd       = 0
	optNop       = 1
	optMSS       = 2  // RFC 9293 §3.2
	optScale     = 3  // RFC 7323 §2
	optSACKOK    = 4  // RFC 2018 §2
	optSACK      = 5  // RFC 2018 §3
	optTimestamp = 8  // RFC 7323 §3
	optFastOpen  = 34 // RFC 7413 §4.1.1
)

// MaxSACK is how many SACK blocks fit into a header without other options.
// Beside timestamps there is room for 3 (RFC 2018 §3).
const MaxSACK = 4

// MaxFastOpenCookie is the longest Fast Open cookie in bytes (RFC 7413 §4.1.1).
const MaxFastOpenCookie = 16

// TCPOptions is what the options of a segment say.
type TCPOptions struct {
	MSS    uint16 // maximum segment size, 0 where the option is absent
	Scale  uint8  // window shift, where HasScale
	NSACK  uint8  // how many of SACK are there
	Cookie uint8  // length of FastOpen in bytes; 0 with HasFastOpen asks for one

	HasScale    bool
	SACKOK      bool // SACK permitted
	HasTime     bool
	HasFastOpen bool

	TSVal, TSEcr uint32 // timestamps, where HasTime
	SACK         [MaxSACK]SACKBlock
	FastOpen     [MaxFastOpenCookie]byte
}

// SACKBlock is a range of sequence numbers that has arrived: [Start, End).
type SACKBlock struct{ Start, End Seq }

// Clear makes o the options of a header that has none. It leaves old bytes
// that no other field says are there.
func (o *TCPOptions) Clear() {
	o.MSS, o.Scale, o.NSACK, o.Cookie = 0, 0, 0, 0
	o.HasScale, o.SACKOK, o.HasTime, o.HasFastOpen = false, false, false, false
}

// FastOpenCookie returns the cookie, empty where it is asked for or absent.
func (o *TCPOptions) FastOpenCookie() []byte { return o.FastOpen[:o.Cookie] }

// ParseTCPOptions reads options. Unknown ones are skipped (RFC 9293 §3.1). It
// returns BadOption where one runs past the end of b, or a known one has a
// length that it cannot have; o then holds what came before.
func ParseTCPOptions(b []byte, o *TCPOptions) Fault {
	o.Clear()
	if len(b) == 12 && binary.BigEndian.Uint32(b) == timeHint { // what nearly every segment has
		o.HasTime, o.TSVal, o.TSEcr = true, binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		return OK
	}
	for len(b) > 0 {
		kind := b[0]
		if kind == optEnd {
			return OK
		}
		if kind == optNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || int(b[1]) < 2 || int(b[1]) > len(b) {
			return BadOption
		}
		n := int(b[1])
		if !o.parse(kind, b[2:n]) {
			return BadOption
		}
		b = b[n:]
	}
	return OK
}

// timeHint is two no-operations and the head of a timestamp option: the layout
// that RFC 7323 appendix A recommends.
const timeHint = optNop<<24 | optNop<<16 | optTimestamp<<8 | 10

// parse reads one option's data and tells whether its length was right.
func (o *TCPOptions) parse(kind byte, d []byte) bool {
	switch kind {
	case optMSS:
		if len(d) != 2 {
			return false
		}
		o.MSS = binary.BigEndian.Uint16(d)
	case optScale:
		if len(d) != 1 {
			return false
		}
		o.HasScale, o.Scale = true, d[0]
	case optSACKOK:
		if len(d) != 0 {
			return false
		}
		o.SACKOK = true
	case optTimestamp:
		if len(d) != 8 {
			return false
		}
		o.HasTime, o.TSVal, o.TSEcr = true, binary.BigEndian.Uint32(d), binary.BigEndian.Uint32(d[4:])
	case optSACK:
		if len(d) == 0 || len(d)%8 != 0 || len(d) > 8*MaxSACK {
			return false
		}
		o.NSACK = uint8(len(d) / 8)
		for i := range o.NSACK {
			o.SACK[i] = SACKBlock{Seq(binary.BigEndian.Uint32(d[8*i:])), Seq(binary.BigEndian.Uint32(d[8*i+4:]))}
		}
	case optFastOpen:
		return o.parseFastOpen(d)
	}
	return true
}

// parseFastOpen reads a cookie: of no bytes, or of 4 to 16, an even number.
func (o *TCPOptions) parseFastOpen(d []byte) bool {
	if len(d) != 0 && (len(d) < 4 || len(d) > MaxFastOpenCookie || len(d)%2 != 0) {
		return false
	}
	o.HasFastOpen, o.Cookie = true, uint8(copy(o.FastOpen[:], d))
	return true
}

// Len returns how many bytes the options take, a multiple of 4. It does not
// count SACK blocks for which there is no room beside the other options: PutTCP
// leaves them out, the last first.
func (o *TCPOptions) Len() int {
	n := o.lenOthers()
	if k := o.blocks(n); k > 0 {
		n += 4 + 8*k
	}
	return n
}

// blocks returns how many SACK blocks there is room for beside n bytes of other
// options.
func (o *TCPOptions) blocks(n int) int {
	if o.NSACK == 0 {
		return 0
	}
	return max(min(int(o.NSACK), (TCPMaxLen-TCPLen-4-n)/8), 0)
}

// lenOthers returns how many bytes all options but SACK take.
func (o *TCPOptions) lenOthers() int {
	n := 0
	if o.MSS != 0 {
		n += 4
	}
	if o.HasScale {
		n += 4
	}
	switch {
	case o.HasTime: // SACK permitted stands where its two no-operations would
		n += 12
	case o.SACKOK:
		n += 4
	}
	if o.HasFastOpen {
		n += (2 + int(o.Cookie) + 3) &^ 3
	}
	return n
}

// putTCPOptions writes the options into b, which is as long as they are.
func putTCPOptions(b []byte, o *TCPOptions) {
	if o.MSS != 0 {
		binary.BigEndian.PutUint32(b, optMSS<<24|4<<16|uint32(o.MSS))
		b = b[4:]
	}
	if o.HasTime {
		hint := uint32(timeHint)
		if o.SACKOK {
			hint = optSACKOK<<24 | 2<<16 | optTimestamp<<8 | 10
		}
		binary.BigEndian.PutUint32(b, hint)
		binary.BigEndian.PutUint32(b[4:], o.TSVal)
		binary.BigEndian.PutUint32(b[8:], o.TSEcr)
		b = b[12:]
	} else if o.SACKOK {
		binary.BigEndian.PutUint32(b, optNop<<24|optNop<<16|optSACKOK<<8|2)
		b = b[4:]
	}
	if o.HasScale {
		binary.BigEndian.PutUint32(b, optNop<<24|optScale<<16|3<<8|uint32(o.Scale))
		b = b[4:]
	}
	if n := o.blocks(o.lenOthers()); n > 0 {
		binary.BigEndian.PutUint32(b, optNop<<24|optNop<<16|optSACK<<8|uint32(2+8*n))
		for i, k := range o.SACK[:n] {
			binary.BigEndian.PutUint32(b[4+8*i:], uint32(k.Start))
			binary.BigEndian.PutUint32(b[8+8*i:], uint32(k.End))
		}
		b = b[4+8*n:]
	}
	if o.HasFastOpen {
		b[0], b[1] = optFastOpen, 2+o.Cookie
		n := 2 + copy(b[2:], o.FastOpen[:o.Cookie])
		for ; n < len(b); n++ {
			b[n] = optNop
		}
	}
}
