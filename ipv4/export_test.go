package ipv4

// MsgTrunc is a flag of a message that was longer than its buffers.
const MsgTrunc = msgTrunc
