package jail

import "testing"

func TestCred(t *testing.T) {
	for p := range NumPrivs {
		if !(Cred{}).Allows(p) {
			t.Errorf("jail 0 may not do %d", p)
		}
	}
	c := Cred{}.Without(RawSocket, Firewall)
	for p := range NumPrivs {
		if want := p != RawSocket && p != Firewall; c.Allows(p) != want {
			t.Errorf("privilege %d: %v", p, !want)
		}
	}
}
