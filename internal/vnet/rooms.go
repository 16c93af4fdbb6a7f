package vnet

import (
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/proto/arp"
)

// rooms is what a shard's protocol rooms keep, made at the first event of any.
type rooms struct {
	arp arp.Stats
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
