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
// Everything but ForgetPort and SetPromiscuous is O(1). A million hosts may be on
// the wire, each with an address of its own and a group or two: so what there is one
// of for each port is kept by number, without pointers.
type FilterTable struct {
	Seed    table.Seed // may be set before first use
	ports   table.Pieces[portFilters]
	owners  owners
	lists   table.Table[wire.MAC, macPorts, *macPorts] // by address
	filters filters
	index   map[portMAC]int32 // filters of ports that have many
	all     []int32           // promiscuous ports
	found   []int32           // scratch
}

// portFilters is what one port accepts: its own address and a chain of filters.
type portFilters struct {
	own         wire.MAC // zero: none
	first       int32    // filter, 0: none
	count       int32    // of the chain
	promiscuous int32    // 1 + place in FilterTable.all
}

// macPorts are the ports that accept an address, promiscuous ones and those left
// out whose own it is.
type macPorts struct {
	at      wire.MAC
	refs    int32   // filters, those of promiscuous ports too
	ports   []int32 // and, as long, the filter of each
	filters []int32
}

type portMAC struct {
	port int32
	mac  wire.MAC
}

// Key returns what the list is found by.
func (l *macPorts) Key() wire.MAC { return l.at }

func word(a wire.MAC) uint64 {
	return uint64(a[0])<<40 | uint64(a[1])<<32 | uint64(a[2])<<24 | uint64(a[3])<<16 | uint64(a[4])<<8 | uint64(a[5])
}

func (t *FilterTable) list(a wire.MAC) *macPorts { return t.lists.Get(t.Seed.Word(word(a)), a) }

func (t *FilterTable) port(n int32) *portFilters { return t.ports.Need(n) }

// SetOwn says which address a port's card has: it accepts that, and no longer the
// one it had before. The zero address is none.
func (t *FilterTable) SetOwn(n int32, a wire.MAC) {
	p := t.port(n)
	if !p.own.IsZero() {
		t.owners.remove(t, n)
	}
	if p.own = a; !a.IsZero() {
		t.owners.add(t, n)
	}
}

// manyFilters is from how many filters of a port on they are found by hash.
const manyFilters = 16

// find returns the filter of a port for an address, 0 if there is none.
func (t *FilterTable) find(k portMAC) int32 {
	if int(k.port) >= t.ports.Len() {
		return 0
	}
	p := t.ports.At(k.port)
	if p.count > manyFilters {
		return t.index[k]
	}
	for i := p.first; i != 0; i = t.filters.at(i).next {
		if t.filters.at(i).mac == k.mac {
			return i
		}
	}
	return 0
}

// Add makes the port accept the address. What is added n times must be dropped
// n times: 32 IPv4 groups share an Ethernet address.
func (t *FilterTable) Add(port int32, a wire.MAC) {
	k := portMAC{port, a}
	i := t.find(k)
	if i == 0 {
		i = t.insert(k)
	}
	t.filters.at(i).refs++
}

func (t *FilterTable) insert(k portMAC) int32 {
	l := t.list(k.mac)
	if l == nil {
		l = &macPorts{at: k.mac}
		t.lists.Put(t.Seed.Word(word(k.mac)), l)
	}
	l.refs++
	p := t.port(k.port)
	i := t.filters.take()
	*t.filters.at(i) = filter{mac: k.mac, port: k.port, next: p.first, place: -1}
	if p.first != 0 {
		t.filters.at(p.first).prev = i
	}
	p.first = i
	t.indexPort(p, i)
	if p.promiscuous == 0 {
		t.enlist(l, i)
	}
	return i
}

// indexPort has the filters of a port found by hash once it has many.
func (t *FilterTable) indexPort(p *portFilters, newest int32) {
	if p.count++; p.count <= manyFilters {
		return
	}
	if t.index == nil {
		t.index = make(map[portMAC]int32)
	}
	for i := newest; i != 0; i = t.filters.at(i).next {
		f := t.filters.at(i)
		t.index[portMAC{f.port, f.mac}] = i
		if p.count > manyFilters+1 {
			return // the others are there already
		}
	}
}

// Drop undoes one Add of the port and the address, if there was one.
func (t *FilterTable) Drop(port int32, a wire.MAC) {
	i := t.find(portMAC{port, a})
	if i == 0 {
		return
	}
	f := t.filters.at(i)
	if f.refs--; f.refs == 0 {
		t.remove(i)
	}
}

// remove frees a filter.
func (t *FilterTable) remove(i int32) {
	f := t.filters.at(i)
	l, p := t.list(f.mac), t.ports.At(f.port)
	t.delist(l, i)
	if l.refs--; l.refs == 0 {
		t.lists.Delete(t.Seed.Word(word(f.mac)), f.mac)
	}
	if f.next != 0 {
		t.filters.at(f.next).prev = f.prev
	}
	if f.prev != 0 {
		t.filters.at(f.prev).next = f.next
	} else {
		p.first = f.next
	}
	if p.count--; p.count >= manyFilters {
		delete(t.index, portMAC{f.port, f.mac})
	}
	if p.count == manyFilters { // found one by one again
		for o := p.first; o != 0; o = t.filters.at(o).next {
			delete(t.index, portMAC{f.port, t.filters.at(o).mac})
		}
	}
	t.filters.give(i)
}

func (t *FilterTable) enlist(l *macPorts, i int32) {
	f := t.filters.at(i)
	f.place = int32(len(l.ports))
	l.ports = append(l.ports, f.port)
	l.filters = append(l.filters, i)
}

func (t *FilterTable) delist(l *macPorts, i int32) {
	f := t.filters.at(i)
	if f.place < 0 {
		return
	}
	last := len(l.ports) - 1
	l.ports[f.place] = l.ports[last]
	l.filters[f.place] = l.filters[last]
	t.filters.at(l.filters[f.place]).place = f.place
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
		t.all = take(t.all, p.promiscuous-1, func(moved, to int32) { t.ports.At(moved).promiscuous = to + 1 })
		p.promiscuous = 0
	}
	for i := p.first; i != 0; i = t.filters.at(i).next {
		l := t.list(t.filters.at(i).mac)
		if on {
			t.delist(l, i)
		} else {
			t.enlist(l, i)
		}
	}
}

// ForgetPort removes everything the port accepts.
func (t *FilterTable) ForgetPort(n int32) {
	t.SetPromiscuous(n, false)
	t.SetOwn(n, wire.MAC{})
	for i := t.ports.At(n).first; i != 0; i = t.ports.At(n).first {
		t.remove(i)
	}
}

// Ports returns the ports that accept frames to the address, and the promiscuous
// ones; no port is in both. The lists are valid until the next call.
func (t *FilterTable) Ports(a wire.MAC) (accepting, promiscuous []int32) {
	l := t.list(a)
	if l != nil {
		accepting = l.ports
	}
	if a.IsMulticast() {
		return accepting, t.all
	}
	t.found = append(t.found[:0], accepting...)
	t.owners.each(t, a, func(n int32) {
		if t.ports.At(n).promiscuous == 0 && (l == nil || t.find(portMAC{n, a}) == 0) {
			t.found = append(t.found, n)
		}
	})
	return t.found, t.all
}

// Accepts reports whether the port takes frames to the address, as everybody
// does if it is the broadcast address.
func (t *FilterTable) Accepts(n int32, a wire.MAC) bool {
	switch {
	case a.IsBroadcast():
		return true
	case int(n) >= t.ports.Len():
		return false
	}
	p := t.ports.At(n)
	return p.promiscuous > 0 || p.own == a && !a.IsZero() || t.find(portMAC{n, a}) != 0
}
