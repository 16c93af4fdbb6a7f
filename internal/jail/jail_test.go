package jail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/vnet"
)

func newTree(t *testing.T) *Tree {
	t.Helper()
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, e := control.NewStack(w, vnet.StackConfig{Name: "vnet0"})
	if e != 0 {
		t.Fatal(e)
	}
	tr := NewTree(w, st, func(*vnet.Stack) {})
	t.Cleanup(tr.Close)
	return tr
}

func (j *Jail) mustCreate(t *testing.T, c Config) *Jail {
	t.Helper()
	n, err := j.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// behaviour 1.2: the rows of the table "privileges" for every kind of jail. The
// letters say who has them: 0 jail 0, v with a stack of its own, s sharing one, r and a
// such with allow.raw_sockets and allow.socket_af, w with a stack and allow.socket_af.
func TestPrivileges(t *testing.T) {
	stacktest.Several(t)
	tr := newTree(t)
	root := tr.Root()
	kinds := map[byte]*Jail{
		'0': root,
		'v': root.mustCreate(t, Config{VNET: true}),
		'w': root.mustCreate(t, Config{VNET: true, Allow: Flags{SocketAF: true}}),
		's': root.mustCreate(t, Config{}),
		'r': root.mustCreate(t, Config{Allow: Flags{RawSockets: true}}),
		'a': root.mustCreate(t, Config{Allow: Flags{SocketAF: true}}),
	}
	rows := [NumPrivs]struct {
		name string
		who  string
		e    syscall.Errno
	}{
		NetConfig: {"addresses, routes, interfaces", "0vw", syscall.EPERM},
		SetIfVnet: {"move an interface to a child", "0vw", syscall.EPERM},
		Multicast: {"multicast add/del", "0vw", syscall.EPERM},
		Mroute:    {"mroute", "0vw", syscall.EPERM},
		BPF:       {"BPF", "0vw", syscall.EPERM},
		Firewall:  {"ipfw, divert, dummynet", "0vw", syscall.EPERM},
		CARP:      {"carp", "0vw", syscall.EPERM},
		Sysctl:    {"sysctl", "0vw", syscall.EPERM},
		RawSocket: {"raw sockets", "0vwr", syscall.EPERM},
		SocketAF:  {"other AF", "0wa", syscall.EPROTONOSUPPORT},
		Module:    {"modules", "0", syscall.EPERM},
		StackMake: {"stacks", "0", syscall.EPERM},
	}
	for p, r := range rows {
		for kind, j := range kinds {
			if got, want := j.Cred().Allows(Priv(p)), strings.IndexByte(r.who, kind) >= 0; got != want {
				t.Errorf("%s: jail of kind %c: %v", r.name, kind, got)
			}
		}
		if e := Priv(p).Errno(); e != r.e {
			t.Errorf("%s: %v, want %v", r.name, e, r.e)
		}
	}
}

// What is allowed in a jail is not more than in the one it is in, whichever changes.
func TestFlagsGoDown(t *testing.T) {
	root := newTree(t).Root()
	a := root.mustCreate(t, Config{Name: "a", Persist: true, ChildrenMax: 2, Allow: Flags{RawSockets: true}})
	b := a.mustCreate(t, Config{Name: "b", Persist: true, Allow: Flags{RawSockets: true}})
	if _, err := a.Create(Config{Allow: Flags{SocketAF: true}}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("more than the jail above: %v", err)
	}
	steps := []struct {
		value string
		want  bool
	}{{"0", false}, {"1", true}}
	for _, s := range steps {
		if err := a.Set(Param{"allow.raw_sockets", s.value}); err != nil {
			t.Fatal(err)
		}
		if got := b.Cred().Allows(RawSocket); got != s.want {
			t.Errorf("a has allow.raw_sockets=%s: b may: %v", s.value, got)
		}
	}
}

// A removed jail may do nothing.
func TestGone(t *testing.T) {
	stacktest.Several(t)
	j := newTree(t).Root().mustCreate(t, Config{VNET: true})
	c := j.Cred()
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	for p := range NumPrivs {
		if c.Allows(p) {
			t.Errorf("privilege %d", p)
		}
	}
	if err := j.Remove(); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("removed again: %v", err)
	}
	if _, err := j.Create(Config{}); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("create in it: %v", err)
	}
	if err := j.Set(Param{"persist", "1"}); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("set: %v", err)
	}
}

// behaviour 1.2: numbers from 1 on, the decimal number as default name, names like
// a.b, and nobody sees what is not below him.
func TestNamesAndNumbers(t *testing.T) {
	stacktest.Several(t)
	tr := newTree(t)
	root := tr.Root()
	st, e := tr.NewStack(vnet.StackConfig{Name: "host1"})
	if e != 0 {
		t.Fatal(e)
	}
	a := root.mustCreate(t, Config{Name: "a", VNET: true, Persist: true, ChildrenMax: 10})
	b := a.mustCreate(t, Config{Name: "b", Persist: true, ChildrenMax: 1})
	c := b.mustCreate(t, Config{VNET: true, Persist: true})
	for _, x := range []struct {
		j    *Jail
		id   int
		name string
	}{{root, 0, "0"}, {tr.Of(st), 1, "host1"}, {a, 2, "a"}, {b, 3, "a.b"}, {c, 4, "a.b.4"}} {
		if x.j.ID() != x.id || x.j.Name() != x.name {
			t.Errorf("jail %d is %q, want %d %q", x.j.ID(), x.j.Name(), x.id, x.name)
		}
	}
	if c.Stack().Name() != "a.b.4" || b.Stack() != a.Stack() {
		t.Errorf("stacks: %s, %s", c.Stack().Name(), b.Stack().Name())
	}
	for _, x := range []struct {
		from *Jail
		name string
		want *Jail
	}{
		{root, "a", a}, {root, "a.b", b}, {root, "a.b.4", c}, {root, "4", c}, {root, "host1", tr.Of(st)}, {root, "1", tr.Of(st)},
		{a, "b", b}, {a, "b.4", c}, {a, "3", b}, {a, "4", c}, {b, "4", c},
		{root, "0", nil}, {root, "vnet0", nil}, {root, "b", nil}, {root, "99", nil},
		{a, "a", nil}, {a, "a.b", nil}, {a, "2", nil}, {a, "0", nil}, {a, "1", nil}, {b, "a", nil}, {b, "3", nil}, {a, "host1", nil},
	} {
		if got := x.from.Find(x.name); got != x.want {
			t.Errorf("from %s, %q: %v", x.from.Name(), x.name, got)
		}
	}
	var names []string
	for _, j := range root.Children() {
		names = append(names, j.Name())
	}
	if got := strings.Join(names, " "); got != "host1 a" {
		t.Errorf("children of jail 0: %s", got)
	}
	if _, e := tr.NewStack(vnet.StackConfig{Name: "a.z"}); e != 0 { // beside a, not in it
		t.Fatal(e)
	}
	if z := root.Find("a.z"); z == nil || a.Find("z") != nil {
		t.Errorf("a.z is %v to jail 0, %v to a", z, a.Find("z"))
	}
	if err := b.Remove(); err != nil {
		t.Fatal(err)
	}
	if n := root.mustCreate(t, Config{}); n.ID() != 6 || n.Name() != "6" {
		t.Errorf("the next jail is %d %q: numbers are not used again", n.ID(), n.Name())
	}
}

func TestCreateErrors(t *testing.T) {
	stacktest.Several(t)
	tr := newTree(t)
	root := tr.Root()
	a := root.mustCreate(t, Config{Name: "a", Persist: true, ChildrenMax: 1, IP4: Family{Mode: New, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}})
	addr := func(s string) Family { return Family{Mode: New, Addrs: []netip.Addr{netip.MustParseAddr(s)}} }
	for _, c := range []struct {
		in   *Jail
		c    Config
		want syscall.Errno
	}{
		{root, Config{Name: "a"}, syscall.EEXIST},
		{root, Config{Name: "vnet0", VNET: true}, syscall.EEXIST},
		{root, Config{Name: "a.b"}, syscall.EINVAL},
		{root, Config{Name: "77"}, syscall.EINVAL},
		{root, Config{ChildrenMax: -1}, syscall.EINVAL},
		{root, Config{ExecFIB: 65536}, syscall.EINVAL},
		{root, Config{VNET: true, IP4: addr("10.0.0.1")}, syscall.EINVAL},
		{root, Config{Interfaces: []string{"x"}}, syscall.EINVAL},
		{root, Config{VNET: true, Interfaces: []string{"x"}}, syscall.ENXIO},
		{root, Config{VNET: true, Interfaces: []string{"lo0"}}, syscall.EEXIST},
		{root, Config{Shards: 2}, syscall.EINVAL},
		{root, Config{VNET: true, Shards: 65}, syscall.EINVAL},
		{root, Config{IP4: addr("fe80::1")}, syscall.EINVAL},
		{root, Config{IP6: addr("10.0.0.1")}, syscall.EINVAL},
		{root, Config{IP4: addr("224.0.0.1")}, syscall.EINVAL},
		{root, Config{IP4: Family{Mode: Disable, Addrs: addr("10.0.0.1").Addrs}}, syscall.EINVAL},
		{a, Config{ChildrenMax: 2}, syscall.EPERM},
		{a, Config{Allow: Flags{RawSockets: true}}, syscall.EPERM},
		{a, Config{IP4: addr("10.0.0.2")}, syscall.EPERM},
	} {
		if j, err := c.in.Create(c.c); !errors.Is(err, c.want) || j != nil {
			t.Errorf("in %s, %+v: %v, want %v", c.in.Name(), c.c, err, c.want)
		}
	}
	if n := len(root.Children()); n != 1 {
		t.Errorf("jail 0 has %d children after that, want 1", n)
	}
	if got := len(tr.w.Stacks()); got != 1 {
		t.Errorf("%d stacks, want 1", got)
	}
	b := a.mustCreate(t, Config{Name: "b", Persist: true, ChildrenMax: 1})
	if _, err := a.Create(Config{}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("children.max of a itself: %v", err)
	}
	if _, err := b.Create(Config{}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("children.max of one above: %v", err)
	}
	plain := root.mustCreate(t, Config{})
	if _, err := plain.Create(Config{}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("children.max is 0 unless it is set: %v", err)
	}
}

func TestParams(t *testing.T) {
	root := newTree(t).Root()
	j := root.mustCreate(t, Config{
		Name: "web", Persist: true, ChildrenMax: 3, ExecFIB: 2, Hostname: "www",
		IP4: Family{New, []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}}, IP6: Family{Mode: Disable},
	})
	var got []string
	for _, p := range j.Params() {
		got = append(got, p.Name+"="+p.Value)
	}
	const want = "jid=1 name=web parent=0 dying=0 vnet=inherit vnet.interface= persist=1 children.max=3 children.cur=0 exec.fib=2 " +
		"host.hostname=www ip4=new ip4.addr=10.0.0.1,10.0.0.2 ip6=disable ip6.addr= allow.raw_sockets=0 allow.socket_af=0"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	for _, c := range []struct {
		name, value string
		want        error
		reads       string // afterwards
	}{
		{"jid", "3", syscall.EPERM, "1"},
		{"parent", "3", syscall.EPERM, "0"},
		{"dying", "1", syscall.EPERM, "0"},
		{"children.cur", "1", syscall.EPERM, "0"},
		{"name", "x", syscall.EPERM, "web"},
		{"vnet", "new", syscall.EPERM, "inherit"},
		{"vnet.interface", "lo0", syscall.EPERM, ""},
		{"no.such", "1", syscall.ENOENT, ""},
		{"children.max", "-1", syscall.EINVAL, "3"},
		{"children.max", "many", syscall.EINVAL, "3"},
		{"children.max", "5", nil, "5"},
		{"exec.fib", "65536", syscall.EINVAL, "2"},
		{"exec.fib", "65535", nil, "65535"},
		{"host.hostname", "mail", nil, "mail"},
		{"allow.raw_sockets", "yes", syscall.EINVAL, "0"},
		{"allow.raw_sockets", "", nil, "1"},
		{"allow.socket_af", "true", nil, "1"},
		{"ip6", "none", syscall.EINVAL, "disable"},
		{"ip6", "inherit", nil, "inherit"},
		{"ip6.addr", "10.0.0.1", syscall.EINVAL, ""},
		{"ip6.addr", "2001:db8::1 2001:db8::2", nil, "2001:db8::1,2001:db8::2"},
		{"ip6", "new", nil, "new"},
		{"ip4", "disable", nil, "disable"},
		{"ip4.addr", "", nil, ""},
	} {
		err := j.Set(Param{c.name, c.value})
		if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s=%s: %v, want %v", c.name, c.value, err, c.want)
		}
		if v, err := j.Get(c.name); v != c.reads {
			t.Errorf("%s is %q after =%s, want %q (%v)", c.name, v, c.value, c.reads, err)
		}
	}
	if err := j.Set(Param{"host.hostname", "other"}, Param{"jid", "1"}); err == nil || j.Config().Hostname != "mail" {
		t.Errorf("half of a change: %v, %q", err, j.Config().Hostname)
	}
	if err := root.Set(Param{"persist", "0"}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("jail 0: %v", err)
	}
}

func TestParse(t *testing.T) {
	c, err := Parse([]Param{{"name", "a"}, {"vnet", ""}, {"vnet.interface", "e0a, e1a"}, {"persist", ""}, {"children.max", "4"}})
	if got := fmt.Sprintf("%+v", c); err != nil || got != "{Name:a VNET:true Shards:0 Persist:true ChildrenMax:4 Interfaces:[e0a e1a] ExecFIB:0 "+
		"Hostname: IP4:{Mode:inherit Addrs:[]} IP6:{Mode:inherit Addrs:[]} Allow:{RawSockets:false SocketAF:false}}" {
		t.Errorf("%s %v", got, err)
	}
	for _, p := range []Param{{"vnet", "yes"}, {"jid", "4"}, {"nosuch", ""}} {
		if _, err := Parse([]Param{p}); err == nil {
			t.Errorf("%v: no error", p)
		}
	}
}

// behaviour 1.2: without persist a jail goes with the last who is in it.
func TestPersist(t *testing.T) {
	stacktest.Several(t)
	root := newTree(t).Root()
	j := root.mustCreate(t, Config{Name: "j", VNET: true})
	for range 2 {
		if !j.Enter() {
			t.Fatal("gone already")
		}
	}
	if j.Leave(); root.Find("j") == nil {
		t.Fatal("gone with one inside")
	}
	if j.Leave(); root.Find("j") != nil || !j.Gone() || j.Enter() || j.Stack() != nil {
		t.Error("still there")
	}
	k := root.mustCreate(t, Config{Name: "j", Persist: true})
	k.Enter()
	if k.Leave(); root.Find("j") != k {
		t.Error("it should have persisted")
	}
	if err := k.Set(Param{"persist", "0"}); err != nil || root.Find("j") != nil {
		t.Errorf("nobody inside, no persistence, and still there: %v", err)
	}
}

// A stack that goes takes its jail along, and that of jail 0 those that share it.
func TestCloseStack(t *testing.T) {
	stacktest.Several(t)
	tr := newTree(t)
	root := tr.Root()
	a := root.mustCreate(t, Config{Name: "a", VNET: true, Persist: true, ChildrenMax: 2})
	b := a.mustCreate(t, Config{Name: "b", VNET: true, Persist: true})
	c := a.mustCreate(t, Config{Name: "c", Persist: true})
	d := root.mustCreate(t, Config{Name: "d", Persist: true})
	tr.CloseStack(a.Stack())
	for _, j := range []*Jail{a, b, c} {
		if !j.Gone() {
			t.Errorf("%s is still there", j.Name())
		}
	}
	if d.Gone() || root.Stack() == nil {
		t.Error("the wrong ones are gone")
	}
	if tr.CloseStack(root.Stack()); !d.Gone() || root.Gone() || root.Stack() != nil {
		t.Error("d shares the stack of jail 0, which stays")
	}
}
