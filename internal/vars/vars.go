// Package vars composes what the protocols of a stack may be told and what they
// count: the tunables and statistics that each room declares beside its code,
// and those of the network and transport layers, which have no room.
package vars

import (
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/pmtu"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
	"github.com/seed88948545/vimage/internal/proto/tunnel"
	"github.com/seed88948545/vimage/internal/wire"
)

// Tunables is the V_ page: every tunable of a stack, each declared by its room.
// A page is immutable once a stack uses it: changing a value makes a new page.
type Tunables struct {
	IP  IPTunables
	IP6 IP6Tunables
	UDP UDPTunables
	ARP arp.Tunables

	ICMP   icmp.Tunables
	ICMP6  icmp.Tunables6
	IGMP   igmp.Tunables
	Query  igmp.RouterTunables
	MLD    mld.Tunables
	Query6 mld.RouterTunables
	ND     nd.Tunables
	Auto   auto.Tunables
	Mcast  mcast.Tunables
	Mroute mroute.Tunables
	Reass  reass.Tunables
	PMTU   pmtu.Tunables
	FIB    fib.Tunables
	Tunnel tunnel.Tunables

	TCP    tcp.Tunables
	Loss   loss.Tunables
	SYN    syn.Tunables
	Wait   wait.Tunables
	Stream StreamTunables
}

// IPTunables is what the network layer itself may be told.
type IPTunables struct {
	Forwarding     int32 `sysctl:"net.inet.ip.forwarding,min=0,max=1" desc:"forward packets between interfaces"`
	TTL            int32 `sysctl:"net.inet.ip.ttl,min=1,max=255" desc:"TTL of packets sent"`
	StrongES       int32 `sysctl:"net.inet.ip.rfc1122_strong_es,min=0,max=1" desc:"accept packets only on the interface that has the address"`
	SourceCheck    int32 `sysctl:"net.inet.ip.source_address_validation,min=0,max=1" desc:"drop packets from our own addresses that come from outside"`
	ProcessOptions int32 `sysctl:"net.inet.ip.process_options,min=0,max=2" desc:"packets with options: 0 ignore the options, 1 process them, 2 drop the packet"`
	NoSamePrefix   int32 `sysctl:"net.inet.ip.no_same_prefix,min=0,max=1" desc:"refuse an address in a subnet that the routing table has already"`
	PortFirst      int32 `sysctl:"net.inet.ip.portrange.first,min=1,max=65535" desc:"first ephemeral port"`
	PortLast       int32 `sysctl:"net.inet.ip.portrange.last,min=1,max=65535" desc:"last ephemeral port"`
}

// IP6Tunables is what the network layer itself may be told of IPv6.
type IP6Tunables struct {
	Forwarding  int32 `sysctl:"net.inet6.ip6.forwarding,min=0,max=1" desc:"forward packets between interfaces"`
	HopLimit    int32 `sysctl:"net.inet6.ip6.hlim,min=1,max=255" desc:"hop limit of packets sent, where no router says another"`
	SourceCheck int32 `sysctl:"net.inet6.ip6.source_address_validation,min=0,max=1" desc:"drop packets from our own addresses that come from outside"`
	Redirect    int32 `sysctl:"net.inet6.ip6.redirect,min=0,max=1" desc:"tell senders of a better next hop"`
	FlowLabel   int32 `sysctl:"net.inet6.ip6.auto_flowlabel,min=0,max=1" desc:"label the packets of each flow"`
	MaxHeaders  int32 `sysctl:"net.inet6.ip6.hdrnestlimit,min=0,max=255" desc:"extension headers of a packet; 0 for no limit"`
	MaxOptions  int32 `sysctl:"net.inet6.ip6.optlimit,min=0,max=255" desc:"options of an extension header, padding not counted; 0 for no limit"`
	MaxPadding  int32 `sysctl:"net.inet6.ip6.padlimit,min=0,max=255" desc:"bytes of padding in a row; 0 for no limit"`
}

// Limits returns what the extension headers of a packet may be.
func (t *IP6Tunables) Limits() wire.ExtLimits {
	return wire.ExtLimits{Headers: int(t.MaxHeaders), Options: int(t.MaxOptions), Padding: int(t.MaxPadding)}
}

// UDPTunables is what UDP may be told.
type UDPTunables struct {
	Blackhole int32 `sysctl:"net.inet.udp.blackhole,min=0,max=1" desc:"send no port unreachable"`
	RecvSpace int32 `sysctl:"net.inet.udp.recvspace,min=512,max=16777216" desc:"bytes a socket's receive queue may hold"`
	MaxDgram  int32 `sysctl:"net.inet.udp.maxdgram,min=1,max=65507" desc:"longest datagram sent"`
}

// StreamTunables is what the stack's part of TCP may be told.
type StreamTunables struct {
	Blackhole int32 `sysctl:"net.inet.tcp.blackhole,min=0,max=2" desc:"do not answer segments for closed ports: 1 SYNs, 2 all"`
	ReassMax  int32 `sysctl:"net.inet.tcp.reass.maxmem,min=0,max=1073741824" desc:"bytes of memory that a shard keeps out of order for all connections"`
	TSO       int32 `sysctl:"net.inet.tcp.tso,min=0,max=1" desc:"send many segments as one, to be cut where a link needs them single; of connections opened from now on"`
	Backlog   int32 `sysctl:"kern.ipc.soacceptqueue,min=1,max=65535" desc:"most connections that wait to be accepted by one listener"`
}

// Defaults returns the page that a world starts with.
func Defaults() Tunables {
	return Tunables{
		IP: IPTunables{
			TTL: 64, SourceCheck: 1, ProcessOptions: 1, PortFirst: 10000, PortLast: 65535,
		},
		// RFC 8504 §5.3: 8 options and 7 bytes of padding in a row are plenty.
		IP6: IP6Tunables{HopLimit: 64, SourceCheck: 1, Redirect: 1, FlowLabel: 1, MaxHeaders: 15, MaxOptions: 8, MaxPadding: 7},
		UDP: UDPTunables{RecvSpace: 256 << 10, MaxDgram: 65507},
		ARP: arp.Defaults(), ICMP: icmp.Defaults(), ICMP6: icmp.Defaults6(), IGMP: igmp.Defaults(), Query: igmp.RouterDefaults(),
		MLD: mld.Defaults(), Query6: mld.RouterDefaults(), ND: nd.Defaults(), Auto: auto.Defaults(),
		Mcast: mcast.Defaults(), Mroute: mroute.Defaults(), Reass: reass.Defaults(), PMTU: pmtu.Defaults(), FIB: fib.Defaults(), Tunnel: tunnel.Defaults(),
		TCP: tcp.Defaults(), Loss: loss.Defaults(), SYN: syn.Defaults(), Wait: wait.Defaults(), Stream: StreamTunables{ReassMax: 64 << 20, TSO: 1, Backlog: 4096},
	}
}

// Hot is the counters that nearly every packet touches.
type Hot struct {
	InReceives   uint64 `stat:"ip.received"`
	InDelivers   uint64 `stat:"ip.delivered"`
	OutRequests  uint64 `stat:"ip.sent"`
	UDPIn        uint64 `stat:"udp.received"`
	UDPDelivered uint64 `stat:"udp.delivered"`
	UDPOut       uint64 `stat:"udp.sent"`
}

// IP6 is the counters of IPv6's own.
type IP6 struct {
	InReceives  uint64 `stat:"ip6.received"`
	InDelivers  uint64 `stat:"ip6.delivered"`
	Forwarded   uint64 `stat:"ip6.forwarded"`
	OutRequests uint64 `stat:"ip6.sent"`
	Fragmented  uint64 `stat:"ip6.fragmented"` // packets cut into fragments
	FragsSent   uint64 `stat:"ip6.fragssent"`  // fragments made
	BadExt      uint64 `stat:"ip6.badext"`     // extension headers that were refused
	Redirects   uint64 `stat:"ip6.redirects"`  // senders told of a better next hop
}

// Transit is the counters of multicast packets on their way through.
type Transit struct {
	Forwarded uint64 `stat:"ip.mforwarded"` // sent on, each counted once however many links it went to
	NoRoute   uint64 `stat:"ip.mnoroute"`   // nobody has a route for it
	WrongIf   uint64 `stat:"ip.mwrongif"`   // came in where its route does not expect it
}

// Transit6 is Transit for IPv6.
type Transit6 struct {
	Forwarded uint64 `stat:"ip6.mforwarded"`
	NoRoute   uint64 `stat:"ip6.mnoroute"`
	WrongIf   uint64 `stat:"ip6.mwrongif"`
}

// Cold is the counters of what happens now and then.
type Cold struct {
	Forwarded     uint64 `stat:"ip.forwarded"`
	Fragmented    uint64 `stat:"ip.fragmented"` // packets cut into fragments
	FragsSent     uint64 `stat:"ip.fragssent"`  // fragments made
	Broadcasts    uint64 `stat:"udp.bcast"`     // datagrams that came by broadcast or multicast
	FilterMcast   uint64 `stat:"udp.filtermcast"`
	NotMember     uint64 `stat:"ip.notmember"`
	NoPortMcast   uint64 `stat:"udp.noportmcast"`
	SocketFull    uint64 `stat:"udp.fullsock"`
	Diverted      uint64 `stat:"ip.diverted"`
	Rerouted      uint64 `stat:"ip.rerouted"` // packets whose next hop or FIB a filter changed
	LoopbackCopy  uint64 `stat:"ip.mcastloop"`
	RawDelivered  uint64 `stat:"ip.rawout"`
	DroppedFrames [pkt.NumReasons]uint64
}

// TCP is what the path itself counts of TCP.
type TCP struct {
	BadSum    uint64 `stat:"tcp.rcvbadsum"`
	BadOffset uint64 `stat:"tcp.rcvbadoff"`
	Control   uint64 `stat:"tcp.sndnoconn"` // segments that no connection sent
}
