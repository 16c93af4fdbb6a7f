package tcp

import (
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestRefuse is RFC 9293 §3.10.7.1.
func TestRefuse(t *testing.T) {
	for _, c := range []struct {
		h    wire.TCPHeader
		n    int
		want wire.TCPHeader
		none bool
	}{
		{h: wire.TCPHeader{Flags: wire.RST, Seq: 5}, none: true},
		{h: wire.TCPHeader{Flags: wire.RST | wire.ACK, Seq: 5}, none: true},
		{h: wire.TCPHeader{Flags: wire.ACK, Seq: 5, Ack: 9}, n: 3, want: wire.TCPHeader{Flags: wire.RST, Seq: 9}},
		{h: wire.TCPHeader{Flags: wire.SYN, Seq: 5}, want: wire.TCPHeader{Flags: wire.RST | wire.ACK, Ack: 6}},
		{h: wire.TCPHeader{Flags: wire.SYN | wire.FIN, Seq: 1<<32 - 1}, n: 10, want: wire.TCPHeader{Flags: wire.RST | wire.ACK, Ack: 11}},
		{h: wire.TCPHeader{Seq: 5}, n: 7, want: wire.TCPHeader{Flags: wire.RST | wire.ACK, Ack: 12}},
	} {
		var o Out
		if Refuse(&c.h, c.n, &o) == c.none || !c.none && o.Hdr != c.want {
			t.Errorf("%+v: %+v", c.h, o.Hdr)
		}
	}
}
