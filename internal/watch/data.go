package watch

import "net/netip"

type channelKey struct {
	vlan          uint16
	source, group netip.Addr // no source: any
}

// channel is the data of one source to one group.
type channel struct {
	channelKey
	packets, bytes uint64
	nobody         uint64 // packets that nobody wanted when they were sent
	most           int    // the most that wanted one
	first, last    int64
}

// data counts a datagram to a group.
func (w *Watcher) data(p *packet, size int) {
	w.count.Data++
	g := w.groups[groupKey{p.vlan, p.dst}]
	wanted := 0
	if g != nil {
		g.packets++
		wanted = g.wanted(p.src)
	}
	k := channelKey{p.vlan, p.src, p.dst}
	c := w.channels[k]
	if c == nil || c.first < 0 {
		if c == nil {
			if len(w.channels) >= w.cfg.MaxChannels {
				w.count.Refused.Channels++
				return
			}
			c = &channel{channelKey: k}
			w.channels[k] = c
			w.channelList = append(w.channelList, c)
		}
		c.first = w.now
	}
	c.packets++
	c.bytes += uint64(size)
	c.last = w.now
	c.most = max(c.most, wanted)
	if wanted == 0 {
		c.nobody++
	}
}

// missedBy notes that what nobody wants any more was never seen: it becomes a
// channel without data.
func (w *Watcher) missedBy(g *group, source netip.Addr) {
	k := channelKey{g.vlan, source, g.addr}
	if w.channels[k] != nil || !source.IsValid() && g.packets > 0 {
		return
	}
	if len(w.channels) >= w.cfg.MaxChannels {
		w.count.Refused.Channels++
		return
	}
	c := &channel{channelKey: k, first: -1}
	w.channels[k] = c
	w.channelList = append(w.channelList, c)
}

// local tells whether a group never leaves its link: everybody gets those, asked
// for or not (RFC 4541 §2.1.2).
func local(g netip.Addr) bool {
	if g.Is4() {
		a := g.As4()
		return a[0] == 224 && a[1] == 0 && a[2] == 0
	}
	return g.As16()[1]&0x0f <= 2
}
