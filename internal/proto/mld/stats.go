package mld

// Tunables are the host's variables (RFC 3810 §9).
type Tunables struct {
	V1Enable       int32 `sysctl:"net.inet6.mld.v1enable,min=0,max=1" desc:"heed version 1"`
	V2Enable       int32 `sysctl:"net.inet6.mld.v2enable,min=0,max=1" desc:"speak version 2, on interfaces attached from now on"`
	UseAllow       int32 `sysctl:"net.inet6.mld.use_allow,min=0,max=1" desc:"join and leave sources with ALLOW and BLOCK; 0: with changes of the filter mode"`
	DefaultVersion int32 `sysctl:"net.inet6.mld.default_version,min=1,max=2" desc:"version of interfaces attached from now on"`
	SourceDelay    int32 `sysctl:"net.inet6.mld.gsrdelay,min=-1,max=59" desc:"seconds between group-and-source queries that are heeded, per group; -1: heed all"`
	Robustness     int32 `sysctl:"net.inet6.mld.robustness,min=1,max=7" desc:"how often a change is reported, until a querier says otherwise"`
	Unsolicited    int32 `sysctl:"net.inet6.mld.unsolicited,min=1,max=10" desc:"seconds within which a change is reported again"`
}

// Defaults returns the tunables a world starts with.
//
// Deviation: gsrdelay is 10 in FreeBSD; RFC 3810 §6.2 has every query answered
// (see igmp.Defaults).
func Defaults() Tunables {
	return Tunables{V1Enable: 1, V2Enable: 1, UseAllow: 1, DefaultVersion: 2, SourceDelay: -1, Robustness: 2, Unsolicited: 1}
}

// Stats counts what a stack's hosts saw and sent.
type Stats struct {
	Received      uint64 `stat:"mld.received"`
	TooShort      uint64 `stat:"mld.tooshort"`
	BadSum        uint64 `stat:"mld.badsum"`
	BadHops       uint64 `stat:"mld.badhops"`
	NoAlert       uint64 `stat:"mld.noalert"`
	BadSource     uint64 `stat:"mld.badsource"`
	V1Queries     uint64 `stat:"mld.v1queries"`
	V2Queries     uint64 `stat:"mld.v2queries"`
	BadQueries    uint64 `stat:"mld.badqueries"`
	General       uint64 `stat:"mld.general"`
	Group         uint64 `stat:"mld.group"`
	GroupSource   uint64 `stat:"mld.groupsource"`
	DroppedSource uint64 `stat:"mld.groupsourcedropped"`
	Reports       uint64 `stat:"mld.reports"`
	BadReports    uint64 `stat:"mld.badreports"`
	OurReports    uint64 `stat:"mld.ourreports"`
	Sent          uint64 `stat:"mld.sent"`
}

func (s *Stats) refuse(v Verdict) {
	switch v {
	case TooShort:
		s.TooShort++
	case BadChecksum:
		s.BadSum++
	case BadHopLimit:
		s.BadHops++
	case NoAlert:
		s.NoAlert++
	case BadSource:
		s.BadSource++
	case BadQuery:
		s.BadQueries++
	case BadReport:
		s.BadReports++
	}
}

// Env is what an engine borrows for one call.
type Env struct {
	T *Tunables
	S *Stats
}
