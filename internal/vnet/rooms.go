package vnet

import (
	"reflect"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/proto/arp"
)

// rooms is what a shard's protocol rooms keep, made at the first event of any.
type rooms struct {
	arp arp.Stats
}

// gather adds what the rooms have counted.
func (ro *rooms) gather(all map[string]uint64) {
	gather(reflect.ValueOf(&ro.arp).Elem(), all)
}

func (sh *shard) room() *rooms {
	if sh.rooms == nil {
		sh.rooms = new(rooms)
	}
	return sh.rooms
}

// clear frees what the rooms of a closed stack still hold.
func (sh *shard) clear(r *netisr.Runner) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.rooms = nil
}
