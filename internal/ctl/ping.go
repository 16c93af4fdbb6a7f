package ctl

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/wire"
)

// The bounds of a ping, in what it is asked for.
const (
	pingInterval    = time.Second
	pingIntervalMin = time.Millisecond
	pingWait        = 10 * time.Second
	pingSize        = 56
)

// InProbe is the part of a request that says where probes are sent from.
type InProbe struct {
	InJail
	InFIB
}

// feed returns what feeds the stream of a probe: f, with a handle on the stack as a
// process of the jail has it.
func (in InProbe) feed(s *Server, f func(ctx context.Context, st *vimage.Stack, send sender) error) (func(context.Context, sender) error, error) {
	j, err := in.of(s)
	if err != nil {
		return nil, err
	}
	p, err := j.Attach()
	if err != nil {
		return nil, err
	}
	st, err := in.table(p.Stack)
	if err != nil {
		p.Release()
		return nil, err
	}
	return func(ctx context.Context, send sender) error {
		defer p.Release()
		return f(ctx, st, send)
	}, nil
}

func registerPing(s *Server) {
	type request struct {
		InProbe
		Body client.PingRequest
	}
	stream(s, op{"POST", "/v1/jails/{jail}/ping", "ping", "Ask a host for echoes"}, map[string]any{
		"start": client.PingStart{}, "sent": client.PingSent{}, "reply": client.PingReply{}, "report": client.PingReport{},
		"failed": client.PingFailed{}, "end": client.Done{},
	}, func(in *request) (func(context.Context, sender) error, error) {
		return in.feed(s, func(ctx context.Context, st *vimage.Stack, send sender) error {
			g := &pinger{req: in.Body, send: send, id: uint16(s.probes.Add(1)), sent: make(map[uint16]*echoRequest)}
			return g.ping(ctx, s, st)
		})
	})
}

// echoRequest is one echo request.
type echoRequest struct {
	at       time.Time
	answered bool
}

// pinger is one ping.
type pinger struct {
	req  client.PingRequest
	send sender
	id   uint16
	icmp *rawICMP
	to   netip.Addr
	msg  []byte

	mu       sync.Mutex // guards what follows
	sent     map[uint16]*echoRequest
	answers  int
	longest  time.Duration // of the times that answers took
	complete chan struct{} // is closed when no more answers are needed
}

// ping is all that happens.
func (g *pinger) ping(ctx context.Context, s *Server, st *vimage.Stack) error {
	defer func() {
		if g.icmp != nil {
			g.icmp.c.Close()
		}
	}()
	if err := g.open(ctx, s, st); err != nil {
		return err
	}
	return g.run(ctx)
}

// open finds out where the host is and sends the first event.
func (g *pinger) open(ctx context.Context, s *Server, st *vimage.Stack) (err error) {
	f := map[string]family{"inet": inet, "inet6": inet6}[g.req.Family]
	if g.to, err = s.resolve(ctx, st, g.req.Host, f); err != nil {
		return blame(err, "body.host", g.req.Host)
	}
	var source netip.Addr
	if g.req.Source != "" {
		is := inet
		if g.to.Is6() {
			is = inet6
		}
		if source, err = s.resolve(ctx, st, g.req.Source, is); err != nil {
			return blame(err, "body.source", g.req.Source)
		}
	}
	if g.icmp, err = listenICMP(st, g.to.Is6(), source); err != nil {
		return blame(err, "body.source", g.req.Source)
	}
	if err := g.configure(st); err != nil {
		return err
	}
	size := pingSize
	if g.req.Size != nil {
		size = *g.req.Size
	}
	g.compose(size)
	start := client.PingStart{Address: g.to, Size: size}
	if !source.IsValid() {
		source = sourceTo(st, g.to)
	}
	start.Source = some(source)
	g.complete = make(chan struct{})
	return g.send("start", start)
}

// sourceTo returns the address that packets to a host leave from, none where there is
// no way.
func sourceTo(st *vimage.Stack, to netip.Addr) netip.Addr {
	c, err := st.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 33434)))
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// configure sets the options of the socket.
func (g *pinger) configure(st *vimage.Stack) error {
	sock := g.icmp.c.Internal()
	if g.req.TTL > 0 {
		if e := sock.SetTTL(g.req.TTL); e != 0 {
			return blame(e, "body.ttl", g.req.TTL)
		}
		if e := sock.SetHopLimit(g.req.TTL); e != 0 {
			return blame(e, "body.ttl", g.req.TTL)
		}
	}
	if e := sock.SetTOS(g.req.TOS); e != 0 {
		return blame(e, "body.tos", g.req.TOS)
	}
	sock.SetDontFrag(g.req.DontFrag)
	sock.SetDontRoute(g.req.DontRoute)
	if !g.to.IsMulticast() {
		return nil
	}
	if g.req.NoLoop {
		if err := g.icmp.c.SetMulticastLoopback(false); err != nil {
			return err
		}
	}
	if g.req.GroupTTL != nil {
		if err := g.icmp.c.SetMulticastTTL(*g.req.GroupTTL); err != nil {
			return blame(err, "body.multicast-ttl", *g.req.GroupTTL)
		}
	}
	if g.req.Interface == "" {
		return nil
	}
	i, err := st.Interface(g.req.Interface)
	if err == nil {
		err = g.icmp.c.SetMulticastInterface(i)
	}
	return blame(err, "body.interface", g.req.Interface)
}

// compose writes a request without its number.
func (g *pinger) compose(size int) {
	g.msg = make([]byte, wire.ICMP4Len+size)
	data := g.msg[wire.ICMP4Len:]
	for i := range data {
		data[i] = byte(i)
		if n := len(g.req.Pattern); n > 0 {
			data[i] = g.req.Pattern[i%n]
		}
	}
}

// run sends requests and reads answers until there is nothing left to do.
func (g *pinger) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	if g.req.Timeout > 0 {
		ctx, stop = context.WithTimeout(ctx, g.req.Timeout)
	}
	defer stop()
	heard := make(chan error, 1)
	go func() { heard <- g.listen() }()
	err := g.ask(ctx, heard)
	g.icmp.c.Close()
	if err == nil {
		<-heard
	}
	if err != nil {
		return err
	}
	return g.send("end", client.Done{})
}

// ask sends the requests, and waits for the last answers.
func (g *pinger) ask(ctx context.Context, heard <-chan error) error {
	every := max(cmp.Or(g.req.Interval, pingInterval), pingIntervalMin)
	t := time.NewTimer(0)
	defer t.Stop()
	for n := 0; ; {
		wait := every
		switch {
		case g.req.Count > 0 && n == g.req.Count:
			wait = g.lastWait()
			n++
		case g.req.Count > 0 && n > g.req.Count:
			return nil
		default:
			for burst := max(g.req.Preload, 1); burst > 0 && (g.req.Count == 0 || n < g.req.Count); burst-- {
				if err := g.request(uint16(n)); err != nil {
					return err
				}
				n++
			}
			g.req.Preload = 0
			if n == g.req.Count {
				continue // there is nothing to be sent after that time
			}
		}
		t.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-g.complete:
			return nil
		case err := <-heard:
			return err
		case <-t.C:
		}
	}
}

// lastWait returns how long to wait when all requests are sent.
func (g *pinger) lastWait() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.answers == 0 || g.req.Wait > 0 {
		return cmp.Or(g.req.Wait, pingWait)
	}
	return max(2*g.longest, time.Second)
}

// request sends a request.
func (g *pinger) request(seq uint16) error {
	g.mu.Lock()
	g.sent[seq] = &echoRequest{at: time.Now()}
	g.mu.Unlock()
	rest := uint32(g.id)<<16 | uint32(seq)
	if g.to.Is6() {
		wire.PutICMP6(g.msg, wire.ICMP6EchoRequest, 0, rest)
	} else {
		wire.PutICMP4(g.msg, wire.ICMP4Echo, 0, rest, len(g.msg)-wire.ICMP4Len)
	}
	if err := g.send("sent", client.PingSent{Seq: seq}); err != nil {
		return err
	}
	_, err := g.icmp.c.WriteTo(g.msg, &net.IPAddr{IP: g.to.AsSlice(), Zone: g.to.Zone()})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, net.ErrClosed):
		return err
	}
	return g.send("failed", client.PingFailed{Seq: seq, Error: refuse(err).document})
}

// listen reads answers until the socket is closed.
func (g *pinger) listen() error {
	for {
		m, err := g.icmp.read()
		if err != nil {
			return err
		}
		switch {
		case m.isEcho && m.id == g.id:
			err = g.reply(&m)
		case !m.isEcho && m.aid == g.id && m.about == g.to.WithZone("") && (m.proto == wire.ProtoICMP || m.proto == wire.ProtoICMPv6):
			err = g.send("report", client.PingReport{
				Seq: m.aseq, From: m.from, Size: m.size, Type: int(m.typ), Code: int(m.code), MTU: m.nextMTU(), Text: m.text(g.icmp.is6),
			})
		}
		if err != nil {
			return err
		}
	}
}

// nextMTU returns the MTU that the message says, if it says one.
func (m *icmpMessage) nextMTU() int {
	if m.about.Is6() && m.typ == wire.ICMP6TooBig || m.about.Is4() && m.typ == wire.ICMP4Unreachable && m.code == wire.ICMP4CodeFragNeeded {
		return m.mtu
	}
	return 0
}

func (g *pinger) reply(m *icmpMessage) error {
	r := client.PingReply{Seq: m.seq, From: m.from, To: some(m.to), Size: m.size, TTL: m.ttl}
	g.mu.Lock()
	q := g.sent[m.seq]
	if q == nil {
		g.mu.Unlock()
		return nil
	}
	r.RTT, r.Duplicate = time.Since(q.at), q.answered
	r.Late = r.RTT > cmp.Or(g.req.Wait, pingWait)
	q.answered = true
	done := false
	if !r.Duplicate {
		g.answers++
		g.longest = max(g.longest, r.RTT)
		done = g.answers == g.req.Count || g.req.First && g.answers == 1
	}
	g.mu.Unlock()
	err := g.send("reply", r)
	if done {
		close(g.complete)
	}
	return err
}
