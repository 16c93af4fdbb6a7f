package vnet

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
)

// tunable is where a sysctl's value lies in a page, and what it may be.
type tunable struct {
	path     []int
	min, max int64
	desc     string
}

// sysctls finds tunables by name. The tags are read once per world.
type sysctls struct {
	once   sync.Once
	byName map[string]tunable
}

func (s *sysctls) find(name string) (tunable, bool) {
	s.once.Do(func() {
		s.byName = make(map[string]tunable)
		collect(reflect.TypeFor[Tunables](), nil, s.byName)
	})
	t, ok := s.byName[name]
	return t, ok
}

// collect adds the tagged fields of a page to all.
func collect(page reflect.Type, path []int, all map[string]tunable) {
	for i := range page.NumField() {
		f := page.Field(i)
		at := append(path[:len(path):len(path)], i)
		if f.Type.Kind() == reflect.Struct {
			collect(f.Type, at, all)
			continue
		}
		parts := strings.Split(f.Tag.Get("sysctl"), ",")
		t := tunable{path: at, min: -1 << 63, max: 1<<63 - 1, desc: f.Tag.Get("desc")}
		for _, p := range parts[1:] {
			key, value, _ := strings.Cut(p, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			switch {
			case err != nil:
			case key == "min":
				t.min = n
			case key == "max":
				t.max = n
			}
		}
		all[parts[0]] = t
	}
}

// Sysctl returns the value of a tunable; ENOENT where there is none of that
// name.
func (st *Stack) Sysctl(name string) (int64, syscall.Errno) {
	t, ok := st.world.sysctls.find(name)
	if !ok {
		return 0, syscall.ENOENT
	}
	return reflect.ValueOf(st.view.Load().tun).Elem().FieldByIndex(t.path).Int(), 0
}

// SetSysctl changes a tunable of this stack: it gets a page of its own. ENOENT
// where there is none of that name, EINVAL for a value out of its range.
func (st *Stack) SetSysctl(name string, value int64) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	page, e := st.world.edited(st.view.Load().tun, name, value)
	if e != 0 {
		return e
	}
	st.change(func(v *View) { v.tun = page })
	for i := range 1 + len(st.more) {
		sh := st.shardAt(i)
		p := pass{v: st.view.Load()}
		sh.mu.Lock()
		sh.rebind(&p)
		sh.mu.Unlock()
	}
	return 0
}

// SetReference changes what stacks made from now on start with; no existing
// stack moves. Errors are SetSysctl's.
func (w *World) SetReference(name string, value int64) syscall.Errno {
	w.mu.Lock()
	defer w.mu.Unlock()
	page, e := w.edited(w.ref.Load(), name, value)
	if e == 0 {
		w.ref.Store(page)
	}
	return e
}

// edited returns a copy of a page with one value changed.
func (w *World) edited(page *Tunables, name string, value int64) (*Tunables, syscall.Errno) {
	t, ok := w.sysctls.find(name)
	if !ok {
		return nil, syscall.ENOENT
	}
	next := *page
	f := reflect.ValueOf(&next).Elem().FieldByIndex(t.path)
	if value < t.min || value > t.max || f.OverflowInt(value) {
		return nil, syscall.EINVAL
	}
	f.SetInt(value)
	return &next, 0
}

// Counters returns every statistic that is not zero, summed over shards, by
// name; drops by reason under "drop.…".
func (st *Stack) Counters() map[string]uint64 {
	all := make(map[string]uint64)
	for i := range 1 + len(st.more) {
		sh := st.shardAt(i)
		sh.mu.Lock()
		gather(reflect.ValueOf(&sh.hot).Elem(), all)
		if sh.cold != nil {
			gather(reflect.ValueOf(sh.cold).Elem(), all)
			for why, n := range sh.cold.DroppedFrames {
				if n != 0 && pkt.Reason(why) != pkt.QueueFull { // the queue itself counts those
					all["drop."+pkt.Reason(why).String()] += n
				}
			}
		}
		sh.rooms.gather(all)
		sh.mu.Unlock()
		if n := sh.Queue.Stats().Drops; n != 0 {
			all["drop."+pkt.QueueFull.String()] += n
		}
	}
	return all
}

// gather adds the tagged fields of a block of counters.
func gather(block reflect.Value, all map[string]uint64) {
	for i := range block.NumField() {
		name := block.Type().Field(i).Tag.Get("stat")
		if name == "" {
			continue
		}
		if n := block.Field(i).Uint(); n != 0 {
			all[name] += n
		}
	}
}
