//go:build linux || darwin || freebsd

package xnet

import (
	"encoding/binary"
	"syscall"
)

// MsgTrunc is a bit of a message's flags: the packet was longer than its buffers.
const MsgTrunc = syscall.MSG_TRUNC

// PutControl begins a control message at oob[*n], moves *n behind it and returns
// the room for its value, nil where it does not fit.
func PutControl(oob []byte, n *int, level, typ, length int) []byte {
	b := oob[*n:]
	if len(b) < syscall.CmsgSpace(length) {
		return nil
	}
	b = b[:syscall.CmsgSpace(length)]
	clear(b)
	const wide = syscall.SizeofCmsghdr - 8 // the length field's size
	if wide == 8 {
		binary.NativeEndian.PutUint64(b, uint64(syscall.CmsgLen(length)))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(syscall.CmsgLen(length)))
	}
	binary.NativeEndian.PutUint32(b[wide:], uint32(level))
	binary.NativeEndian.PutUint32(b[wide+4:], uint32(typ))
	*n += len(b)
	return b[syscall.CmsgLen(0):][:length]
}
