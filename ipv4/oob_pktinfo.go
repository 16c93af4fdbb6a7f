//go:build linux || darwin

package ipv4

import (
	"encoding/binary"
	"syscall"

	"github.com/seed88948545/vimage/internal/socket"
	"golang.org/x/sys/unix"
)

const msgTrunc = syscall.MSG_TRUNC

// Lengths of the values of control messages.
const (
	pktinfoLen = 12 // struct in_pktinfo: index, local address, destination
	ttlLen     = recvTTLLen
)

// putControl writes what the flags ask for of a received packet into oob, in
// the machine's format, so that ControlMessage.Parse reads it, and returns its
// length. What does not fit is left out.
func putControl(oob []byte, cf ControlFlags, info *socket.Recv) int {
	n := 0
	if cf&FlagTTL != 0 {
		if v := putHeader(oob, &n, recvTTL, ttlLen); v != nil {
			if v[0] = info.TTL; ttlLen == 4 {
				binary.NativeEndian.PutUint32(v, uint32(info.TTL))
			}
		}
	}
	if cf&^FlagTTL != 0 {
		if v := putHeader(oob, &n, unix.IP_PKTINFO, pktinfoLen); v != nil {
			binary.NativeEndian.PutUint32(v, info.IfIndex)
			dst := info.To.As4()
			copy(v[4:8], dst[:])
			copy(v[8:12], dst[:])
		}
	}
	return n
}

// putHeader begins a control message at oob[*n], moves *n behind it and returns
// the room for its value, nil where it does not fit.
func putHeader(oob []byte, n *int, typ, length int) []byte {
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
	binary.NativeEndian.PutUint32(b[wide:], syscall.IPPROTO_IP)
	binary.NativeEndian.PutUint32(b[wide+4:], uint32(typ))
	*n += len(b)
	return b[syscall.CmsgLen(0):][:length]
}

// getControl returns what ControlMessage.Marshal wrote, nil if there is nothing.
func getControl(oob []byte) *ControlMessage {
	if len(oob) == 0 {
		return nil
	}
	ms, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range ms {
		if m := &ms[i]; m.Header.Level == syscall.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= pktinfoLen {
			cm := &ControlMessage{IfIndex: int(int32(binary.NativeEndian.Uint32(m.Data)))}
			if src := m.Data[4:8]; [4]byte(src) != [4]byte{} {
				cm.Src = append(cm.Src, src...)
			}
			return cm
		}
	}
	return nil
}
