package loss

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// TestRelease: once nothing is outstanding, a timeout later, nothing is kept and
// no timer runs.
func TestRelease(t *testing.T) {
	k := newBulk(1448)
	if k.s.Deadline() != clock.Never || k.s.q != nil {
		t.Error("something is kept before the first segment")
	}
	k.send()
	k.send()
	if w := k.s.Waiting(k.now.Add(time.Second)); w < time.Second || w > time.Second+time.Millisecond {
		t.Errorf("waiting for %v", w)
	}
	k.acked()
	k.acked()
	if k.s.Waiting(k.now) != 0 {
		t.Error("waiting for nothing")
	}
	at := k.s.Deadline()
	if at > k.now.Add(2*time.Second) {
		t.Errorf("released at %v, now is %v", at, k.now)
	}
	if ev := k.s.Expire(&k.e, at); ev != Nothing {
		t.Errorf("event %d", ev)
	}
	if k.s.Deadline() != clock.Never || k.s.q != nil || k.stat.Timeouts != 0 {
		t.Error("something is kept")
	}
	k.send()
	if k.s.Outstanding() != 1448 || k.s.Deadline() == clock.Never {
		t.Error("it does not go on")
	}
}

// TestInfo: what TCP_INFO shows of a paced transfer at a steady rate.
func TestInfo(t *testing.T) {
	p := path{rate: 1_250_000, delay: 20 * time.Millisecond, queue: 50_000, name: "newreno", pace: true}
	s := newSim(t, p, 1)
	s.run(5*time.Second, time.Second, func() {})
	var i Info
	s.s.Info(&s.e, s.now, &i)
	if got := float64(i.DeliveryRate) / 1_250_000 * 1500 / 1448; got < 0.9 || got > 1.1 {
		t.Errorf("delivery rate %d", i.DeliveryRate)
	}
	if i.MinRTT < 20*time.Millisecond || i.MinRTT > 23*time.Millisecond || i.RTT < i.MinRTT || i.RTO < 200*time.Millisecond {
		t.Errorf("round trips: %+v", i)
	}
	if i.PacingRate < 1_000_000 || i.Delivered < 5*1_000_000 || i.Control != "newreno" || i.MSS != 1448 || !i.SACK {
		t.Errorf("%+v", i)
	}
	s.s.SetControl("cubic")
	s.s.SetMSS(1000)
	s.s.Info(&s.e, s.now, &i)
	if i.Control != "cubic" || i.MSS != 1000 {
		t.Errorf("%+v", i)
	}
}
