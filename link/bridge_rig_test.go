package link

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// seen is a frame as a host got it.
type seen struct {
	num  uint32   // the number its sender gave it
	buf  *pkt.Buf // where it was: to be compared only
	lent bool
}

// host is a node at a port of a switch that can be lent frames.
type host struct {
	netisr.Queue
	s    *netisr.Sched
	port Port
	mac  wire.MAC
	ip   netip.Addr

	mu  sync.Mutex
	got []seen
}

func (h *host) note(b *pkt.Buf, lent bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := b.Bytes()
	h.got = append(h.got, seen{binary.BigEndian.Uint32(p[len(p)-4:]), b, lent})
}

func (h *host) Put(r *netisr.Runner, b *pkt.Buf) {
	if !h.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

func (h *host) Drain(r *netisr.Runner, in *pkt.Batch) {
	for b := in.Pop(); b != nil; b = in.Pop() {
		h.note(b, false)
		r.Cache.Free(b)
	}
}

func (h *host) Lend(r *netisr.Runner, b *pkt.Buf) bool {
	if !h.Claim() {
		return false
	}
	h.note(b, true)
	r.Cache.Free(b)
	h.Yield(r)
	return true
}

// take returns what has come since the last call.
func (h *host) take() []seen {
	settle(h.s)
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

// release ends what Claim of a host or a switch began.
func release(s *netisr.Sched, q interface{ Yield(*netisr.Runner) }) {
	r := s.Get()
	q.Yield(r)
	r.Done()
	settle(s)
}

// datagram puts a numbered payload into IPv4 and that into a frame to the
// address, or where to is zero to the group's.
func (h *host) datagram(to wire.MAC, dst netip.Addr, num uint32) []byte {
	var p [12]byte
	wire.PutUDP(p[:], 1, 2, 4)
	binary.BigEndian.PutUint32(p[8:], num)
	return h.packet(to, dst, wire.ProtoUDP, p[:])
}

func (h *host) packet(to wire.MAC, dst netip.Addr, proto uint8, payload []byte) []byte {
	v4 := wire.IPv4Header{TTL: 1, Proto: proto, Src: h.ip, Dst: dst}
	b := make([]byte, wire.EtherLen+v4.Len()+len(payload))
	if to.IsZero() {
		to = wire.MulticastMAC(dst)
	}
	wire.PutEther(b, to, h.mac, wire.EtherTypeIPv4)
	n := wire.PutIPv4(b[wire.EtherLen:], &v4, len(payload))
	copy(b[wire.EtherLen+n:], payload)
	return b
}

// put sends a frame and returns the buffer it was in.
func (h *host) put(frame []byte) *pkt.Buf {
	r := h.s.Get()
	b := r.Cache.Get(len(frame))
	copy(b.Extend(len(frame)), frame)
	h.port.Put(r, b)
	r.Done()
	settle(h.s)
	return b
}

// send sends a numbered frame to a station; broadcast if to is nil.
func (h *host) send(to *host, num uint32) *pkt.Buf {
	if to == nil {
		return h.put(h.datagram(wire.BroadcastMAC(), ip("255.255.255.255"), num))
	}
	return h.put(h.datagram(to.mac, to.ip, num))
}

// cast sends a numbered datagram to a group.
func (h *host) cast(group string, num uint32) *pkt.Buf {
	return h.put(h.datagram(wire.MAC{}, ip(group), num))
}

// report sends an IGMPv3 report with one record.
func (h *host) report(typ uint8, group string, sources ...netip.Addr) {
	b := make([]byte, wire.IGMPv3ReportLen+wire.IGMPv3RecordLen+4*len(sources))
	wire.PutIGMPv3Record(b[wire.IGMPv3ReportLen:], typ, ip(group), sources)
	wire.PutIGMPv3Report(b, 1)
	h.put(h.packet(wire.MAC{}, ip("224.0.0.22"), wire.ProtoIGMP, b))
}

// want fails unless exactly these frames have come to the host.
func (h *host) want(t *testing.T, nums ...uint32) []seen {
	t.Helper()
	list := h.take()
	var have []uint32
	for _, x := range list {
		have = append(have, x.num)
	}
	if !slices.Equal(have, nums) {
		t.Errorf("host %v got frames %v, want %v", h.mac, have, nums)
	}
	return list
}

// newHost returns host number n at a port, attached and with its card set up.
func newHost(s *netisr.Sched, br *Bridge, n byte) *host {
	h := &host{s: s, port: br.AddPort(), mac: wire.MAC{2, 0, 0, 0, 0, n}, ip: netip.AddrFrom4([4]byte{10, 0, 0, n})}
	h.Init(h)
	h.port.SetAddr(h.mac)
	h.port.Attach(h)
	return h
}

// onLAN runs a test on a switch with three hosts, in simulated and in real time,
// and checks that nothing is left behind.
func onLAN(t *testing.T, c BridgeConfig, f func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host)) {
	run := func(t *testing.T, ck clock.Clock) {
		s := netisr.NewSched(ck)
		br := NewBridge(s, table.Seed{}, c)
		var h []*host
		for n := range 3 {
			h = append(h, newHost(s, br, byte(n+1)))
		}
		f(t, s, br, h)
		settle(s)
		br.Close()
		clean(t, s)
	}
	t.Run("simulated", func(t *testing.T) { run(t, clock.NewSim()) })
	t.Run("real", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { run(t, clock.NewReal()) })
	})
}
