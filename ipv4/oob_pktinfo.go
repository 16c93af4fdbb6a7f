//go:build linux || darwin

package ipv4

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/xnet"
)

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
		if v := xnet.PutControl(oob, &n, syscall.IPPROTO_IP, recvTTL, ttlLen); v != nil {
			if v[0] = info.TTL; ttlLen == 4 {
				binary.NativeEndian.PutUint32(v, uint32(info.TTL))
			}
		}
	}
	if cf&^FlagTTL != 0 {
		if v := xnet.PutControl(oob, &n, syscall.IPPROTO_IP, unix.IP_PKTINFO, pktinfoLen); v != nil {
			binary.NativeEndian.PutUint32(v, info.IfIndex)
			dst := info.To.As4()
			copy(v[4:8], dst[:])
			copy(v[8:12], dst[:])
		}
	}
	return n
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
