package command

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage/client"
)

// ifRequest is what a line of ifconfig asks for.
type ifRequest struct {
	create, destroy bool
	changes         bool // there is more than that
	change          client.InterfaceChange
	fib, tunnelFIB  string // as they were written: names, perhaps
	outer           []func(*client.Tunnel)

	family string       // that words without a keyword are of
	cur    *ifAddrWords // the address that is being read
	remove bool         // take away what is read
	alias  bool
}

// ifAddrWords is an address with the words that belong to it.
type ifAddrWords struct {
	addr, mask, peer, broadcast string
	anycast                     bool
}

// ifWord is a keyword with how many words follow it.
type ifWord struct {
	args int
	do   func(r *ifRequest, arg []string) error
}

// ifWords are the keywords.
func ifWords() map[string]ifWord {
	yes := func(of func(*client.InterfaceChange) **bool, v bool) ifWord {
		return ifWord{0, func(r *ifRequest, _ []string) error { *of(&r.change) = &v; return nil }}
	}
	up := func(c *client.InterfaceChange) **bool { return &c.Up }
	promisc := func(c *client.InterfaceChange) **bool { return &c.Promiscuous }
	arp := func(mode string) ifWord {
		return ifWord{0, func(r *ifRequest, _ []string) error { r.change.ARP = &mode; return nil }}
	}
	text := func(of func(*ifRequest) *string) ifWord {
		return ifWord{1, func(r *ifRequest, a []string) error { *of(r) = a[0]; return nil }}
	}
	address := func(of func(*ifAddrWords) *string) ifWord {
		return ifWord{1, func(r *ifRequest, a []string) error { *of(r.address()) = a[0]; return nil }}
	}
	removal := ifWord{0, func(r *ifRequest, _ []string) error { r.remove = true; return nil }}
	return map[string]ifWord{
		"up": yes(up, true), "down": yes(up, false), "promisc": yes(promisc, true), "-promisc": yes(promisc, false),
		"arp": arp("on"), "-arp": arp("off"), "staticarp": arp("static"), "-staticarp": arp("on"),
		"create": {0, func(r *ifRequest, _ []string) error { r.create = true; return nil }}, "plumb": {0, func(r *ifRequest, _ []string) error { r.create = true; return nil }},
		"destroy": {0, func(r *ifRequest, _ []string) error { r.destroy = true; return nil }}, "unplumb": {0, func(r *ifRequest, _ []string) error { r.destroy = true; return nil }},
		"mtu": {1, func(r *ifRequest, a []string) error { return number(a[0], &r.change.MTU) }},
		"fib": text(func(r *ifRequest) *string { return &r.fib }), "tunnelfib": text(func(r *ifRequest) *string { return &r.tunnelFIB }),
		"vnet":  {1, func(r *ifRequest, a []string) error { r.change.VNET = &a[0]; return nil }},
		"-vnet": {1, func(r *ifRequest, a []string) error { r.change.Reclaim = &a[0]; return nil }},
		"name":  {1, func(r *ifRequest, a []string) error { r.change.Name = &a[0]; return nil }},
		"alias": {0, func(r *ifRequest, _ []string) error { r.alias = true; return nil }}, "add": {0, func(r *ifRequest, _ []string) error { r.alias = true; return nil }},
		"-alias": removal, "delete": removal, "remove": removal,
		"netmask": address(func(a *ifAddrWords) *string { return &a.mask }), "prefixlen": address(func(a *ifAddrWords) *string { return &a.mask }),
		"broadcast": address(func(a *ifAddrWords) *string { return &a.broadcast }),
		"anycast":   {0, func(r *ifRequest, _ []string) error { r.address().anycast = true; return nil }},
		"tunnel":    {2, (*ifRequest).tunnel},
		"deletetunnel": {0, func(r *ifRequest, _ []string) error {
			r.change.NoTunnel = true
			return nil
		}},
		"grekey":      outerNumber(func(t *client.Tunnel, n uint32) { t.Key = &n }),
		"enable_csum": outerFlag(func(t *client.Tunnel) { t.Checksum = true }), "-enable_csum": outerFlag(func(t *client.Tunnel) { t.Checksum = false }),
		"enable_seq": outerFlag(func(t *client.Tunnel) { t.Sequence = true }), "-enable_seq": outerFlag(func(t *client.Tunnel) { t.Sequence = false }),
		"vxlanid": outerNumber(func(t *client.Tunnel, n uint32) { t.VNI = n }), "vni": outerNumber(func(t *client.Tunnel, n uint32) { t.VNI = n }),
		"vxlanlocal":  outerAddr(func(t *client.Tunnel, a netip.Addr) { t.Local = &a }),
		"vxlanremote": outerAddr(func(t *client.Tunnel, a netip.Addr) { t.Remote = a }), "vxlangroup": outerAddr(func(t *client.Tunnel, a netip.Addr) { t.Remote = a }),
		"vxlanlocalport": outerNumber(func(t *client.Tunnel, n uint32) { t.Port = uint16(n) }), "vxlanremoteport": outerNumber(func(t *client.Tunnel, n uint32) { t.Port = uint16(n) }),
		"vxlanttl": outerNumber(func(t *client.Tunnel, n uint32) { t.TTL = uint8(n) }),
		"vxlandev": {1, func(r *ifRequest, a []string) error {
			r.outer = append(r.outer, func(t *client.Tunnel) { t.Interface = a[0] })
			return nil
		}},
		"vxlanlearn": outerFlag(func(t *client.Tunnel) { t.NoLearning = false }), "-vxlanlearn": outerFlag(func(t *client.Tunnel) { t.NoLearning = true }),
	}
}

// ifKeywords returns the keywords, for completion.
func ifKeywords() []string {
	all := []string{"inet", "inet6", "ether", "lladdr"}
	for w := range ifWords() {
		all = append(all, w)
	}
	slices.Sort(all)
	return all
}

// absent returns why a keyword of BSD's is not there, "" for others.
func absent(word string) string {
	why := map[string]string{
		"media carp rxcsum txcsum tso lro vlanhwtag -rxcsum -txcsum -tso -lro polling wol": "interfaces have no hardware to be told",
		"vlan vlandev -vlandev vlanpcp": "there are no VLAN interfaces",
		"vhid advskew advbase pass":     "there is no CARP",
		"accept_rtadv -accept_rtadv no_radr -no_radr nud -nud ifdisabled -ifdisabled auto_linklocal -auto_linklocal": "see ndp -i interface",
		"addm deletem stp laggport": "switches are those of the lab's file",
		"group -group description descr -descr link0 link1 link2 monitor -monitor metric": "interfaces have no such thing",
	}
	for words, w := range why {
		if slices.Contains(strings.Fields(words), word) {
			return w
		}
	}
	return ""
}

func bad(word string) error { return fmt.Errorf("%s: bad value", word) }

func number(text string, to **int) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return bad(text)
	}
	*to = &n
	return nil
}

func outerFlag(set func(*client.Tunnel)) ifWord {
	return ifWord{0, func(r *ifRequest, _ []string) error { r.outer = append(r.outer, set); return nil }}
}

func outerNumber(set func(*client.Tunnel, uint32)) ifWord {
	return ifWord{1, func(r *ifRequest, a []string) error {
		n, err := strconv.ParseUint(a[0], 0, 32)
		if err != nil {
			return bad(a[0])
		}
		r.outer = append(r.outer, func(t *client.Tunnel) { set(t, uint32(n)) })
		return nil
	}}
}

func outerAddr(set func(*client.Tunnel, netip.Addr)) ifWord {
	return ifWord{1, func(r *ifRequest, a []string) error {
		ip, err := netip.ParseAddr(a[0])
		if err != nil {
			return bad(a[0])
		}
		r.outer = append(r.outer, func(t *client.Tunnel) { set(t, ip) })
		return nil
	}}
}

func (r *ifRequest) tunnel(a []string) error {
	local, err := netip.ParseAddr(a[0])
	if err != nil {
		return bad(a[0])
	}
	remote, err := netip.ParseAddr(a[1])
	if err != nil {
		return bad(a[1])
	}
	r.outer = append(r.outer, func(t *client.Tunnel) { t.Local, t.Remote = &local, remote })
	return nil
}

// address returns the address that words are about.
func (r *ifRequest) address() *ifAddrWords {
	if r.cur == nil {
		r.cur = new(ifAddrWords)
	}
	return r.cur
}

// parseIfconfig reads what follows the interface.
func parseIfconfig(words []string) (*ifRequest, error) {
	r := &ifRequest{}
	known := ifWords()
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		k, ok := known[w]
		switch {
		case isFamily(w):
			if err := r.flush(); err != nil {
				return nil, err
			}
			r.family = w
		case ok && len(words) < k.args:
			return nil, fmt.Errorf("%s: needs %d more", w, k.args-len(words))
		case ok:
			if err := k.do(r, words[:k.args]); err != nil {
				return nil, err
			}
			words = words[k.args:]
		case absent(w) != "":
			return nil, fmt.Errorf("%s: not supported: %s", w, absent(w))
		default:
			if err := r.bare(w); err != nil {
				return nil, err
			}
		}
		r.changes = r.changes || w != "create" && w != "plumb" && w != "destroy" && !isFamily(w)
	}
	return r, r.flush()
}

// bare reads a word without a keyword: an address, or the peer of the one before.
func (r *ifRequest) bare(w string) error {
	switch {
	case r.family == "ether" || r.family == "link" || r.family == "lladdr":
		r.change.Ether = &w
	case r.cur == nil || r.cur.addr == "":
		r.address().addr = w
	case r.cur.peer == "":
		r.cur.peer = w
	default:
		return bad(w)
	}
	return nil
}

// flush turns the words of an address into a change.
func (r *ifRequest) flush() error {
	c := r.cur
	if c == nil {
		return nil
	}
	r.cur = nil
	defer func() { r.remove, r.alias = false, false }()
	text, length, has := strings.Cut(c.addr, "/")
	a, err := netip.ParseAddr(text)
	if err != nil || r.family == "inet" && !a.Is4() || r.family == "inet6" && !a.Is6() {
		return bad(c.addr)
	}
	if r.remove {
		r.change.Delete = append(r.change.Delete, a)
		return nil
	}
	add := client.AddAddr{Anycast: c.anycast, Replace: !r.alias && a.Is4()}
	if has {
		c.mask = length
	}
	switch n, ok := prefixLen(c.mask, a); {
	case c.mask == "" && a.Is4():
		add.Addr = &a
	case c.mask == "":
		add.Prefix = new(netip.PrefixFrom(a.WithZone(""), 64))
	case !ok:
		return bad(c.mask)
	default:
		add.Prefix = new(netip.PrefixFrom(a.WithZone(""), n))
	}
	for _, o := range []struct {
		text string
		to   **netip.Addr
	}{{c.peer, &add.Peer}, {c.broadcast, &add.Broadcast}} {
		if o.text == "" {
			continue
		}
		ip, err := netip.ParseAddr(o.text)
		if err != nil {
			return bad(o.text)
		}
		*o.to = &ip
	}
	r.change.Add = append(r.change.Add, add)
	return nil
}

// prefixLen reads a length, or a mask: 24, 0xffffff00, 255.255.255.0.
func prefixLen(text string, of netip.Addr) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n >= 0 && n <= of.BitLen()
	}
	var m uint32
	if n, err := strconv.ParseUint(text, 0, 32); err == nil {
		m = uint32(n)
	} else if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
		b := a.As4()
		m = binary.BigEndian.Uint32(b[:])
	} else {
		return 0, false
	}
	n := bits.LeadingZeros32(^m)
	return n, of.Is4() && bits.TrailingZeros32(m)+n >= 32
}

// resolve fills in what has to be asked for: the numbers of tables, and what stays of
// the outer side of the tunnel of that name; a new one has none.
func (r *ifRequest) resolve(e *Env, c *client.Client, name string) error {
	for _, f := range []struct {
		text string
		to   **int
	}{{r.fib, &r.change.FIB}, {r.tunnelFIB, &r.change.TunnelFIB}} {
		if f.text == "" {
			continue
		}
		n, err := fibNumber(e, c, f.text)
		if err != nil {
			return err
		}
		*f.to = &n
	}
	if r.outer == nil {
		return nil
	}
	t := new(client.Tunnel)
	if name != "" {
		at := e.Jail
		if r.change.Reclaim != nil {
			at = within(at, *r.change.Reclaim)
		}
		now, err := c.Interface(e.Ctx, at, name)
		if err != nil {
			return err
		}
		if now.Tunnel != nil {
			*t = *now.Tunnel
		}
	}
	for _, set := range r.outer {
		set(t)
	}
	t.FIB = 0
	r.change.Tunnel = t
	return nil
}

// fibNumber returns the number of a table that is written as a number or a name.
func fibNumber(e *Env, c *client.Client, text string) (int, error) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, nil
	}
	all, err := c.FIBs(e.Ctx, e.Jail)
	if err != nil {
		return 0, err
	}
	for _, f := range all {
		if f.Name == text {
			return f.Number, nil
		}
	}
	return 0, bad(text)
}
