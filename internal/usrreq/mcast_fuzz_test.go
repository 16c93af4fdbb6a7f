package usrreq_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// FuzzMcastSockets makes requests, closes sockets and destroys interfaces, as the
// bytes say, on a stack and on the model, and compares after every step the errno,
// every socket's filter, every interface's, and who hears a datagram of each source.
func FuzzMcastSockets(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomBytes(seed, 200))
	}
	f.Fuzz(func(t *testing.T, data []byte) { newPlay(t).run(data) })
}

// TestMcastSockets is that with random bytes. SEEDS asks for more of them.
func TestMcastSockets(t *testing.T) {
	seeds := 50
	if s := os.Getenv("SEEDS"); s != "" {
		seeds, _ = strconv.Atoi(s)
	}
	for seed := range seeds {
		newPlay(t).run(randomBytes(uint64(seed), 300*6))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

const (
	playPort  = 5000
	playSocks = 5
	playIfs   = 3 // lo0 and two links
)

var (
	playGroups  = [...]netip.Addr{addr("239.1.1.1"), addr("ff0e::1"), addr("232.1.1.1"), addr("ff12::2"), addr("10.1.1.1")}
	playSources = [...]netip.Addr{addr("10.9.0.1"), addr("fd00:9::1"), addr("10.9.0.2"), addr("fd00:9::2"), addr("10.9.0.3"), addr("fd00:9::3"), addr("10.9.0.4"), addr("fd00:9::4")}
)

// play is a stack, another that sends to it, and the model.
type play struct {
	t     *testing.T
	a, b  *vnet.Stack // b sends
	to    map[uint32]uint32
	from  map[bool]usrreq.Sock
	socks []usrreq.Sock
	m     model
	data  []byte
	log   []string
}

func newPlay(t *testing.T) *play {
	w := newWorld()
	p := &play{t: t, a: newStack(t, w, "a"), b: newStack(t, w, "b"), to: map[uint32]uint32{}, from: map[bool]usrreq.Sock{}}
	p.m = model{alive: map[uint32]netip.Addr{1: {}}, perSock: 3, perIf: 4}
	for _, name := range []string{"net.inet.ip.mcast.", "net.inet6.ip6.mcast."} {
		must(t, p.a.SetSysctl(name+"maxsocksrc", int64(p.m.perSock)))
		must(t, p.a.SetSysctl(name+"maxgrpsrc", int64(p.m.perIf)))
	}
	var sources []string
	for _, a := range playSources {
		sources = append(sources, netip.PrefixFrom(a, a.BitLen()).String())
	}
	plug(t, p.b, "sources", link.NewEpair(0).A(), sources...)
	p.from[false], p.from[true] = listen(t, p.b, "0.0.0.0:9"), listen(t, p.b, "[::]:9")
	for i := range uint32(playIfs - 1) {
		p.plug(2 + i)
	}
	for range playSocks {
		p.socks, p.m.socks = append(p.socks, usrreq.Sock{}), append(p.m.socks, nil)
		p.open(len(p.socks) - 1)
	}
	return p
}

// plug makes the interface with an index of a.
func (p *play) plug(index uint32) {
	cable := link.NewEpair(0)
	a := fmt.Sprintf("10.0.%d.1/24", index)
	if got := plug(p.t, p.a, "e"+strconv.Itoa(int(index)), cable.A(), a, fmt.Sprintf("fd00:%d::1/64", index)); got != index {
		p.t.Fatalf("interface %d, want %d", got, index)
	}
	p.to[index] = plug(p.t, p.b, "e"+strconv.Itoa(int(index)), cable.B(), fmt.Sprintf("10.0.%d.2/24", index), fmt.Sprintf("fd00:%d::2/64", index))
	p.m.alive[index] = prefix(a).Addr()
}

func (p *play) open(i int) {
	var e syscall.Errno
	m := &modelSock{own: map[bool]bool{}}
	switch i % 3 {
	case 0:
		p.socks[i], e = usrreq.ListenUDP(p.a, netip.AddrPortFrom(netip.IPv4Unspecified(), playPort), 0, pcb.ReusePort)
		m.v4 = true
	case 1:
		p.socks[i], e = usrreq.ListenUDP(p.a, netip.AddrPortFrom(netip.IPv6Unspecified(), playPort), 0, pcb.ReusePort)
		m.v4, m.v6 = true, true
	case 2:
		p.socks[i], e = usrreq.ListenUDP6(p.a, netip.AddrPortFrom(netip.IPv6Unspecified(), playPort), 0, pcb.ReusePort)
		m.v6 = true
	}
	must(p.t, e)
	p.m.socks[i] = m
}

// n draws a number below max from the data.
func (p *play) n(max int) int {
	if len(p.data) == 0 {
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return int(b) % max
}

func (p *play) run(data []byte) {
	for p.data = data; len(p.data) > 0 && !p.t.Failed(); {
		p.step()
		p.compare()
	}
	for _, s := range p.socks {
		s.Close()
	}
	if c := p.a.World().Sched().Pool().Counts(); c.Bufs != 0 {
		p.t.Errorf("%d buffers outstanding", c.Bufs)
	}
}

func (p *play) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf(format, args...)
	if len(p.log) > 0 {
		p.t.Logf("the last steps:\n%s", p.log)
		p.log = nil
	}
}

func (p *play) note(format string, args ...any) {
	p.log = append(p.log[max(0, len(p.log)-12):], fmt.Sprintf(format+"\n", args...))
}

func (p *play) step() {
	i := p.n(playSocks)
	s, m := p.socks[i], p.m.socks[i]
	switch what := p.n(40); {
	case what == 0:
		p.note("close %d", i)
		if s.Close(); m.closed {
			p.open(i)
			return
		}
		m.closed, m.list = true, nil
		return
	case what == 1:
		p.interfaces(uint32(2 + p.n(playIfs-1)))
		return
	}
	q := p.request()
	want := p.m.do(m, &q)
	var got syscall.Errno
	if q.set {
		got = s.SetSourceFilter(q.at, q.group, q.mode, q.list)
	} else {
		got = s.Mcast(q.op, q.at, q.group, q.source)
	}
	p.note("socket %d %v: %s", i, q, name(got))
	if got != want {
		p.fail("socket %d: %v = %v, want %v", i, q, name(got), name(want))
	}
}

// interfaces destroys an interface, or makes it again.
func (p *play) interfaces(index uint32) {
	if _, ok := p.m.alive[index]; !ok {
		for index = 2; p.m.alive[index].IsValid(); index++ { // the least index is given out
		}
		p.note("interface %d comes", index)
		p.plug(index)
		return
	}
	p.note("interface %d goes", index)
	must(p.t, control.RemoveInterface(p.a, index))
	must(p.t, control.RemoveInterface(p.b, p.to[index]))
	p.m.gone(index)
}

func (p *play) request() (q ask) {
	q.set = p.n(4) == 0
	q.op = usrreq.McastOp(p.n(6))
	q.group = playGroups[p.n(len(playGroups))]
	switch p.n(8) {
	case 0:
		q.at = usrreq.McastIf{Any: true}
	case 1:
		q.at = usrreq.McastIf{Addr: addr("10.0.2.1"), Any: true}
	case 2:
		q.at = usrreq.McastIf{Addr: addr("10.0.3.1")}
	case 3:
		q.at = usrreq.McastIf{Addr: addr("10.7.7.7"), Any: true}
	case 4:
		q.at = usrreq.McastIf{Index: uint32(p.n(playIfs + 2))}
	default:
		q.at = usrreq.McastIf{Index: 2 + uint32(p.n(playIfs-1))}
	}
	if !q.set {
		q.source = p.source(q.group)
		return q
	}
	q.mode = mcast.Mode(p.n(16)%2 + 1)
	if p.n(16) == 0 {
		q.mode = mcast.Mode(p.n(4))
	}
	for range p.n(5) {
		q.list = append(q.list, p.source(q.group))
	}
	return q
}

// source draws a source, nearly always of the group's family.
func (p *play) source(group netip.Addr) netip.Addr {
	n := p.n(32)
	switch {
	case n == 31:
		return addr("ff0e::5")
	case n < 30 && group.Is6():
		n |= 1
	case n < 30:
		n &^= 1
	}
	return playSources[n%len(playSources)]
}

func (p *play) compare() {
	p.t.Helper()
	for _, group := range playGroups[:4] {
		for on := uint32(1); on <= playIfs; on++ {
			p.compareFilters(group, on)
			if _, ok := p.m.alive[on]; ok && on > 1 {
				p.compareHearing(group, on)
			}
		}
	}
}

func (p *play) compareFilters(group netip.Addr, on uint32) {
	p.t.Helper()
	for i, s := range p.socks {
		want := "EADDRNOTAVAIL"
		if x := p.m.socks[i].find(group, on, false); x != nil {
			f := mcast.Filter{Mode: x.mode}
			for a := range x.sources {
				f.Sources = append(f.Sources, a)
			}
			slices.SortFunc(f.Sources, netip.Addr.Compare)
			want = filterText(f, 0)
		} else if _, ok := p.m.alive[on]; !ok && p.m.socks[i].own[group.Is6()] {
			want = "EINVAL"
		}
		if got := filterText(s.SourceFilter(usrreq.McastIf{Index: on}, group)); got != want {
			p.fail("socket %d, %v on %d: %s, want %s", i, group, on, got, want)
		}
	}
	p.socks[0].Memberships(func(g *vnet.Groups, _ *vnet.Members) {
		var got mcast.Filter
		if snap := g.Lookup(group, int32(on)); snap != nil {
			got = snap.Merged()
		}
		if want := p.m.merged(group, on); filterText(got, 0) != filterText(want, 0) {
			p.fail("%v on %d: %s, want %s", group, on, filterText(got, 0), filterText(want, 0))
		}
	})
}

// compareHearing sends a datagram of each source to a group on an interface.
func (p *play) compareHearing(group netip.Addr, on uint32) {
	p.t.Helper()
	var buf [8]byte
	for _, src := range playSources {
		if src.Is4() != group.Is4() {
			continue
		}
		how := socket.Send{Src: src, IfIndex: p.to[on]}
		if _, err := p.from[group.Is6()].WriteTo([]byte("x"), netip.AddrPortFrom(group, playPort), &how); err != nil {
			p.fail("send from %v to %v on %d: %v", src, group, on, err)
			continue
		}
		for i, s := range p.socks {
			x := p.m.socks[i].find(group, on, false)
			want := x != nil && x.passes(src)
			if _, err := s.ReadFrom(buf[:], nil, false); (err == nil) != want && !p.m.socks[i].closed {
				p.fail("socket %d, %v from %v on %d: heard %t, want %t", i, group, src, on, err == nil, want)
			}
		}
	}
}
