package arp

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/wire"
)

// Announcement returns the gratuitous request that tells a link that ip is at
// mac: what a table sends first when it is given an address. An interface that
// has no table yet, because nothing had to be resolved, sends this instead.
func Announcement(mac wire.MAC, ip netip.Addr) Message {
	return Message{Dst: wire.BroadcastMAC(), Op: wire.ARPRequest, SenderMAC: mac, SenderIP: ip, TargetIP: ip}
}

// Settle discards what Next would yield: the announcements of a table that was
// made after its interface had announced its addresses.
func (t *Table[P]) Settle() {
	for t.head != nil {
		t.head.todo = 0
		t.unpend()
	}
}
