package vars

import (
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
)

// Here the rooms' counters are put together as a shard keeps them: in blocks that
// are made when one of their rooms has something to count.

// Four is what is counted as soon as a group is listened to on a link; the rest
// when it is needed.
type Four struct {
	Sent  igmp.Sent
	IGMP  *igmp.Stats       // nil before a message came in
	ARP   *arp.Stats        // nil before it is needed
	Query *igmp.RouterStats // likewise
}

// Six is what is counted as soon as IPv6 is spoken.
type Six struct {
	IP6
	ND    nd.Stats
	MLD   mld.Stats
	Auto  *auto.Stats      // nil before it is needed
	Query *mld.RouterStats // likewise
	Radv  *radv.Stats      // likewise
}

// Segments is what is counted of TCP.
type Segments struct {
	Path  TCP
	Conn  tcp.Stats
	Loss  loss.Stats
	SYNs  syn.Stats
	Waits wait.Stats
}

// Drops adds the packets that were lost to all, by reason under "drop.…".
func (s *Cold) Drops(all map[string]uint64) {
	for why, n := range s.DroppedFrames {
		if n != 0 && pkt.Reason(why) != pkt.QueueFull { // the queue itself counts those
			all["drop."+pkt.Reason(why).String()] += n
		}
	}
}
