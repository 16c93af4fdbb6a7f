package auto

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// names are the advertised DNS servers and search domains, in the order in
// which they were learned (RFC 8106 §6.1).
type names struct {
	servers []named[netip.Addr]
	domains []named[string] // as they were received
}

type named[K comparable] struct {
	key    K
	expire clock.Time
}

// Server is a recursive DNS server. If it is link-local, it is on the host's
// own link.
type Server struct {
	Addr   netip.Addr
	Expire clock.Time
}

// Domain is a domain of the search list.
type Domain struct {
	Name   string // labels with dots between them
	Expire clock.Time
}

// inputServers takes the servers of one option.
func (h *Host) inputServers(now, until clock.Time, in wire.NDServers) {
	for a, ok := in.Next(); ok; a, ok = in.Next() {
		if a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() {
			h.stats.BadValues++
			continue
		}
		n := h.learn()
		i := 0
		for i < len(n.servers) && n.servers[i].key != a {
			i++
		}
		switch {
		case i < len(n.servers):
			n.servers[i].expire = until
		case until > now && makeRoom(h, &n.servers, h.tun.MaxServers, until):
			n.servers = append(n.servers, named[netip.Addr]{a, until})
			h.todo |= doDNS
		}
	}
}

// inputDomains takes the domains of one option.
func (h *Host) inputDomains(now, until clock.Time, in wire.NDNames) {
	for d, ok := in.Next(); ok; d, ok = in.Next() {
		n := h.learn()
		i := 0
		for i < len(n.domains) && n.domains[i].key != string(d) {
			i++
		}
		switch {
		case i < len(n.domains):
			n.domains[i].expire = until
		case until > now && makeRoom(h, &n.domains, h.tun.MaxDomains, until):
			n.domains = append(n.domains, named[string]{string(d), until})
			h.todo |= doDNS
		}
	}
}

// makeRoom makes room for one more name that is known until then. RFC 8106 §6.1
// (d): the one that ends first goes, if that is before the new one.
func makeRoom[K comparable](h *Host, list *[]named[K], limit int32, until clock.Time) bool {
	if len(*list) < int(limit) {
		return true
	}
	h.stats.NamesFull++
	first := -1
	for i := range *list {
		if e := (*list)[i].expire; e < until && (first < 0 || e < (*list)[first].expire) {
			first = i
		}
	}
	if first < 0 {
		return false
	}
	*list = remove(*list, first)
	return true
}

// ended drops what has ended and tells whether there was any.
func ended[K comparable](now clock.Time, list *[]named[K]) bool {
	n := len(*list)
	for i := n - 1; i >= 0; i-- {
		if now >= (*list)[i].expire {
			*list = remove(*list, i)
		}
	}
	return len(*list) < n
}

// learn returns the names, to be added to.
func (h *Host) learn() *names {
	if h.names == nil {
		h.names = new(names)
	}
	return h.names
}

// nextNames drops what has ended and hands out that something changed.
func (h *Host) nextNames(now clock.Time, out *Out) bool {
	if n := h.names; n != nil {
		servers, domains := ended(now, &n.servers), ended(now, &n.domains)
		if servers || domains {
			h.todo |= doDNS
		}
		if len(n.servers)+len(n.domains) == 0 {
			h.names = nil
		}
	}
	if h.todo&doDNS == 0 {
		return false
	}
	h.todo &^= doDNS
	*out = Out{Kind: DNSChanged}
	return true
}

func (n *names) deadline() clock.Time {
	due := clock.Never
	if n != nil {
		for i := range n.servers {
			due = min(due, n.servers[i].expire)
		}
		for i := range n.domains {
			due = min(due, n.domains[i].expire)
		}
	}
	return due
}

// AppendServers appends the DNS servers, in the order in which to ask them.
func (h *Host) AppendServers(list []Server) []Server {
	if h == nil || h.names == nil {
		return list
	}
	for _, s := range h.names.servers {
		list = append(list, Server{s.key, s.expire})
	}
	return list
}

// AppendDomains appends the search list in its order.
func (h *Host) AppendDomains(list []Domain) []Domain {
	if h == nil || h.names == nil {
		return list
	}
	for _, d := range h.names.domains {
		list = append(list, Domain{wire.NDName(d.key).String(), d.expire})
	}
	return list
}
