package igmp

// Tunables are the host's variables (RFC 3376 §8).
type Tunables struct {
	SourceKludge   int32 `sysctl:"net.inet.igmp.recvifkludge,min=0,max=1" desc:"raw sockets see the subnet where a report has no source (done by the stack)"`
	RouterAlert    int32 `sysctl:"net.inet.igmp.sendra,min=0,max=1" desc:"send the Router Alert option"`
	SendLocal      int32 `sysctl:"net.inet.igmp.sendlocal,min=0,max=1" desc:"report groups in 224.0.0.0/24, except 224.0.0.1"`
	V1Enable       int32 `sysctl:"net.inet.igmp.v1enable,min=0,max=1" desc:"heed version 1"`
	V2Enable       int32 `sysctl:"net.inet.igmp.v2enable,min=0,max=1" desc:"heed version 2"`
	LegacySupp     int32 `sysctl:"net.inet.igmp.legacysupp,min=0,max=1" desc:"version 1 and 2 reports of others suppress version 3 answers"`
	DefaultVersion int32 `sysctl:"net.inet.igmp.default_version,min=1,max=3" desc:"version of interfaces attached from now on"`
	SourceDelay    int32 `sysctl:"net.inet.igmp.gsrdelay,min=-1,max=59" desc:"seconds between group-and-source queries that are heeded, per group; -1: heed all"`
	Robustness     int32 `sysctl:"net.inet.igmp.robustness,min=1,max=7" desc:"how often a change is reported, until a querier says otherwise"`
	Unsolicited    int32 `sysctl:"net.inet.igmp.unsolicited,min=1,max=10" desc:"seconds within which a change is reported again"`
}

// Defaults returns the tunables a world starts with.
//
// Deviation: gsrdelay is 10 in FreeBSD. There, when two receivers of a source
// leave within 10 s, nobody answers the second query, and those who stay lose
// the source until the next general query; RFC 3376 §5.2 has every query
// answered.
func Defaults() Tunables {
	return Tunables{
		SourceKludge: 1, RouterAlert: 1, SendLocal: 1, V1Enable: 1, V2Enable: 1,
		DefaultVersion: 3, SourceDelay: -1, Robustness: 2, Unsolicited: 1,
	}
}

// Stats counts what a stack's hosts received, in the order of netstat -s; Sent
// follows.
type Stats struct {
	Received      uint64 `stat:"igmp.received"`
	TooShort      uint64 `stat:"igmp.tooshort"`
	BadTTL        uint64 `stat:"igmp.badttl"`
	BadSum        uint64 `stat:"igmp.badsum"`
	V1V2Queries   uint64 `stat:"igmp.v1v2queries"`
	V3Queries     uint64 `stat:"igmp.v3queries"`
	BadQueries    uint64 `stat:"igmp.badqueries"`
	General       uint64 `stat:"igmp.general"`
	Group         uint64 `stat:"igmp.group"`
	GroupSource   uint64 `stat:"igmp.groupsource"`
	DroppedSource uint64 `stat:"igmp.groupsourcedropped"`
	Reports       uint64 `stat:"igmp.reports"`
	BadReports    uint64 `stat:"igmp.badreports"`
	OurReports    uint64 `stat:"igmp.ourreports"`
	NoAlert       uint64 `stat:"igmp.noalert"`
}

// Sent counts what a stack's hosts sent. All that many a host ever does is to report
// its groups.
type Sent struct {
	Messages uint64 `stat:"igmp.sent"`
}

// Env is what an engine borrows for one call.
type Env struct {
	T    *Tunables
	S    *Stats // may be nil, but for Input
	Sent *Sent
}
