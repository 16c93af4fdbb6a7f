package vnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// errNoRoute takes a packet that cannot be forwarded.
func (sh *shard) errNoRoute(p *pass, b *pkt.Buf, ip wire.IPv4, why pkt.Reason) { sh.drop(p, b, why) }

// errTTL takes a packet whose TTL ran out.
func (sh *shard) errTTL(p *pass, b *pkt.Buf, ip wire.IPv4) { sh.drop(p, b, pkt.TTLExceeded) }

// errNeedFrag takes a packet that must not be cut.
func (sh *shard) errNeedFrag(p *pass, b *pkt.Buf, ip wire.IPv4, mtu int) {
	sh.drop(p, b, pkt.NeedFrag)
}

// errNoPort takes a datagram nobody listens for.
func (sh *shard) errNoPort(p *pass, b *pkt.Buf, ip wire.IPv4) { sh.drop(p, b, pkt.NoPort) }

func (sh *shard) inICMP(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	sh.drop(p, b, pkt.NoProtocol)
}

func (sh *shard) inIGMP(p *pass, b *pkt.Buf, ip wire.IPv4) { sh.drop(p, b, pkt.NoProtocol) }

func (sh *shard) inOther(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	sh.drop(p, b, pkt.NoProtocol)
}

func (sh *shard) inFragment(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	sh.drop(p, b, pkt.BadFragment)
}

func (sh *shard) inRaw(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {}

type rawSocks struct{}

func (rawSocks) any() bool    { return false }
func (rawSocks) remove(*Sock) {}

// groupChanged tells IGMP that the interface wants something else of a group.
func (sh *shard) groupChanged(p *pass, c *ifConf, group netip.Addr, old, new mcast.Filter) {}
