package bridge

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

// neighbors is hosts at ports 1 to n that speak MLD, a switch between them, and
// sometimes a querier at port 0.
type neighbors struct {
	t      *testing.T
	s      *script
	hosts  []mld.Host // 0 is not used
	router *mld.Router
	env    mld.Env
	renv   mld.RouterEnv
	out    mld.Out
}

func newNeighbors(t *testing.T, hosts int) *neighbors {
	tun, rtun := mld.Defaults(), mld.RouterDefaults()
	n := &neighbors{t: t, s: newScript(t, hosts+1), hosts: make([]mld.Host, hosts+1),
		env: mld.Env{T: &tun, S: &mld.Stats{}}, renv: mld.RouterEnv{T: &rtun, S: &mld.RouterStats{}}}
	n.out.Buf = make([]byte, 1452)
	for i := range n.hosts {
		n.hosts[i] = mld.NewHost(&tun, uint64(i), false)
	}
	return n
}

// join has a host listen to its solicited-node group, as its address begins.
func (n *neighbors) join(i int) {
	n.hosts[i].Change(n.s.now, n.env, wire.SolicitedNode(linkLocal(i)), mcast.Filter{Mode: mcast.Exclude}, time.Second)
}

// send switches what is in out and lets receivers have it.
func (n *neighbors) send(from int) {
	frame := mldFrame(from, linkLocal(from), n.out.Dst, slices.Clone(n.out.Buf[:n.out.N]))
	n.s.b.Input(n.s.now, n.s.env(), int32(from), frame, &n.s.d)
	p := mld.Packet{Src: linkLocal(from), Dst: n.out.Dst, HopLimit: mld.HopLimit, RouterAlert: true,
		Payload: frame[wire.EtherLen+wire.IPv6Len+8:]}
	for _, to := range targets(n.t, &n.s.d) {
		v := mld.Accepted
		switch {
		case to > 0:
			v = n.hosts[to].Input(n.s.now, n.env, &p)
		case n.router != nil:
			v = n.router.Input(n.s.now, n.renv, &p)
		}
		if v != mld.Accepted {
			n.t.Fatal(v)
		}
	}
}

func (n *neighbors) run(d time.Duration) {
	for until := n.s.now.Add(d); ; {
		due := n.s.b.Deadline()
		if n.router != nil {
			due = min(due, n.router.Deadline())
		}
		for i := range n.hosts {
			due = min(due, n.hosts[i].Deadline())
		}
		if due > until {
			n.s.now = until
			return
		}
		n.s.now = max(n.s.now, due)
		n.s.b.Expire(n.s.now, n.s.env())
		for n.router != nil && n.router.Next(n.s.now, n.renv, &n.out) {
			n.send(0)
		}
		for i := range n.hosts {
			for n.hosts[i].Next(n.s.now, n.env, &n.out) {
				n.send(i)
			}
		}
	}
}

// find has every host solicit its neighbour, and tells how many copies that took.
// Every solicitation must arrive.
func (n *neighbors) find(when string) (copies int) {
	n.t.Helper()
	hosts := len(n.hosts) - 1
	for i := 1; i <= hosts; i++ {
		to := i%hosts + 1
		n.s.b.Input(n.s.now, n.s.env(), int32(i), solicit(i, linkLocal(to)), &n.s.d)
		if !slices.Contains(targets(n.t, &n.s.d), int32(to)) {
			n.t.Errorf("%s: host %d does not reach host %d: %v", when, i, to, n.s.d.Verdict)
		}
		copies += n.s.d.Copies
	}
	return copies
}

// TestNeighborDiscovery: solicitations reach their targets at every moment of a
// switch's life, while a querier is known and while none is, and are shown to
// nobody else where that is possible.
func TestNeighborDiscovery(t *testing.T) {
	const hosts = 20
	n := newNeighbors(t, hosts)
	watch := func(when string, d time.Duration) {
		t.Helper()
		for range d / (500 * time.Millisecond) {
			n.run(500 * time.Millisecond)
			n.find(when)
		}
	}
	for i := 1; i <= hosts/2; i++ {
		n.join(i)
	}
	watch("before the first report", 2*time.Second)
	watch("no querier", 10*time.Minute)
	for i := hosts/2 + 1; i <= hosts; i++ {
		n.join(i)
		watch("one more host", time.Second)
	}
	n.router = mld.NewRouter(n.s.now, n.renv.T, linkLocal(0x100), false)
	watch("a querier begins", time.Minute)
	if got := n.find("settled"); got != 2*hosts { // the neighbour and the router
		t.Errorf("%d copies of %d solicitations", got, hosts)
	}
	watch("a querier", 20*time.Minute)
	n.router = nil
	watch("it falls silent", 20*time.Minute)
	if got := n.find("silent"); got != hosts*hosts { // all others, and the querier's port
		t.Errorf("%d copies of %d solicitations", got, hosts)
	}
	n.router = mld.NewRouter(n.s.now, n.renv.T, linkLocal(0x100), false)
	watch("it is back", 20*time.Minute)
	if got := n.find("settled again"); got != 2*hosts {
		t.Errorf("%d copies of %d solicitations", got, hosts)
	}
	if n.s.stats.BadMLD+n.s.stats.NotRecorded+n.renv.S.Bad+n.renv.S.Refused != 0 {
		t.Errorf("%+v %+v", n.s.stats, *n.renv.S)
	}
	if want := netip.MustParseAddr("fe80::100"); n.router.QuerierAddr(n.s.now) != want || len(n.router.State(n.s.now)) != hosts {
		t.Errorf("the querier %v knows of %d groups", n.router.QuerierAddr(n.s.now), len(n.router.State(n.s.now)))
	}
}
