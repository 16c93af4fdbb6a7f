package socket

import (
	"time"

	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
)

// TCPOptions are what a connection may be made with. The zero value is a
// connection as the stack's tunables have it.
type TCPOptions struct {
	FIB            uint32
	RcvBuf, SndBuf int // bytes; 0: as the tunables say, growing as needed
	NoDelay        bool
	KeepAlive      bool
	KeepIdle       time.Duration // 0: the tunables', as the next two
	KeepIntvl      time.Duration
	KeepCount      int
	UserTimeout    time.Duration
	CC             string
	FastOpen       bool
	TOS, TTL       uint8 // 0: none, and the stack's
	ReuseAddr      bool
	ReusePort      bool
	V6Only         bool   // bound to ::, hears no IPv4
	Scope          uint32 // index of the interface on which link-local addresses are meant
	Limit          *Limit // which addresses may be used; nil: all
}

// Jail returns the number of the jail that the options limit to its addresses.
func (o *TCPOptions) Jail() int32 {
	if o.Limit == nil {
		return 0
	}
	return o.Limit.Jail
}

// Config fills in what the options say.
func (o *TCPOptions) Config(g *tcp.Config) {
	g.RcvBuf, g.SndBuf, g.CC = o.RcvBuf, o.SndBuf, o.CC
	g.NoDelay, g.KeepAlive, g.UserTimeout, g.FastOpen = o.NoDelay, o.KeepAlive, o.UserTimeout, o.FastOpen
	g.KeepIdle, g.KeepIntvl, g.KeepCount = o.KeepIdle, o.KeepIntvl, o.KeepCount
}

// Handshake translates what package syn says, and the window it offered, into what
// package tcp wants to know.
func Handshake(hs *syn.Handshake, window int) tcp.Handshake {
	return tcp.Handshake{
		ISS: hs.ISS, IRS: hs.IRS, MSS: hs.MSS, HasScale: hs.Scaled, RcvScale: hs.RecvScale, SndScale: hs.SendScale,
		SACK: hs.SACK, HasTime: hs.Timestamps, TSRecent: hs.TSRecent, TSOffset: hs.TSOffset, ECN: hs.ECN,
		RcvWnd: min(window, 65535), Rexmit: int(hs.Rexmits), RTT: hs.RTT, FastOpen: hs.FastOpen,
	}
}
