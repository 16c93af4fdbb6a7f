package bridge

import (
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// FilterTable is what the network cards on a shared wire accept: which ports
// want frames to which address, and which want all (promiscuous). A wire with
// 10,000 hosts shows a frame to those that want it, instead of to all that would
// throw it away. Broadcast frames, which everybody accepts, are the owner's
// business.
//
// Everything but ForgetPort and SetPromiscuous is O(1).
type FilterTable struct {
	Seed    table.Seed // may be set before first use
	lists   table.Table[wire.MAC, macPorts, *macPorts]
	entries table.Table[portMAC, filter, *filter]
	ports   []portFilters
	all     []int32 // promiscuous ports
}

// macPorts are the ports that accept an address, promiscuous ones left out.
type macPorts struct {
	at      wire.MAC
	ports   []int32
	filters []*filter // of the same ports
	refs    int32     // filters, promiscuous ports' too

	// Most addresses are one port's: these are what the lists begin with.
	onePort   [1]int32
	oneFilter [1]*filter
}

type portMAC struct {
	port int32
	mac  wire.MAC
}

type filter struct {
	list       *macPorts
	next, prev *filter // of the same port
	key        portMAC
	place      int32 // in list
	refs       int32
}

type portFilters struct {
	first       *filter
	promiscuous int32 // 1 + place in FilterTable.all
}

// Key returns what the list is found by.
func (l *macPorts) Key() wire.MAC { return l.at }

// Key returns what the filter is found by.
func (f *filter) Key() portMAC { return f.key }

func word(a wire.MAC) uint64 {
	return uint64(a[0])<<40 | uint64(a[1])<<32 | uint64(a[2])<<24 | uint64(a[3])<<16 | uint64(a[4])<<8 | uint64(a[5])
}

func (t *FilterTable) hash(k portMAC) uint32 {
	return t.Seed.Word(word(k.mac) ^ uint64(uint32(k.port))*0x9e3779b97f4a7c15)
}

// Handle stands for what Add added. The zero Handle stands for nothing.
type Handle struct{ f *filter }

// Add makes the port accept the address. What is added n times must be removed
// n times: 32 IPv4 groups share an Ethernet address.
func (t *FilterTable) Add(port int32, a wire.MAC) Handle {
	k := portMAC{port, a}
	f := t.entries.Get(t.hash(k), k)
	if f == nil {
		f = t.insert(k)
	}
	f.refs++
	return Handle{f}
}

func (t *FilterTable) insert(k portMAC) *filter {
	h := t.Seed.Word(word(k.mac))
	l := t.lists.Get(h, k.mac)
	if l == nil {
		l = &macPorts{at: k.mac}
		l.ports, l.filters = l.onePort[:0], l.oneFilter[:0]
		t.lists.Put(h, l)
	}
	f := &filter{list: l, key: k, place: -1}
	l.refs++
	t.entries.Put(t.hash(k), f)
	p := t.port(k.port)
	if f.next = p.first; f.next != nil {
		f.next.prev = f
	}
	p.first = f
	if p.promiscuous == 0 {
		f.enlist()
	}
	return f
}

func (t *FilterTable) port(n int32) *portFilters {
	for int(n) >= len(t.ports) {
		t.ports = append(t.ports, portFilters{})
	}
	return &t.ports[n]
}

// Remove undoes one Add.
func (t *FilterTable) Remove(h Handle) {
	f := h.f
	if f == nil || f.refs == 0 {
		return
	}
	if f.refs--; f.refs > 0 {
		return
	}
	f.delist()
	if f.list.refs--; f.list.refs == 0 {
		t.lists.Delete(t.Seed.Word(word(f.key.mac)), f.key.mac)
	}
	t.entries.Delete(t.hash(f.key), f.key)
	if f.prev == nil {
		t.ports[f.key.port].first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
}

// Drop undoes one Add of the port and the address, if there was one.
func (t *FilterTable) Drop(port int32, a wire.MAC) {
	k := portMAC{port, a}
	t.Remove(Handle{t.entries.Get(t.hash(k), k)})
}

func (f *filter) enlist() {
	f.place = int32(len(f.list.ports))
	f.list.ports = append(f.list.ports, f.key.port)
	f.list.filters = append(f.list.filters, f)
}

func (f *filter) delist() {
	if f.place < 0 {
		return
	}
	l, last := f.list, len(f.list.ports)-1
	l.ports[f.place] = l.ports[last]
	l.filters[f.place] = l.filters[last]
	l.filters[f.place].place = f.place
	l.filters[last] = nil
	l.ports, l.filters = l.ports[:last], l.filters[:last]
	f.place = -1
}

// SetPromiscuous makes the port accept everything, or not any more.
func (t *FilterTable) SetPromiscuous(n int32, on bool) {
	p := t.port(n)
	if on == (p.promiscuous > 0) {
		return
	}
	if on {
		t.all = append(t.all, n)
		p.promiscuous = int32(len(t.all))
	} else {
		t.all = take(t.all, p.promiscuous-1, func(moved, to int32) { t.ports[moved].promiscuous = to + 1 })
		p.promiscuous = 0
	}
	for f := p.first; f != nil; f = f.next {
		if on {
			f.delist()
		} else {
			f.enlist()
		}
	}
}

// ForgetPort removes everything the port ever added; its handles are void.
func (t *FilterTable) ForgetPort(n int32) {
	t.SetPromiscuous(n, false)
	for f := t.ports[n].first; f != nil; f = t.ports[n].first {
		f.refs = 1
		t.Remove(Handle{f})
	}
}

// Ports returns the ports that accept frames to the address, and the promiscuous
// ones; no port is in both. The lists are valid until the next change.
func (t *FilterTable) Ports(a wire.MAC) (accepting, promiscuous []int32) {
	if l := t.lists.Get(t.Seed.Word(word(a)), a); l != nil {
		accepting = l.ports
	}
	return accepting, t.all
}

// Accepts reports whether the port takes frames to the address, as everybody
// does if it is the broadcast address.
func (t *FilterTable) Accepts(n int32, a wire.MAC) bool {
	if a.IsBroadcast() || int(n) < len(t.ports) && t.ports[n].promiscuous > 0 {
		return true
	}
	k := portMAC{n, a}
	return t.entries.Get(t.hash(k), k) != nil
}
