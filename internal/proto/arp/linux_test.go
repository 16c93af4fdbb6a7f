package arp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// The captures in testdata/linux show two Linux hosts: 10.9.0.1 at
// 02:00:00:00:00:0a and 10.9.0.2 at 02:00:00:00:00:0b.

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
	if u32(b) != 0xa1b2c3d4 {
		t.Fatal("unknown capture format")
	}
	for b = b[24:]; len(b) > 0; {
		n := u32(b[8:])
		at := time.Duration(u32(b))*time.Second + time.Duration(u32(b[4:]))*time.Microsecond
		frames = append(frames, frame{clock.Time(at), b[16 : 16+n]})
		b = b[16+n:]
	}
	return frames
}

// host returns the table of 10.9.0.<n>, announced already.
func host(t *testing.T, now clock.Time, n byte) *Table[int] {
	t.Helper()
	tun, h := Defaults(), new(Table[int])
	h.Bind(&tun, new(Stats))
	h.SetLink(now, Link{MAC: wire.MAC{2, 0, 0, 0, 0, 9 + n}, Up: true})
	h.AddAddress(now, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, 0, n}), 24))
	return h
}

func bytesOf(m *Message, src wire.MAC) []byte {
	b := make([]byte, MessageLen)
	m.Put(b, src)
	return b
}

// sent pulls everything and returns the frames sent and the packets flushed.
func sent(h *Table[int], now clock.Time) (frames [][]byte, packets []int) {
	var o Out[int]
	for h.Next(now, &o) {
		switch o.Kind {
		case SendMessage:
			frames = append(frames, bytesOf(&o.Message, h.link.MAC))
		case SendPacket:
			packets = append(packets, o.Packet)
		}
	}
	return frames, packets
}

// TestLinuxReplies lets both hosts hear every request of the captures and
// compares the answers byte for byte with Linux's.
func TestLinuxReplies(t *testing.T) {
	replies := 0
	for _, name := range []string{"arp_resolve_ping", "arp_unanswered_hostunreach", "arp_gratuitous_notify", "arp_nud_probe"} {
		frames := capture(t, name)
		hosts := []*Table[int]{host(t, frames[0].at, 1), host(t, frames[0].at, 2)}
		var expected [][]byte
		for _, f := range frames {
			e, _ := wire.ParseEther(f.b)
			if e.Type() != wire.EtherTypeARP {
				continue
			}
			if len(expected) > 0 {
				if !bytes.Equal(f.b, expected[0]) {
					t.Errorf("%s: reply\n%x, Linux's is\n%x", name, expected[0], f.b)
				}
				expected, replies = expected[1:], replies+1
			}
			for _, h := range hosts {
				if e.Dst() != h.link.MAC && !e.Dst().IsBroadcast() {
					continue
				}
				p, fault := wire.ParseARP(e.Payload())
				if fault != wire.OK {
					t.Fatal(fault)
				}
				if a := h.Input(f.at, &Frame{ARP: p}); a.Reply {
					expected = append(expected, bytesOf(&a.Message, h.link.MAC))
				}
			}
		}
		if len(expected) > 0 {
			t.Errorf("%s: a reply that Linux did not send: %x", name, expected[0])
		}
	}
	if replies != 8 {
		t.Errorf("%d replies compared", replies)
	}
}

// TestLinuxResolve asks as Linux asked and flushes when Linux's neighbour
// answers.
func TestLinuxResolve(t *testing.T) {
	f := capture(t, "arp_resolve_ping")
	h := host(t, f[0].at, 1)
	sent(h, f[0].at)
	if r := h.Resolve(f[0].at, addr("10.9.0.2"), 7, false); r.Verdict != Held {
		t.Fatalf("%+v", r)
	}
	if got, _ := sent(h, f[0].at); len(got) != 1 || !bytes.Equal(got[0], f[0].b) {
		t.Errorf("request %x, Linux's is %x", got, f[0].b)
	}
	h.Input(f[1].at, &Frame{ARP: wire.ARP(f[1].b[wire.EtherLen:])})
	if _, p := sent(h, f[1].at); len(p) != 1 || p[0] != 7 {
		t.Errorf("flushed %v", p)
	}
}

// TestLinuxUnanswered compares the requests to a silent host. Linux repeats
// them by itself, we by the sender's packets: one each second here.
func TestLinuxUnanswered(t *testing.T) {
	f := capture(t, "arp_unanswered_hostunreach")
	h := host(t, f[0].at, 1)
	sent(h, f[0].at)
	for i := range 3 {
		h.Resolve(f[i].at, addr("10.9.0.77"), i, false)
		if got, _ := sent(h, f[i].at); len(got) != 1 || !bytes.Equal(got[0], f[i].b) {
			t.Errorf("request %d: %x, Linux's is %x", i, got, f[i].b)
		}
	}
}

// TestLinuxGratuitous compares the announcement of a new address, and hears
// Linux's two.
func TestLinuxGratuitous(t *testing.T) {
	f := capture(t, "arp_gratuitous_notify")
	if got, _ := sent(host(t, 0, 2), 0); len(got) != 1 || !bytes.Equal(got[0], f[0].b) {
		t.Errorf("announcement %x, Linux's is %x", got, f[0].b)
	}
	h := host(t, f[0].at, 1)
	for _, f := range f {
		h.Input(f.at, &Frame{ARP: wire.ARP(f.b[wire.EtherLen:])})
	}
	if h.Len() != 1 {
		t.Error("an announcement made an entry")
	}
}
