package wait

// Tunables are the variables of TIME-WAIT.
type Tunables struct {
	MSL      int32 `sysctl:"net.inet.tcp.msl,min=1,max=1073741823" desc:"maximum segment lifetime, milliseconds; TIME-WAIT lasts two"`
	MSLLocal int32 `sysctl:"net.inet.tcp.msl_local,min=1,max=1073741823" desc:"the same for peers on a network of ours, milliseconds"`
	Max      int32 `sysctl:"net.inet.tcp.maxtcptw,min=1,max=16777216" desc:"connections in TIME-WAIT per shard"`
	Reuse    int32 `sysctl:"net.inet.tcp.tw_reuse,min=0,max=1" desc:"connect may use a port that is in TIME-WAIT where timestamps allow it"`
}

// Defaults returns the tunables a world starts with: FreeBSD's, with
// Linux's tcp_tw_reuse.
func Defaults() Tunables { return Tunables{MSL: 30000, MSLLocal: 10000, Max: 32768, Reuse: 1} }

// Stats counts what happened to connections in TIME-WAIT.
type Stats struct {
	Added      uint64 `stat:"tcp.tw_added"`
	Expired    uint64 `stat:"tcp.tw_expired"`
	Recycled   uint64 `stat:"tcp.tw_recycles"`   // forgotten early, to make room
	Resets     uint64 `stat:"tcp.tw_resets"`     // RSTs ignored (RFC 1337)
	FINAcked   uint64 `stat:"tcp.tw_finacked"`   // FINs that came again
	Challenges uint64 `stat:"tcp.tw_challenges"` // other segments answered with an ACK
	Limited    uint64 `stat:"tcp.tw_acklimit"`   // others not answered, having been so lately
	OldSYN     uint64 `stat:"tcp.tw_oldsyn"`     // SYNs not accepted (RFC 6191)
	Reopened   uint64 `stat:"tcp.tw_reopened"`   // SYNs that could be accepted
	Reused     uint64 `stat:"tcp.tw_reused"`     // entries that gave way to a connect
}

// Env is what the engine borrows for one call.
type Env struct {
	T *Tunables
	S *Stats
}
