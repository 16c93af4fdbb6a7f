package interop

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// respond answers, in a goroutine, ARP requests and echo requests for addr on
// the device until it is closed, which is done when the test ends.
func respond(t *testing.T, dev link.Device, mac wire.MAC, addr netip.Addr) {
	done := make(chan error, 1)
	go func() {
		frames, meta := buffers(dev, 32)
		for {
			n, err := dev.Read(frames, meta)
			if err != nil {
				done <- err
				return
			}
			for i := range n {
				if f := answer(frames[i][:meta[i].Len], mac, addr); f != nil {
					if _, err := dev.Write([][]byte{f}, []link.Meta{{Len: len(f)}}); err != nil {
						done <- err
						return
					}
				}
			}
		}
	}()
	t.Cleanup(func() {
		dev.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("responder: %v", err)
		}
	})
}

// answer turns a request into its answer in place, or returns nil.
func answer(f []byte, mac wire.MAC, addr netip.Addr) []byte {
	e, fault := wire.ParseEther(f)
	if fault != wire.OK {
		return nil
	}
	peer := e.Src()
	switch e.Type() {
	case wire.EtherTypeARP:
		a, fault := wire.ParseARP(e.Payload())
		if fault != wire.OK || a.Op() != wire.ARPRequest || a.TargetIP() != addr {
			return nil
		}
		wire.PutARP(a, wire.ARPReply, mac, addr, a.SenderMAC(), a.SenderIP())
	case wire.EtherTypeIPv4:
		p, fault := wire.ParseIPv4(e.Payload())
		if fault != wire.OK || p.Dst() != addr || p.Proto() != wire.ProtoICMP || len(p.Payload()) < 8 || p.Payload()[0] != 8 {
			return nil
		}
		dst := p.Src()
		p.SetDst(dst)
		p.SetSrc(addr)
		icmp := p.Payload()
		icmp[0] = 0
		binary.BigEndian.PutUint16(icmp[2:], 0)
		binary.BigEndian.PutUint16(icmp[2:], wire.Checksum(icmp))
	default:
		return nil
	}
	wire.PutEther(f, peer, mac, e.Type())
	return f
}

func buffers(dev link.Device, n int) ([][]byte, []link.Meta) {
	b := make([][]byte, n)
	for i := range b {
		b[i] = make([]byte, dev.Info().MaxFrame)
	}
	return b, make([]link.Meta, n)
}
