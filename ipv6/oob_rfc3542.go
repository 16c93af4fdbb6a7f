//go:build linux || darwin || freebsd

package ipv6

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seed88948545/vimage/internal/xnet"
)

// Lengths of the values of control messages, and where things are in them.
const (
	intLen      = 4
	pktinfoLen  = 20 // struct in6_pktinfo: address, index (RFC 3542 §6)
	sockaddrLen = 28 // struct sockaddr_in6 (RFC 3493 §3.3)
	mtuinfoLen  = 32 // struct ip6_mtuinfo: sockaddr_in6, MTU (RFC 3542 §11.3)

	sockaddrIP, sockaddrScope = 8, 24
)

// putControl writes what the flags ask for of cm into oob, in the machine's
// format, so that ControlMessage.Parse reads it, and returns its length. What does
// not fit is left out.
func putControl(oob []byte, cf ControlFlags, cm *ControlMessage) int {
	n := 0
	if cm == nil {
		return n
	}
	put := func(typ, length int) []byte {
		return xnet.PutControl(oob, &n, syscall.IPPROTO_IPV6, typ, length)
	}
	number := func(typ, value int) {
		if v := put(typ, intLen); v != nil {
			binary.NativeEndian.PutUint32(v, uint32(value))
		}
	}
	of6 := cm.Src != nil // of a packet of IPv6
	if cf&FlagTrafficClass != 0 && of6 {
		number(unix.IPV6_TCLASS, cm.TrafficClass)
	}
	if cf&FlagHopLimit != 0 && of6 {
		number(unix.IPV6_HOPLIMIT, cm.HopLimit)
	}
	if cf&(FlagDst|FlagInterface) != 0 {
		if v := put(unix.IPV6_PKTINFO, pktinfoLen); v != nil {
			copy(v, cm.Dst)
			binary.NativeEndian.PutUint32(v[16:], uint32(cm.IfIndex))
		}
	}
	if cf&FlagPathMTU != 0 && cm.MTU != 0 {
		if v := put(unix.IPV6_PATHMTU, mtuinfoLen); v != nil {
			copy(v[sockaddrIP:], cm.Dst)
			binary.NativeEndian.PutUint32(v[sockaddrScope:], uint32(cm.IfIndex))
			binary.NativeEndian.PutUint32(v[sockaddrLen:], uint32(cm.MTU))
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
	cm := new(ControlMessage)
	for i := range ms {
		m := &ms[i]
		if m.Header.Level != syscall.IPPROTO_IPV6 {
			continue
		}
		switch v := m.Data; {
		case m.Header.Type == unix.IPV6_TCLASS && len(v) >= intLen:
			cm.TrafficClass = number(v)
		case m.Header.Type == unix.IPV6_HOPLIMIT && len(v) >= intLen:
			cm.HopLimit = number(v)
		case m.Header.Type == unix.IPV6_PKTINFO && len(v) >= pktinfoLen:
			cm.Src, cm.IfIndex = address(v), number(v[16:])
		case m.Header.Type == unix.IPV6_NEXTHOP && len(v) >= sockaddrLen:
			cm.NextHop = address(v[sockaddrIP:])
		}
	}
	return cm
}

func number(v []byte) int { return int(int32(binary.NativeEndian.Uint32(v))) }

// address returns the address at the beginning of v, nil for ::.
func address(v []byte) []byte {
	if [16]byte(v) == [16]byte{} {
		return nil
	}
	return append([]byte(nil), v[:16]...)
}
