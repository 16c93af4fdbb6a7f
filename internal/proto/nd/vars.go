package nd

// Tunables are the settings of one stack's neighbour discovery; all its tables
// share them.
type Tunables struct {
	Delay         int32 `sysctl:"net.inet6.icmp6.nd6_delay,min=0,max=3600" desc:"seconds to wait for word from above before a stale neighbour that is used is probed"`
	UnicastTries  int32 `sysctl:"net.inet6.icmp6.nd6_umaxtries,min=1,max=100" desc:"probes of a neighbour before it is given up"`
	McastTries    int32 `sysctl:"net.inet6.icmp6.nd6_mmaxtries,min=1,max=100" desc:"solicitations of an unknown neighbour before senders are told"`
	GCTimer       int32 `sysctl:"net.inet6.icmp6.nd6_gctimer,min=1,max=2147483647" desc:"seconds after which a stale neighbour that nobody uses is forgotten"`
	MaxHint       int32 `sysctl:"net.inet6.icmp6.nd6_maxnudhint,min=0,max=2147483647" desc:"times in a row that word from above makes a probe unnecessary"`
	MaxHold       int32 `sysctl:"net.inet6.icmp6.nd6_maxqueuelen,min=1,max=65535" desc:"packets held per unresolved neighbour"`
	MaxEntries    int32 `sysctl:"net.inet6.icmp6.nd6_maxentries,min=1,max=16777216" desc:"neighbours per interface that were not set by hand"`
	MaxIncomplete int32 `sysctl:"net.inet6.icmp6.nd6_maxincomplete,min=1,max=16777216" desc:"unresolved neighbours per interface"`
	OnLinkNS      int32 `sysctl:"net.inet6.icmp6.nd6_onlink_ns_rfc4861,min=0,max=1" desc:"believe solicitations from addresses that no prefix has on the link"`
	Grand         int32 `sysctl:"net.inet6.icmp6.nd6_grand_count,min=0,max=3" desc:"advertisements of a new global address to the routers"`
	RedirAccept   int32 `sysctl:"net.inet6.icmp6.rediraccept,min=0,max=1" desc:"accept redirects"`
	RedirTimeout  int32 `sysctl:"net.inet6.icmp6.redirtimeout,min=0,max=2147483647" desc:"lifetime of what a redirect said, seconds"`
	DADCount      int32 `sysctl:"net.inet6.ip6.dad_count,min=0,max=100" desc:"solicitations for an own address before it is used"`
	DADEnhanced   int32 `sysctl:"net.inet6.ip6.dad_enhanced,min=0,max=1" desc:"know one's own looped back solicitations by a nonce"`
}

// Defaults returns FreeBSD 14's settings, and limits of 10,000 neighbours and
// 1,000 unresolved ones per interface that protect against scans.
func Defaults() Tunables {
	return Tunables{
		Delay: 5, UnicastTries: 3, McastTries: 3, GCTimer: 86400, MaxHold: 16,
		MaxEntries: 10000, MaxIncomplete: 1000, Grand: 1,
		RedirAccept: 1, RedirTimeout: 600, DADCount: 1, DADEnhanced: 1,
	}
}

// Stats count what one stack's neighbour discovery has seen.
type Stats struct {
	RxSolicits  uint64 `stat:"nd.rxsolicits"` // well-formed messages, by type
	RxAdverts   uint64 `stat:"nd.rxadverts"`
	RxRedirects uint64 `stat:"nd.rxredirects"`
	TxSolicits  uint64 `stat:"nd.txsolicits"`  // handed out by Next
	TxAdverts   uint64 `stat:"nd.txadverts"`   // handed out by Input and Next
	BadSolicits uint64 `stat:"nd.badsolicits"` // messages that RFC 4861 §7.1, §8.1 or RFC 6980 forbids
	BadAdverts  uint64 `stat:"nd.badadverts"`
	BadRedirect uint64 `stat:"nd.badredirects"`
	Dropped     uint64 `stat:"nd.dropped"`    // held packets that were never sent
	Timeouts    uint64 `stat:"nd.timeouts"`   // neighbours that were never resolved
	Lost        uint64 `stat:"nd.lost"`       // neighbours that stopped answering
	Full        uint64 `stat:"nd.full"`       // entries not made because of MaxEntries
	Incomplete  uint64 `stat:"nd.incomplete"` // entries not made because of MaxIncomplete
	Evicted     uint64 `stat:"nd.evicted"`    // stale entries that had to make room
	Duplicates  uint64 `stat:"nd.duplicates"` // own addresses that somebody else had or wanted
	Conflicts   uint64 `stat:"nd.conflicts"`  // messages from others that use an address of ours
	Loops       uint64 `stat:"nd.loops"`      // own solicitations that came back
}
