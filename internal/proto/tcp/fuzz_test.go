package tcp

import (
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// states brings a connection into each state that it can be in.
var states = [...]struct {
	state State
	run   []string
}{
	{SYNSENT, []string{"connect"}},
	{SYNRCVD, []string{"connect", "< S 0:0(0) <mss 1460,sackOK,TS 1 0,ws 7>"}},
	{SYNRCVD, []string{"accept fastopen data=10 sack ts=1 ws=3", "write 100"}},
	{SYNRCVD, []string{"accept"}},
	{ESTABLISHED, []string{"established sack ts=1 ws=7 ecn", "write 5000", "< . 1461:2921(1460) ack 1 <TS 2 1>"}},
	{ESTABLISHED, []string{"established win=0", "write 5000", "+1s"}},
	{ESTABLISHED, []string{"established", "urgent 5", "< P. 1:101(100) ack 1"}},
	{CLOSEWAIT, []string{"established", "< F. 1:1(0) ack 1", "write 100"}},
	{FINWAIT1, []string{"established sack", "write 3000 &", "shutdown"}},
	{CLOSING, []string{"established", "shutdown", "< F. 1:1(0) ack 1"}},
	{LASTACK, []string{"established", "< F. 1:1(0) ack 1", "shutdown"}},
	{FINWAIT2, []string{"established", "shutdown", "< . 1:1(0) ack 2"}},
	{FINWAIT2, []string{"established", "close", "< . 1:1(0) ack 2"}},
	{TIMEWAIT, []string{"established", "shutdown", "< F. 1:1(0) ack 2"}},
}

func TestStates(t *testing.T) {
	for _, st := range states {
		s := newScript(t)
		for _, line := range st.run {
			s.run(line)
		}
		if got := s.c.State(); got != st.state {
			t.Errorf("%v: %v, want %v", st.run, got, st.state)
		}
	}
}

// FuzzInput gives every state segments near what it expects, and time.
func FuzzInput(f *testing.F) {
	f.Add(uint8(4), []byte{0, 1, 0x10, 0, 5, 10, 0, 1, 0x18, 2, 3, 4})
	f.Add(uint8(0), []byte{0, 0, 0x12, 1, 1, 0, 9, 9, 9, 9, 9, 9})
	f.Add(uint8(8), []byte{3, 1, 0x11, 0, 200, 0})
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		s := newScript(t)
		for _, line := range states[int(which)%len(states)].run {
			s.run(line)
		}
		offs := [...]int{0, 1, -1, 2, 100, 1460, 65535, -65535, 1 << 20, 1 << 30, -1 << 31, 3}
		for len(b) >= 6 {
			h := wire.TCPHeader{
				Seq:   s.c.rcvNxt.Add(offs[int(b[0])%len(offs)]),
				Ack:   s.c.snd.Una().Add(offs[int(b[1])%len(offs)]),
				Flags: wire.TCPFlags(b[2]), Window: uint16(b[3]) << (b[3] % 8), Urgent: uint16(b[5]),
			}
			if h.Seq == s.c.rcvNxt && b[3]&0x40 != 0 {
				h.Ack = s.c.snd.Nxt()
			}
			o := &h.Options
			if b[5]&1 != 0 {
				o.HasTime, o.TSVal, o.TSEcr = true, s.c.tsRecent+uint32(int32(int8(b[4]))), uint32(b[3])
			}
			if b[5]&2 != 0 {
				o.NSACK = 1 + b[4]%4
				for i := range o.SACK {
					o.SACK[i] = wire.SACKBlock{Start: h.Ack.Add(int(b[4]) * i), End: h.Ack.Add(int(b[3]) * (i + 1))}
				}
			}
			var ev Event
			n := int(b[4]) * int(b[4]) % 70000
			s.c.Input(s.env(), s.now, &h, n, ECN(b[5]>>6), &ev)
			check(t, s, &ev, n)
			if b[5]&4 != 0 {
				s.c.Read(s.c.rcvOff)
			}
			if b[5]&8 != 0 && !s.c.fin {
				s.c.Wrote(int(b[4]))
			}
			s.pull()
			if b[5]&16 != 0 {
				s.pass(1 << (20 + b[3]%14))
			}
			s.out.Reset()
			b = b[6:]
		}
	})
}

// check looks at what must always be true.
func check(t *testing.T, s *script, ev *Event, n int) {
	c := s.c
	switch {
	case ev.From < 0 || ev.To < ev.From || ev.To > n:
		t.Fatalf("keeps [%d,%d) of %d", ev.From, ev.To, n)
	case ev.To > ev.From && ev.At+uint64(ev.To-ev.From) > c.rcvOff+uint64(max(c.rcvAdv.Sub(c.rcvNxt), 0)):
		t.Fatalf("keeps beyond the window: %d+%d, %d", ev.At, ev.To-ev.From, c.rcvOff)
	case ev.Acked < 0 || c.rcvAdv.Less(c.rcvNxt) || c.OOO() < 0 || c.OOO() > s.ooo:
		t.Fatalf("%+v, window %d, out of order %d", ev, c.rcvAdv.Sub(c.rcvNxt), c.OOO())
	}
	if c.held != nil {
		sum, last := 0, c.rcvNxt
		for _, k := range c.held.spans {
			if !last.Less(k.from) || !k.from.Less(k.to) {
				t.Fatalf("spans %v after %d", c.held.spans, c.rcvNxt)
			}
			sum, last = sum+k.to.Sub(k.from), k.to
		}
		if sum != c.held.bytes {
			t.Fatalf("%d bytes in %v", c.held.bytes, c.held.spans)
		}
	}
	if c.Deadline() != clock.Never && c.state == CLOSED {
		t.Fatal("a closed connection waits for something")
	}
}
