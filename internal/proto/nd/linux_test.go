package nd

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

// The captures in testdata/linux show two Linux hosts: a at 02:00:00:00:00:0a
// with fe80::ff:fe00:a and fd09::1, b at 02:00:00:00:00:0b with fe80::ff:fe00:b
// and fd09::2.

type frame struct {
	at  clock.Time
	b   wire.Ether
	msg *Received // nil unless it is one of ours
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
		f := frame{at: clock.Time(at), b: wire.Ether(b[16 : 16+n])}
		if p, fault := wire.ParseIPv6(f.b.Payload()); fault == wire.OK && p.NextHeader() == wire.ProtoICMPv6 {
			switch r := parse(t, f.b.Payload(), f.b.Src()); r.ICMP.Type() {
			case wire.ICMP6NeighborSolicit, wire.ICMP6NeighborAdvert, wire.ICMP6Redirect:
				f.msg = r
				r.SumOK = r.ICMP.ChecksumOK(r.Src, r.Dst)
			}
		}
		frames = append(frames, f)
		b = b[16+n:]
	}
	return frames
}

// frameOf writes a message as the frame a Linux host would send.
func frameOf(m *Message, src wire.MAC) []byte {
	b := make([]byte, wire.EtherLen+m.Len())
	wire.PutEther(b, m.DstMAC, src, wire.EtherTypeIPv6)
	m.Put(b[wire.EtherLen:])
	wire.ICMP6(b[wire.EtherLen+wire.IPv6Len:]).SetChecksum(m.Src, m.Dst)
	return b
}

// linux returns one of the two hosts, with its addresses in use.
func linux(t *testing.T, now clock.Time, n byte) *Table[int] {
	t.Helper()
	h := host(uint64(n), n)
	h.AddAddress(now, netip.MustParseAddr("fe80::ff:fe00:"+string(rune('a'+n-10))), NoDAD)
	h.AddAddress(now, netip.MustParseAddr("fd09::"+string(rune('1'+n-10))), NoDAD)
	h.Settle()
	return h
}

// TestLinuxAnswers lets the two hosts hear every message of the captures and
// compares the answers byte for byte with Linux's. Where the question was sent to
// one host alone Linux leaves out what RFC 4861 §7.2.4 lets it leave out, the link
// address, and Override, which it should not: there the rest must agree.
func TestLinuxAnswers(t *testing.T) {
	same, shorter := 0, 0
	for _, name := range []string{"ndp_resolve_ping6_nud", "ndp_unanswered", "ndp_dad_conflict"} {
		frames := capture(t, name)
		hosts := []*Table[int]{linux(t, frames[0].at, 10), linux(t, frames[0].at, 11)}
		if name == "ndp_dad_conflict" {
			hosts[1].DelAddress(addr("fd09::2")) // it wants fd09::1
		}
		var expected [][]byte
		for _, f := range frames {
			if f.msg == nil {
				continue
			}
			if f.msg.ICMP.Type() == wire.ICMP6NeighborAdvert && len(expected) > 0 {
				want := expected[0]
				expected = expected[1:]
				if wire.Ether(want).Dst().IsMulticast() || len(f.b) == len(want) {
					same++
					if !bytes.Equal(want, f.b) {
						t.Errorf("%s: ours  %x\nLinux %x", name, want, f.b)
					}
				} else {
					shorter++
					compareShort(t, want, f.b)
				}
			}
			for _, h := range hosts {
				if h.link.MAC == f.msg.SrcMAC {
					continue
				}
				a := h.Input(f.at, f.msg)
				if a.Drop.bad() {
					t.Errorf("%s: %v", name, a.Drop)
				}
				if a.Reply {
					expected = append(expected, frameOf(&a.Message, h.link.MAC))
				}
				settle(h, f.at)
			}
		}
		if len(expected) > 0 {
			t.Errorf("%s: %d answers that Linux did not give", name, len(expected))
		}
	}
	if same != 2 || shorter != 2 {
		t.Errorf("compared %d and %d answers", same, shorter)
	}
}

func compareShort(t *testing.T, ours, theirs []byte) {
	t.Helper()
	const body = wire.EtherLen + wire.IPv6Len
	a, b := ours[body:], theirs[body:]
	if !bytes.Equal(ours[:wire.EtherLen+4], theirs[:wire.EtherLen+4]) || !bytes.Equal(ours[wire.EtherLen+6:body], theirs[wire.EtherLen+6:body]) ||
		a[0] != b[0] || a[4]&^wire.NAOverride != b[4] || !bytes.Equal(a[8:24], b[8:24]) || len(b) != wire.NeighborAdvertLen {
		t.Errorf("ours  %x\nLinux %x", ours, theirs)
	}
}

// TestLinuxQuestions resolves and probes whom Linux did and compares the
// questions byte for byte.
func TestLinuxQuestions(t *testing.T) {
	for _, c := range []struct {
		name, ip string
		from     byte
		frame    int
	}{
		{"ndp_resolve_ping6_nud", "fd09::2", 10, 0},
		{"ndp_unanswered", "fd09::77", 10, 0},
		{"ndp_unanswered", "fd09::77", 10, 1},
		{"ndp_unanswered", "fd09::77", 10, 2},
	} {
		frames := capture(t, c.name)
		now := frames[0].at
		h := linux(t, now, c.from)
		h.Resolve(now, addr(c.ip), addr("fd09::1"), 1, false)
		var sent [][]byte
		var o Out[int]
		for range 3 {
			for h.Next(now, &o) {
				if o.Kind == SendMessage {
					sent = append(sent, frameOf(&o.Message, h.link.MAC))
				}
			}
			now = h.Deadline()
		}
		if !bytes.Equal(sent[c.frame], frames[c.frame].b) {
			t.Errorf("%s: ours  %x\nLinux %x", c.name, sent[c.frame], frames[c.frame].b)
		}
	}
}

// TestLinuxProbes: b probes a five seconds after it was asked by it, as Linux
// does, with the same bytes.
func TestLinuxProbes(t *testing.T) {
	frames := capture(t, "ndp_resolve_ping6_nud")
	now := frames[0].at
	b := linux(t, now, 11)
	b.Input(now, frames[0].msg)
	settle(b, now)
	if r := b.Resolve(now, addr("fd09::1"), addr("fe80::ff:fe00:b"), 1, false); r.Verdict != Send {
		t.Fatal("a is not known")
	}
	settle(b, now)
	at := b.Deadline()
	var o Out[int]
	if !b.Next(at, &o) || o.Kind != SendMessage || at.Sub(now) != 5*time.Second {
		t.Fatalf("%v after %v", o.Kind, at.Sub(now))
	}
	if got := frameOf(&o.Message, b.link.MAC); !bytes.Equal(got, frames[6].b) {
		t.Errorf("ours  %x\nLinux %x", got, frames[6].b)
	}
}

// TestLinuxDetection compares the questions that find duplicates, but for the
// nonce: ours are as random as Linux's.
func TestLinuxDetection(t *testing.T) {
	compared := 0
	for _, name := range []string{"ndp_linkup_dad_mld_rs", "ndp_dad_conflict", "ndp_unsolicited_na"} {
		for _, f := range capture(t, name) {
			if f.msg == nil || !f.msg.Src.IsUnspecified() {
				continue
			}
			m, fault := wire.ParseNeighborSolicit(f.msg.ICMP)
			if fault != wire.OK || !f.msg.SumOK {
				t.Fatal(fault)
			}
			nonce, ok := m.Options().Find(wire.NDNonce)
			if !ok {
				t.Fatal("no nonce")
			}
			h := host(1, f.msg.SrcMAC[5])
			h.AddAddress(f.at, m.Target(), 0)
			var o Out[int]
			if !h.Next(f.at, &o) || o.Kind != SendMessage || o.Message.Nonce == [6]byte{} {
				t.Fatal("no question")
			}
			o.Message.Nonce = [6]byte(nonce.Nonce())
			if got := frameOf(&o.Message, h.link.MAC); !bytes.Equal(got, f.b) {
				t.Errorf("ours  %x\nLinux %x", got, f.b)
			}
			compared++
		}
	}
	if compared != 5 {
		t.Errorf("compared %d questions", compared)
	}
}

// TestLinuxUnsolicited: what ndisc_notify sends is what an address is announced
// with when an interface comes up (RFC 4861 §7.2.6).
func TestLinuxUnsolicited(t *testing.T) {
	var want frame
	for _, f := range capture(t, "ndp_unsolicited_na") {
		if f.msg != nil && f.msg.ICMP.Type() == wire.ICMP6NeighborAdvert {
			want = f
		}
	}
	h := New[int](1)
	tun := Defaults()
	h.Bind(&tun, new(Stats))
	h.AddAddress(0, addr("fe80::ff:fe00:b"), NoDAD)
	settle(h, 0)
	h.SetLink(0, Link{MAC: wire.MAC{2, 0, 0, 0, 0, 11}, Up: true})
	var o Out[int]
	if !h.Next(0, &o) || o.Kind != SendMessage {
		t.Fatal("nothing is announced")
	}
	if got := frameOf(&o.Message, h.link.MAC); !bytes.Equal(got, want.b) {
		t.Errorf("ours  %x\nLinux %x", got, want.b)
	}
}
