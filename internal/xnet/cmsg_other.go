//go:build !linux && !darwin && !freebsd

package xnet

// MsgTrunc is a bit of a message's flags: the packet was longer than its buffers.
const MsgTrunc = 0x10
