//go:build !novimage

package ipv4_test

import (
	"bytes"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv4"
	"github.com/seed88948545/vimage/link"
)

// FuzzHeaderIncluded writes whole packets of any content to a raw socket: what
// the stack takes must arrive as it was, but for what the stack fills in, or be
// lost; nothing may stay behind.
func FuzzHeaderIncluded(f *testing.F) {
	plain := []byte{0x45, 0, 0, 25, 1, 2, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 'h', 'e', 'l', 'l', 'o'}
	f.Add(plain)
	f.Add(append([]byte{0x46, 0x28, 0, 0, 0, 0, 0x40, 0, 1, 253, 0xde, 0xad, 0, 0, 0, 0, 10, 0, 0, 2, 1, 1, 1, 1}, "options"...))
	f.Add([]byte{0x45, 0, 0, 20, 1, 2, 0x20, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}) // more fragments
	f.Add([]byte{0x45, 0, 0, 20, 1, 2, 0, 0, 0, 253, 0, 0, 10, 0, 0, 1, 239, 1, 1, 1})
	f.Add([]byte{0x45, 0, 0, 20, 1, 2, 0, 0, 9, 17, 0, 0, 10, 0, 0, 1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, packet []byte) {
		w := vimage.NewWorld(vimage.Config{Simulated: true})
		a, b := must(w.NewStack("a", vimage.StackConfig{}))(t), must(w.NewStack("b", vimage.StackConfig{}))(t)
		wire := link.NewEpair(0)
		plug(t, a, "e0", wire.A(), "10.0.0.1/24")
		plug(t, b, "e0", wire.B(), "10.0.0.2/24")
		out := must(a.ListenPacket("ip4:253", "0.0.0.0"))(t).(*vimage.IPConn)
		in := must(b.ListenPacket("ip4:253", "0.0.0.0"))(t).(*vimage.IPConn)
		out.SetHeaderIncluded(true)
		n, err := out.WriteTo(packet, ip("10.0.0.2"))
		if err == nil && n != len(packet) {
			t.Errorf("wrote %d bytes of %d", n, len(packet))
		}
		got := make([]byte, 65536)
		if n, _, ok, _ := in.TryReadFrom(got); ok && err == nil && packet[6]&0x3f == 0 && packet[7] == 0 {
			h, sent := must(ipv4.ParseHeader(got))(t), must(ipv4.ParseHeader(packet))(t)
			if !bytes.Equal(got[h.Len:n], packet[sent.Len:]) || h.Protocol != 253 || h.TTL != sent.TTL || h.TotalLen != len(packet) {
				t.Errorf("sent %x\ngot  %x", packet, got[:n])
			}
		}
		w.Close()
		if p := w.Pool(); p.Buffers != 0 {
			t.Errorf("%d buffers outstanding", p.Buffers)
		}
	})
}
