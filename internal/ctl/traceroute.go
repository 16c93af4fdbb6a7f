package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/wire"
)

// What a traceroute does that is not told otherwise.
const (
	traceMaxTTL = 64
	traceProbes = 3
	tracePort   = 33434
	traceWait   = 5 * time.Second
	traceData   = 12 // bytes of data in a probe
)

func registerTraceroute(s *Server) {
	type request struct {
		InProbe
		Body client.TracerouteRequest
	}
	stream(s, op{"POST", "/v1/jails/{jail}/traceroute", "traceroute", "Find the way to a host"}, map[string]any{
		"start": client.TracerouteStart{}, "probe": client.TracerouteAnswer{}, "end": client.Done{},
	}, func(in *request) (func(context.Context, sender) error, error) {
		return in.feed(s, func(ctx context.Context, st *vimage.Stack, send sender) error {
			t := &tracer{req: in.Body, send: send, id: uint16(s.probes.Add(1))}
			return t.trace(ctx, s, st)
		})
	})
}

// tracer is one traceroute.
type tracer struct {
	req  client.TracerouteRequest
	send sender
	id   uint16
	to   netip.Addr
	icmp *rawICMP
	udp  *vimage.UDPConn // nil: probes are echo requests
	port uint16          // that the probes come from
	msg  []byte          // what a probe carries
	said chan heardICMP
}

type heardICMP struct {
	icmpMessage
	at  time.Time
	err error
}

// trace is all that happens.
func (t *tracer) trace(ctx context.Context, s *Server, st *vimage.Stack) error {
	defer t.close()
	if err := t.open(ctx, s, st); err != nil {
		return err
	}
	return t.run(ctx)
}

func (t *tracer) open(ctx context.Context, s *Server, st *vimage.Stack) (err error) {
	f := map[string]family{"inet": inet, "inet6": inet6}[t.req.Family]
	if t.to, err = s.resolve(ctx, st, t.req.Host, f); err != nil {
		return blame(err, "body.host", t.req.Host)
	}
	if t.to.IsMulticast() {
		return blame(fmt.Errorf("%w: there is no way to a group", syscall.EINVAL), "body.host", t.req.Host)
	}
	source, err := t.source(ctx, s, st)
	if err != nil {
		return err
	}
	size := t.compose()
	if size < 0 {
		return blame(fmt.Errorf("%w: %d bytes at least", syscall.EINVAL, -size), "body.size", t.req.Size)
	}
	if t.icmp, err = listenICMP(st, t.to.Is6(), source); err != nil {
		return blame(err, "body.source", t.req.Source)
	}
	if err := t.prepare(st, source); err != nil {
		return blame(err, "body.source", t.req.Source)
	}
	if !source.IsValid() {
		source = sourceTo(st, t.to)
	}
	t.said = make(chan heardICMP)
	return t.send("start", client.TracerouteStart{Address: t.to, Source: some(source), MaxTTL: cmp.Or(t.req.MaxTTL, traceMaxTTL), Size: size})
}

// source returns the address to send from, none for whichever suits.
func (t *tracer) source(ctx context.Context, s *Server, st *vimage.Stack) (netip.Addr, error) {
	is := inet
	if t.to.Is6() {
		is = inet6
	}
	if t.req.Source != "" {
		a, err := s.resolve(ctx, st, t.req.Source, is)
		return a, blame(err, "body.source", t.req.Source)
	}
	if t.req.Interface == "" {
		return netip.Addr{}, nil
	}
	i, err := st.Interface(t.req.Interface)
	if err != nil {
		return netip.Addr{}, blame(err, "body.interface", t.req.Interface)
	}
	for _, p := range i.Addrs() {
		if is.has(p.Addr()) && p.Addr().IsLinkLocalUnicast() == t.to.IsLinkLocalUnicast() {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, blame(fmt.Errorf("%w: %s has no address", syscall.EADDRNOTAVAIL, t.req.Interface), "body.interface", t.req.Interface)
}

// compose makes room for what a probe carries and returns how long it is, as is told;
// below zero the least that is possible.
func (t *tracer) compose() int {
	header := wire.IPv4Len
	if t.to.Is6() {
		header = 0 // as traceroute6 counts
	}
	const transport = 8 // of UDP and of an echo request alike
	size := cmp.Or(t.req.Size, header+transport+traceData)
	if size < header+transport {
		return -header - transport
	}
	data := size - header - transport
	if t.isICMP() {
		data += transport
	}
	t.msg = make([]byte, data)
	return size
}

func (t *tracer) isICMP() bool { return t.req.Protocol == "icmp" }

// prepare opens the socket that sends and sets its options.
func (t *tracer) prepare(st *vimage.Stack, source netip.Addr) error {
	sock := t.icmp.c.Internal()
	if !t.isICMP() {
		local := source
		if !local.IsValid() && t.to.Is4() {
			local = netip.IPv4Unspecified()
		} else if !local.IsValid() {
			local = netip.IPv6Unspecified()
		}
		c, err := st.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
		if err != nil {
			return err
		}
		t.udp, sock = c, c.Internal()
		t.port = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	}
	sock.SetDontFrag(t.req.DontFrag)
	if e := sock.SetTOS(t.req.TOS); e != 0 {
		return e
	}
	return nil
}

func (t *tracer) close() {
	if t.icmp != nil {
		t.icmp.c.Close()
	}
	if t.udp != nil {
		t.udp.Close()
	}
}

// run sends the probes, one after the other.
func (t *tracer) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.listen(ctx)
	}()
	defer func() { // whoever reads must not outlive the tracer
		stop()
		t.icmp.c.Close()
		<-ended
	}()
	probes := cmp.Or(t.req.Probes, traceProbes)
	for n, ttl := 0, cmp.Or(t.req.FirstTTL, 1); ttl <= cmp.Or(t.req.MaxTTL, traceMaxTTL); ttl++ {
		arrived, refused, unsent := false, 0, 0
		for probe := range probes {
			if n > 0 && t.req.Pause > 0 && !t.rest(ctx) {
				return nil
			}
			n++
			a, last, err := t.probe(ctx, n, ttl)
			if err != nil || ctx.Err() != nil {
				return err
			}
			a.TTL, a.Probe = ttl, probe
			if err := t.send("probe", a); err != nil {
				return err
			}
			arrived = arrived || last
			if a.Mark != "" && !last {
				refused++
			}
			if a.Errno != "" {
				unsent++
			}
		}
		if arrived || unsent == probes || refused >= probes-1 && refused > 0 {
			break
		}
	}
	return t.send("end", client.Done{})
}

// rest waits between probes.
func (t *tracer) rest(ctx context.Context) bool {
	select {
	case <-time.After(t.req.Pause):
		return true
	case <-ctx.Done():
		return false
	}
}

// listen hands on what is heard.
func (t *tracer) listen(ctx context.Context) {
	for {
		m, err := t.icmp.read()
		select {
		case t.said <- heardICMP{m, time.Now(), err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// probe sends the nth probe and waits for its answer. last says that it came from the
// host itself.
func (t *tracer) probe(ctx context.Context, n, ttl int) (a client.TracerouteAnswer, last bool, err error) {
	port := uint16(cmp.Or(t.req.Port, tracePort) + n)
	at := time.Now()
	if err := t.write(n, ttl, port); err != nil {
		if errors.Is(err, net.ErrClosed) {
			return a, false, err
		}
		a.Errno = cmp.Or(client.ErrnoName(err), "EIO")
		return a, false, nil
	}
	patience := time.NewTimer(cmp.Or(t.req.Wait, traceWait))
	defer patience.Stop()
	for {
		select {
		case <-ctx.Done():
			return a, false, nil
		case <-patience.C:
			return a, false, nil
		case m := <-t.said:
			if m.err != nil {
				return a, false, m.err
			}
			if !t.answers(&m.icmpMessage, n, port) {
				continue
			}
			a.From, a.RTT = some(m.from), m.at.Sub(at)
			a.Mark, last = t.judge(&m.icmpMessage)
			return a, last, nil
		}
	}
}

func (t *tracer) write(n, ttl int, port uint16) error {
	if t.udp != nil {
		sock := t.udp.Internal()
		if e := max(sock.SetTTL(ttl), sock.SetHopLimit(ttl)); e != 0 {
			return e
		}
		_, err := t.udp.WriteToUDPAddrPort(t.msg, netip.AddrPortFrom(t.to, port))
		return err
	}
	sock := t.icmp.c.Internal()
	if e := max(sock.SetTTL(ttl), sock.SetHopLimit(ttl)); e != 0 {
		return e
	}
	rest := uint32(t.id)<<16 | uint32(n&0xffff)
	if t.to.Is6() {
		wire.PutICMP6(t.msg, wire.ICMP6EchoRequest, 0, rest)
	} else {
		wire.PutICMP4(t.msg, wire.ICMP4Echo, 0, rest, len(t.msg)-wire.ICMP4Len)
	}
	_, err := t.icmp.c.WriteTo(t.msg, &net.IPAddr{IP: t.to.AsSlice(), Zone: t.to.Zone()})
	return err
}

// answers tells whether a message is about the nth probe.
func (t *tracer) answers(m *icmpMessage, n int, port uint16) bool {
	switch {
	case m.isEcho:
		return t.udp == nil && m.id == t.id && m.seq == uint16(n)
	case m.about != t.to.WithZone(""):
		return false
	case t.udp != nil:
		return m.proto == wire.ProtoUDP && m.sport == t.port && m.dport == port
	}
	return m.proto != wire.ProtoUDP && m.aid == t.id && m.aseq == uint16(n)
}

// judge returns what an answer says, in the signs of traceroute(8), and whether it came
// from the host itself.
func (t *tracer) judge(m *icmpMessage) (mark string, last bool) {
	switch {
	case m.isEcho:
		if m.ttl <= 1 {
			return "!", true
		}
		return "", true
	case t.icmp.is6 && m.typ == wire.ICMP6TimeExceeded, !t.icmp.is6 && m.typ == wire.ICMP4TimeExceeded:
		return "", false
	case t.icmp.is6:
		return t.judge6(m)
	case m.typ != wire.ICMP4Unreachable:
		return fmt.Sprintf("!<%d/%d>", m.typ, m.code), false
	}
	switch m.code {
	case wire.ICMP4CodePort:
		if m.ttl <= 1 {
			mark = "!"
		}
		return mark, true
	case wire.ICMP4CodeProto:
		return "!P", true
	case wire.ICMP4CodeFragNeeded:
		return fmt.Sprintf("!F-%d", m.mtu), false
	}
	marks := map[uint8]string{
		wire.ICMP4CodeNet: "!N", wire.ICMP4CodeHost: "!H", wire.ICMP4CodeSourceRoute: "!S", wire.ICMP4CodeNetUnknown: "!U",
		wire.ICMP4CodeHostUnknown: "!W", wire.ICMP4CodeIsolated: "!I", wire.ICMP4CodeNetProhib: "!A", wire.ICMP4CodeHostProhib: "!Z",
		wire.ICMP4CodeNetTOS: "!Q", wire.ICMP4CodeHostTOS: "!T", wire.ICMP4CodeFilterProhib: "!X", wire.ICMP4CodePrecedence: "!V",
		wire.ICMP4CodePrecCutoff: "!C",
	}
	return cmp.Or(marks[m.code], fmt.Sprintf("!<%d>", m.code)), m.from == t.to
}

func (t *tracer) judge6(m *icmpMessage) (mark string, last bool) {
	switch {
	case m.typ == wire.ICMP6TooBig:
		return fmt.Sprintf("!F-%d", m.mtu), false
	case m.typ != wire.ICMP6Unreachable:
		return fmt.Sprintf("!<%d/%d>", m.typ, m.code), false
	case m.code == wire.ICMP6CodePort:
		if m.ttl <= 1 {
			mark = "!"
		}
		return mark, true
	}
	return pick(m.code, fmt.Sprintf("!<%d>", m.code), "!N", "!P", "!S", "!A"), m.from.WithZone("") == t.to.WithZone("")
}
