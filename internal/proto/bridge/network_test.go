package bridge

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// network is hosts at ports 1 to n, a querier at port 0 and a switch between
// them, in one loop of virtual time without delays.
type network struct {
	t      *testing.T
	s      *script
	hosts  []*igmp.Host // nil at 0, and where the host is dead
	router *igmp.Router
	env    igmp.Env
	renv   igmp.RouterEnv
	out    igmp.Out
}

func newNetwork(t *testing.T, hosts int) *network {
	tun, rtun := igmp.Defaults(), igmp.RouterDefaults()
	n := &network{t: t, s: newScript(t, hosts+1), hosts: make([]*igmp.Host, hosts+1),
		env: igmp.Env{T: &tun, S: &igmp.Stats{}, Sent: &igmp.Sent{}}, renv: igmp.RouterEnv{T: &rtun, S: &igmp.RouterStats{}}}
	n.out.Buf = make([]byte, 1476)
	n.router = igmp.NewRouter(0, &rtun, ip("10.0.255.254"), false)
	for i := 1; i <= hosts; i++ {
		h := igmp.NewHost(&tun, uint64(i), false)
		n.hosts[i] = &h
	}
	return n
}

// send switches what is in out and lets receivers have it.
func (n *network) send(from int) {
	src := netip.AddrFrom4([4]byte{10, 0, byte(from >> 8), byte(from)})
	if from == 0 {
		src = ip("10.0.255.254")
	}
	b := &n.s.d
	frame := frameOf(hostMAC(from), src, n.out.Dst, wire.ProtoIGMP, igmp.TTL, n.out.Buf[:n.out.N])
	n.s.b.Input(n.s.now, n.s.env(), int32(from), frame, b)
	p := igmp.Packet{Src: src, Dst: n.out.Dst, TTL: igmp.TTL, RouterAlert: true, Payload: frame[wire.EtherLen+wire.IPv4Len:]}
	for _, to := range targets(n.t, b) {
		if to == 0 {
			n.router.Input(n.s.now, n.renv, &p)
		} else if h := n.hosts[to]; h != nil {
			h.Input(n.s.now, n.env, &p)
		}
	}
}

func (n *network) run(d time.Duration) {
	for until := n.s.now.Add(d); ; {
		due := min(n.s.b.Deadline(), n.router.Deadline())
		for _, h := range n.hosts {
			if h != nil {
				due = min(due, h.Deadline())
			}
		}
		if due > until {
			n.s.now = until
			return
		}
		n.s.now = max(n.s.now, due)
		n.s.b.Expire(n.s.now, n.s.env())
		for n.router.Next(n.s.now, n.renv, &n.out) {
			n.send(0)
		}
		for i, h := range n.hosts {
			for h != nil && h.Next(n.s.now, n.env, &n.out) {
				n.send(i)
			}
		}
	}
}

func (n *network) join(i int, filter mcast.Filter) {
	n.hosts[i].Change(n.s.now, n.env, ip("232.1.1.1"), filter)
	n.run(0)
}

// data sends one datagram of the source from port 0's side and returns how many
// hosts get it, and how many copies the switch withheld.
func (n *network) data(src string) (copies, withheld int) {
	n.s.b.Input(n.s.now, n.s.env(), 0, udp(0, src, "232.1.1.1"), &n.s.d)
	return len(targets(n.t, &n.s.d)), n.s.d.Withheld
}

// TestTwoHundredHosts is a day on a switch: everybody joins one source, half
// leave politely, a quarter die without a word, the rest stays to the end, and
// at every moment the source reaches exactly those it should.
func TestTwoHundredHosts(t *testing.T) {
	const hosts = 200
	n := newNetwork(t, hosts)
	one := mcast.Filter{Mode: mcast.Include, Sources: []netip.Addr{ip("10.9.9.9")}}
	expect := func(when string, want int) {
		t.Helper()
		if got, withheld := n.data("10.9.9.9"); got != want || withheld != hosts-want {
			t.Errorf("%s: the source reaches %d hosts, %d copies withheld; want %d and %d", when, got, withheld, want, hosts-want)
		}
		if got, _ := n.data("10.9.9.8"); got != 0 {
			t.Errorf("%s: a source nobody asked for reaches %d hosts", when, got)
		}
		if got := n.router.Forwards(ip("232.1.1.1"), ip("10.9.9.9")); got != (want > 0) {
			t.Errorf("%s: the router forwards: %v", when, got)
		}
		checkLists(t, n.s.b)
	}
	n.run(time.Second)
	for i := 1; i <= hosts; i++ {
		n.join(i, one)
		n.run(10 * time.Millisecond)
	}
	expect("all joined", hosts)
	n.run(10 * time.Minute)
	expect("after five query intervals", hosts)
	for i := 1; i <= hosts/2; i++ {
		n.join(i, mcast.Filter{})
		n.run(50 * time.Millisecond)
	}
	n.run(3 * time.Second)
	expect("half have left", hosts/2)
	for i := hosts/2 + 1; i <= hosts*3/4; i++ {
		n.hosts[i] = nil
	}
	expect("a quarter has died, and nobody knows", hosts/2)
	n.run(260 * time.Second)
	expect("a group membership interval later", hosts/4)
	for i := hosts*3/4 + 1; i < hosts; i++ {
		n.join(i, mcast.Filter{})
	}
	n.run(3 * time.Second)
	expect("one is left", 1)
	n.join(hosts, mcast.Filter{})
	n.run(3 * time.Second)
	expect("nobody is left", 0)
	if got := routers(n.s); len(got) != 1 || got[0] != 0 {
		t.Errorf("router ports %v", got)
	}
	if n.s.stats.BadIGMP+n.s.stats.NotRecorded+n.renv.S.Bad != 0 {
		t.Errorf("%+v %+v", n.s.stats, *n.renv.S)
	}
	for i, h := range n.hosts {
		if h != nil && (h.Groups() != 0 || h.Deadline() != clock.Never) {
			t.Errorf("host %d is not idle", i)
		}
	}
	t.Logf("%d frames, %d copies, %d withheld, %d queries, %d reports", n.s.stats.Frames, n.s.stats.Copies,
		n.s.stats.Withheld, n.s.stats.Queries, n.s.stats.Reports)
}

// TestRFC3376Section6_6_3Storm: behind one port of a switch that asks itself, and
// in IPv6 as well, many leave one after another while others stay.
func TestRFC3376Section6_6_3Storm(t *testing.T) {
	const hosts, took = 500, 5 * time.Second
	for _, six := range []bool{false, true} {
		s := newScript(t, 2)
		report := func(n int, typ string) {
			s.now = s.now.Add(took / hosts / 2)
			f := reportOf(n, typ, "232.1.1.1", "10.9.9.9")
			if six {
				f = report6(n, linkLocal(n), typ, "ff3e::9:9", "2001:db8::9")
			}
			s.b.Input(s.now, s.env(), 1, f, &s.d)
		}
		from := Source{MAC: wire.MAC{2, 1}, IPv4: netip.IPv4Unspecified(), IPv6: ip("fe80::aa")}
		s.b.SetQuerier(s.now, true, from)
		asked, out := 0, Out{Buf: make([]byte, 1514)}
		pull := func() {
			for s.b.Next(s.now, s.env(), &out) {
				if d := wire.Ether(out.Buf[:out.N]).Dst(); d != wire.MulticastMAC(ip("224.0.0.1")) && d != wire.MulticastMAC(ip("ff02::1")) {
					asked++
				}
			}
		}
		report(0, "ALLOW")
		for i := range hosts {
			report(i, "BLOCK")
			pull()
			report(i+1, "IS_IN")
			pull()
		}
		if most := 2*int(took/time.Second) + 4; asked > most || asked < int(took/time.Second) {
			t.Errorf("IPv6 %v: asked %d times, want at most %d", six, asked, most)
		}
	}
}
