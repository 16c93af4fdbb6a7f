package tester

import (
	"context"
	"testing"
)

func small() Receive {
	return Receive{
		Hosts: 30, Groups: MustGroups("232.1.1.1+3"), Seed: 1, Virtual: true, Bystanders: 5,
		Traffic: Traffic{Senders: 2, Rate: 20},
	}
}

func run(t *testing.T, c Receive) *Result {
	t.Helper()
	r, err := RunReceive(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReceivePasses runs the tester in simulated and in real time.
func TestReceivePasses(t *testing.T) {
	for _, virtual := range []bool{true, false} {
		c := small()
		c.Virtual = virtual
		r := run(t, c)
		t.Logf("%+v", r)
		if r.Verdict != Pass || r.Joins != 90 || r.Joined != 90 {
			t.Errorf("virtual %v: %+v", virtual, r)
		}
	}
}
