package watch

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestAskFrames sends every kind of query, and reads it back without a word of
// criticism.
func TestAskFrames(t *testing.T) {
	tests := []struct {
		protocol, from, group, sources string
		resp                           time.Duration
		want                           string
	}{
		{"igmpv1", "10.0.0.9", "", "", time.Second, "IGMPv1 query: all groups, max response 10 s"},
		{"igmpv2", "10.0.0.9", "", "", 1250 * time.Millisecond, "IGMPv2 query: all groups, max response 1.2 s"},
		{"igmpv2", "10.0.0.9", "239.1.1.1", "", 0, "IGMPv2 query: 239.1.1.1, max response 0.1 s"},
		{"igmpv3", "10.0.0.9", "", "", 10 * time.Second, "IGMPv3 query: all groups, max response 10 s, QRV 3, QQI 125 s, S"},
		{"IGMPv3", "0.0.0.0", "232.1.1.1", "10.0.0.1 10.0.0.2", time.Minute, "IGMPv3 query: 232.1.1.1 of {10.0.0.1, 10.0.0.2}, max response 57.6 s, QRV 3, QQI 125 s, S"},
		{"mldv1", "fe80::9", "", "", 1234 * time.Millisecond, "MLDv1 query: all groups, max response 1.234 s"},
		{"mldv1", "fe80::9", "ff3e::1", "", 65535 * time.Millisecond, "MLDv1 query: ff3e::1, max response 65.535 s"},
		{"mldv2", "fe80::9", "", "", time.Second, "MLDv2 query: all groups, max response 1 s, QRV 3, QQI 125 s, S"},
		{"mldv2", "fe80::9", "ff3e::1", "2001:db8::1", time.Hour, "MLDv2 query: ff3e::1 of {2001:db8::1}, max response 3599.872 s, QRV 3, QQI 125 s, S"},
	}
	for _, tc := range tests {
		a := Ask{From: ip(tc.from), Sources: ips(tc.sources), MaxResp: tc.resp, Robustness: 3, Interval: 125 * time.Second, Suppress: true}
		if tc.group != "" {
			a.Group = ip(tc.group)
		}
		var err error
		if a.Six, a.Version, err = ParseProtocol(tc.protocol); err != nil {
			t.Fatal(err)
		}
		if err := a.Check(); err != nil {
			t.Errorf("%s: %v", tc.want, err)
			continue
		}
		w := New(Config{})
		f := a.Frame(wire.MAC{2, 0, 0, 0, 0, 9})
		w.Frame(0, Ethernet, f, len(f))
		var e Event
		if !w.Next(&e) || e.asked() != tc.want || e.Host != a.From {
			t.Errorf("%s, want %s", &e, tc.want)
		}
		if w.Next(&e) {
			t.Errorf("%s: %s", tc.want, &e)
		}
		if said := a.Response().Seconds(); a.Version > 1 && tc.resp > 0 && said != e.Query.MaxResp {
			t.Errorf("%s: response %v", tc.want, said)
		}
	}
}

func TestAskCheck(t *testing.T) {
	good := Ask{Version: 3, From: ip("10.0.0.1"), Group: ip("232.1.1.1"), MaxResp: time.Second}
	six := Ask{Six: true, Version: 2, From: ip("fe80::1"), Group: ip("ff3e::1"), MaxResp: time.Second}
	for want, change := range map[string]func(*Ask){
		"": func(*Ask) {},
		"from invalid IP: IGMPv3 is sent from an IPv4 address": func(a *Ask) { a.From = netip.Addr{} },
		"from fe80::1: IGMPv3 is sent from an IPv4 address":    func(a *Ask) { a.From = ip("fe80::1") },
		"group 10.1.1.1: must be an IPv4 multicast address":    func(a *Ask) { a.Group = ip("10.1.1.1") },
		"such as 232.1.1.1":                                           func(a *Ask) { a.Group = ip("ff3e::1") },
		"IGMPv1 asks about all groups only":                           func(a *Ask) { a.Version = 1 },
		"sources: IGMPv2 knows none":                                  func(a *Ask) { a.Version, a.Sources = 2, ips("10.1.1.1") },
		"sources: name the group":                                     func(a *Ask) { a.Group, a.Sources = netip.Addr{}, ips("10.1.1.1") },
		"sources: 367, at most 366 fit":                               func(a *Ask) { a.Sources = ips(strings.Repeat("10.1.1.1 ", 367)) },
		"source 232.1.1.1: must be an IPv4 address of a host":         func(a *Ask) { a.Sources = ips("232.1.1.1") },
		"max response 1h0m0s: IGMPv3 can say 0s to 52m54.4s":          func(a *Ask) { a.MaxResp = time.Hour },
		"robustness 8":                                                func(a *Ask) { a.Robustness = 8 },
		"interval -1s":                                                func(a *Ask) { a.Interval = -time.Second },
		"from 2001:db8::1: MLD is sent from a link-local address":     func(a *Ask) { *a = six; a.From = ip("2001:db8::1") },
		"sources: 90, at most 89 fit":                                 func(a *Ask) { *a = six; a.Sources = ips(strings.Repeat("fd00::1 ", 90)) },
		"max response 1m5.536s: MLDv1 can say 0s to 1m5.535s":         func(a *Ask) { *a = six; a.Version, a.MaxResp = 1, 65536*time.Millisecond },
		"max response 26s: IGMPv2 can say 0s to 25.5s":                func(a *Ask) { a.Version, a.MaxResp = 2, 26*time.Second },
		"max response 2h19m47.585s: MLDv2 can say 0s to 2h19m47.584s": func(a *Ask) { *a = six; a.MaxResp = 8387585 * time.Millisecond },
	} {
		a := good
		change(&a)
		if err := a.Check(); fmt.Sprint(err) == "<nil>" != (want == "") || !strings.Contains(fmt.Sprint(err), want) && want != "" {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, _, err := ParseProtocol("igmp"); err == nil {
		t.Error("igmp is a version")
	}
}

// answered asks at 0 and lets host i answer after delays[i].
func answered(t *testing.T, delays []time.Duration, records ...string) *Answers {
	ask := &Ask{Version: 3, From: ip("10.0.0.200"), MaxResp: time.Second, Robustness: 2, Interval: 20 * time.Second}
	w := &world{New(Config{Records: true}), t, 0}
	a := NewAnswers(ask)
	pull := func() {
		var e Event
		for w.Next(&e) {
			a.Event(&e)
		}
	}
	w.frame(ask.Frame(wire.MAC{2, 0, 0, 0, 0, 200}))
	pull()
	for i, d := range delays {
		w.at = int64(d)
		w.reports(byte(i+1), records...)
		pull()
	}
	a.End()
	return a
}

func TestAnswers(t *testing.T) {
	var even, early []time.Duration
	for i := range 20 {
		even = append(even, time.Duration(i)*50*time.Millisecond+25*time.Millisecond)
		early = append(early, time.Duration(i)*5*time.Millisecond)
	}
	a := answered(t, even, isIn+"10.9.0.1", toEx)
	if a.Hosts != 20 || len(a.Answers) != 20 || a.Spread == nil || !a.Spread.OK || len(a.Suspicious) != 0 {
		t.Errorf("%+v", a)
	}
	if want := (Delays{25, 525, 925, 975, 975}); a.Delay != want {
		t.Errorf("delays %v, want %v", a.Delay, want)
	}
	if a := answered(t, early, isEx); a.Spread == nil || a.Spread.OK {
		t.Errorf("all at the beginning: %+v", a.Spread)
	}
	if a := answered(t, even[:7], isEx); a.Spread != nil {
		t.Errorf("too few to judge: %+v", a.Spread)
	}
	a = answered(t, []time.Duration{0, 1100 * time.Millisecond}, isEx)
	if a.Hosts != 2 || len(a.Suspicious) != 1 || !strings.Contains(a.Suspicious[0].Reason, "after 1100.000 ms") {
		t.Errorf("late: %+v", a.Suspicious)
	}
	if a := answered(t, nil); a.Hosts != 0 || a.Delay != (Delays{}) {
		t.Errorf("nobody: %+v", a)
	}
}
