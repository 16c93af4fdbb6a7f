package tcp

// Tunables are the variables of a stack's connections. Times are in
// milliseconds, sizes in bytes; the names are FreeBSD's where it has one.
type Tunables struct {
	RFC1323     int32 `sysctl:"net.inet.tcp.rfc1323,min=0,max=1" desc:"offer window scaling and timestamps"`
	ECN         int32 `sysctl:"net.inet.tcp.ecn.enable,min=0,max=2" desc:"ECN: 0 never, 1 ask for it and grant it, 2 grant it only"`
	MSSDefault  int32 `sysctl:"net.inet.tcp.mssdflt,min=64,max=65495" desc:"MSS towards a peer that announced none"`
	MinMSS      int32 `sysctl:"net.inet.tcp.minmss,min=0,max=65495" desc:"the least MSS that is believed of a peer"`
	DelayedAck  int32 `sysctl:"net.inet.tcp.delayed_ack,min=0,max=1" desc:"delay acknowledgments"`
	DelackTime  int32 `sysctl:"net.inet.tcp.delacktime,min=1,max=500" desc:"by how much at most"`
	QuickAcks   int32 `sysctl:"net.inet.tcp.quickacks,min=0,max=100" desc:"how many segments are acknowledged at once at the start and after a pause"`
	RcvSpace    int32 `sysctl:"net.inet.tcp.recvspace,min=2048,max=1073741824" desc:"receive buffer to start with"`
	RcvAuto     int32 `sysctl:"net.inet.tcp.recvbuf_auto,min=0,max=1" desc:"let the receive buffer follow rate times round trip"`
	RcvMax      int32 `sysctl:"net.inet.tcp.recvbuf_max,min=2048,max=1073741824" desc:"as far as this"`
	SndSpace    int32 `sysctl:"net.inet.tcp.sendspace,min=2048,max=1073741824" desc:"send buffer to start with"`
	SndAuto     int32 `sysctl:"net.inet.tcp.sendbuf_auto,min=0,max=1" desc:"let the send buffer follow the window"`
	SndMax      int32 `sysctl:"net.inet.tcp.sendbuf_max,min=2048,max=1073741824" desc:"as far as this"`
	OOORanges   int32 `sysctl:"net.inet.tcp.reass.maxqueuelen,min=0,max=4096" desc:"stretches of out-of-order data that a connection keeps"`
	KeepInit    int32 `sysctl:"net.inet.tcp.keepinit,min=1,max=2147483647" desc:"how long opening may take"`
	KeepIdle    int32 `sysctl:"net.inet.tcp.keepidle,min=1,max=2147483647" desc:"silence before the first keepalive probe"`
	KeepIntvl   int32 `sysctl:"net.inet.tcp.keepintvl,min=1,max=2147483647" desc:"between keepalive probes"`
	KeepCount   int32 `sysctl:"net.inet.tcp.keepcnt,min=1,max=127" desc:"unanswered keepalive probes that end a connection"`
	AlwaysKeep  int32 `sysctl:"net.inet.tcp.always_keepalive,min=0,max=1" desc:"keepalive whatever the socket says"`
	PersMin     int32 `sysctl:"net.inet.tcp.persmin,min=10,max=60000" desc:"least time between window probes"`
	PersMax     int32 `sysctl:"net.inet.tcp.persmax,min=10,max=600000" desc:"most time between window probes"`
	PersIdle    int32 `sysctl:"net.inet.tcp.maxpersistidle,min=1,max=2147483647" desc:"silence of a peer with a closed window that ends a connection"`
	FinWait2    int32 `sysctl:"net.inet.tcp.finwait2_timeout,min=1,max=2147483647" desc:"how long a connection nobody uses waits for the peer's FIN"`
	AckWarTime  int32 `sysctl:"net.inet.tcp.ack_war_timewindow,min=0,max=60000" desc:"window of ack_war_cnt; 0: no limit"`
	AckWarCount int32 `sysctl:"net.inet.tcp.ack_war_cnt,min=0,max=1000000" desc:"challenge ACKs of one connection in it"`
	Challenge   int32 `sysctl:"net.inet.tcp.challenge_limit,min=0,max=1000000" desc:"challenge ACKs of the stack per second; 0: no limit"`
	InsecureRST int32 `sysctl:"net.inet.tcp.insecure_rst,min=0,max=1" desc:"believe a reset anywhere in the window (RFC 793)"`
	InsecureSYN int32 `sysctl:"net.inet.tcp.insecure_syn,min=0,max=1" desc:"let a SYN in the window reset (RFC 793)"`
	ICMPReset   int32 `sysctl:"net.inet.tcp.icmp_may_rst,min=0,max=1" desc:"an ICMP error may end an opening"`
	PMTU        int32 `sysctl:"net.inet.tcp.path_mtu_discovery,min=0,max=1" desc:"heed ICMP: packet too big"`
	MinPMTU     int32 `sysctl:"net.inet.tcp.minpmtu,min=68,max=65535" desc:"the least path MTU that ICMP can set"`
	BlackHole   int32 `sysctl:"net.inet.tcp.pmtud_blackhole_detection,min=0,max=1" desc:"shrink segments when full-sized ones vanish"`
	BlackMSS    int32 `sysctl:"net.inet.tcp.pmtud_blackhole_mss,min=64,max=65495" desc:"to this MSS first"`
	BlackMSS6   int32 `sysctl:"net.inet.tcp.v6pmtud_blackhole_mss,min=64,max=65495" desc:"the same over IPv6"`
	FastOpen    int32 `sysctl:"net.inet.tcp.fastopen.client_enable,min=0,max=1" desc:"Fast Open where a socket asks for it"`
}

// Defaults returns the tunables a world starts with.
//
// Deviation: black hole detection is off in FreeBSD; without it a connection
// over a path that swallows ICMP hangs for ever. recvspace and sendspace are
// larger than FreeBSD's 64 and 32 KiB, so that nothing has to grow before a
// connection within one process runs at its full rate. persmin is FreeBSD's 5 s
// no more: RFC 9293 §3.8.6.1 wants the first probe after one retransmission
// timeout, and a lost window update would stall a connection for that long.
func Defaults() Tunables {
	return Tunables{
		RFC1323: 1, ECN: 2, MSSDefault: 536, MinMSS: 216,
		DelayedAck: 1, DelackTime: 40, QuickAcks: 8,
		RcvSpace: 256 << 10, RcvAuto: 1, RcvMax: 2 << 20,
		SndSpace: 256 << 10, SndAuto: 1, SndMax: 2 << 20,
		OOORanges: 256,
		KeepInit:  75_000, KeepIdle: 7_200_000, KeepIntvl: 75_000, KeepCount: 8,
		PersMin: 200, PersMax: 60_000, PersIdle: 7_200_000, FinWait2: 60_000,
		AckWarTime: 1_000, AckWarCount: 5, Challenge: 1_000,
		ICMPReset: 1, PMTU: 1, MinPMTU: 296,
		BlackHole: 1, BlackMSS: 1200, BlackMSS6: 1220, FastOpen: 0,
	}
}
