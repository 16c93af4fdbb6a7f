package command

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/client"
)

// TestPrintListening: what the lab of the transcript does not have, in the layout of
// ifmcstat (behaviour 9).
func TestPrintListening(t *testing.T) {
	a := netip.MustParseAddr
	var out strings.Builder
	printListening(&out, []client.Listening{
		{
			Interface: "epair0a", Index: 3, Address: a("192.0.2.1"), Protocol: "igmp", Version: 3, Silent: true,
			Robustness: 2, QueryInterval: 125 * time.Second, QueryResponse: 10 * time.Second, Unsolicited: 3 * time.Second,
			Groups: []client.Membership{
				{Group: a("224.0.0.1"), Mode: "exclude", Ether: "01:00:5e:00:00:01", State: "silent"},
				{Group: a("232.1.1.1"), Mode: "include", Sources: []netip.Addr{a("198.51.100.1"), a("198.51.100.2")}, State: "reporting", Left: time.Second, Pending: 1},
			},
		},
		{
			Interface: "epair0a", Index: 3, Address: a("fe80::1"), Protocol: "mld", Version: 1, UseAllow: true,
			Older:  []client.OlderQuerier{{Version: 1, Left: 250 * time.Second}},
			Groups: []client.Membership{{Group: a("ff02::1"), Mode: "exclude", State: "silent"}},
		},
	}, 2)
	const want = `epair0a:
	inet 192.0.2.1
	igmpv3 flags=1<SILENT> rv 2 qi 125 qri 10 uri 3 v1timer 0 v2timer 0 v3timer 0
		group 224.0.0.1 mode exclude state silent timer 0 rec 0
			mcast-macaddr 01:00:5e:00:00:01
		group 232.1.1.1 mode include srcs 198.51.100.1,198.51.100.2 state reporting timer 1 rec 1
	inet6 fe80::1%epair0a scopeid 0x3
	mldv1 flags=2<USEALLOW> v1timer 250 v2timer 0
		group ff02::1%epair0a scopeid 0x3 mode exclude state silent timer 0 rec 0
`
	if got := out.String(); got != want {
		t.Errorf("%s", firstDifference(want, got))
	}
}
