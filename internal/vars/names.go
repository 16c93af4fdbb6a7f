package vars

import (
	"reflect"
	"slices"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/proto/pmtu"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
)

// CounterNames returns every name that Counters may return, sorted.
func CounterNames() []string {
	var all []string
	for _, block := range []any{Hot{}, Cold{}, IP6{}, arp.Stats{}, igmp.Stats{}, igmp.Sent{}, igmp.RouterStats{}, mld.Stats{}, mld.RouterStats{}, mroute.Stats{}, Transit{}, Transit6{}, icmp.Stats{}, icmp.Stats6{}, nd.Stats{}, auto.Stats{}, radv.Stats{}, reass.Stats{}, pmtu.Stats{},
		TCP{}, tcp.Stats{}, loss.Stats{}, syn.Stats{}, wait.Stats{}} {
		t := reflect.TypeOf(block)
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("stat"); name != "" {
				all = append(all, name)
			}
		}
	}
	for why := pkt.NoReason + 1; why < pkt.NumReasons; why++ {
		all = append(all, "drop."+why.String())
	}
	slices.Sort(all)
	return slices.Compact(all)
}
