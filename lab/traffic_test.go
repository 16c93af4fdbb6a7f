//go:build !novimage

package lab_test

import (
	"net"
	"testing"
	"time"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// TestTraffic counts the same datagrams on links of all sorts: between hosts, hosts and
// switches, and two switches; with faults from the beginning, and later ones.
func TestTraffic(t *testing.T) {
	lossy := link.FaultConfig{Loss: 0.5, Seed: 1}
	for name, faults := range map[string]link.FaultConfig{"perfect": {}, "faults": {Delay: time.Millisecond}, "lossy": lossy} {
		t.Run(name, func(t *testing.T) {
			n := lab.NewConfig(t, lab.Config{Simulated: true})
			a, b := n.Host("a"), n.Host("b")
			s := n.Switch("s")
			u := n.Switch("u", lab.SwitchConfig{Within: s})
			links := []*lab.Link{n.Link(a, s), n.Link(s, u, lab.LinkConfig{FaultConfig: faults}), n.Link(b, u)}
			trunk := links[1]
			sock, err := b.ListenPacket("udp4", ":5000")
			if err != nil {
				t.Fatal(err)
			}
			send := func(each time.Duration) {
				t.Helper()
				for range 100 {
					if _, err := sock.WriteTo([]byte("b"), &net.UDPAddr{IP: a.Addr().AsSlice(), Port: 9}); err != nil {
						t.Fatal(err)
					}
					n.Run(each)
				}
			}
			send(time.Second) // so that they know each other, whatever is lost
			before := links[2].Traffic()[1]
			send(10 * time.Millisecond)
			if sent := links[2].Traffic()[1]; sent.Packets != before.Packets+100 || sent.Bytes != before.Bytes+100*43 || sent.Lost != 0 {
				t.Errorf("b has sent %+v to its switch, and before %+v", sent, before)
			}
			toward, came := trunk.Traffic(), links[0].Traffic()[0]
			if got := toward[0]; got.Packets != came.Packets || got.Bytes != came.Bytes || got.Packets < 50 {
				t.Errorf("of the trunk came %+v, of the last link %+v", got, came)
			}
			if lost := toward[0].Lost; lost > 0 != (name == "lossy") {
				t.Errorf("%d lost", lost)
			}
			if trunk.IsCut() {
				t.Error("it is cut")
			}
			if err := trunk.Cut(); err != nil {
				t.Fatal(err)
			}
			send(10 * time.Millisecond)
			after := trunk.Traffic()
			if !trunk.IsCut() || after[0].Packets != toward[0].Packets || after[0].Lost < toward[0].Lost+50 {
				t.Errorf("cut: %+v after %+v", after, toward)
			}
			if err := trunk.Heal(); err != nil || trunk.IsCut() {
				t.Errorf("healed: %v", err)
			}
		})
	}
}
