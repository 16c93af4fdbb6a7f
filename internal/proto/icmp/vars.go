package icmp

// Tunables are the settings of one stack.
type Tunables struct {
	Limit              int32 `sysctl:"net.inet.icmp.icmplim,min=0,max=2147483647" desc:"errors, replies or resets per second and class; 0 no limit"`
	BroadcastEcho      int32 `sysctl:"net.inet.icmp.bmcastecho,min=0,max=1" desc:"answer echo and time stamp requests to many"`
	DropRedirect       int32 `sysctl:"net.inet.icmp.drop_redirect,min=0,max=1" desc:"ignore redirects"`
	QuoteLen           int32 `sysctl:"net.inet.icmp.quotelen,min=28,max=65507" desc:"bytes of the original packet, its header included, to quote in an error"`
	ReplyFromInterface int32 `sysctl:"net.inet.icmp.reply_from_interface,min=0,max=1" desc:"errors are sent from the address of the arrival interface"`
	TimestampReply     int32 `sysctl:"net.inet.icmp.tstamprepl,min=0,max=1" desc:"answer time stamp requests"`
}

// Defaults returns FreeBSD 14's settings.
func Defaults() Tunables { return Tunables{Limit: 200, QuoteLen: 548, TimestampReply: 1} }

// Stats count one stack's control messages.
type Stats struct {
	Received  uint64 `stat:"icmp.received"` // messages with a whole header
	Checksum  uint64 `stat:"icmp.checksum"`
	BadCode   uint64 `stat:"icmp.badcode"`
	BadLength uint64 `stat:"icmp.badlen"`  // no time stamps, or an error without a whole quote
	BadAddr   uint64 `stat:"icmp.badaddr"` // not answered: the source is not a single host
	BadMTU    uint64 `stat:"icmp.badmtu"`  // impossible next-hop MTU (RFC 5927 §7)

	InEcho         uint64 `stat:"icmp.in.echo"`
	InEchoReply    uint64 `stat:"icmp.in.echoreply"`
	InUnreachable  uint64 `stat:"icmp.in.unreach"`
	InTimeExceeded uint64 `stat:"icmp.in.timxceed"`
	InParamProblem uint64 `stat:"icmp.in.paramprob"`
	InRedirect     uint64 `stat:"icmp.in.redirect"`
	InTimestamp    uint64 `stat:"icmp.in.tstamp"`
	InOther        uint64 `stat:"icmp.in.other"`

	OutEchoReply      uint64 `stat:"icmp.out.echoreply"`
	OutTimestampReply uint64 `stat:"icmp.out.tstampreply"`
	OutUnreachable    uint64 `stat:"icmp.out.unreach"`
	OutTimeExceeded   uint64 `stat:"icmp.out.timxceed"`
	OutParamProblem   uint64 `stat:"icmp.out.paramprob"`

	BroadcastEcho   uint64 `stat:"icmp.bmcastecho"`   // echo requests to many, not answered
	BroadcastStamp  uint64 `stat:"icmp.bmcasttstamp"` // time stamp requests to many, not answered
	DroppedRedirect uint64 `stat:"icmp.dropredirect"`
	OldICMP         uint64 `stat:"icmp.oldicmp"`     // no error because the packet was an ICMP error
	Suppressed      uint64 `stat:"icmp.suppressed"`  // no error for another reason of RFC 1122 §3.2.2
	Limited         uint64 `stat:"icmp.ratelimited"` // not sent because of Limit
}
