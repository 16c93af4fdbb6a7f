package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// The part of the coder that knows IPv6.

func (c coder) ipv6(in, out []byte) {
	p, f := ParseIPv6(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	h := p.Header()
	PutIPv6(out, &h, p.PayloadLen())
	copy(out[len(p):], in[len(p):]) // padding of the frame
	c.say("ipv6 %s > %s hops %d", p.Src(), p.Dst(), p.HopLimit())
	if p.TrafficClass() != 0 || p.FlowLabel() != 0 {
		c.say("class %#02x label %#05x", p.TrafficClass(), p.FlowLabel())
	}
	x := p.Walk(&ExtLimits{Headers: 2, Options: 1, OptionLen: 2, Padding: 2}, WalkDest)
	if x.Problem != ExtOK {
		c.say("problem %+v", x)
	}
	if x.RouterAlert && x.Off == IPv6Len+8 {
		alert := RouterAlert6(x.Proto, 0)
		copy(out[IPv6Len:], alert[:])
		c.say("alert")
		if in[IPv6Len+6] == IPv6OptPad1 { // two of these do as well
			c.say("pad1")
			out[IPv6Len+6] = IPv6OptPad1
		}
	} else {
		copy(out[IPv6Len:x.Off], in[IPv6Len:x.Off])
	}
	k := Packet6(p, &x)
	c.upper6(k, out[k.HeaderLen():len(p)])
}

func (c coder) upper6(k Packet, out []byte) {
	switch {
	case k.IsFragment():
		f, _ := ParseFragment6(k.Payload())
		PutFragment6(out, f.NextHeader(), f.Offset(), f.More(), f.ID())
		c.say("fragment id %#08x at %d more %t", f.ID(), f.Offset(), f.More())
		c.opaque(fmt.Sprintf("proto %d", k.Proto()), f.Payload(), out[FragmentLen:])
	case k.Proto() == ProtoTCP:
		c.tcp(k.Src(), k.Dst(), k.Payload(), out)
	case k.Proto() == ProtoICMPv6:
		c.icmp6(k, out)
	default:
		c.opaque(fmt.Sprintf("proto %d", k.Proto()), k.Payload(), out)
	}
}

func (c coder) icmp6(k Packet, out []byte) {
	in := k.Payload()
	m, f := ParseICMP6(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	if !m.ChecksumOK(k.Src(), k.Dst()) {
		c.say("bad checksum")
		copy(out, in)
		return
	}
	switch m.Type() {
	case ICMP6MLDQuery, ICMP6MLDv1Report, ICMP6MLDDone:
		c.mld(in, out)
	case ICMP6MLDv2Report:
		c.mldv2Report(in, out)
	case ICMP6RouterSolicit, ICMP6RouterAdvert, ICMP6NeighborSolicit, ICMP6NeighborAdvert, ICMP6Redirect:
		copy(out, c.nd(m))
	default:
		c.say("icmp6 %d/%d rest %#08x", m.Type(), m.Code(), m.Rest())
		PutICMP6(out, m.Type(), m.Code(), m.Rest())
		if m.IsError() {
			c.quoted6(m, out[ICMP6Len:])
		} else {
			c.opaque("data", m.Payload(), out[ICMP6Len:])
		}
	}
	ICMP6(out).SetChecksum(k.Src(), k.Dst())
}

func (c coder) quoted6(m ICMP6, out []byte) {
	copy(out, m.Payload())
	q, f := m.Quoted()
	if f != OK {
		c.say("fault: %s", f)
		return
	}
	h := q.Header()
	clear(out[:IPv6Len])
	PutIPv6(out, &h, q.TotalLen()-IPv6Len)
	c.say("about %s > %s total %d quoted %d", q.Src(), q.Dst(), q.TotalLen(), len(q))
	if proto, src, dst, ok := q.Ports(); ok {
		c.say("proto %d ports %d %d", proto, src, dst)
	}
}

// nd returns the message as the Append functions write it.
func (c coder) nd(in ICMP6) (out []byte) {
	var opts NDOptions
	var f Fault
	switch in.Type() {
	case ICMP6NeighborSolicit:
		var m NeighborSolicit
		if m, f = ParseNeighborSolicit(in); f == OK {
			c.say("ns %s", m.Target())
			out, opts = AppendNS(nil, m.Target()), m.Options()
		}
	case ICMP6NeighborAdvert:
		var m NeighborAdvert
		if m, f = ParseNeighborAdvert(in); f == OK {
			c.say("na %s router %t solicited %t override %t", m.Target(), m.Router(), m.Solicited(), m.Override())
			out, opts = AppendNA(nil, m.Flags(), m.Target()), m.Options()
		}
	case ICMP6RouterSolicit:
		var m RouterSolicit
		if m, f = ParseRouterSolicit(in); f == OK {
			c.say("rs")
			out, opts = AppendRS(nil), m.Options()
		}
	case ICMP6RouterAdvert:
		var m RouterAdvert
		if m, f = ParseRouterAdvert(in); f == OK {
			h := m.Header()
			c.say("ra %+v", h)
			out, opts = AppendRA(nil, &h), m.Options()
		}
	default:
		var m Redirect
		if m, f = ParseRedirect(in); f == OK {
			c.say("redirect %s to %s", m.Dst(), m.Target())
			out, opts = AppendRedirect(nil, m.Target(), m.Dst()), m.Options()
		}
	}
	if f != OK {
		c.say("fault: %s", f)
		return in
	}
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		out = c.ndOption(out, o)
	}
	return out
}

func (c coder) ndOption(out []byte, o NDOption) []byte {
	if mac, ok := o.LinkAddr(); ok {
		c.say("[link %d %s]", o.Type(), mac)
		return AppendNDLinkAddr(out, o.Type(), mac)
	}
	if p, ok := o.Prefix(); ok {
		c.say("[prefix %+v]", p)
		return AppendNDPrefix(out, &p)
	}
	if mtu, ok := o.MTU(); ok {
		c.say("[mtu %d]", mtu)
		return AppendNDMTU(out, mtu)
	}
	if r, ok := o.RouteInfo(); ok {
		c.say("[route %+v]", r)
		if n := len(o) - len(AppendNDRouteInfo(nil, &r)); n > 0 { // the prefix may take more room than it needs
			c.say("[%d longer]", n)
			return append(out, o...)
		}
		return AppendNDRouteInfo(out, &r)
	}
	if life, list, ok := o.RDNSS(); ok {
		var servers []netip.Addr
		for a, ok := list.Next(); ok; a, ok = list.Next() {
			servers = append(servers, a)
		}
		c.say("[rdnss %d %v]", life, servers)
		return AppendNDRDNSS(out, life, servers)
	}
	if life, list, ok := o.DNSSL(); ok {
		var names []string
		for d, ok := list.Next(); ok; d, ok = list.Next() {
			names = append(names, d.String())
		}
		c.say("[dnssl %d %v]", life, names)
		if strings.Contains(strings.Join(names, ""), `\`) { // bytes that no host name has are not written
			return append(out, o...)
		}
		out, _ = AppendNDDNSSL(out, life, names)
		return out
	}
	if nonce := o.Nonce(); nonce != nil {
		c.say("[nonce %x]", nonce)
		return AppendNDNonce(out, nonce)
	}
	if packet := o.Redirected(); packet != nil {
		c.say("[redirected %d]", len(packet))
		return AppendNDRedirected(out, packet)
	}
	c.say("[option %d: %x]", o.Type(), o.Data())
	return append(out, o...)
}

func (c coder) mld(in, out []byte) {
	m, f := ParseMLD(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	if q, f := ParseMLDv2Query(in); f == OK && m.QueryVersion() == 2 {
		var sources []netip.Addr
		for i := range q.NumSources() {
			sources = append(sources, q.Source(i))
		}
		h := MLDv2QueryHeader{
			MaxRespCode: MLDEncode(q.MaxResp()), Group: q.Group(), S: q.S(), QRV: q.QRV(), QQIC: IGMPEncode(q.QQI()),
		}
		n := PutMLDv2Query(out, &h, sources)
		c.say("mldv2 query %s max %d s %t qrv %d qqi %d %v", q.Group(), q.MaxResp(), q.S(), q.QRV(), q.QQI(), sources)
		copy(out[n:], in[n:])
		return
	}
	c.say("mld type %d code %d group %s", m.Type(), m.MaxRespCode(), m.Group())
	PutMLD(out, m.Type(), m.MaxRespCode(), m.Group())
	copy(out[MLDLen:], in[MLDLen:])
}

func (c coder) mldv2Report(in, out []byte) {
	m, f := ParseMLDv2Report(in)
	if f != OK {
		c.fault(f, in, out)
		return
	}
	c.say("mldv2 report")
	names := [...]string{IGMPIsIn: "is_in", IGMPIsEx: "is_ex", IGMPToIn: "to_in", IGMPToEx: "to_ex", IGMPAllow: "allow", IGMPBlock: "block"}
	n, list := MLDv2ReportLen, m.Records()
	for r, ok := list.Next(); ok; r, ok = list.Next() {
		var sources []netip.Addr
		for i := range r.NumSources() {
			sources = append(sources, r.Source(i))
		}
		n += PutMLDv2Record(out[n:], r.Type(), r.Group(), sources)
		c.say("%s %s %v", names[r.Type()], r.Group(), sources)
	}
	PutMLDv2Report(out, m.NumRecords())
	copy(out[n:], in[n:])
}

// frames6 returns all IPv6 packets of a capture.
func frames6(file string) (all []IPv6, err error) {
	frames, err := readPcap("testdata/pcaps/" + file)
	for _, b := range frames {
		e, _ := ParseEther(b)
		if p, f := ParseIPv6(e.Payload()); f == OK && e.Type() == EtherTypeIPv6 {
			all = append(all, IPv6(bytes.Clone(p)))
		}
	}
	return all, err
}
