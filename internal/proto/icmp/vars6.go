package icmp

// Tunables6 are the settings of one stack's ICMPv6. What it may be told of
// redirects belongs to neighbor discovery.
type Tunables6 struct {
	ErrorLimit int32 `sysctl:"net.inet6.icmp6.errppslimit,min=-1,max=2147483647" desc:"ICMPv6 errors or replies per second and class; -1 no limit, 0 none"`
}

// Defaults6 returns FreeBSD 14's settings.
func Defaults6() Tunables6 { return Tunables6{ErrorLimit: 100} }

// Stats6 count one stack's ICMPv6 messages other than neighbor discovery's and
// MLD's.
type Stats6 struct {
	Received  uint64 `stat:"icmp6.received"` // messages with a whole header
	Checksum  uint64 `stat:"icmp6.checksum"`
	BadCode   uint64 `stat:"icmp6.badcode"`
	BadLength uint64 `stat:"icmp6.badlen"`   // an error without a whole IPv6 header quoted
	BadAddr   uint64 `stat:"icmp6.badaddr"`  // not answered: the source is not a single host
	BadMTU    uint64 `stat:"icmp6.badmtu"`   // impossible MTU (RFC 8201 §4)
	BadQuote  uint64 `stat:"icmp6.badquote"` // an error about something that cannot be ours, or nobody can be told of

	InEcho         uint64 `stat:"icmp6.in.echo"`
	InEchoReply    uint64 `stat:"icmp6.in.echoreply"`
	InUnreachable  uint64 `stat:"icmp6.in.unreach"`
	InTooBig       uint64 `stat:"icmp6.in.toobig"`
	InTimeExceeded uint64 `stat:"icmp6.in.timxceed"`
	InParamProblem uint64 `stat:"icmp6.in.paramprob"`
	InOther        uint64 `stat:"icmp6.in.other"`

	OutEchoReply    uint64 `stat:"icmp6.out.echoreply"`
	OutUnreachable  uint64 `stat:"icmp6.out.unreach"`
	OutTooBig       uint64 `stat:"icmp6.out.toobig"`
	OutTimeExceeded uint64 `stat:"icmp6.out.timxceed"`
	OutParamProblem uint64 `stat:"icmp6.out.paramprob"`

	OldICMP    uint64 `stat:"icmp6.oldicmp"`     // no error because the packet was an ICMP error or a redirect
	Suppressed uint64 `stat:"icmp6.suppressed"`  // no error for another reason of RFC 4443 §2.4 (e)
	Limited    uint64 `stat:"icmp6.ratelimited"` // not sent because of ErrorLimit
}
