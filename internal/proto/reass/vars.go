package reass

// Tunables are the settings of one stack. They apply to each family apart.
type Tunables struct {
	MaxDatagrams  int32 `sysctl:"net.inet.ip.maxfragpackets,min=-1,max=2147483647" desc:"IPv4 datagrams in reassembly; 0 none, -1 no limit"`
	MaxFragments  int32 `sysctl:"net.inet.ip.maxfragsperpacket,min=0,max=8192" desc:"fragments per IPv4 datagram; 0 refuses all fragments"`
	MaxBytes      int32 `sysctl:"net.inet.ip.maxfragbytes,min=0,max=2147483647" desc:"bytes held by IPv4 fragments"`
	TTL           int32 `sysctl:"net.inet.ip.fragttl,min=1,max=255" desc:"lifetime of an incomplete IPv4 datagram, seconds"`
	MinFirst      int32 `sysctl:"net.inet.ip.minfirstfrag,min=8,max=1280" desc:"bytes of payload that a first IPv4 fragment must have"`
	MaxDatagrams6 int32 `sysctl:"net.inet6.ip6.maxfragpackets,min=-1,max=2147483647" desc:"IPv6 datagrams in reassembly; 0 none, -1 no limit"`
	MaxFragments6 int32 `sysctl:"net.inet6.ip6.maxfragsperpacket,min=0,max=8192" desc:"fragments per IPv6 datagram; 0 refuses all fragments"`
	MaxBytes6     int32 `sysctl:"net.inet6.ip6.maxfragbytes,min=0,max=2147483647" desc:"bytes held by IPv6 fragments"`
	TTL6          int32 `sysctl:"net.inet6.ip6.fragttl,min=1,max=255" desc:"lifetime of an incomplete IPv6 datagram, seconds"`
	MinFirst6     int32 `sysctl:"net.inet6.ip6.minfirstfrag,min=8,max=1280" desc:"bytes of payload that a first IPv6 fragment must have"`
}

// Defaults returns room for 1,024 datagrams and 4 MiB per family, 30 seconds
// for IPv4 (FreeBSD; RFC 1122 §3.3.2 recommends 60 to 120), 60 for IPv6 (RFC
// 8200 §4.5).
func Defaults() Tunables {
	return Tunables{
		MaxDatagrams: 1024, MaxFragments: 64, MaxBytes: 4 << 20, TTL: 30, MinFirst: 8,
		MaxDatagrams6: 1024, MaxFragments6: 64, MaxBytes6: 4 << 20, TTL6: 60, MinFirst6: 8,
	}
}

// limits are the tunables of one family.
type limits struct{ datagrams, fragments, bytes, ttl, first int32 }

func (t *Tunables) limits(f family) limits {
	if f == v6 {
		return limits{t.MaxDatagrams6, t.MaxFragments6, t.MaxBytes6, t.TTL6, t.MinFirst6}
	}
	return limits{t.MaxDatagrams, t.MaxFragments, t.MaxBytes, t.TTL, t.MinFirst}
}

// Stats count what one stack's reassembly has seen.
type Stats struct {
	Fragments    uint64 `stat:"ip.fragments"`   // received
	Dropped      uint64 `stat:"ip.fragdropped"` // refused, or given up with their datagram
	Timeouts     uint64 `stat:"ip.fragtimeout"` // datagrams that did not become complete in time
	Reassembled  uint64 `stat:"ip.reassembled"` // datagrams
	Overlaps     uint64 `stat:"ip.fragoverlap"` // datagrams given up because fragments contradicted each other
	Evicted      uint64 `stat:"ip.fragevicted"` // datagrams given up for newer ones
	Fragments6   uint64 `stat:"ip6.fragments"`
	Dropped6     uint64 `stat:"ip6.fragdropped"`
	Timeouts6    uint64 `stat:"ip6.fragtimeout"`
	Reassembled6 uint64 `stat:"ip6.reassembled"`
	Overlaps6    uint64 `stat:"ip6.fragoverlap"`
	Evicted6     uint64 `stat:"ip6.fragevicted"`
}

// count adds n to the counter of f's family.
func (f family) count(ip, ip6 *uint64, n int) {
	if f == v6 {
		ip = ip6
	}
	*ip += uint64(n)
}
