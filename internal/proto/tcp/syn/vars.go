package syn

// Tunables are the variables of passive opens alone. Those that active ones
// heed too (net.inet.tcp.rfc1323, mssdflt, minmss, sack.enable, ecn.enable) are
// the connection's, and come in Listen.
type Tunables struct {
	CacheLimit     int32 `sysctl:"net.inet.tcp.syncache.cachelimit,min=1,max=1048576" desc:"requests remembered per shard"`
	RexmitLimit    int32 `sysctl:"net.inet.tcp.syncache.rexmtlimit,min=0,max=12" desc:"how often a SYN-ACK is sent again"`
	ResetOnFull    int32 `sysctl:"net.inet.tcp.syncache.rst_on_sock_fail,min=0,max=1" desc:"reset a connection that finds the accept queue full"`
	Cookies        int32 `sysctl:"net.inet.tcp.syncookies,min=0,max=1" desc:"answer with SYN cookies when the cache is full"`
	CookiesOnly    int32 `sysctl:"net.inet.tcp.syncookies_only,min=0,max=1" desc:"remember no request, use SYN cookies always"`
	TolerateNoTime int32 `sysctl:"net.inet.tcp.tolerate_missing_ts,min=0,max=1" desc:"take segments without the timestamps that were agreed on"`
	FastOpen       int32 `sysctl:"net.inet.tcp.fastopen.server_enable,min=0,max=1" desc:"Fast Open, where the listener wants it"`
	FastAutoKey    int32 `sysctl:"net.inet.tcp.fastopen.autokey,min=0,max=2147483647" desc:"seconds between new keys of Fast Open cookies, 0: one key for ever"`
}

// Defaults returns the tunables a world starts with: FreeBSD's, but for
// rst_on_sock_fail.
//
// Deviation: rst_on_sock_fail is 1 in FreeBSD. A reset makes a client give up
// where a moment's patience would do; RFC 9293 §3.10.7.4 knows no such reset.
func Defaults() Tunables {
	return Tunables{CacheLimit: 15360, RexmitLimit: 3, Cookies: 1, FastAutoKey: 120}
}

// Stats counts what passive opens have seen, as struct tcpstat does.
type Stats struct {
	Added         uint64 `stat:"tcp.sc_added"`         // requests remembered
	Retransmitted uint64 `stat:"tcp.sc_retransmitted"` // SYN-ACKs sent again because of the time
	DupSYN        uint64 `stat:"tcp.sc_dupsyn"`        // SYNs for a request that is remembered
	Dropped       uint64 `stat:"tcp.sc_dropped"`       // answers not sent, for want of room or address
	Completed     uint64 `stat:"tcp.sc_completed"`     // handshakes handed out
	CacheOverflow uint64 `stat:"tcp.sc_cacheoverflow"` // requests forgotten to make room
	Reset         uint64 `stat:"tcp.sc_reset"`         // requests ended by the peer's RST
	Stale         uint64 `stat:"tcp.sc_stale"`         // requests whose last SYN-ACK was not answered
	Aborted       uint64 `stat:"tcp.sc_aborted"`       // handshakes that found the accept queue full
	BadACK        uint64 `stat:"tcp.sc_badack"`        // ACKs of something else than the SYN-ACK
	Unreach       uint64 `stat:"tcp.sc_unreach"`       // requests ended by ICMP
	Challenges    uint64 `stat:"tcp.sc_challenge"`     // challenge ACKs sent (RFC 5961)
	PAWSDropped   uint64 `stat:"tcp.sc_pawsdrop"`      // segments dropped for an old or missing timestamp
	SentCookies   uint64 `stat:"tcp.sc_sendcookie"`    // SYN-ACKs that hold a cookie
	RecvCookies   uint64 `stat:"tcp.sc_recvcookie"`    // handshakes completed by a cookie
	SpurCookies   uint64 `stat:"tcp.sc_spurcookie"`    // ACKs to a listener while no cookie was out
	FailedCookies uint64 `stat:"tcp.sc_failcookie"`    // ACKs whose cookie was wrong or too old
	ListenDrop    uint64 `stat:"tcp.listendrop"`       // times the accept queue was full
	FastOpened    uint64 `stat:"tcp.fastopen_accepted"`
	FastRefused   uint64 `stat:"tcp.fastopen_badcookie"` // wrong Fast Open cookies
	FastLimited   uint64 `stat:"tcp.fastopen_overflow"`  // good ones beyond the limit of pending connections
	FastRequests  uint64 `stat:"tcp.fastopen_requests"`  // cookies given out
}

// Env is what the engine borrows for one call.
type Env struct {
	T *Tunables
	S *Stats
}
