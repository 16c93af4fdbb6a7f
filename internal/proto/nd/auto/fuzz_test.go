package auto

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// FuzzInput hears any sequence of well-formed advertisements, with any time
// between them. The input is a list of records: source, seconds that pass,
// length, message.
func FuzzInput(f *testing.F) {
	record := func(src byte, seconds, size uint16, b []byte) []byte {
		r := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{src}, seconds), size)
		return append(r, b...)
	}
	var all []byte
	for i, m := range capture(f, "ndp_ra_radvd_slaac", wire.ICMP6RouterAdvert) {
		b := m.ip.Payload()
		all = append(all, record(byte(i), 10, uint16(len(b)), b)...)
	}
	f.Add(all)
	b := wire.AppendNDRouteInfo(wire.AppendRA(nil, &wire.RAHeader{Lifetime: 9000}), &wire.NDRoute{Prefix: netip.MustParsePrefix("2001:db8::/32"), Lifetime: 60})
	f.Add(append(record(1, 0, uint16(len(b)), b), record(2, 61, uint16(len(b)), b)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		tun, stats := Defaults(), Stats{}
		tun.UseTemp = 1
		h := NewHost(1)
		h.Bind(&tun, &stats)
		h.Start(0, Link{MAC: mac("a"), AcceptRA: true, LinkLocal: true, Stable: true, Secret: new([32]byte), MTU: 1500, Transmits: 1})
		s := newTold(t, &tun)
		now := lifetime(0, 0)
		s.pull(&h, now)
		for len(b) >= 5 {
			src, wait := b[0], binary.BigEndian.Uint16(b[1:])
			size := min(int(binary.BigEndian.Uint16(b[3:])), len(b)-5)
			msg := b[5 : 5+size]
			b = b[5+size:]
			end := now.Add(time.Duration(wait) * time.Second)
			for h.Deadline() <= end {
				now = h.Deadline()
				s.pull(&h, now)
			}
			now = end
			ra, fault := wire.ParseRouterAdvert(msg)
			if fault != wire.OK {
				continue
			}
			h.Input(now, &Message{RA: ra, Src: netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: src}), HopLimit: 255})
			s.pull(&h, now)
		}
	})
}
