package syn

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestAnswersAsLinuxDoes gives every SYN of the captures to a listener, and
// compares what it says in the SYN-ACK with what Linux said: flags, and which
// options there are. Then Linux's own next segment completes the handshake.
func TestAnswersAsLinuxDoes(t *testing.T) {
	files, err := filepath.Glob("../../../wire/testdata/pcaps/tcp[46]_*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatal("no captures", err)
	}
	opened := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := fastRig(t)
			var ours Out[int]
			var theirs wire.Seq
			state := 0
			for _, frame := range frames(t, file) {
				key, h, n, ok := segment(frame)
				switch {
				case !ok:
				case state < 2 && h.Flags.Has(wire.SYN) && !h.Flags.Has(wire.ACK): // or again, where the first was lost
					r.key = key
					ours = r.open(h)
					state = 1
				case state == 1 && h.Flags.Has(wire.SYN|wire.ACK):
					if said, want := says(&ours.Hdr), says(&h); said != want {
						t.Errorf("SYN-ACK says %+v, Linux's %+v", said, want)
					}
					theirs, state = h.Seq, 2
				case state == 2 && key == r.key && h.Flags.Has(wire.ACK):
					h.Ack += ours.Hdr.Seq - theirs
					r.expect(r.in(h, n), Accepted)
					opened++
					return
				}
			}
		})
	}
	if opened < 12 {
		t.Errorf("only %d handshakes in the captures", opened)
	}
}

type said struct {
	flags                          wire.TCPFlags
	acks                           wire.Seq
	mss, scale, sack, time, cookie bool
	echo                           uint32
}

func says(h *wire.TCPHeader) said {
	o := &h.Options
	return said{h.Flags, h.Ack, o.MSS != 0, o.HasScale, o.SACKOK, o.HasTime, len(o.FastOpenCookie()) == FastCookieLen, o.TSEcr}
}

// frames reads a classic libpcap file of Ethernet frames.
func frames(t *testing.T, file string) (all [][]byte) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) >= 16; {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		all = append(all, b[16:n])
		b = b[n:]
	}
	return all
}

// segment returns a frame's TCP header and how long its payload is; key is as
// its receiver sees it.
func segment(frame []byte) (key Key, h wire.TCPHeader, n int, ok bool) {
	var src, dst netip.Addr
	var msg []byte
	e := wire.Ether(frame)
	if ip, f := wire.ParseIPv4(e.Payload()); f == wire.OK && ip.Proto() == wire.ProtoTCP {
		src, dst, msg = ip.Src(), ip.Dst(), ip.Payload()
	} else if p := e.Payload(); e.Type() == wire.EtherTypeIPv6 && p[6] == wire.ProtoTCP {
		src, dst = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
		msg = p[40 : 40+int(binary.BigEndian.Uint16(p[4:]))]
	} else {
		return key, h, 0, false
	}
	v, f := wire.ParseTCP(msg)
	if f != wire.OK || v.Header(&h) != wire.OK {
		return key, h, 0, false
	}
	return Key{Local: netip.AddrPortFrom(dst, h.DstPort), Remote: netip.AddrPortFrom(src, h.SrcPort)}, h, len(v.Payload()), true
}
