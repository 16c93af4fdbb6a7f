package tunnel

// Tunables is what tunnels may be told.
type Tunables struct {
	GIFTTL     int32 `sysctl:"net.inet.ip.gifttl,min=1,max=255" desc:"TTL of packets that carry others"`
	GRETTL     int32 `sysctl:"net.inet.ip.grettl,min=1,max=255" desc:"TTL of GRE packets"`
	GIFHops    int32 `sysctl:"net.inet6.ip6.gifhlim,min=1,max=255" desc:"hop limit of packets that carry others"`
	GREHops    int32 `sysctl:"net.inet6.ip6.grehlim,min=1,max=255" desc:"hop limit of GRE packets"`
	MaxNesting int32 `sysctl:"net.link.gif.max_nesting,min=1,max=16" desc:"tunnels that a packet may enter one within the other"`
	MACAge     int32 `sysctl:"net.link.vxlan.ftable_timeout,min=1,max=86400" desc:"seconds after which it is forgotten behind which end an address was"`
	MaxMACs    int32 `sysctl:"net.link.vxlan.ftable_max,min=0,max=1048576" desc:"addresses that one VXLAN interface remembers"`
}

// Defaults returns FreeBSD's values.
func Defaults() Tunables {
	return Tunables{GIFTTL: 30, GRETTL: 30, GIFHops: 30, GREHops: 30, MaxNesting: 1, MACAge: 20 * 60, MaxMACs: 2000}
}

// Stats is what one end of a tunnel counts.
type Stats struct {
	Entered    uint64 `stat:"tunnel.entered"`    // packets and frames that were put into others
	Left       uint64 `stat:"tunnel.left"`       // packets and frames that were taken out
	Refused    uint64 `stat:"tunnel.refused"`    // of those that entered or were to leave
	Marked     uint64 `stat:"tunnel.marked"`     // that left with another congestion mark
	Learned    uint64 `stat:"tunnel.learned"`    // addresses that were seen for the first time
	Moved      uint64 `stat:"tunnel.moved"`      // and those seen behind another end than before
	NotLearned uint64 `stat:"tunnel.notlearned"` // for want of room
	Flooded    uint64 `stat:"tunnel.flooded"`    // frames to many, or to whom nobody has seen
}
