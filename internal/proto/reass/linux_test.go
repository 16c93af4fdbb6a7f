package reass

import (
	"encoding/binary"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

type frame struct {
	at clock.Time
	b  []byte
}

// capture reads a little-endian microsecond pcap file.
func capture(t *testing.T, name string) (frames []frame) {
	t.Helper()
	b, err := os.ReadFile("testdata/linux/" + name + ".pcap")
	if err != nil {
		t.Fatal(err)
	}
	u32 := binary.LittleEndian.Uint32
	for b = b[24:]; len(b) > 0; {
		n := u32(b[8:])
		at := time.Duration(u32(b))*time.Second + time.Duration(u32(b[4:]))*time.Microsecond
		frames = append(frames, frame{clock.Time(at), b[16 : 16+n]})
		b = b[16+n:]
	}
	return frames
}

// fragment reads what a stack would tell the table about a frame; false if it
// holds no fragment.
func fragment(b []byte) (f Fragment[[]byte], ok bool) {
	e, _ := wire.ParseEther(b)
	switch e.Type() {
	case wire.EtherTypeIPv4:
		ip, fault := wire.ParseIPv4(e.Payload())
		if fault != wire.OK || !ip.IsFragment() {
			return f, false
		}
		return Fragment[[]byte]{
			Key: Key{Src: ip.Src(), Dst: ip.Dst(), ID: uint32(ip.ID()), Proto: ip.Proto()},
			Off: ip.FragOffset(), Len: len(ip.Payload()), Hdr: ip.HeaderLen(), More: ip.MF(), Packet: ip.Payload(),
		}, true
	case wire.EtherTypeIPv6: // a fragment header right behind the fixed one
		p := e.Payload()
		if p[6] != 44 {
			return f, false
		}
		data := p[48 : 40+int(binary.BigEndian.Uint16(p[4:]))]
		where := binary.BigEndian.Uint16(p[42:])
		return Fragment[[]byte]{
			Key: Key{Src: netip.AddrFrom16([16]byte(p[8:])), Dst: netip.AddrFrom16([16]byte(p[24:])), ID: binary.BigEndian.Uint32(p[44:])},
			Off: int(where &^ 7), Len: len(data), More: where&1 != 0, Packet: data,
		}, true
	}
	return f, false
}

// TestLinuxDatagrams puts Linux's fragments together, in their order, reversed
// and twice each, and checks the checksum that the sender put over the whole.
func TestLinuxDatagrams(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int // payload with its UDP or ICMP header
	}{
		{"frag4_udp_4000", []int{4008}},
		{"frag4_icmp_echo_3000", []int{3008, 3008}},
		{"frag4_forwarded_refragment", []int{3008}},
		{"frag6_udp_4000", []int{4008}},
		{"frag6_icmp_echo_3000", []int{3008, 3008}},
	} {
		frames := capture(t, c.name)
		for _, order := range []string{"sent", "reversed", "twice"} {
			in := slices.Clone(frames)
			if order == "reversed" {
				slices.Reverse(in)
			}
			copies := 1
			if order == "twice" {
				copies = 2
			}
			if got := assemble(t, in, copies); !slices.Equal(got, c.sizes) {
				t.Errorf("%s %s: %v, want %v", c.name, order, got, c.sizes)
			}
		}
	}
}

func assemble(t *testing.T, in []frame, copies int) (sizes []int) {
	t.Helper()
	var tab Table[[]byte]
	tun := Defaults()
	tab.Bind(&tun, new(Stats))
	for _, fr := range in {
		f, ok := fragment(fr.b)
		for i := 0; ok && i < copies; i++ {
			r := tab.Input(fr.at, &f, nil)
			if i > 0 && r.Reason != Duplicate && sizes == nil {
				t.Errorf("a copy is %+v", r)
			}
			if r.Verdict != Complete {
				continue
			}
			var whole []byte
			for _, p := range r.Pieces {
				whole = append(whole, p.Packet...)
			}
			if sum := checksum(&f.Key, fr.b, whole); sum != 0 {
				t.Errorf("checksum of the whole is off by %#x", sum)
			}
			sizes = append(sizes, len(whole))
			break
		}
	}
	return sizes
}

// checksum is 0 if the datagram's transport checksum is right.
func checksum(k *Key, frame, whole []byte) uint16 {
	proto := k.Proto
	if !k.Src.Is4() {
		proto = frame[wire.EtherLen+40] // the fragment header's next header
	}
	if proto == wire.ProtoICMP {
		return wire.Checksum(whole)
	}
	return wire.Fold(wire.Sum(whole, wire.PseudoSum(k.Src, k.Dst, proto, len(whole))))
}

// TestLinuxTimeout: lone first fragments, about which Linux sent time exceeded
// (after 2 s there, 30 and 60 s here).
func TestLinuxTimeout(t *testing.T) {
	frames := capture(t, "frag_timeout_icmp_time_exceeded")
	var tab Table[[]byte]
	tun := Defaults()
	tab.Bind(&tun, new(Stats))
	start := frames[0].at
	for _, fr := range frames[:2] {
		f, ok := fragment(fr.b)
		if !ok || tab.Input(fr.at, &f, nil).Verdict != Held {
			t.Fatal("not held")
		}
	}
	for _, want := range []time.Duration{30 * time.Second, 60 * time.Second} {
		now := tab.Deadline()
		if late := now.Sub(start) - want; late < 0 || late > 100*time.Millisecond {
			t.Errorf("deadline after %v, want %v", now.Sub(start), want)
		}
		var o Out[[]byte]
		if !tab.Next(now, &o) || o.Kind != TimeExceeded {
			t.Errorf("%+v", o)
		}
	}
}
