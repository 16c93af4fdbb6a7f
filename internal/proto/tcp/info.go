package tcp

import "time"

// Info is what there is to know of a connection: the content of Linux's
// TCP_INFO, and of what ss -ti and netstat -T print.
type Info struct {
	State   State
	CC      string // congestion control
	CAState string // "open", "disorder", "cwr", "recovery", "loss"

	SACK, Timestamps, ECN, ECNSeen bool
	Scaling                        bool // window scaling is in use
	SndScale, RcvScale             uint8
	FastOpen                       bool // data on the SYN was acknowledged, or accepted

	Retransmits, Probes, Backoff int // unanswered in a row: timeouts, window or keepalive probes, doublings of RTO
	RTO, ATO                     time.Duration
	SndMSS, RcvMSS, AdvMSS       int
	PathMTU                      int

	Unacked, Sacked, Lost, Retrans, Reordering int // segments: in flight; known to have arrived; to be lost; sent again
	RTT, RTTVar, MinRTT, RcvRTT                time.Duration
	Cwnd, Ssthresh                             int   // bytes
	SndWnd, RcvWnd                             int   // bytes: what the peer, and what we have announced
	RcvSpace, SndSpace                         int   // bytes: the buffers' limits
	PacingRate, MaxPacingRate, DeliveryRate    int64 // bytes per second; 0: not paced, not known
	NotSent                                    int   // bytes written and not sent yet

	LastSent, LastRcvd, LastAckRcvd time.Duration // ago, of data, data, and an acknowledgment

	TotalRetrans                   int // segments sent again
	BytesAcked, BytesReceived      uint64
	BytesSent, BytesRetrans        uint64
	SegsOut, SegsIn                uint64
	DataSegsOut, DataSegsIn        uint64
	DSACKs, ReordSeen, OOOReceived int // duplicates the peer reported; events of reordering seen; segments that came out of order
}
