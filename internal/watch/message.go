package watch

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// Link types of captures that Frame understands (tcpdump.org registry).
const (
	Ethernet    uint16 = 1
	rawBSD      uint16 = 12
	rawOpenBSD  uint16 = 14
	RawIP       uint16 = 101
	linuxCooked uint16 = 113
	rawIPv4     uint16 = 228
	rawIPv6     uint16 = 229
	linuxSLL2   uint16 = 276
)

// frame is what stands before an IP packet.
type frame struct {
	src, dst wire.MAC // zero where the link type has none
	vlan     uint16   // 0: untagged
	hasDst   bool
}

const etherTypeQinQ = 0x88a8

// open takes a frame apart and returns its IP packet, nil if it has none.
func open(linkType uint16, b []byte) (f frame, ip []byte) {
	switch linkType {
	case RawIP, rawBSD, rawOpenBSD, rawIPv4, rawIPv6:
		return f, b
	case linuxCooked:
		return cooked(b, 16, 14, 4, 6)
	case linuxSLL2:
		return cooked(b, 20, 0, 11, 12)
	case Ethernet:
		e, fault := wire.ParseEther(b)
		if fault != wire.OK {
			return f, nil
		}
		f = frame{src: e.Src(), dst: e.Dst(), hasDst: true}
		typ, rest := e.Type(), e.Payload()
		for range 2 { // a tag, or the tag of a provider before it
			v, fault := wire.ParseVLAN(rest)
			if typ != wire.EtherTypeVLAN && typ != etherTypeQinQ || fault != wire.OK {
				break
			}
			f.vlan, typ, rest = v.ID(), v.Type(), v.Payload()
		}
		if typ == wire.EtherTypeIPv4 || typ == wire.EtherTypeIPv6 {
			return f, rest
		}
	}
	return f, nil
}

// cooked opens a frame that Linux has captured on all interfaces: its header of n
// bytes has the type at typ, the length of the sender's address before addr, and
// that at addr.
func cooked(b []byte, n, typ, length, addr int) (f frame, ip []byte) {
	if len(b) < n {
		return f, nil
	}
	size := int(b[length])
	if n == 16 {
		size = int(binary.BigEndian.Uint16(b[length:]))
	}
	if size == len(f.src) {
		f.src = wire.MAC(b[addr : addr+len(f.src)])
	}
	switch binary.BigEndian.Uint16(b[typ:]) {
	case wire.EtherTypeIPv4, wire.EtherTypeIPv6:
		return f, b[n:]
	}
	return f, nil
}

// packet is an IP packet that was sent to a group, or that is of the protocols
// watched.
type packet struct {
	frame
	src, dst netip.Addr
	six      bool
	ttl      uint8
	alert    bool // with the Router Alert option
	proto    uint8
	body     []byte
}

// openIP reads the IP headers. want is whether the packet matters; bad, if it
// matters but cannot be read, says why.
func openIP(f frame, b []byte) (p packet, want bool, bad string) {
	p.frame = f
	if len(b) == 0 {
		return p, false, ""
	}
	if b[0]>>4 == 6 {
		return openIP6(p, b)
	}
	ip, fault := wire.ParseIPv4(b)
	if fault != wire.OK {
		return p, len(b) >= wire.IPv4Len && b[9] == wire.ProtoIGMP, "IPv4 header: " + fault.String()
	}
	p.src, p.dst, p.ttl, p.proto, p.body, p.alert = ip.Src(), ip.Dst(), ip.TTL(), ip.Proto(), ip.Payload(), ip.HasRouterAlert()
	switch {
	case p.proto != wire.ProtoIGMP:
		return p, p.dst.IsMulticast() && ip.FragOffset() == 0, ""
	case !ip.ChecksumOK():
		return p, true, "IPv4 header: wrong checksum"
	case ip.IsFragment():
		return p, true, "a fragment"
	}
	return p, true, ""
}

func openIP6(p packet, b []byte) (packet, bool, string) {
	p.six = true
	ip, fault := wire.ParseIPv6(b)
	if fault != wire.OK {
		return p, false, ""
	}
	x := ip.Walk(&wire.ExtLimits{Headers: 16}, wire.WalkDest)
	p.src, p.dst, p.ttl, p.proto, p.body, p.alert = ip.Src(), ip.Dst(), ip.HopLimit(), x.Proto, ip[min(x.Off, len(ip)):], x.RouterAlert
	mld := x.Proto == wire.ProtoICMPv6 && len(p.body) > 0 && isMLD(p.body[0])
	switch {
	case x.Problem != wire.ExtOK:
		return p, false, ""
	case x.Fragment:
		return p, p.dst.IsMulticast() && first(p.body), ""
	case mld, p.proto != wire.ProtoICMPv6 && p.dst.IsMulticast():
		return p, true, ""
	}
	return p, false, "" // neighbor discovery and errors are no data
}

// first tells whether a fragment is its packet's first.
func first(b []byte) bool {
	f, fault := wire.ParseFragment6(b)
	return fault == wire.OK && f.Offset() == 0
}

func isMLD(typ uint8) bool {
	return typ >= wire.ICMP6MLDQuery && typ <= wire.ICMP6MLDDone || typ == wire.ICMP6MLDv2Report
}

// kind says what a message is.
type kind uint8

const (
	other kind = iota // of IGMP's, but not about membership
	query
	report
	leave
)

// message is a message of either protocol.
type message struct {
	kind    kind
	version int // of its protocol: IGMP 1 to 3, MLD 1 and 2
	six     bool
	group   netip.Addr // of a query: not valid in a general one

	sources    []netip.Addr // of a query
	maxResp    time.Duration
	interval   time.Duration // 0: not said
	robustness uint8         // 0: not said
	suppress   bool

	records []record // of a report, or of a leave
}

// record is one group's part of a report; an older report is a record, too.
type record struct {
	typ     uint8 // wire.IGMPIsIn to IGMPBlock, or 0 of an older version
	group   netip.Addr
	sources []netip.Addr
}

// older tells whether a report of the message's version says nothing of sources.
func (m *message) older() bool { return m.version < 3 && !m.six || m.version < 2 && m.six }

// parse reads a message. bad, if it is not empty, says why it cannot be.
func parse(p *packet) (m message, bad string) {
	if p.six {
		m.six = true
		return m, m.mld(p)
	}
	return m, m.igmp(p)
}

func (m *message) igmp(p *packet) string {
	b, fault := wire.ParseIGMP(p.body)
	switch {
	case fault != wire.OK:
		return fault.String()
	case !b.ChecksumOK():
		return "wrong checksum"
	}
	switch b.Type() {
	case wire.IGMPTypeQuery:
		return m.igmpQuery(b)
	case wire.IGMPTypeV1Report, wire.IGMPTypeV2Report:
		m.kind, m.version, m.records = report, 2, []record{{group: b.Group()}}
		if b.Type() == wire.IGMPTypeV1Report {
			m.version = 1
		}
	case wire.IGMPTypeV2Leave:
		m.kind, m.version, m.records = leave, 2, []record{{group: b.Group()}}
	case wire.IGMPTypeV3Report:
		r, fault := wire.ParseIGMPv3Report(p.body)
		if fault != wire.OK {
			return fault.String()
		}
		m.kind, m.version = report, 3
		list := r.Records()
		for rec, ok := list.Next(); ok; rec, ok = list.Next() {
			m.add(rec.Type(), rec.Group(), rec.NumSources(), rec.Source)
		}
	}
	return m.check()
}

func (m *message) igmpQuery(b wire.IGMP) string {
	const tenth = time.Second / 10
	m.kind, m.version = query, b.QueryVersion()
	m.ask(b.Group())
	switch m.version {
	case 0:
		return "a query of no version: neither 8 bytes nor 12 or more"
	case 1:
		m.maxResp = 100 * tenth // RFC 1112: a host's timers run up to 10 s
	case 2:
		m.maxResp = time.Duration(b.MaxRespCode()) * tenth
	case 3:
		q, fault := wire.ParseIGMPv3Query(b)
		if fault != wire.OK {
			return fault.String()
		}
		m.maxResp, m.robustness, m.interval, m.suppress = time.Duration(q.MaxResp())*tenth, q.QRV(), time.Duration(q.QQI())*time.Second, q.S()
		for i := range q.NumSources() {
			m.sources = append(m.sources, q.Source(i))
		}
	}
	return m.check()
}

func (m *message) mld(p *packet) string {
	c, fault := wire.ParseICMP6(p.body)
	switch {
	case fault != wire.OK:
		return fault.String()
	case !c.ChecksumOK(p.src, p.dst):
		return "wrong checksum"
	case c.Type() == wire.ICMP6MLDv2Report:
		r, fault := wire.ParseMLDv2Report(p.body)
		if fault != wire.OK {
			return fault.String()
		}
		m.kind, m.version = report, 2
		list := r.Records()
		for rec, ok := list.Next(); ok; rec, ok = list.Next() {
			m.add(rec.Type(), rec.Group(), rec.NumSources(), rec.Source)
		}
		return m.check()
	}
	b, fault := wire.ParseMLD(p.body)
	if fault != wire.OK {
		return fault.String()
	}
	m.kind, m.version, m.records = report, 1, []record{{group: b.Group()}}
	switch b.Type() {
	case wire.ICMP6MLDDone:
		m.kind = leave
	case wire.ICMP6MLDQuery:
		m.records = nil
		return m.mldQuery(b)
	}
	return m.check()
}

func (m *message) mldQuery(b wire.MLD) string {
	m.kind, m.version = query, b.QueryVersion()
	m.ask(b.Group())
	switch m.version {
	case 0:
		return "a query of no version: neither 24 bytes nor 28 or more"
	case 1:
		m.maxResp = time.Duration(b.MaxRespCode()) * time.Millisecond
	case 2:
		q, fault := wire.ParseMLDv2Query(wire.MLDv2Query(b))
		if fault != wire.OK {
			return fault.String()
		}
		m.maxResp, m.robustness, m.interval, m.suppress = time.Duration(q.MaxResp())*time.Millisecond, q.QRV(), time.Duration(q.QQI())*time.Second, q.S()
		for i := range q.NumSources() {
			m.sources = append(m.sources, q.Source(i))
		}
	}
	return m.check()
}

// ask notes the group of a query.
func (m *message) ask(group netip.Addr) {
	if !group.IsUnspecified() {
		m.group = group
	}
}

func (m *message) add(typ uint8, group netip.Addr, n int, source func(int) netip.Addr) {
	r := record{typ: typ, group: group}
	for i := range n {
		r.sources = append(r.sources, source(i))
	}
	m.records = append(m.records, r)
}

// check finds what cannot be meant.
func (m *message) check() string {
	if m.group.IsValid() && !m.group.IsMulticast() {
		return "a query about " + m.group.String() + ", which is no group"
	}
	if !m.group.IsValid() && len(m.sources) > 0 {
		return "a general query with sources"
	}
	for _, r := range m.records {
		if !r.group.IsMulticast() {
			return "a record of " + r.group.String() + ", which is no group"
		}
	}
	return ""
}

// protocol names a version as people do.
func protocol(six bool, version int) string {
	name := "IGMPv"
	if six {
		name = "MLDv"
	}
	return name + string(rune('0'+version))
}
