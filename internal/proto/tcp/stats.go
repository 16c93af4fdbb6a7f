package tcp

// Stats counts what a stack's connections did. The names are those of
// FreeBSD's struct tcpstat; where it has none, they are ours and come last.
// What tcp/loss, tcp/syn and tcp/wait do they count themselves.
type Stats struct {
	ConnAttempt uint64 `stat:"tcp.connattempt"`
	Accepts     uint64 `stat:"tcp.accepts"`
	Connects    uint64 `stat:"tcp.connects"`
	Drops       uint64 `stat:"tcp.drops"`
	ConnDrops   uint64 `stat:"tcp.conndrops"`
	Closed      uint64 `stat:"tcp.closed"`
	KeepDrops   uint64 `stat:"tcp.keepdrops"`
	KeepProbe   uint64 `stat:"tcp.keepprobe"`
	KeepTimeo   uint64 `stat:"tcp.keeptimeo"`
	PersistTime uint64 `stat:"tcp.persisttimeo"`
	PersistDrop uint64 `stat:"tcp.persistdrop"`
	TimeoutDrop uint64 `stat:"tcp.timeoutdrop"`
	FinWait2    uint64 `stat:"tcp.finwait2_drops"`

	SndTotal    uint64 `stat:"tcp.sndtotal"`
	SndPack     uint64 `stat:"tcp.sndpack"`
	SndByte     uint64 `stat:"tcp.sndbyte"`
	SndAcks     uint64 `stat:"tcp.sndacks"`
	SndProbe    uint64 `stat:"tcp.sndprobe"`
	SndURG      uint64 `stat:"tcp.sndurg"`
	SndWinUp    uint64 `stat:"tcp.sndwinup"`
	SndCtrl     uint64 `stat:"tcp.sndctrl"`
	DelAck      uint64 `stat:"tcp.delack"`
	SndReset    uint64 `stat:"tcp.sndreset"`
	SackSent    uint64 `stat:"tcp.sack.sent_blocks"`
	DSackSent   uint64 `stat:"tcp.sack.dsack_blocks"`
	RcvTotal    uint64 `stat:"tcp.rcvtotal"`
	RcvPack     uint64 `stat:"tcp.rcvpack"`
	RcvByte     uint64 `stat:"tcp.rcvbyte"`
	RcvDup      uint64 `stat:"tcp.rcvduppack"`
	RcvDupByte  uint64 `stat:"tcp.rcvdupbyte"`
	RcvPartDup  uint64 `stat:"tcp.rcvpartduppack"`
	RcvPDupByte uint64 `stat:"tcp.rcvpartdupbyte"`
	RcvOOO      uint64 `stat:"tcp.rcvoopack"`
	RcvOOOByte  uint64 `stat:"tcp.rcvoobyte"`
	RcvAfterWin uint64 `stat:"tcp.rcvpackafterwin"`
	RcvAfterWB  uint64 `stat:"tcp.rcvbyteafterwin"`
	RcvAfterCl  uint64 `stat:"tcp.rcvafterclose"`
	RcvWinProbe uint64 `stat:"tcp.rcvwinprobe"`
	RcvAckTooMu uint64 `stat:"tcp.rcvacktoomuch"`
	RcvAck      uint64 `stat:"tcp.rcvackpack"`
	RcvAckByte  uint64 `stat:"tcp.rcvackbyte"`
	RcvWinUpd   uint64 `stat:"tcp.rcvwinupd"`
	OOODrop     uint64 `stat:"tcp.rcvreassfull"`
	PAWSDrop    uint64 `stat:"tcp.pawsdrop"`
	PredAck     uint64 `stat:"tcp.predack"`
	PredDat     uint64 `stat:"tcp.preddat"`
	BadRST      uint64 `stat:"tcp.badrst"`
	BadSYN      uint64 `stat:"tcp.badsyn"`
	MinMSSDrops uint64 `stat:"tcp.minmssdrops"`
	ECNSHS      uint64 `stat:"tcp.ecn.shs"`
	ECNCE       uint64 `stat:"tcp.ecn.ce"`
	BlackHole   uint64 `stat:"tcp.pmtud_blackhole_activated"`
	BlackHoleMn uint64 `stat:"tcp.pmtud_blackhole_activated_min_mss"`
	MTUUpdated  uint64 `stat:"tcp.mturesent"`

	Challenges  uint64 `stat:"tcp.challenge_acks"`
	ChallengeLm uint64 `stat:"tcp.challenge_limited"`
	ICMPIgnored uint64 `stat:"tcp.icmp_ignored"`
	RcvGrown    uint64 `stat:"tcp.rcvbuf_grown"`
	FastOpenOK  uint64 `stat:"tcp.fastopen.acked"`
	FastOpenNo  uint64 `stat:"tcp.fastopen.refused"`
}
