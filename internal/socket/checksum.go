package socket

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/wire"
)

// icmp6SumAt is where the checksum of an ICMPv6 message is.
const icmp6SumAt = 2

// SetChecksum has the stack fill in the checksum of what a raw IPv6 socket sends,
// and keep from it what has a wrong one: it is at that even offset in the payload;
// -1 for none (IPV6_CHECKSUM, RFC 3542 §3.1). ENOPROTOOPT for another socket,
// EINVAL for an odd offset, and for ICMPv6, whose place is known.
func (s *Datagram) SetChecksum(offset int) syscall.Errno {
	switch {
	case !s.Raw || !s.LocalAddr().Addr().Is6():
		return syscall.ENOPROTOOPT
	case offset < -1 || offset > 65534 || offset > 0 && offset%2 != 0:
		return syscall.EINVAL
	case s.Protocol == wire.ProtoICMPv6 && offset != icmp6SumAt:
		return syscall.EINVAL
	}
	s.Option(func(o *Options) { o.SumAt = int32(offset + 1) })
	return 0
}

// Checksum returns where a raw IPv6 socket has its checksum, -1 for none.
// ENOPROTOOPT for another socket.
func (s *Datagram) Checksum() (offset int, e syscall.Errno) {
	if !s.Raw || !s.LocalAddr().Addr().Is6() {
		return 0, syscall.ENOPROTOOPT
	}
	return s.sumAt(s.Opts.Load()), 0
}

func (s *Datagram) sumAt(o *Options) int {
	if s.Protocol == wire.ProtoICMPv6 {
		return icmp6SumAt
	}
	return int(o.SumAt) - 1
}

// LeastPayload returns how long what a raw IPv6 socket sends must be.
func (s *Datagram) LeastPayload(o *Options) int {
	if s.Protocol == wire.ProtoICMPv6 {
		return wire.ICMP6Len
	}
	if at := s.sumAt(o); at >= 0 {
		return at + 2
	}
	return 0
}

// PutChecksum writes the checksum of what a raw IPv6 socket sends from src to dst,
// which is as long as LeastPayload wants.
func (s *Datagram) PutChecksum(o *Options, m []byte, src, dst netip.Addr) {
	at := s.sumAt(o)
	if at < 0 {
		return
	}
	sum := m[at : at+2]
	sum[0], sum[1] = 0, 0
	n := wire.Fold(wire.Sum(m, wire.PseudoSum(src, dst, s.Protocol, len(m))))
	if n == 0 && s.Protocol == wire.ProtoUDP {
		n = 0xffff // RFC 8200 §8.1: 0 would mean none
	}
	binary.BigEndian.PutUint16(sum, n)
}

// ChecksumOK tells whether a packet has the checksum that a raw socket wants.
// ICMPv6 is checked before it comes here.
func (s *Datagram) ChecksumOK(ip wire.Packet) bool {
	o := s.Opts.Load()
	if o.SumAt == 0 || !ip.Is6() || s.Protocol == wire.ProtoICMPv6 {
		return true
	}
	m := ip.Payload()
	return len(m) >= s.LeastPayload(o) && wire.Fold(wire.Sum(m, wire.PseudoSum(ip.Src(), ip.Dst(), ip.Proto(), len(m)))) == 0
}
