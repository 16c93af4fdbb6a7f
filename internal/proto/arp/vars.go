package arp

// Tunables are the settings of one stack's ARP; all its tables share them.
type Tunables struct {
	MaxAge       int32 `sysctl:"net.link.ether.inet.max_age,min=1,max=2147483647" desc:"lifetime of a resolved entry, seconds"`
	MaxTries     int32 `sysctl:"net.link.ether.inet.maxtries,min=1,max=65535" desc:"requests before senders are told, and requests to refresh an ageing entry"`
	Wait         int32 `sysctl:"net.link.ether.inet.wait,min=1,max=2147483647" desc:"lifetime of an unresolved entry after its last request, seconds"`
	MaxHold      int32 `sysctl:"net.link.ether.inet.maxhold,min=1,max=65535" desc:"packets held per unresolved entry"`
	MaxEntries   int32 `sysctl:"net.link.ether.inet.maxentries,min=1,max=16777216" desc:"learned and unresolved entries per interface"`
	ProxyAll     int32 `sysctl:"net.link.ether.inet.proxyall,min=0,max=1" desc:"answer requests for hosts that a route leads to elsewhere"`
	GARPRexmit   int32 `sysctl:"net.link.ether.inet.garp_rexmit_count,min=0,max=16" desc:"further gratuitous requests, 1, 2, 4… seconds apart"`
	AllowMcast   int32 `sysctl:"net.link.ether.inet.allow_multicast,min=0,max=1" desc:"accept a multicast sender hardware address"`
	LogWrongIf   int32 `sysctl:"net.link.ether.inet.log_arp_wrong_iface,min=0,max=1" desc:"log packets from a neighbour known on another interface"`
	LogMovements int32 `sysctl:"net.link.ether.inet.log_arp_movements,min=0,max=1" desc:"log a neighbour's change of hardware address"`
	LogPermanent int32 `sysctl:"net.link.ether.inet.log_arp_permanent_modify,min=0,max=1" desc:"log attempts to change a static entry"`
	MaxLogRate   int32 `sysctl:"net.link.ether.inet.max_log_per_second,min=0,max=2147483647" desc:"log lines per second"`
	LogLevel     int32 `sysctl:"net.link.ether.arp.log_level,min=0,max=7" desc:"syslog level below which ARP is silent"`
}

// Defaults returns FreeBSD 14's settings, and a limit of 10,000 entries per
// interface that protects against scans.
func Defaults() Tunables {
	return Tunables{
		MaxAge: 1200, MaxTries: 5, Wait: 20, MaxHold: 16, MaxEntries: 10000,
		LogWrongIf: 1, LogMovements: 1, LogPermanent: 1, MaxLogRate: 1, LogLevel: 6,
	}
}

// Stats count what one stack's ARP has seen. TxErrors is the sender's to
// count: the room never sees a transmission fail.
type Stats struct {
	TxRequests uint64 `stat:"arp.txrequests"` // requests given out by Next
	TxReplies  uint64 `stat:"arp.txreplies"`  // replies given out by Input
	TxErrors   uint64 `stat:"arp.txerrors"`   // requests and replies that the interface refused
	RxRequests uint64 `stat:"arp.rxrequests"`
	RxReplies  uint64 `stat:"arp.rxreplies"`
	Received   uint64 `stat:"arp.received"`   // well-formed packets of any opcode
	Dropped    uint64 `stat:"arp.dropped"`    // held packets that were never sent
	Timeouts   uint64 `stat:"arp.timeouts"`   // entries that were never resolved
	DupIPs     uint64 `stat:"arp.dupips"`     // packets from others that use our address
	Full       uint64 `stat:"arp.full"`       // entries not made because of MaxEntries
	BadSenders uint64 `stat:"arp.badsenders"` // packets dropped for their sender's address
}
