package vars_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
	"github.com/seed88948545/vimage/internal/vars"
)

// TestPagesArePlain: nothing in a page or a block of counters can be shared by
// accident.
func TestPagesArePlain(t *testing.T) {
	for _, page := range []reflect.Type{
		reflect.TypeFor[vars.Tunables](), reflect.TypeFor[vars.Hot](), reflect.TypeFor[vars.Cold](), reflect.TypeFor[vars.IP6](), reflect.TypeFor[ifnet.Stats](),
		reflect.TypeFor[arp.Stats](), reflect.TypeFor[icmp.Stats](), reflect.TypeFor[icmp.Stats6](), reflect.TypeFor[nd.Stats](), reflect.TypeFor[auto.Stats](), reflect.TypeFor[radv.Stats](), reflect.TypeFor[igmp.Stats](), reflect.TypeFor[igmp.Sent](), reflect.TypeFor[mld.Stats](), reflect.TypeFor[mld.RouterStats](), reflect.TypeFor[mroute.Stats](), reflect.TypeFor[vars.Transit](), reflect.TypeFor[vars.Transit6](), reflect.TypeFor[reass.Stats](),
		reflect.TypeFor[tcp.Stats](), reflect.TypeFor[loss.Stats](), reflect.TypeFor[syn.Stats](), reflect.TypeFor[wait.Stats](), reflect.TypeFor[vars.TCP](),
	} {
		for _, at := range shared(page, page.String()) {
			t.Error(at)
		}
	}
	if shared(reflect.TypeFor[struct{ a [2]struct{ m map[int]int } }](), "planted") == nil {
		t.Error("this test cannot fail")
	}
}

// shared lists what is not plain in a type.
func shared(page reflect.Type, at string) (list []string) {
	switch page.Kind() {
	case reflect.Struct:
		for i := range page.NumField() {
			list = append(list, shared(page.Field(i).Type, at+"."+page.Field(i).Name)...)
		}
		if strings.HasPrefix(page.PkgPath(), "sync") {
			list = append(list, at+" is a "+page.String())
		}
	case reflect.Array:
		list = shared(page.Elem(), at+"[]")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Bool:
	default:
		list = append(list, at+" is a "+page.String())
	}
	return list
}

// TestCounterNames: no two counters of a stack share a name, and every one is
// seen by name.
func TestCounterNames(t *testing.T) {
	seen := make(map[string]string)
	for _, block := range []reflect.Type{
		reflect.TypeFor[vars.Hot](), reflect.TypeFor[vars.Cold](), reflect.TypeFor[vars.IP6](),
		reflect.TypeFor[arp.Stats](), reflect.TypeFor[icmp.Stats](), reflect.TypeFor[icmp.Stats6](), reflect.TypeFor[nd.Stats](), reflect.TypeFor[auto.Stats](), reflect.TypeFor[radv.Stats](), reflect.TypeFor[igmp.Stats](), reflect.TypeFor[igmp.Sent](), reflect.TypeFor[mld.Stats](), reflect.TypeFor[mld.RouterStats](), reflect.TypeFor[mroute.Stats](), reflect.TypeFor[vars.Transit](), reflect.TypeFor[vars.Transit6](), reflect.TypeFor[reass.Stats](),
		reflect.TypeFor[tcp.Stats](), reflect.TypeFor[loss.Stats](), reflect.TypeFor[syn.Stats](), reflect.TypeFor[wait.Stats](), reflect.TypeFor[vars.TCP](),
	} {
		for i := range block.NumField() {
			f := block.Field(i)
			name := f.Tag.Get("stat")
			if name == "" {
				if f.Type.Kind() == reflect.Uint64 {
					t.Errorf("%v.%s has no name", block, f.Name)
				}
				continue
			}
			if other, ok := seen[name]; ok {
				t.Errorf("%s counts %v.%s and %s", name, block, f.Name, other)
			}
			seen[name] = block.String() + "." + f.Name
		}
	}
}
