package ipv4

import "github.com/seed88948545/vimage/internal/xnet"

// MsgTrunc is a flag of a message that was longer than its buffers.
const MsgTrunc = xnet.MsgTrunc
