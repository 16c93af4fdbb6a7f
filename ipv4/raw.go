package ipv4

import (
	"net"
	"net/netip"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/internal/xnet"
)

// ReadFrom reads a packet into b. It returns its header, its payload, which is
// a part of b, and what SetControlMessage has asked for, nil if that is nothing.
func (c *RawConn) ReadFrom(b []byte) (h *Header, p []byte, cm *ControlMessage, err error) {
	switch {
	case !c.valid():
		return nil, nil, nil, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.ReadFrom(b)
	}
	var info socket.Recv
	n, err := c.d.Sock.ReadMsg([][]byte{b}, &info, socket.ReadWait)
	if err == nil {
		h, p, err = split(b[:n])
	}
	if err != nil {
		return nil, nil, nil, c.o.IO("read", nil, err)
	}
	return h, p, controlMessage(c.flags.Get(), &info), nil
}

// split returns the header that a packet, of which the end may be missing,
// begins with, and what follows it.
func split(b []byte) (*Header, []byte, error) {
	if len(b) < HeaderLen || len(b) < wire.IPv4(b).HeaderLen() {
		return nil, nil, errHeaderTooShort
	}
	ip := wire.IPv4(b)
	h := &Header{
		Version: Version, Len: ip.HeaderLen(), TOS: int(ip.TOS()), TotalLen: ip.TotalLen(),
		ID: int(ip.ID()), FragOff: ip.FragOffset() / 8, TTL: int(ip.TTL()), Protocol: int(ip.Proto()),
		Checksum: int(ip.Checksum()), Src: ip.Src().AsSlice(), Dst: ip.Dst().AsSlice(),
	}
	if ip.DF() {
		h.Flags |= DontFragment
	}
	if ip.MF() {
		h.Flags |= MoreFragments
	}
	if o := ip.Options(); len(o) > 0 {
		h.Options = append([]byte(nil), o...)
	}
	return h, b[h.Len:], nil
}

// WriteTo sends a packet made of the header h and the payload p. The stack fills
// in version, lengths and checksum, and identification and source where they are
// zero. cm may be nil; its IfIndex is the interface the packet leaves by. The
// packet goes to h.Dst.
func (c *RawConn) WriteTo(h *Header, p []byte, cm *ControlMessage) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.WriteTo(h, p, cm)
	}
	b, dst, err := join(h, p)
	if err != nil {
		return err
	}
	_, err = c.d.Sock.WriteTo(b, netip.AddrPortFrom(dst, 0), howOf(cm))
	return c.o.IO("write", &net.IPAddr{IP: h.Dst}, err)
}

// join returns the packet of a header and a payload.
func join(h *Header, p []byte) ([]byte, netip.Addr, error) {
	if h == nil {
		return nil, netip.Addr{}, errNilHeader
	}
	src, dst := fromIP(h.Src), fromIP(h.Dst)
	switch {
	case h.Len < HeaderLen || len(h.Options) > wire.IPv4MaxLen-wire.IPv4Len:
		return nil, dst, errHeaderTooShort
	case !dst.IsValid():
		return nil, dst, xnet.ErrMissingAddress
	case !src.IsValid():
		src = netip.IPv4Unspecified()
	}
	hd := wire.IPv4Header{
		TOS: uint8(h.TOS), ID: uint16(h.ID), DF: h.Flags&DontFragment != 0, MF: h.Flags&MoreFragments != 0,
		FragOffset: h.FragOff & 0x1fff * 8, TTL: uint8(h.TTL), Proto: uint8(h.Protocol),
		Src: src, Dst: dst, Options: h.Options,
	}
	b := make([]byte, hd.Len(), hd.Len()+len(p))
	wire.PutIPv4(b, &hd, 0)
	return append(b, p...), dst, nil
}
