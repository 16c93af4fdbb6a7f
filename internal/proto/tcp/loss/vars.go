package loss

// Tunables are the settings of one stack. They are read at each use, so that
// a change reaches established connections, but for what Open and Establish
// say they take over.
type Tunables struct {
	RexmitMin     int32 `sysctl:"net.inet.tcp.rexmit_min,min=1,max=60000" desc:"least retransmission timeout, ms (RFC 6298 §2.4)"`
	RexmitInitial int32 `sysctl:"net.inet.tcp.rexmit_initial,min=1,max=60000" desc:"retransmission timeout before the first sample, ms (RFC 6298 §2.1)"`
	RexmitMax     int32 `sysctl:"net.inet.tcp.rexmit_max,min=1000,max=600000" desc:"greatest retransmission timeout, ms (RFC 6298 §2.5)"`
	InitialWindow int32 `sysctl:"net.inet.tcp.initcwnd_segments,min=1,max=100" desc:"initial congestion window, segments (RFC 6928)"`
	Control       int32 `sysctl:"net.inet.tcp.cc.algorithm,min=0,max=1" desc:"congestion control of connections opened from now on: 0 CUBIC, 1 NewReno"`
	SACK          int32 `sysctl:"net.inet.tcp.sack.enable,min=0,max=1" desc:"selective acknowledgements (RFC 2018); of connections opened from now on"`
	DSACK         int32 `sysctl:"net.inet.tcp.sack.dsack,min=0,max=1" desc:"learn from duplicate SACK (RFC 2883, 3708)"`
	RACK          int32 `sysctl:"net.inet.tcp.rack,min=0,max=1" desc:"find losses by time (RFC 8985); 0: by counting (RFC 6675)"`
	TLP           int32 `sysctl:"net.inet.tcp.tlp,min=0,max=1" desc:"tail loss probes (RFC 8985 §7)"`
	FRTO          int32 `sysctl:"net.inet.tcp.frto,min=0,max=1" desc:"find spurious timeouts (RFC 5682)"`
	Eifel         int32 `sysctl:"net.inet.tcp.eifel,min=0,max=1" desc:"find spurious retransmissions by timestamps (RFC 3522)"`
	Limited       int32 `sysctl:"net.inet.tcp.rfc3042,min=0,max=1" desc:"limited transmit (RFC 3042)"`
	HyStart       int32 `sysctl:"net.inet.tcp.cc.hystartplusplus,min=0,max=1" desc:"CUBIC leaves slow start when delay rises (RFC 9406)"`
	NewCWV        int32 `sysctl:"net.inet.tcp.newcwv,min=0,max=1" desc:"an idle connection keeps its window for 5 minutes (RFC 7661); 0: it halves every timeout (RFC 2861)"`
	Pacing        int32 `sysctl:"net.inet.tcp.pacing,min=0,max=1" desc:"spread what is sent over the round-trip time"`
}

// Defaults returns what the RFCs recommend, except for the least timeout:
//
// Deviation: RFC 6298 §2.4 says 1 s; every common stack uses 200 ms.
func Defaults() Tunables {
	return Tunables{
		RexmitMin: 200, RexmitInitial: 1000, RexmitMax: 60000, InitialWindow: 10,
		SACK: 1, DSACK: 1, RACK: 1, TLP: 1, FRTO: 1, Eifel: 1, Limited: 1, HyStart: 1,
	}
}

// Stats count what the senders of one stack saw and did, in segments where
// nothing else is said.
type Stats struct {
	RTTUpdated    uint64 `stat:"tcp.rttupdated"`    // round-trip samples that changed the estimate
	Timeouts      uint64 `stat:"tcp.rexmttimeo"`    // retransmission timeouts
	Resent        uint64 `stat:"tcp.sndrexmitpack"` // retransmitted
	ResentBytes   uint64 `stat:"tcp.sndrexmitbyte"`
	BadTimeouts   uint64 `stat:"tcp.sndrexmitbad"`          // timeouts and recoveries found to be spurious, and undone
	Recoveries    uint64 `stat:"tcp.sack_recovery_episode"` // recoveries begun
	SACKResent    uint64 `stat:"tcp.sack_rexmits"`          // retransmitted while recovering with SACK
	SACKReceived  uint64 `stat:"tcp.sack_rcv_blocks"`       // acknowledgements with SACK blocks
	SACKBad       uint64 `stat:"tcp.sack_bad_blocks"`       // blocks outside of what was sent
	SACKReneged   uint64 `stat:"tcp.sack_reneged"`          // times the peer took SACK back
	DSACK         uint64 `stat:"tcp.rcvdsack"`              // duplicate SACK blocks
	Probes        uint64 `stat:"tcp.tlpprobe"`              // tail loss probes
	ProbesRepair  uint64 `stat:"tcp.tlprepair"`             // that repaired a loss
	SlowStartEnds uint64 `stat:"tcp.hystart"`               // slow starts left for delay
	ECNReduced    uint64 `stat:"tcp.ecn_rcwnd"`             // windows reduced for an ECN echo
	DupAcks       uint64 `stat:"tcp.rcvdupack"`             // duplicate acknowledgements
}

// Env is what a Sender borrows for one call.
type Env struct {
	T *Tunables
	S *Stats
}
