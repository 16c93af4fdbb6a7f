package wire

import "encoding/binary"

// FragmentLen is the length in bytes of a fragment header.
const FragmentLen = 8

// extUnit is the unit that lengths of extension headers are counted in and the
// least length of one (RFC 8200 §4).
const extUnit = 8

// Types of options in hop-by-hop and destination options headers.
const (
	IPv6OptPad1        uint8 = 0 // RFC 8200 §4.2
	IPv6OptPadN        uint8 = 1
	IPv6OptRouterAlert uint8 = 5 // RFC 2711
)

// RouterAlert6 returns a whole hop-by-hop header that holds the Router Alert
// option with this value, 0 for MLD (RFC 2711 §2.1).
func RouterAlert6(next uint8, value uint16) [8]byte {
	return [8]byte{next, 0, IPv6OptRouterAlert, 2, uint8(value >> 8), uint8(value), IPv6OptPadN, 0}
}

// ExtLimits says how much of extension headers a node puts up with (RFC 8504
// §5.3); 0 is no limit.
type ExtLimits struct {
	Headers   int // extension headers in a packet
	Options   int // options in one header, padding not counted
	OptionLen int // bytes of data in one option
	Padding   int // bytes of padding in a row
}

// WalkHow says which extension headers concern a node.
type WalkHow uint8

const (
	// WalkTransit is for a packet that is passing by: nothing but a
	// hop-by-hop header is looked at (RFC 8200 §4).
	WalkTransit WalkHow = iota
	// WalkDest is for a packet that has arrived: all headers up to the upper
	// layer, or up to the fragment header of a fragment.
	WalkDest
)

// ExtProblem says what to do about a packet for the sake of its extension
// headers.
type ExtProblem uint8

const (
	ExtOK          ExtProblem = iota // none
	ExtDrop                          // to be discarded silently
	ExtTell                          // to be discarded, its sender told even if it was sent to a group (RFC 4443 §2.4 (e.3))
	ExtTellUnicast                   // to be discarded, its sender told unless it was sent to a group
)

// Ext is what Walk found. Offsets count from the first byte of the packet.
type Ext struct {
	// Proto is the number of what is at Off; for a fragment, of what is
	// behind the fragment header at Off.
	Proto uint8
	Off   int // may be the packet's length
	// NextOff is where the number of the header at Off stands: what a
	// Parameter Problem about an unknown one points at. For a fragment that
	// is the byte before the fragment header that reassembly rewrites.
	NextOff     int
	RouterAlert bool // a Router Alert option of value 0 was among the hop-by-hop options
	Fragment    bool // Off is at a fragment header that is no atomic fragment's
	Atomic      bool // the header of an atomic fragment was passed over (RFC 6980 §5 bars such neighbor discovery)
	Problem     ExtProblem
	// For ExtTell and ExtTellUnicast: code and pointer of the Parameter
	// Problem message.
	Code    uint8
	Pointer int
}

const extensions uint64 = 1<<ProtoHopByHop | 1<<ProtoRouting | 1<<ProtoFragment | 1<<ProtoDestOpts

func isExtension(next uint8) bool { return extensions>>next&1 != 0 }

// Walk goes over the extension headers that concern a node, up to the first
// thing that is none: an upper layer, which may be unknown to the caller, or
// one of the headers that end what can be read (ESP, AH, no next header). An
// atomic fragment's header is passed over (RFC 6946). A fragment ends the walk;
// its length, and the headers of a first fragment, are then judged too (RFC
// 8200 §4.5).
func (p IPv6) Walk(lim *ExtLimits, how WalkHow) Ext {
	if !isExtension(p[6]) {
		return Ext{Proto: p[6], Off: IPv6Len, NextOff: 6}
	}
	return p.walk(lim, how)
}

func (p IPv6) walk(lim *ExtLimits, how WalkHow) Ext {
	x := Ext{Proto: p[6], Off: IPv6Len, NextOff: 6}
	for count := 1; isExtension(x.Proto); count++ {
		first := x.Off == IPv6Len
		switch {
		case how == WalkTransit && (x.Proto != ProtoHopByHop || !first):
			return x
		case x.Proto == ProtoHopByHop && !first:
			// RFC 8200 §4: as if it were an unknown one.
			return x.tell(ICMP6CodeNextHeader, x.NextOff)
		case lim.Headers > 0 && count > lim.Headers:
			return x.tell(ICMP6CodeTooManyHeaders, x.Off)
		case len(p)-x.Off < extUnit:
			x.Problem = ExtDrop
			return x
		case x.Proto == ProtoFragment && !Fragment6(p[x.Off:]).IsAtomic():
			return x.fragment(p)
		}
		n := x.header(p[x.Off:], lim)
		if x.Problem != ExtOK {
			return x
		}
		x.Proto, x.NextOff, x.Off = p[x.Off], x.Off, x.Off+n
	}
	return x
}

// header judges the header that b begins with and that lies at x.Off, and
// returns its length.
func (x *Ext) header(b []byte, lim *ExtLimits) int {
	n := (int(b[1]) + 1) * extUnit
	switch {
	case x.Proto == ProtoFragment:
		x.Atomic = true
		return FragmentLen // the second byte is reserved
	case n > len(b):
		*x = x.tell(ICMP6CodeHeader, x.Off+1)
	case x.Proto != ProtoRouting:
		x.options(b[:n], lim)
	case b[3] != 0:
		// No routing type is known here, and type 0 is to be treated like
		// that (RFC 8200 §4.4, RFC 5095 §3).
		*x = x.tell(ICMP6CodeHeader, x.Off+2)
	}
	return n
}

// tell ends a walk at a problem that the sender of a unicast packet hears of.
func (x Ext) tell(code uint8, pointer int) Ext {
	x.Problem, x.Code, x.Pointer = ExtTellUnicast, code, pointer
	return x
}

// options goes over the options of the header b at x.Off, up to the first
// problem.
func (x *Ext) options(b []byte, lim *ExtLimits) {
	count, padding := 0, 0
	for i := 2; i < len(b) && x.Problem == ExtOK; {
		size := 1
		if b[i] != IPv6OptPad1 {
			if i+1 >= len(b) || i+2+int(b[i+1]) > len(b) {
				*x = x.tell(ICMP6CodeHeader, x.Off+min(i+1, len(b)-1)) // at the option's length
				return
			}
			size = 2 + int(b[i+1])
		}
		if b[i] <= IPv6OptPadN {
			padding += size
		} else {
			padding = 0
			count++
		}
		switch {
		case lim.Padding > 0 && padding > lim.Padding, lim.OptionLen > 0 && padding == 0 && size-2 > lim.OptionLen:
			*x = x.tell(ICMP6CodeOptionTooBig, x.Off+i) // for padding too (RFC 8883 §2)
		case lim.Options > 0 && count > lim.Options:
			*x = x.tell(ICMP6CodeTooManyOptions, x.Off+i)
		case padding == 0:
			x.option(b[i:i+size], x.Off+i)
		}
		i += size
	}
}

// option judges the option o that lies at the offset at.
func (x *Ext) option(o []byte, at int) {
	if o[0] == IPv6OptRouterAlert && x.Proto == ProtoHopByHop {
		if len(o) != 4 {
			*x = x.tell(ICMP6CodeHeader, at+1)
			return
		}
		x.RouterAlert = x.RouterAlert || o[2]|o[3] == 0
		return
	}
	// What to do with an unknown option is said by its two high bits (RFC 8200
	// §4.2).
	switch o[0] >> 6 {
	case 1:
		x.Problem = ExtDrop
	case 2:
		*x = x.tell(ICMP6CodeOption, at)
		x.Problem = ExtTell
	case 3:
		*x = x.tell(ICMP6CodeOption, at)
	}
}

// fragment ends a walk at the fragment header at x.Off.
func (x Ext) fragment(p IPv6) Ext {
	f := Fragment6(p[x.Off:])
	x.Fragment, x.Proto = true, f.NextHeader()
	n := len(f.Payload())
	switch {
	case f.More() && n%extUnit != 0:
		return x.tell(ICMP6CodeHeader, 4) // at the payload length (RFC 8200 §4.5)
	case x.Off-IPv6Len+f.Offset()+n > 65535:
		return x.tell(ICMP6CodeHeader, x.Off+2) // at the fragment offset
	case f.Offset() == 0 && p.chain(x.Proto, x.Off+FragmentLen).cut:
		return x.tell(ICMP6CodeFirstFragment, 0)
	}
	return x
}

// A chain says where a chain of extension headers ends, whatever they hold.
type chain struct {
	proto  uint8
	off    int
	routed bool // a routing header has segments left: the destination is not the last one
	cut    bool // the chain or the upper-layer header runs past the packet
}

// chain follows the headers from the one of number proto at off to an upper
// layer or a fragment header.
func (p IPv6) chain(proto uint8, off int) chain {
	c := chain{proto: proto, off: off}
	for isExtension(c.proto) && c.proto != ProtoFragment {
		if c.off+extUnit > len(p) {
			c.cut = true
			return c
		}
		c.routed = c.routed || c.proto == ProtoRouting && p[c.off+3] != 0
		c.proto, c.off = p[c.off], c.off+(int(p[c.off+1])+1)*extUnit
	}
	need := 0
	switch c.proto {
	case ProtoTCP:
		need = TCPLen
	case ProtoUDP:
		need = UDPLen
	case ProtoFragment:
		need = FragmentLen
	case ProtoICMPv6:
		need = 4 // RFC 7112 §3
	}
	c.cut = c.off+need > len(p)
	return c
}

// Fragment6 is a view of a fragment header and what follows it (RFC 8200 §4.5).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------+---+-+
//	|  next header  |       0       |     fragment offset     | 0 |M|
//	+---------------+---------------+-------------------------+---+-+
//	|                        identification                         |
//	+---------------------------------------------------------------+
type Fragment6 []byte

// ParseFragment6 checks that b holds a fragment header.
func ParseFragment6(b []byte) (Fragment6, Fault) {
	if len(b) < FragmentLen {
		return nil, Short
	}
	return b, OK
}

// NextHeader returns the number of the first header in the original packet's
// fragmentable part.
func (f Fragment6) NextHeader() uint8 { return f[0] }

// Offset returns where in the fragmentable part this one begins, in bytes.
func (f Fragment6) Offset() int { return int(binary.BigEndian.Uint16(f[2:4]) &^ 7) }

// More reports whether fragments follow this one.
func (f Fragment6) More() bool { return f[3]&1 != 0 }

// IsAtomic reports whether the fragment is a whole packet (RFC 6946).
func (f Fragment6) IsAtomic() bool { return binary.BigEndian.Uint16(f[2:4])&^6 == 0 }

// ID returns the identification that the fragments of one packet share.
func (f Fragment6) ID() uint32 { return binary.BigEndian.Uint32(f[4:8]) }

// Payload returns what follows the header.
func (f Fragment6) Payload() []byte { return f[FragmentLen:] }

// PutFragment6 writes a fragment header into b[:FragmentLen]. off is in bytes,
// a multiple of 8 up to 65528.
func PutFragment6(b []byte, next uint8, off int, more bool, id uint32) {
	_ = b[FragmentLen-1]
	b[0], b[1] = next, 0
	field := uint16(off) &^ 7
	if more {
		field |= 1
	}
	binary.BigEndian.PutUint16(b[2:4], field)
	binary.BigEndian.PutUint32(b[4:8], id)
}
