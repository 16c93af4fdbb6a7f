package ifnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/addrsel"
	"github.com/seed88948545/vimage/internal/wire"
)

// Sane4 finds the packets whose addresses cannot be (RFC 1122 §3.2.1.3), and
// those whose options are refused. in is the interface from whose link a packet
// has just come, nil for one that was made here.
func (v *View) Sane4(in *Conf, ip wire.IPv4) pkt.Reason {
	src, dst := ip.Src4(), ip.Dst4()
	if src[0] >= 224 || src[0] == 0 && src != [4]byte{} {
		return pkt.BadSource
	}
	if in == nil || in.Flags&Loopback != 0 {
		return pkt.NoReason
	}
	if src[0] == 127 {
		return pkt.BadSource
	}
	if dst[0] == 127 || dst[0] == 0 {
		return pkt.BadDest
	}
	if v.V().IP.SourceCheck != 0 && v.IsOurs(ip.Src()) {
		return pkt.BadSource
	}
	return pkt.NoReason
}

// Options4 checks the options of a received packet. Source routes are never
// followed; the others need nothing done by a host.
func (v *View) Options4(ip wire.IPv4) pkt.Reason {
	switch v.V().IP.ProcessOptions {
	case 0:
		return pkt.NoReason
	case 2:
		return pkt.BadOptions
	}
	if _, f := wire.ParseIPv4Options(ip.Options()); f != wire.OK {
		return pkt.BadOptions
	}
	return pkt.NoReason
}

// Sane6 is Sane4 for IPv6 (RFC 4291 §2.5.2, §2.5.3, §2.7; RFC 4942 §2.2 for IPv4
// addresses in disguise).
func (v *View) Sane6(in *Conf, ip wire.IPv6) pkt.Reason {
	src, dst := ip.Src(), ip.Dst()
	if !special6(ip[8]) && (!special6(ip[24]) || ip[24] == 0xff && addrsel.Scope(ip[25]&15) > addrsel.ScopeInterface) {
		return v.sameSource(in, ip, src)
	}
	switch {
	case src.IsMulticast():
		return pkt.BadSource
	case dst.IsUnspecified():
		return pkt.BadDest
	}
	if in == nil || in.Flags&Loopback != 0 {
		return pkt.NoReason
	}
	switch {
	case src.IsLoopback(), src.Is4In6():
		return pkt.BadSource
	case dst.IsLoopback(), dst.Is4In6(), dst.IsMulticast() && addrsel.ScopeOf(dst) <= addrsel.ScopeInterface:
		return pkt.BadDest
	}
	return v.sameSource(in, ip, src)
}

// special6 tells whether an address with this first byte may be one that means
// something other than a host: those of groups begin with ones, those in ::/8
// are unspecified, loopback or IPv4's.
func special6(first byte) bool { return first-1 >= 0xfe }

// sameSource finds the packets that somebody sends from our address.
func (v *View) sameSource(in *Conf, ip wire.IPv6, src netip.Addr) pkt.Reason {
	if in == nil || in.Flags&Loopback != 0 {
		return pkt.NoReason
	}
	// Of who thinks he has our address the neighbour table must hear all the same
	// (RFC 4862 §5.4.4).
	if v.V().IP6.SourceCheck != 0 && ip.NextHeader() != wire.ProtoICMPv6 && v.IsOursOn(src, in.Index) {
		return pkt.BadSource
	}
	return pkt.NoReason
}

// Routable tells whether an address may be in a forwarded packet: the
// link-local and the reserved ones may not (RFC 3927 §2.7, RFC 1812 §5.3.7,
// RFC 4291 §2.5.2, §2.5.6).
func Routable(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] < 240 && (b[0] != 169 || b[1] != 254)
	}
	return !ifaddr.IsLinkLocal(a) && !a.IsUnspecified() && a.As16()[0] != 0xff
}
