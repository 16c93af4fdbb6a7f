package control_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/vvar"
)

// TestModuleVars is behaviour 1.1.4: every stack has its own copy, existing
// ones at once, later ones from the initial value.
func TestModuleVars(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	a := newStack(t, w, "a")
	type conf struct{ x, y int }
	m := &vnet.Module{Name: "m"}
	v, n := vvar.New(&m.Vars, "v", conf{1, 2}), vvar.New(&m.Vars, "n", 7)
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
	if _, e := stacktest.New(t, w, vnet.StackConfig{Name: "5"}); e != syscall.ENOMEM || w.Stack("5") != nil {
		t.Errorf("a stack that could not be constructed: %v", e)
	}
	r.want(t, "+b5", "-b5")
	if _, e := stacktest.New(t, w, vnet.StackConfig{Name: "1"}); e != syscall.EEXIST {
		t.Errorf("a second stack of the name: %v", e)
	}
	r.want(t, "+b1", "+d1", "-d1", "-b1")
	empty(t, w)
}

// TestModuleSubsystems: behaviour 1.1.6's order is that of subsystems, then within one
// that of Order, then of loading, whatever was loaded first; and the reverse when a
// stack goes.
func TestModuleSubsystems(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	var r recorder
	for _, m := range []struct {
		name             string
		subsystem, order int
	}{{"d", 2, 1}, {"b", 1, 7}, {"e", 2, 1}, {"a", 1, -3}, {"f", 3, -9}, {"c", 2, 0}} {
		made := r.module(m.name, "")
		made.Subsystem, made.Order = m.subsystem, m.order
		must(t, control.LoadModule(w, made))
	}
	st := newStack(t, w, "1")
	r.want(t, "+a1", "+b1", "+c1", "+d1", "+e1", "+f1")
	for _, m := range w.Modules().All() {
		if m.Name == "c" {
			must(t, control.UnloadModule(w, m))
		}
	}
	r.want(t, "-c1")
	control.Close(st)
	r.want(t, "-f1", "-e1", "-d1", "-b1", "-a1")
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

// TestModuleUndoneWhileClosing: stacks are closed while a module that fails in
// a later one is undone.
func TestModuleUndoneWhileClosing(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	var stacks []*vnet.Stack
	for i := range 3 {
		stacks = append(stacks, newStack(t, w, fmt.Sprint(i)))
	}
	var r recorder
	m := r.module("m", "")
	construct := m.Construct
	closed := make(chan bool, 2)
	m.Construct = func(st *vnet.Stack) syscall.Errno {
		if st != stacks[2] {
			return construct(st)
		}
		for _, o := range stacks[:2] {
			go func() { control.Close(o); closed <- true }()
			for w.Stack(o.Name()) != nil {
				runtime.Gosched()
			}
		}
		return syscall.ENOMEM
	}
	if e := control.LoadModule(w, m); e != syscall.ENOMEM {
		t.Error(e)
	}
	<-closed
	<-closed
	r.want(t, "+m0", "+m1", "-m1", "-m0")
	empty(t, w)
}
