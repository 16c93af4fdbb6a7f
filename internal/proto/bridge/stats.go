package bridge

// Tunables are a switch's variables.
type Tunables struct {
	MaxAge             int32 `sysctl:"net.link.bridge.max_age,min=1,max=1000000" desc:"seconds an address stays learned without being seen"`
	MaxAddr            int32 `sysctl:"net.link.bridge.max_addr,min=0,max=16777216" desc:"addresses learned at most"`
	Snooping           int32 `sysctl:"net.link.bridge.snooping,min=0,max=1" desc:"0: flood all multicast"`
	FloodUnknown       int32 `sysctl:"net.link.bridge.flood_unregistered,min=0,max=1" desc:"flood groups that nobody reported, instead of sending them to routers only"`
	FastLeave          int32 `sysctl:"net.link.bridge.fast_leave,min=0,max=1" desc:"there is one host behind each port, so stop at its leave"`
	RouterAge          int32 `sysctl:"net.link.bridge.router_age,min=0,max=1000000" desc:"seconds a port leads to a router that was heard; 0: as the querier's variables have it"`
	MemberAge          int32 `sysctl:"net.link.bridge.member_age,min=0,max=1000000" desc:"seconds a port listens after a report; 0: as the querier's variables have it"`
	LastMemberCount    int32 `sysctl:"net.link.bridge.last_member_count,min=0,max=7" desc:"response times after a specific query until nobody is believed to be left; 0: the querier's robustness"`
	QueryInterval      int32 `sysctl:"net.link.bridge.query_interval,min=1,max=31744" desc:"seconds between general queries, where the switch asks itself"`
	QueryResponse      int32 `sysctl:"net.link.bridge.query_response,min=1,max=3174400" desc:"milliseconds for the answers to a general query"`
	LastMemberInterval int32 `sysctl:"net.link.bridge.last_member_interval,min=1,max=3174400" desc:"milliseconds for the answers to a specific query"`
	MaxGroups          int32 `sysctl:"net.link.bridge.max_groups,min=0,max=16777216" desc:"groups per port"`
	MaxSources         int32 `sysctl:"net.link.bridge.max_sources,min=0,max=65535" desc:"sources per port and group"`
}

// Defaults returns the tunables a world starts with.
func Defaults() Tunables {
	return Tunables{
		MaxAge: 300, MaxAddr: 65536, Snooping: 1, MaxGroups: 16384, MaxSources: 1024,
		QueryInterval: 125, QueryResponse: 10000, LastMemberInterval: 1000,
	}
}

// Stats counts what a switch did. Copies counts frames out, Withheld the copies
// of multicast frames and reports that flooding would have made and snooping did
// not.
type Stats struct {
	Frames       uint64 `stat:"bridge.frames"`
	Copies       uint64 `stat:"bridge.copies"`
	Withheld     uint64 `stat:"bridge.withheld"`
	Dropped      uint64 `stat:"bridge.dropped"`
	Learned      uint64 `stat:"bridge.learned"`
	Moved        uint64 `stat:"bridge.moved"`
	NotLearned   uint64 `stat:"bridge.notlearned"`
	Asked        uint64 `stat:"bridge.asked"`
	Queries      uint64 `stat:"bridge.queries"`
	Reports      uint64 `stat:"bridge.reports"`
	BadIP        uint64 `stat:"bridge.badip"`
	BadIGMP      uint64 `stat:"bridge.badigmp"`
	BadMLD       uint64 `stat:"bridge.badmld"`
	NotRecorded  uint64 `stat:"bridge.notrecorded"`
	Unregistered uint64 `stat:"bridge.unregistered"`
}

// Env is what a switch borrows for one call.
type Env struct {
	T     *Tunables
	S     *Stats
	SumOK bool // checksums of the frame at hand need no look: it never left the process
}
