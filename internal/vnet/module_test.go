package vnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/vvar"
	"github.com/seed88948545/vimage/internal/wire"
)

func newStack(t testing.TB, w *vnet.World, name string) *vnet.Stack {
	t.Helper()
	st, e := control.NewStack(w, vnet.StackConfig{Name: name})
	must(t, e)
	return st
}

// TestModuleVars is behaviour 1.1.4: every stack has its own copy, existing
// ones at once, later ones from the initial value.
func TestModuleVars(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	a := newStack(t, w, "a")
	type conf struct{ x, y int }
	m := &vnet.Module{Name: "m"}
	v, n := vvar.New(&m.Vars, conf{1, 2}), vvar.New(&m.Vars, 7)
	if v.In(a.Vars()) != nil {
		t.Error("a variable before its module is loaded")
	}
	must(t, control.LoadModule(w, m))
	if e := control.LoadModule(w, &vnet.Module{Name: "m"}); e != syscall.EEXIST {
		t.Errorf("a second module of the name: %v", e)
	}
	b := newStack(t, w, "b")
	v.In(a.Vars()).x, *n.In(a.Vars()) = 100, 200
	for _, st := range []*vnet.Stack{b, newStack(t, w, "c")} {
		if *v.In(st.Vars()) != (conf{1, 2}) || *n.In(st.Vars()) != 7 {
			t.Errorf("%s starts with %v and %d", st.Name(), *v.In(st.Vars()), *n.In(st.Vars()))
		}
	}
	if *v.In(a.Vars()) != (conf{100, 2}) || *n.In(a.Vars()) != 200 {
		t.Error("a lost its values")
	}
	must(t, control.UnloadModule(w, m))
	if e := control.UnloadModule(w, m); e != syscall.ENOENT {
		t.Errorf("unloaded twice: %v", e)
	}
	if v.In(a.Vars()) != nil || !a.Vars().Empty() {
		t.Error("a variable after its module is unloaded")
	}
	must(t, control.LoadModule(w, m))
	if *v.In(a.Vars()) != (conf{1, 2}) {
		t.Error("loaded again, a variable does not start anew")
	}
	empty(t, w)
}

// recorder makes modules that write down what is called.
type recorder struct {
	mu  sync.Mutex
	log []string
}

func (r *recorder) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, s)
}

func (r *recorder) module(name, failOn string) *vnet.Module {
	return &vnet.Module{
		Name: name,
		Construct: func(st *vnet.Stack) syscall.Errno {
			if st.Name() == failOn {
				return syscall.ENOMEM
			}
			r.add("+" + name + st.Name())
			return 0
		},
		Destruct: func(st *vnet.Stack) { r.add("-" + name + st.Name()) },
	}
}

func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(r.log, want) {
		t.Errorf("called %v, want %v", r.log, want)
	}
	r.log = nil
}

// TestModuleOrder: constructors run in order, destructors in exact reverse, and
// of what failed nothing stays.
func TestModuleOrder(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	var r recorder
	newStack(t, w, "1")
	two := newStack(t, w, "2")
	newStack(t, w, "3")
	a, b := r.module("a", ""), r.module("b", "")
	must(t, control.LoadModule(w, a))
	must(t, control.LoadModule(w, b))
	r.want(t, "+a1", "+a2", "+a3", "+b1", "+b2", "+b3")
	c := r.module("c", "3")
	if e := control.LoadModule(w, c); e != syscall.ENOMEM {
		t.Errorf("load: %v", e)
	}
	r.want(t, "+c1", "+c2", "-c2", "-c1")
	if len(w.Modules().All()) != 2 {
		t.Error("a module that failed is loaded")
	}
	control.Close(two)
	control.Close(two)
	r.want(t, "-b2", "-a2")
	must(t, control.UnloadModule(w, a))
	r.want(t, "-a3", "-a1")
	d := r.module("d", "5")
	must(t, control.LoadModule(w, d))
	r.log = nil
	if _, e := control.NewStack(w, vnet.StackConfig{Name: "5"}); e != syscall.ENOMEM || w.Stack("5") != nil {
		t.Errorf("a stack that could not be constructed: %v", e)
	}
	r.want(t, "+b5", "-b5")
	if _, e := control.NewStack(w, vnet.StackConfig{Name: "1"}); e != syscall.EEXIST {
		t.Errorf("a second stack of the name: %v", e)
	}
	r.want(t, "+b1", "+d1", "-d1", "-b1")
	empty(t, w)
}

// TestModuleVisibility: a stack is found only after its last constructor and
// before its first destructor.
func TestModuleVisibility(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	saw := 0
	look := func(st *vnet.Stack) {
		if w.Stack("late") != nil || slices.Contains(w.Stacks(), st) {
			t.Error("a stack is visible to its constructor or destructor")
		}
		saw++
	}
	must(t, control.LoadModule(w, &vnet.Module{
		Name:      "m",
		Construct: func(st *vnet.Stack) syscall.Errno { look(st); return 0 },
		Destruct:  look,
	}))
	st := newStack(t, w, "late")
	if w.Stack("late") != st {
		t.Error("not visible")
	}
	control.Close(st)
	if saw != 2 {
		t.Errorf("%d calls", saw)
	}
}

// TestModulePackets: a module gets the frames and packets nobody else wants.
func TestModulePackets(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		tp.learn("10.0.0.2", "10.0.0.1")
		var got []string
		m := &vnet.Module{
			Name: "m", EtherType: 0x88b5, Proto: 253,
			InEther: func(st *vnet.Stack, i uint32, f wire.Ether) {
				got = append(got, fmt.Sprint(st.Name(), i, string(f.Payload())))
			},
			InIP: func(st *vnet.Stack, i uint32, p wire.IPv4) {
				got = append(got, fmt.Sprint(st.Name(), i, string(p.Payload())))
			},
		}
		frame := make([]byte, wire.EtherLen, 20)
		wire.PutEther(frame, tp.peer, tp.mac, 0x88b5)
		frame = append(frame, "frame"...)
		packet := ipFrame(tp.peer, tp.mac, wire.IPv4Header{TTL: 9, Proto: 253, Src: addr("10.0.0.2"), Dst: addr("10.0.0.1")}, []byte("packet"))
		for _, loaded := range []bool{false, true, false} {
			got = nil
			if loaded {
				must(t, control.LoadModule(w, m))
			}
			tp.inject(frame, packet)
			if loaded {
				if want := []string{st.Name() + "2frame", st.Name() + "2packet"}; !slices.Equal(got, want) {
					t.Errorf("the module got %q, want %q", got, want)
				}
				must(t, control.UnloadModule(w, m))
			} else if _, icmp := tp.oneICMP(t); got != nil || icmp.Code() != wire.ICMP4CodeProto {
				t.Errorf("not loaded, the module got %q", got)
			}
		}
		count(t, st, map[string]uint64{"drop.unknown ethertype": 2, "drop.no protocol": 2})
		empty(t, w)
	})
}

// TestModuleWhileRunning loads and unloads while packets flow and stacks come
// and go.
func TestModuleWhileRunning(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		synctest.Test(t, func(t *testing.T) {
			n := newNet2(t, clock.NewReal(), shards)
			m := &vnet.Module{Name: "m", Proto: 253}
			v := vvar.New(&m.Vars, int64(1))
			dead := vvar.New(&m.Vars, false)
			m.InIP = func(st *vnet.Stack, _ uint32, _ wire.IPv4) {
				if v.In(st.Vars()) == nil || *dead.In(st.Vars()) {
					t.Error("a packet in a module that is not there")
				}
			}
			m.Destruct = func(st *vnet.Stack) { *dead.In(st.Vars()) = true }
			var stop atomic.Bool
			var wg sync.WaitGroup
			raw, e := n.a.ListenRaw(253, addr("0.0.0.0"), 0)
			must(t, e)
			for range 2 {
				wg.Go(func() {
					for !stop.Load() {
						if _, err := raw.WriteTo([]byte("x"), netip.AddrPortFrom(addr("10.0.0.2"), 0), nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
			for i := range 200 {
				must(t, control.LoadModule(n.w, m))
				st := newStack(t, n.w, fmt.Sprint(i))
				if *v.In(st.Vars()) != 1 || *v.In(n.a.Vars()) != 1 {
					t.Fatal("wrong initial value")
				}
				*v.In(n.a.Vars()) = 5
				wg.Go(func() { control.Close(st) })
				must(t, control.UnloadModule(n.w, m))
			}
			stop.Store(true)
			wg.Wait()
			synctest.Wait()
			raw.Close()
			empty(t, n.w)
		})
	})
}
