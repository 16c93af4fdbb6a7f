package tcp

import "github.com/seed88948545/vimage/internal/wire"

// Refuse fills o with the reset that answers a segment of n bytes of payload
// for which there is no connection (RFC 9293 §3.10.7.1), and tells whether
// there is one: a reset is never answered.
func Refuse(h *wire.TCPHeader, n int, o *Out) bool {
	if h.Flags.Has(wire.RST) {
		return false
	}
	*o = Out{Seg: 1}
	o.Hdr.Flags = wire.RST
	if h.Flags.Has(wire.ACK) {
		o.Hdr.Seq = h.Ack
		return true
	}
	o.Hdr.Flags |= wire.ACK
	o.Hdr.Ack = h.Seq.Add(segLen(h, n))
	return true
}

// segLen returns how much sequence space a segment takes: SEG.LEN of RFC 9293.
func segLen(h *wire.TCPHeader, n int) int {
	if h.Flags.Has(wire.SYN) {
		n++
	}
	if h.Flags.Has(wire.FIN) {
		n++
	}
	return n
}
