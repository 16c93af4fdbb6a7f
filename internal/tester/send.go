package tester

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/link"
)

// Send says what hosts on a wire send.
type Send struct {
	Groups Groups
	Port   int // of UDP; 0 means 5000
	Traffic
	For      time.Duration // 0: until Count, or until ctx ends
	Net      netip.Prefix
	Source   netip.Addr // of the first sender; the others follow; none: the last of Net
	Seed     uint64
	Open     func() (link.Device, error)
	Progress func(stage string, done, of int)
}

// Ready fills in defaults and returns what is wrong with the options, or nil.
func (c *Send) Ready() error {
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	if c.Port == 0 {
		c.Port = defaultPort
	}
	if c.TTL == 0 {
		c.TTL = 1
	}
	if c.Size == 0 {
		c.Size = PayloadLen
	}
	var m mistakes
	if err := c.Groups.Check(); err != nil {
		m = append(m, err)
	}
	m.limit("port", c.Port, 1, 65535)
	c.Traffic.check(&m)
	if c.For < 0 || c.For > maxTime {
		m.add("for %v: must be 0s to %v", c.For, maxTime)
	}
	if !c.Net.IsValid() || c.Net.Addr().Is4() != c.Groups.First.Is4() || c.Net.Addr().IsMulticast() {
		m.add("net %v: must be a prefix of the groups' family, such as %s", c.Net, exampleNet(c.Groups.First))
	}
	if len(m) == 0 {
		c.place(&m)
	}
	return m.err()
}

// place chooses the senders' addresses, or looks whether they are right.
func (c *Send) place(m *mistakes) {
	room := c.Net.Addr().BitLen() - c.Net.Bits()
	if room < 2 || room < 20 && c.Senders > 1<<room-2 {
		m.add("net %v: has no room for %d senders", c.Net, c.Senders)
		return
	}
	if !c.Source.IsValid() {
		c.Source = lastOf(c.Net, c.Senders)
	}
	last := plus(c.Source, c.Senders-1)
	if !c.Net.Contains(c.Source) || !c.Net.Contains(last) {
		m.add("source %v: it and those of the other %d senders must be in %v", c.Source, c.Senders-1, c.Net)
	}
}

// lastOf returns the first of the last n addresses of a net that hosts may have.
func lastOf(net netip.Prefix, n int) netip.Addr {
	b := net.Masked().Addr().AsSlice()
	for i := net.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	for range n { // the last of IPv4 is the broadcast address
		a = a.Prev()
	}
	return a
}

// RunSend sends and returns what was sent. Where ctx ends first, that is no
// error if there is no other end: neither For nor Count.
func RunSend(ctx context.Context, c Send) (*Sent, error) {
	if err := c.Ready(); err != nil {
		return nil, err
	}
	t, err := newTest(ctx, Receive{
		Groups: c.Groups, Port: c.Port, Traffic: c.Traffic, Net: c.Net, Seed: c.Seed,
		Open: c.Open, For: c.For, Progress: c.Progress,
	})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	seg, err := Plug(t.Lab, "wire", c.Net, c.Open, nil)
	if err != nil {
		return nil, err
	}
	for i := range c.Senders {
		s, err := t.onWire(fmt.Sprintf("sender%d", i), seg, plus(c.Source, i))
		if err != nil {
			return nil, err
		}
		if err := t.addSender(s); err != nil {
			return nil, err
		}
	}
	if err := t.sendAll(); err != nil && (c.For != 0 || c.Count != 0) {
		return nil, err
	}
	return t.sent(c.Rate), nil
}

// sendAll sends until nothing is left, or time is up.
func (t *test) sendAll() error {
	t.start = t.World.Now()
	d := &t.driver
	d.start(t)
	end := t.For
	if end == 0 {
		end = maxTime * 365
	}
	var shown time.Time
	for d.sending() {
		now := t.World.Now().Sub(t.start)
		if now >= end {
			break
		}
		d.work(now)
		if time.Since(shown) > 50*time.Millisecond {
			shown = time.Now()
			t.Progress("sending, seconds", int(now.Seconds()), int(t.For.Seconds()))
		}
		if err := t.sleep(d.next(end)); err != nil {
			return err
		}
	}
	t.World.Settle()
	return nil
}

// sent adds up what was sent.
func (t *test) sent(rate float64) *Sent {
	ran := t.World.Now().Sub(t.start).Seconds()
	s := &Sent{
		Where: "wire", Seed: t.Seed, Groups: t.Groups.String(), Size: t.Size, Rate: rate,
		Behind: ms(t.driver.behind), Elapsed: time.Since(t.began).Seconds(), Verdict: Pass,
	}
	for _, x := range t.senders {
		s.Sources = append(s.Sources, SentRow{x.addr.String(), x.total})
		s.Sent += x.total
		s.Refused += x.refused
	}
	if ran > 0 {
		s.Reached = float64(s.Sent) / ran / float64(len(t.senders)*t.Groups.Count)
	}
	if s.Refused > 0 || s.Sent == 0 {
		s.Verdict = Fail
	}
	return s
}
