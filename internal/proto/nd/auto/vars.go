package auto

// Tunables are the settings of one stack's autoconfiguration. Those that say
// "new interfaces" are for whoever fills in a [Link]; those about preferring
// temporary addresses for whoever chooses source addresses.
type Tunables struct {
	AcceptRA       int32 `sysctl:"net.inet6.ip6.accept_rtadv,min=0,max=1" desc:"new interfaces listen to router advertisements"`
	AutoLinkLocal  int32 `sysctl:"net.inet6.ip6.auto_linklocal,min=0,max=1" desc:"new interfaces form a link-local address"`
	NoRouters      int32 `sysctl:"net.inet6.ip6.no_radr,min=0,max=1" desc:"new interfaces take no default router from advertisements"`
	UseStable      int32 `sysctl:"net.inet6.ip6.use_stableaddr,min=0,max=1" desc:"new interfaces form stable private addresses (RFC 7217) instead of EUI-64"`
	StableRetries  int32 `sysctl:"net.inet6.ip6.stableaddr_maxretries,min=0,max=255" desc:"further stable private addresses to try when one is a duplicate"`
	UseTemp        int32 `sysctl:"net.inet6.ip6.use_tempaddr,min=0,max=1" desc:"form temporary addresses (RFC 8981)"`
	PreferTemp     int32 `sysctl:"net.inet6.ip6.prefer_tempaddr,min=0,max=1" desc:"prefer temporary addresses as source"`
	TempPreferred  int32 `sysctl:"net.inet6.ip6.temppltime,min=60,max=2147483647" desc:"preferred lifetime of a temporary address, seconds"`
	TempValid      int32 `sysctl:"net.inet6.ip6.tempvltime,min=60,max=2147483647" desc:"valid lifetime of a temporary address, seconds"`
	MaxTemp        int32 `sysctl:"net.inet6.ip6.maxtempaddrs,min=1,max=255" desc:"temporary addresses per prefix"`
	MaxPrefixes    int32 `sysctl:"net.inet6.ip6.maxifprefixes,min=0,max=255" desc:"advertised prefixes per interface"`
	MaxRouters     int32 `sysctl:"net.inet6.ip6.maxifdefrouters,min=0,max=32" desc:"advertising routers per interface"`
	MaxRoutes      int32 `sysctl:"net.inet6.ip6.maxifroutes,min=0,max=255" desc:"advertised more specific routes per interface"`
	MaxAddresses   int32 `sysctl:"net.inet6.ip6.maxifautoaddrs,min=0,max=4096" desc:"autoconfigured addresses per interface"`
	MaxServers     int32 `sysctl:"net.inet6.ip6.maxifrdnss,min=0,max=255" desc:"advertised DNS servers per interface"`
	MaxDomains     int32 `sysctl:"net.inet6.ip6.maxifdnssl,min=0,max=255" desc:"advertised DNS search domains per interface"`
	MinHopLimit    int32 `sysctl:"net.inet6.ip6.rtadv_minhlim,min=1,max=255" desc:"least hop limit taken from advertisements"`
	MaxSolicits    int32 `sysctl:"net.inet6.icmp6.rtsol_max,min=0,max=65535" desc:"router solicitations while no router answers, 0 is without end (RFC 7559)"`
	SolicitSeconds int32 `sysctl:"net.inet6.icmp6.rtsol_maxwait,min=4,max=86400" desc:"longest time between router solicitations, seconds"`
}

// Defaults returns FreeBSD 14's settings where it has them, the lifetimes of
// RFC 8981 §3.8, the back-off of RFC 7559 §2, and limits that leave room for
// every sane link.
func Defaults() Tunables {
	return Tunables{
		AutoLinkLocal: 1, StableRetries: 3,
		TempPreferred: 86400, TempValid: 2 * 86400, MaxTemp: 16,
		MaxPrefixes: 16, MaxRouters: 16, MaxRoutes: 32, MaxAddresses: 64, MaxServers: 8, MaxDomains: 8,
		MinHopLimit: 1, SolicitSeconds: 3600,
	}
}

// Stats count what one stack's autoconfiguration has seen and done.
type Stats struct {
	Received      uint64 `stat:"autoconf.received"`      // advertisements that were taken
	Ignored       uint64 `stat:"autoconf.ignored"`       // advertisements that the interface does not listen to
	BadSource     uint64 `stat:"autoconf.badsource"`     // their source is not link-local, or is ourselves
	BadHopLimit   uint64 `stat:"autoconf.badhoplimit"`   // they may have crossed a router
	Fragments     uint64 `stat:"autoconf.fragments"`     // they came in fragments
	BadPrefixes   uint64 `stat:"autoconf.badprefixes"`   // prefix and route options that make no sense
	BadValues     uint64 `stat:"autoconf.badvalues"`     // MTUs, hop limits and timers out of range
	TwoHours      uint64 `stat:"autoconf.twohours"`      // valid lifetimes not shortened as far as advertised
	RoutersFull   uint64 `stat:"autoconf.routersfull"`   // routers not kept because of MaxRouters
	PrefixesFull  uint64 `stat:"autoconf.prefixesfull"`  // prefixes not kept because of MaxPrefixes
	RoutesFull    uint64 `stat:"autoconf.routesfull"`    // routes not kept because of MaxRoutes
	AddressesFull uint64 `stat:"autoconf.addressesfull"` // addresses not formed because of MaxAddresses
	NamesFull     uint64 `stat:"autoconf.namesfull"`     // DNS servers and domains not kept because of their limits
	Formed        uint64 `stat:"autoconf.formed"`        // addresses formed
	Temporary     uint64 `stat:"autoconf.temporary"`     // of them, temporary ones
	Duplicates    uint64 `stat:"autoconf.duplicates"`    // of them, somebody else's
	GaveUp        uint64 `stat:"autoconf.gaveup"`        // prefixes (or the link) without an address after duplicates
	Solicits      uint64 `stat:"autoconf.solicits"`      // solicitations given out by Next
	RoutersLost   uint64 `stat:"autoconf.routerslost"`   // routers that stopped answering
}
